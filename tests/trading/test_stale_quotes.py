from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.trading.commands import Cancel, Command, Note, Place
from mmbot.trading.events import BeliefFormed, LimitsRead, ListingRead, Woken
from mmbot.trading.quoting import danger
from tests.trading.builders import (
    CLOSES,
    HIGH,
    LOW,
    MIDDLE,
    STRIKES,
    Bench,
    belief,
    book,
    market_settled,
    only,
    order_cancelled,
    order_placed,
)

MOVED = BeliefFormed(belief((0.69, 0.5, 0.2)))


def exposures(commands: Iterable[Command]) -> list[Note]:
    return [note for note in only(Note, commands) if note.name == "belief.exposure"]


def whole_event() -> Bench:
    """A bench whose quotes rest in all three markets, a cent below and above fair value."""
    bench = Bench(quoting={"margin": 0.0})
    bench.start()
    for ticker in STRIKES:
        for place in only(Place, bench.handle(book(ticker, None, None))):
            bench.handle(order_placed(place.client_id, f"o-{place.side}"))
    assert len(bench.engine.state.orders) == 6
    return bench


def wrong_bid(commands: Iterable[Command]) -> Cancel:
    (cancel,) = [c for c in only(Cancel, commands) if (c.ticker, c.order_id) == (LOW, "o-bid")]
    return cancel


def test_cents_times_contracts_times_seconds_are_logged_once_the_last_wrong_quote_is_off() -> None:
    bench = whole_event()
    # 79 cents are bid ten times for what is worth 69 now.
    cancel = wrong_bid(bench.handle(MOVED, after=1_000))
    assert not exposures(bench.handle(Woken(), after=500))
    (line,) = exposures(bench.handle(order_cancelled(cancel.client_id, 1_000), after=1_500))
    assert line.fields["cent_seconds"] == pytest.approx(10 * 10 * 2)
    assert (line.fields["orders"], line.fields["seconds"]) == (1, 2.0)
    assert not exposures(bench.handle(Woken(), after=500))


def test_a_belief_that_makes_no_quote_wrong_says_nothing() -> None:
    bench = whole_event()
    bench.handle(BeliefFormed(belief((0.801, 0.501, 0.201))))
    assert not exposures(bench.handle(Woken(), after=5_000))
    assert not exposures(bench.all_commands)


def test_what_the_next_belief_finds_still_standing_is_counted_until_then() -> None:
    bench = whole_event()
    cancel = wrong_bid(bench.handle(MOVED, after=1_000))
    (line,) = exposures(bench.handle(BeliefFormed(belief((0.59, 0.5, 0.2))), after=1_000))
    assert line.fields["cent_seconds"] == pytest.approx(10 * 10)
    (line,) = exposures(bench.handle(order_cancelled(cancel.client_id, 1_000), after=500))
    assert line.fields["cent_seconds"] == pytest.approx(20 * 10 / 2)


def test_an_event_that_was_dropped_leaves_no_belief_behind() -> None:
    bench = Bench()
    bench.start()
    formed = BeliefFormed(belief((0.7, 0.5, 0.2)))
    before = sys.getrefcount(formed.belief)
    bench.handle(formed)
    meanwhile = sys.getrefcount(formed.belief)
    bench.handle(*(market_settled(ticker, 0, final=True) for ticker in STRIKES))
    bench.handle(ListingRead("", ()), after=CLOSES)
    after = sys.getrefcount(formed.belief)
    assert not bench.engine.state.events
    assert before == after < meanwhile


fairs = st.lists(st.floats(0.05, 0.95), min_size=3, max_size=3)


@settings(deadline=None)
@given(fairs, st.integers(1, 6))
def test_the_most_wrong_quotes_come_off_first(above: list[float], payable: int) -> None:
    bench = whole_event()
    moved = belief(tuple(sorted(above, reverse=True)))
    fair = dict(zip((LOW, MIDDLE, HIGH), moved.above, strict=True))
    # So many cancels can be paid for, and nothing else.
    bench.handle(LimitsRead(0.001, 2.0 * payable, 10.0, 2.0, 10.0))
    commands = bench.handle(BeliefFormed(moved), after=5_000)
    gone = [cancel.client_id for cancel in only(Cancel, commands)]
    dangers = {
        order.client_id: danger(order.side, order.price, fair[order.ticker])
        for order in bench.engine.state.orders
    }
    sent = [dangers[client_id] for client_id in gone]
    assert sent == sorted(sent, reverse=True)
    assert len(sent) <= payable
    left = [d for client_id, d in dangers.items() if client_id not in gone and d > 0]
    assert len(sent) == payable or not left
    assert all(later <= sent[-1] for later in left)
