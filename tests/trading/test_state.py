from __future__ import annotations

import pytest

from mmbot.trading.commands import Place
from mmbot.trading.event_state import EventState
from mmbot.trading.events import BeliefFormed, Filled, ListingRead, Woken, WriteRefused
from mmbot.underlying.calendar import CalendarClock
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    NOW,
    Bench,
    belief,
    book,
    event,
    fill,
    market,
    only,
)

HALF_HOUR = 30 * 60_000
SECOND_COUNT = BeliefFormed(belief(known=2))


def told_of_a_count() -> Bench:
    """A bench with orders in the lowest and the middle market and a count that is news."""
    bench = Bench()
    bench.start()
    bench.handle(SECOND_COUNT, book(LOW, 6000, 9000), book())
    return bench


def bids(bench: Bench, after: int) -> set[str]:
    """The markets in which a bid is placed after a while, when the time has come to look again."""
    return {p.ticker for p in only(Place, bench.handle(Woken(), after=after)) if p.side == "bid"}


def taken(bench: Bench) -> None:
    """Have the middle market's bid filled whole."""
    bid = next(o for o in bench.engine.state.orders.of(MIDDLE) if o.side == "bid")
    bench.handle(Filled(fill("t-1", "o-bid", bid.count, client_id=bid.client_id)))


def test_a_market_that_is_hit_while_a_count_is_news_gets_no_new_order_for_half_an_hour() -> None:
    bench = told_of_a_count()
    taken(bench)
    assert bench.reason() == "taken_on_news"
    assert bench.wake is not None
    assert MIDDLE not in bids(bench, after=HALF_HOUR - 1)
    assert MIDDLE in bids(bench, after=1)
    assert bench.reason() == ""


def test_the_other_markets_are_quoted_on() -> None:
    bench = told_of_a_count()
    taken(bench)
    assert bench.reason(LOW) == ""


def test_half_an_hour_after_a_count_a_fill_is_nothing_special() -> None:
    bench = told_of_a_count()
    bench.handle(Woken(), after=HALF_HOUR)
    taken(bench)
    assert bench.reason() == ""


@pytest.mark.parametrize("known", [0, 1])
def test_a_belief_without_a_new_count_is_no_news(known: int) -> None:
    bench = Bench()
    bench.rest()
    bench.handle(BeliefFormed(belief(known=known)))
    taken(bench)
    assert bench.reason() != "taken_on_news"


def test_the_first_belief_of_a_session_is_no_news() -> None:
    bench = Bench()
    bench.rest()
    taken(bench)
    assert bench.reason() == ""


def test_news_is_half_an_hour_old_sooner_where_the_calendar_runs_faster() -> None:
    event_state = EventState(event())
    clock = CalendarClock(NOW, NOW, speed=10.0)
    event_state.update_belief(belief(known=1), NOW, clock)
    event_state.update_belief(belief(known=2), NOW, clock)
    assert event_state.news_until == NOW + HALF_HOUR // 10


def test_a_count_is_still_news_when_the_event_gains_a_market() -> None:
    bench = Bench()
    bench.listed = event(market(LOW), market(MIDDLE))
    strikes = tuple(each.strike for each in bench.listed.markets)
    bench.start()
    for known in (1, 2):
        bench.handle(BeliefFormed(belief((0.8, 0.5), known, strikes)))
    bench.handle(ListingRead("", (event(),)))
    event_state = bench.engine.state.events[bench.listed.ticker]
    assert HIGH in event_state.markets
    assert event_state.news_until == bench.now + HALF_HOUR


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    bench = told_of_a_count()
    ask = next(o for o in bench.engine.state.orders.of(MIDDLE) if o.side == "ask")
    taken(bench)
    bench.handle(WriteRefused(ask.client_id, "place", "post_only_cross", ""))
    assert MIDDLE not in {p.ticker for p in only(Place, bench.handle(Woken(), after=1_000))}
    assert bench.reason() == "taken_on_news"
