"""The venue in time: opening, closing, releases, settlement."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.timetable import maintenance_windows, releases
from mmbot.exchange.venue import SimulatedVenue
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import Price

TICKER = "KXTSAW-26APR19-A2.45"
OTHER = "KXTSAW-26APR19-A2.50"
MONDAY = dt.datetime(2026, 4, 20, tzinfo=EASTERN)


def test_positions_pay_out_on_the_mean_strictly_above_the_strike(
    bench: Any, maker: Any, taker: Any
) -> None:
    money = bench.total_money()
    # The counts average 2,460,000: 2.45 pays, 2.50 does not.
    maker.place("bid", "0.6000")
    taker.place("ask", "0.6000")
    maker.place("bid", "0.3000", ticker=OTHER)
    taker.place("ask", "0.3000", ticker=OTHER)
    bench.wait_until(MONDAY.replace(hour=10, minute=2))
    _, body = maker.call("GET", "/portfolio/settlements")
    results = {s["ticker"]: (s["market_result"], s["revenue"]) for s in body["settlements"]}
    assert results == {TICKER: ("yes", 1_000), OTHER: ("no", 0)}
    assert maker.cash() == 1_000_000_000 - 6_000_000 - 3_000_000 + 10_000_000
    assert bench.total_money() == money
    assert maker.call("GET", "/portfolio/positions")[1]["market_positions"] == []
    settled = maker.call("GET", "/portfolio/positions", settlement_status="settled")[1]
    assert {p["realized_pnl_dollars"] for p in settled["market_positions"]} == {
        "4.000000",
        "-3.000000",
    }


def test_markets_close_are_determined_and_settle_in_turn(bench: Any, maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("market_lifecycle_v2")

    def status() -> str:
        return str(bench.public(f"/markets/{TICKER}")[1]["market"]["status"])

    bench.wait_until(dt.datetime(2026, 4, 19, 23, 59, tzinfo=EASTERN))
    assert status() == "closed"
    assert stream.frames() == []
    bench.wait_until(MONDAY.replace(hour=10, second=30))
    assert status() == "determined"
    bench.wait_until(MONDAY.replace(hour=10, minute=1))
    market = bench.public(f"/markets/{TICKER}")[1]["market"]
    assert (market["status"], market["result"]) == ("finalized", "yes")
    assert (market["expiration_value"], market["settlement_value_dollars"]) == (
        "2,460,000",
        "1.0000",
    )
    told = [f["msg"] for f in stream.frames() if f["msg"]["market_ticker"] == TICKER]
    assert [m["event_type"] for m in told] == ["determined", "settled"]
    assert (told[0]["result"], told[0]["settlement_value"]) == ("yes", "1.0000")
    assert told[1]["settled_ts"] == bench.now // 1000


def test_an_amended_market_is_determined_anew_and_pays_by_its_last_result(
    bench: Any, maker: Any, taker: Any
) -> None:
    stream = maker.stream()
    stream.subscribe("market_lifecycle_v2")
    maker.place("bid", "0.6000")
    taker.place("ask", "0.6000")

    def shown() -> tuple[str, str]:
        market = bench.public(f"/markets/{TICKER}")[1]["market"]
        return market["status"], market["result"]

    bench.wait_until(MONDAY.replace(hour=10, second=30))
    bench.venue.dispute_market(TICKER, bench.now)
    bench.wait_until(MONDAY.replace(hour=10, second=46))
    assert shown() == ("disputed", "yes")
    bench.venue.amend_market(TICKER, "no", bench.now)
    told = [f["msg"] for f in stream.frames() if f["msg"]["market_ticker"] == TICKER]
    assert [(m["event_type"], m["result"]) for m in told] == [
        ("determined", "yes"),
        ("determined", "no"),
    ]
    bench.wait_until(MONDAY.replace(hour=10, minute=1, second=20))
    assert shown() == ("finalized", "no")
    assert maker.cash() == 1_000_000_000 - 6_000_000


def test_an_average_on_the_strike_is_not_above_it() -> None:
    week = Week(dt.date(2026, 4, 19))
    start = to_milliseconds(week.settles)
    venue = SimulatedVenue(
        SimulatedExchangeSettings(),
        CalendarClock(),
        weeks=[week],
        counts=dict.fromkeys(week.days, 2_450_000),
        releases=[],
        rng=random.Random(1),
    )
    venue.advance(start + 60_000)
    markets = venue.exchange.engine.markets
    assert (markets[TICKER].result, markets["KXTSAW-26APR19-A2.40"].result) == ("no", "yes")


def test_a_moved_close_counts_and_the_old_one_does_not(bench: Any, maker: Any) -> None:
    bench.venue.move_close(TICKER, bench.now + 60_000, bench.now)
    bench.wait(60_000)
    assert maker.refused("bid", "0.4200")[1] == "MARKET_INACTIVE"
    later = to_milliseconds(dt.datetime(2026, 4, 20, 1, 0, tzinfo=EASTERN))
    bench.venue.move_close(OTHER, later, bench.now)
    bench.wait_until(dt.datetime(2026, 4, 20, 0, 30, tzinfo=EASTERN))
    maker.place("bid", "0.4200", ticker=OTHER)


def test_the_venue_returns_when_it_is_to_be_called_next(bench: Any, maker: Any) -> None:
    maker.place("bid", "0.4200", expiration_time=bench.now // 1000 + 5)
    assert bench.venue.next_event_at() == (bench.now // 1000 + 5) * 1000
    bench.wait(5_000)
    assert bench.venue.next_event_at() > bench.now


def test_a_market_opens_by_itself_at_the_weeks_opening() -> None:
    week = Week(dt.date(2026, 4, 19))
    opens = to_milliseconds(week.opens)
    venue = SimulatedVenue(
        SimulatedExchangeSettings(),
        CalendarClock(),
        weeks=[week],
        counts={},
        releases=[],
        rng=random.Random(1),
    )
    venue.advance(opens - 1)
    assert venue.exchange.engine.markets[TICKER].status == "initialized"
    venue.advance(opens)
    assert venue.exchange.engine.markets[TICKER].status == "active"


def test_a_fast_calendar_keeps_wall_time_on_the_wire() -> None:
    week = Week(dt.date(2026, 4, 19))
    clock = CalendarClock(1_000_000_000_000, to_milliseconds(week.opens), 10_000.0)
    venue = SimulatedVenue(
        SimulatedExchangeSettings(),
        clock,
        weeks=[week],
        counts={},
        releases=[],
        rng=random.Random(1),
    )
    market = venue.exchange.engine.markets[TICKER]
    assert market.terms.open_ms == 1_000_000_000_000
    assert market.close_ms - market.terms.open_ms == 56_874  # 157 h 59 min in ten-thousandths


def test_a_further_event_is_announced_with_its_markets(bench: Any, maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("market_lifecycle_v2")
    event = bench.venue.add_event(Week(dt.date(2026, 4, 26)), bench.now)
    frames = stream.frames()
    assert frames[0]["type"] == "event_lifecycle"
    assert frames[0]["msg"]["event_ticker"] == event.ticker == "KXTSAW-26APR26"
    assert [f["msg"]["event_type"] for f in frames[1:]] == ["created"] * 21
    _, body = bench.public("/markets", status="unopened")
    assert len(body["markets"]) == 21


def test_releases_come_between_twenty_past_and_ten_to_nine() -> None:
    planned = releases(dt.date(2026, 4, 13), dt.date(2026, 4, 19), random.Random(3), TSA)
    assert [r.at.date().isoformat() for r in planned] == [
        "2026-04-14",
        "2026-04-15",
        "2026-04-16",
        "2026-04-17",
        "2026-04-20",
    ]
    assert [len(r.days) for r in planned] == [1, 1, 1, 1, 3]
    assert all(dt.time(8, 20) <= r.at.time() < dt.time(8, 50) for r in planned)


def test_maintenance_is_on_thursdays_from_three_to_five() -> None:
    start, end = maintenance_windows(dt.datetime(2026, 4, 16, 4, tzinfo=EASTERN), weeks=1)[0]
    assert (start.isoformat(), end.isoformat()) == (
        "2026-04-16T03:00:00-04:00",
        "2026-04-16T05:00:00-04:00",
    )
    (following,) = maintenance_windows(end, weeks=1)
    assert following[0].date() == dt.date(2026, 4, 23)


def test_a_market_may_pay_a_fraction_of_a_dollar(bench: Any, maker: Any, taker: Any) -> None:
    maker.place("ask", "0.4000", "10.00")
    taker.place("bid", "0.4000", "10.00")
    before = (maker.cash(), taker.cash())
    money = bench.total_money()
    bench.venue.pay_fraction(TICKER, Price(3_800), bench.now)
    bench.wait_until(MONDAY + dt.timedelta(days=1))
    _, shown = bench.public(f"/markets/{TICKER}")
    assert (shown["market"]["result"], shown["market"]["settlement_value_dollars"]) == (
        "scalar",
        "0.3800",
    )
    # The ten YES are paid 3.80, and the ten NO the rest of ten dollars.
    assert (maker.cash() - before[0], taker.cash() - before[1]) == (6_200_000, 3_800_000)
    assert bench.total_money() == money


def test_a_determined_market_may_be_amended_to_a_fraction(bench: Any) -> None:
    market = bench.venue.exchange.market(TICKER)
    bench.wait_until(MONDAY)
    for _ in range(24 * 360):
        if market.result:
            break
        bench.wait(10_000)
    assert (market.result, market.settled_ms) == ("yes", None)
    bench.venue.pay_fraction(TICKER, Price(3_800), bench.now)
    assert (market.status, market.yes_value) == ("amended", 3_800)


def test_odd_rows_are_listed_and_sent_as_they_are(bench: Any, maker: Any) -> None:
    odd, row = bench.venue.exchange.oddities, {"order_id": None, "book_side": "sideways"}
    odd.orders.append(row)
    odd.positions.append(row)
    odd.events.append({"event_ticker": 3})
    assert maker.call("GET", "/portfolio/orders", status="resting")[1]["orders"] == [row]
    assert maker.call("GET", "/portfolio/positions")[1]["market_positions"] == [row]
    stream = maker.stream()
    stream.subscribe("fill", "user_orders", "market_lifecycle_v2")
    bench.venue.send_row("somebody else", "fill", "fill", row, bench.now)
    bench.venue.send_row(maker.user_id, "fill", "fill", row, bench.now)
    assert [frame["msg"] for frame in stream.frames("fill")] == [row]
    bench.venue.change_row(TICKER, {"strike_type": "between"}, bench.now)
    assert len(stream.frames("event_lifecycle")) == 1
    _, answer = bench.public("/events", with_nested_markets="true")
    assert answer["events"][-1] == {"event_ticker": 3}
    kinds = {m["ticker"]: m["strike_type"] for m in answer["events"][0]["markets"]}
    assert (kinds[TICKER], kinds[OTHER]) == ("between", "greater")
