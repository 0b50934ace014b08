from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.commands import RecordPnlMark
from mmbot.trading.events import BeliefFormed, ListingRead, SessionStarted, StreamUp, Woken
from mmbot.trading.losses import DailyLosses
from mmbot.units import Money
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    Bench,
    belief,
    fill,
    fills_listed,
    market_settled,
    only,
    pnl_mark,
)

TODAY, TOMORROW = dt.date(2026, 11, 24), dt.date(2026, 11, 25)
EVENT = "T-26NOV29"


@given(st.lists(st.integers(-(10**8), 10**8).map(Money), min_size=1))
def test_a_days_loss_is_what_was_there_at_its_start_less_what_is_there_now(
    course: list[Money],
) -> None:
    losses = DailyLosses()
    for pnl in course:
        losses.mark(TODAY, "A", pnl)
    assert losses.loss(TODAY) == -course[-1]
    losses.mark(TOMORROW, "A", course[0])
    assert losses.loss(TOMORROW) == course[-1] - course[0]


def test_events_are_added_up() -> None:
    losses = DailyLosses()
    losses.mark(TODAY, "A", Money(-3_000_000))
    losses.mark(TODAY, "B", Money(1_000_000))
    assert losses.loss(TODAY) == 2_000_000


def test_only_news_is_written_down() -> None:
    losses = DailyLosses()
    assert losses.mark(TODAY, "A", Money(-100_000)) == pnl_mark(TODAY, "A", 0, -100_000)
    assert losses.mark(TODAY, "A", Money(-199_999)) is None
    assert losses.mark(TODAY, "A", Money(-200_000)) == pnl_mark(TODAY, "A", 0, -200_000)
    assert losses.mark(TOMORROW, "A", Money(-200_000)) == pnl_mark(
        TOMORROW, "A", -200_000, -200_000
    )


def test_a_restart_does_not_wipe_a_loss_out() -> None:
    losses = DailyLosses()
    losses.restore(
        [pnl_mark(TODAY, "GONE", 0, -5_000_000), pnl_mark(TODAY, "A", -1_000_000, -2_000_000)]
    )
    assert losses.loss(TODAY) == 6_000_000
    losses.mark(TODAY, "A", Money(-4_000_000))
    assert losses.loss(TODAY) == 8_000_000
    assert losses.loss(TOMORROW) == 0


def bought(bench: Bench, price: int = 6000) -> None:
    """Ten contracts of YES at the middle strike, which the belief holds to be worth 50 cents."""
    bench.handle(fills_listed(fill("t-1", "o-1", 1000, price=price)), after=250)


def test_positions_are_marked_to_fair_value_and_written_down() -> None:
    bench = Bench()
    bench.start()
    bought(bench)
    (mark,) = [command.mark for command in only(RecordPnlMark, bench.all_commands)][-1:]
    assert mark == pnl_mark(TODAY, EVENT, 0, -1_000_000)


def test_a_day_that_has_cost_its_limit_only_reduces_until_the_next() -> None:
    bench = Bench(limits={"daily_loss_dollars": 1.0})
    bench.quote()
    bought(bench)
    bench.handle(Woken(), after=250)
    assert bench.engine.state.event_of_market[MIDDLE].reduce_only
    bench.handle(BeliefFormed(belief(known=2)), Woken(), after=86_400_000)
    assert not bench.engine.state.event_of_market[MIDDLE].reduce_only


def test_losses_of_an_earlier_session_count() -> None:
    bench = Bench(limits={"daily_loss_dollars": 1.0})
    bench.handle(SessionStarted(0, (pnl_mark(TODAY, "T-26NOV22", 0, -1_000_000),)))
    bench.quote()
    assert bench.reason() == "reduce_only"


def test_a_settled_event_is_marked_with_what_it_paid() -> None:
    bench = Bench()
    bench.start()
    bought(bench)
    for ticker, value in ((LOW, 10_000), (MIDDLE, 10_000), (HIGH, 0)):
        bench.handle(market_settled(ticker, value))
    assert only(RecordPnlMark, bench.all_commands)[-1].mark.latest == 4_000_000


def test_nothing_is_marked_before_the_account_has_been_read() -> None:
    bench = Bench()
    bench.handle(SessionStarted(0, (pnl_mark(TODAY, EVENT, 0, -7_000_000),)))
    bench.handle(StreamUp(), ListingRead("", (bench.listed,)), BeliefFormed(belief()))
    assert not only(RecordPnlMark, bench.all_commands)
    assert bench.engine.state.losses.loss(TODAY) == 7_000_000
