"""Woken for one week, the engine looks at that week alone, and decides as if it looked at all."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Cancel, Command, Decrease, Place, Renew, WakeAt
from mmbot.trading.events import BeliefFormed, InputEvent, ListingRead, Woken
from mmbot.trading.gates import Gate
from mmbot.trading.values import ListedEvent
from mmbot.underlying.calendar import Week
from mmbot.units import Milliseconds, Money
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    STRIKES,
    WEEK,
    Bench,
    belief,
    book,
    market,
    market_settled,
    only,
    order_cancelled,
    order_placed,
)

NEXT_WEEK = Week(WEEK.sunday.replace(month=12, day=6))
NEXT = {ticker.replace("26NOV29", "26DEC06"): strike for ticker, strike in STRIKES.items()}
NEXT_MIDDLE = MIDDLE.replace("26NOV29", "26DEC06")
TICKERS = (LOW, MIDDLE, HIGH, *NEXT)
# An event is not priced twice within this time.
PRICED_AGAIN_MS = 250


def listed_next() -> ListedEvent:
    """The week after, of which the markets are open as well."""
    first = market()
    markets = tuple(
        msgspec.structs.replace(first, ticker=ticker, strike=strike)
        for ticker, strike in NEXT.items()
    )
    return ListedEvent(NEXT_WEEK.event_ticker("T"), NEXT_WEEK, markets)


def two_weeks(**sections: dict[str, Any]) -> Bench:
    """Both weeks with a belief that weighs little, a book in each market, and resting quotes."""
    bench = Bench(quoting={"belief_weight": [0.2] * 5}, **sections)
    bench.start()
    bench.handle(ListingRead("", (bench.listed, listed_next())))
    bench.handle(BeliefFormed(msgspec.structs.replace(belief(), week=NEXT_WEEK)))
    for ticker in TICKERS:
        confirm(bench, bench.handle(book(ticker, 4_700, 5_300)))
    for _ in range(4):
        wake(bench)
    return bench


def confirm(bench: Bench, commands: list[Command]) -> None:
    """Have every write applied, and what follows from that."""
    for command in commands:
        if isinstance(command, Place):
            confirm(bench, bench.handle(order_placed(command.client_id, f"o-{command.client_id}")))
        elif isinstance(command, Cancel):
            confirm(bench, bench.handle(order_cancelled(command.client_id, 1_000)))


def wake(bench: Bench) -> list[Command]:
    """Wake the engine when it has asked for it."""
    due, bench.wake = bench.wake, None
    assert due is not None
    commands = bench.handle(Woken(), after=max(0, due - bench.now))
    confirm(bench, commands)
    return commands


def pending(bench: Bench) -> Milliseconds:
    """Have a mid of this week move twice, so that its second pricing is due at the time returned.

    Let a market of the other week be paused without a word, so that it shows when that is reviewed.
    """
    bench.handle(book(MIDDLE, 4_600, 5_200), after=1_000)
    priced_at = bench.now
    bench.wake = None
    bench.handle(book(MIDDLE, 4_500, 5_100), after=100)
    bench.engine.state.paused = frozenset({NEXT_MIDDLE, MIDDLE})
    return priced_at + PRICED_AGAIN_MS


def is_reviewed(bench: Bench, ticker: str) -> bool:
    return bench.reason(ticker) == "paused_by_operator"


def test_what_is_due_in_one_week_leaves_the_other_alone() -> None:
    bench = two_weeks()
    due = pending(bench)
    bench.handle(Woken(), after=due - bench.now)
    assert is_reviewed(bench, MIDDLE)
    assert not is_reviewed(bench, NEXT_MIDDLE)


def test_the_other_weeks_time_is_kept() -> None:
    bench = two_weeks()
    due = pending(bench)
    waited_for = bench.engine._buffer._wakes[NEXT_WEEK.event_ticker("T")]
    bench.handle(Woken(), after=due - bench.now)
    assert bench.wake is not None
    assert due < bench.wake <= waited_for
    while not is_reviewed(bench, NEXT_MIDDLE):
        assert bench.now <= waited_for
        wake(bench)


def test_a_wake_that_nothing_has_asked_for_looks_at_all() -> None:
    bench = two_weeks()
    pending(bench)
    bench.handle(Woken())
    assert is_reviewed(bench, NEXT_MIDDLE)


def test_what_a_day_may_lose_being_lost_in_one_week_concerns_the_other() -> None:
    bench = two_weeks(limits={"daily_loss_dollars": 1.0})
    due = pending(bench)
    state = bench.engine.state
    day = state.clock.at(bench.now).date()
    state.losses.mark(day, WEEK.event_ticker("T"), Money(-2_000_000))
    bench.handle(Woken(), after=due - bench.now)
    assert is_reviewed(bench, NEXT_MIDDLE)


@pytest.mark.parametrize("settled", [True, False])
def test_a_quote_that_was_crowded_out_comes_once_there_is_room(*, settled: bool) -> None:
    bench = two_weeks(limits={"orders": 3})
    state = bench.engine.state
    order = next(each for each in state.orders if each.ticker == MIDDLE)
    waiting = sorted(state.without_room - {MIDDLE})
    assert waiting
    bench.wake = None
    if settled:
        bench.handle(market_settled(MIDDLE, 10_000))
    else:
        bench.engine.state.market(MIDDLE).hold(bench.now + 10**9, Gate.OTHER)
        bench.handle(order_cancelled(order.client_id, order.remaining))
    assert bench.wake is not None
    assert bench.wake <= bench.now + state.intervals.no_room_ms
    assert {place.ticker for place in only(Place, bench.handle(Woken(), after=1_000))} & {*waiting}


# Whatever happens, what is written is what an engine writes that always looks at all.


class Twins:
    """Two engines that are told the same, of which one looks at both weeks whenever it is woken."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        crowd: dict[str, Any] = rng.choice(({}, {"limits": {"orders": 8}}))
        self.own, self.thorough = two_weeks(**crowd), two_weeks(**crowd)
        vars(self.thorough.engine._waking)["_concerns_all"] = lambda _due, _now: True
        self.wakes = {id(self.own): 0, id(self.thorough): 0}

    def run(self, steps: int) -> None:
        for _ in range(steps):
            after = self.rng.choice((1, 20, 200, 900, 5_000))
            happened = self._happens()
            for bench in (self.own, self.thorough):
                until = bench.now + after
                while bench.wake is not None and bench.wake <= until:
                    self.wakes[id(bench)] += 1
                    wake(bench)
                confirm(bench, bench.handle(happened, after=until - bench.now))
            assert written(self.own) == written(self.thorough)

    def _happens(self) -> InputEvent:
        rng = self.rng
        ticker = rng.choice(TICKERS)
        if rng.random() < 0.1:
            week = rng.choice((WEEK, NEXT_WEEK))
            above = rng.choice(((0.8, 0.5, 0.2), (0.7, 0.4, 0.2)))
            return BeliefFormed(msgspec.structs.replace(belief(above), week=week))
        middle = rng.randrange(4_000, 6_000, 50)
        return book(ticker, middle - 250, middle + 250, rng.choice((100, 10_000)))


def written(bench: Bench) -> list[Command]:
    kinds = Place | Cancel | Renew | Decrease
    return [command for command in bench.all_commands if isinstance(command, kinds)]


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_what_is_written_is_what_an_engine_writes_that_looks_at_all(seed: int) -> None:
    twins = Twins(random.Random(seed))
    twins.run(60)
    assert written(twins.own)
    assert only(WakeAt, twins.own.all_commands)


def test_nothing_is_asked_for_once_nothing_is_due_any_more() -> None:
    buffer = CommandBuffer()
    buffer.wake_by(1_000, "one")
    assert buffer.drain() == [WakeAt(1_000)]
    buffer.woken(buffer.due(1_000))
    assert not buffer.drain()
