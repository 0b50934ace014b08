"""What fills and orders may lose in markets of an event that could not be read."""

from __future__ import annotations

from mmbot.trading.commands import Cancel
from mmbot.trading.event_state import EventState
from mmbot.trading.events import ListingRead, Reconciled
from mmbot.trading.unlisted_markets import UnlistedMarkets
from mmbot.units import Money
from tests.trading.builders import (
    HIGH,
    LOW,
    PLENTY,
    Bench,
    event,
    fill,
    market,
    only,
    reported,
)

WITHOUT_MIDDLE = event(market(LOW), market(HIGH))
TEN_AT_41_CENTS = Money(4_100_000)


def state_of(bench: Bench) -> EventState:
    return bench.engine.state.events[WITHOUT_MIDDLE.ticker]


def without_middle() -> Bench:
    """A bot that knows two of the event's three markets."""
    bench = Bench()
    bench.listed = WITHOUT_MIDDLE
    bench.start()
    return bench


def beside_a_stray() -> Bench:
    """One for which an order of an earlier session rests in the third."""
    bench = without_middle()
    bench.handle(Reconciled((reported("mmbot-e-1"),), (), {0: PLENTY}))
    return bench


def test_an_order_in_a_market_that_is_not_known_counts_as_lost() -> None:
    state = beside_a_stray().engine.state
    floor = state.floor(state.events[WITHOUT_MIDDLE.ticker])
    assert floor == TEN_AT_41_CENTS - state.loss_limit()


def test_it_counts_when_it_is_off_as_it_may_have_been_filled_before() -> None:
    bench = beside_a_stray()
    bench.handle(Reconciled((reported("mmbot-e-1", remaining=400),), (), {0: PLENTY}))
    bench.handle(Reconciled((), (), {0: PLENTY}))
    assert state_of(bench).unlisted.loss == TEN_AT_41_CENTS


def test_it_counts_as_any_order_once_its_market_is_known() -> None:
    bench = beside_a_stray()
    bench.handle(ListingRead("", (event(),)))
    assert state_of(bench).unlisted.loss == 0


def test_an_order_of_no_known_event_is_cancelled_and_counts_nowhere() -> None:
    bench = without_middle()
    stray = Reconciled((reported("mmbot-e-1", ticker="OTHER"),), (), {0: PLENTY})
    assert only(Cancel, bench.handle(stray))
    assert state_of(bench).unlisted.loss == 0


def test_fills_count_by_the_worse_of_their_markets_results() -> None:
    unlisted = UnlistedMarkets()
    unlisted.count_fills(
        [fill("t-1", "o-1", 1000, price=4100), fill("t-2", "o-2", 500, price=9000, side="ask")]
    )
    assert unlisted.loss == 0
    unlisted.count_fills([fill("t-1", "o-1", 1000, price=4100)])
    assert unlisted.loss == TEN_AT_41_CENTS
