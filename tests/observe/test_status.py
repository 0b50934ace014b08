"""The status says what the state holds: whole, exact, in words."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import pytest
from rich.console import Console

from mmbot.bot.latency import Latency
from mmbot.observe.status import status
from mmbot.observe.status_view import status_view
from mmbot.status_report import (
    EventStatus,
    LatencyStatus,
    MarketStatus,
    StatusReport,
    Surroundings,
)
from mmbot.trading.events import Filled, StreamLost, Woken
from mmbot.trading.gates import Gate
from mmbot.trading.operator_events import Halted, Resumed
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.counts import Counts
from tests.trading.builders import (
    LOW,
    MIDDLE,
    NOW,
    WEEK,
    Bench,
    book,
    fill,
    market_settled,
)

MONDAY = dt.date(2026, 11, 23)
COUNTS, _ = Counts().observe(MONDAY, 2_700_000, assumed_release(MONDAY))
AROUND = Surroundings("1f", NOW - 60_000, 42, "https://exchange.test", "/state", 20, 300)


def shown(bench: Bench, around: Surroundings = AROUND) -> StatusReport:
    return status(bench.engine.state, COUNTS, around, bench.now)


def only_event(bench: Bench) -> EventStatus:
    (event,) = shown(bench).events
    return event


def market_of(bench: Bench, ticker: str = MIDDLE) -> MarketStatus:
    return next(each for each in only_event(bench).markets if each.market == ticker)


def text_of(report: StatusReport, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(status_view(report))
    return capture.get()


def traded() -> Bench:
    """A bench that bought 5 of the 10 that it bid for, below a fair value of .5."""
    bench = Bench()
    places = bench.rest()
    bought = fill("t", "o-bid", 500, int(places["bid"].price), fee=10_000, at=bench.now)
    bench.handle(Filled(bought))
    return bench


def test_a_session_that_has_learnt_nothing_yet_shows_why_it_does_not_quote() -> None:
    report = shown(Bench())
    assert not report.quoting
    assert report.gate is not None
    assert (report.gate.gate, report.gate.meaning) == ("no_stream", Gate.NO_STREAM.meaning)
    assert report.events == ()
    assert (report.session, report.process, report.since) == ("1f", 42, NOW - 60_000)
    assert (report.ages.stream_ms, report.ages.account_ms) == (20, None)


def test_a_quoting_session_shows_its_orders_beside_the_best_prices_of_others() -> None:
    bench = Bench()
    places = bench.rest()
    market = market_of(bench)
    assert (market.belief, market.fair) == (0.5, 0.5)
    assert market.book_bid is not None
    assert (market.book_bid.price, market.book_bid.count) == ("0.4000", "100.00")
    assert {order.side: order.price for order in market.quotes} == {
        side: f"{place.price / 10_000:.4f}" for side, place in places.items()
    }
    assert {(order.count, order.state) for order in market.quotes} == {("10.00", "resting")}
    assert market.gate is None
    report = shown(bench)
    assert report.quoting
    assert report.gate is None
    assert report.gates == {"no_book": 2}


def test_own_contracts_are_not_shown_as_those_of_others() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(book(MIDDLE, int(bid.price), 6000, 2_500))
    best = market_of(bench).book_bid
    assert best is not None
    assert (best.price, best.count) == (f"{bid.price / 10_000:.4f}", "15.00")


def test_ages_grow_from_what_was_read_last() -> None:
    bench = Bench()
    bench.start()
    bench.now += 5_000
    ages = shown(bench).ages
    assert (ages.account_ms, ages.listing_ms, ages.belief_ms) == (5_000, 5_000, 5_000)


def test_a_forecast_is_shown_with_its_outcomes_and_days() -> None:
    bench = Bench()
    bench.start()
    event = only_event(bench)
    assert event.forecast is not None
    assert (event.forecast.mean, event.forecast.sd) == (2_700_000.0, 80_000.0)
    assert [o.probability for o in event.outcomes] == [0.2, 0.3, 0.3, 0.2]
    assert [o.above for o in event.outcomes] == [None, 2_600_000, 2_700_000, 2_800_000]
    assert (event.week, event.days_published) == (WEEK.sunday, 1)
    assert [each.state for each in event.days] == ["published", *["expected"] * 6]
    assert event.days[0].count == 2_700_000


def test_pnl_adds_up_from_the_fills_at_fair_and_at_worst() -> None:
    bench = traded()
    report, market = shown(bench), market_of(bench)
    paid = -float(market.cash)
    assert paid == pytest.approx(5 * 0.41 + 0.01)
    assert market.position == "5.00"
    assert float(market.pnl_worst) == -paid
    assert market.fair is not None
    assert float(market.pnl_fair or "") == round(5 * market.fair - paid, 6)
    event = only_event(bench)
    assert (event.pnl_fair, event.pnl_worst) == (market.pnl_fair, market.pnl_worst)
    assert float(event.pnl_worst_if_filled) < float(event.pnl_worst)
    assert (report.pnl.today_fair, report.pnl.today_worst) == (event.pnl_fair, event.pnl_worst)
    assert report.pnl.week == event.event


def test_what_was_won_yesterday_is_not_todays() -> None:
    bench = traded()
    bench.handle(Woken(), after=2_000)
    before = only_event(bench).pnl_fair
    bench.now += 24 * 3_600_000
    event = only_event(bench)
    assert event.pnl_fair == before
    assert event.pnl_today_fair == "0.000000"


def test_while_no_event_of_the_week_is_listed_the_latest_is_the_weeks() -> None:
    bench = traded()
    bench.handle(Woken(), after=2_000)
    bench.now += 6 * 24 * 3_600_000
    pnl = shown(bench).pnl
    assert (pnl.week, pnl.week_fair) == (only_event(bench).event, only_event(bench).pnl_fair)


def test_a_settled_market_counts_with_its_payout() -> None:
    bench = traded()
    bench.handle(market_settled(MIDDLE, 10_000, final=True))
    market = market_of(bench)
    assert (market.result, market.settled) == ("1.0000", True)
    assert market.pnl_fair == market.pnl_worst == "2.940000"


def test_the_limits_show_what_they_have_left() -> None:
    bench = traded()
    limits = {each.limit: each for each in shown(bench).limits}
    event = only_event(bench)
    assert limits["event_loss_dollars"].scope == event.event
    lost = -float(event.pnl_worst_if_filled)
    assert float(limits["event_loss_dollars"].used or "") == lost
    assert float(limits["event_loss_dollars"].left or "") == round(100 - lost, 6)
    position = limits["contracts_per_market"]
    assert (position.scope, position.left) == (MIDDLE, "95.00")
    assert limits["orders"].left == "98"
    assert limits["contracts_per_15_seconds"].used is None


def test_a_halt_shows_its_reason_until_it_is_ended() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(Halted(NOW - 1_000, "storm"))
    halt = shown(bench).halt
    assert halt is not None
    assert (halt.since, halt.reason) == (NOW - 1_000, "storm")
    bench.handle(Resumed())
    assert shown(bench).halt is None


def test_problems_and_unknown_words_are_passed_on() -> None:
    around = msgspec.structs.replace(AROUND, problems=("mend it",), unknown_words={"x": 2})
    report = shown(Bench(), around)
    assert (report.problems, report.unknown_words) == (("mend it",), {"x": 2})


def test_it_is_the_same_after_a_journey_as_json() -> None:
    report = shown(traded())
    assert msgspec.json.decode(msgspec.json.encode(report), type=StatusReport) == report


# In a terminal


def test_a_person_reads_it_in_eighty_columns() -> None:
    bench = traded()
    bench.handle(book(LOW, 100, 9900))
    text = text_of(shown(bench))
    assert max(map(len, text.splitlines())) <= 80
    assert "QUOTING 2 of 3 markets" in text
    assert "0.500" in text
    assert "+5" in text
    assert f"A2.8 no_book: {Gate.NO_BOOK.meaning}" in " ".join(text.split())


def test_the_widest_figures_fit() -> None:
    bench = traded()
    bench.handle(book(MIDDLE, 4055, 5955, 99_928))
    text = text_of(shown(bench))
    assert "\u2026" not in text
    assert "999@.4055" in text


def test_what_keeps_everything_off_stands_in_words() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(StreamLost())
    text = " ".join(text_of(shown(bench)).split())
    assert "NOT QUOTING" in text
    assert f"no_stream: {Gate.NO_STREAM.meaning}" in text
    bench.handle(Halted(NOW, "storm"))
    assert "HALTED" in text_of(shown(bench))
    assert "storm" in text_of(shown(bench))


def test_without_an_event_it_says_so() -> None:
    assert "No event is open." in text_of(shown(Bench()))


def test_the_calendars_time_is_told_with_the_name_of_its_zone() -> None:
    told = msgspec.to_builtins(shown(Bench()))
    at = dt.datetime.fromisoformat(told["calendar"])
    assert at.utcoffset() == at.astimezone(ZoneInfo(told["zone"])).utcoffset()
    assert told["zone"] == "America/New_York"


# How quick it is


def quick() -> Surroundings:
    latency = Latency()
    latency.frames = 3
    latency.order_us.add(310.0)
    latency.age_ms.add(12.0)
    latency.lag_ms.add(0.2)
    return msgspec.structs.replace(AROUND, latency=LatencyStatus.of(latency))


def test_how_quick_it_was_is_told_for_programs_as_in_the_log() -> None:
    told = msgspec.to_builtins(shown(Bench(), quick()))["latency"]
    assert told["frames"] == 3
    assert told["order_us"] == {"n": 1, "p50": 310.0, "p99": 310.0, "max": 310.0}
    assert told["risk_cent_seconds"] is None


def test_how_quick_it_was_is_told_in_a_line_of_what_was_measured() -> None:
    text = " ".join(text_of(shown(Bench(), quick())).split())
    assert (
        "quick order 0.31 ms after its frame (p99 0.31), data 12 ms old (p99 12), loop 0.2 ms late "
        "(p99 0.2) " in text
    )
    assert "quick nothing measured yet" in " ".join(
        text_of(
            shown(Bench(), msgspec.structs.replace(AROUND, latency=LatencyStatus.of(Latency())))
        ).split()
    )


def test_cash_is_said_to_be_that_before_what_open_events_have_cost() -> None:
    bench = Bench()
    bench.start()
    assert "before open events; 0 orders live" in " ".join(text_of(shown(bench)).split())
