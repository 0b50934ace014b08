"""Changes of a book of which nothing follows: found out first, and with the very same commands."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmbot.trading.commands import Cancel, Command, Place, WakeAt
from mmbot.trading.events import (
    BeliefFormed,
    BookChanged,
    BookReplaced,
    Filled,
    InputEvent,
    ListingRead,
    Reconciled,
    Woken,
)
from mmbot.trading.operator_events import SettingsChanged, Stopping
from mmbot.trading.requoting import Requoting
from mmbot.trading.values import Side
from mmbot.units import Count, Money, Price
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    NOW,
    PLENTY,
    STRIKES,
    Bench,
    belief,
    book,
    book_changed,
    event,
    fill,
    levels,
    market,
    market_settled,
    order_cancelled,
    order_placed,
)
from tests.trading.builders import settings as bench_settings

TICKERS = (LOW, MIDDLE, HIGH)


def quoted(**sections: dict[str, object]) -> Bench:
    """All three markets with two levels a side, and their quotes resting."""
    bench = Bench(**sections)
    bench.start()
    for ticker in TICKERS:
        deep = book(ticker)
        bids = levels((4_000, 10_000), (3_000, 10_000), (2_900, 10_000))
        asks = levels((6_000, 10_000), (7_000, 10_000), (7_100, 10_000))
        commands = bench.handle(type(deep)(ticker, bids, asks))
        confirm(bench, commands)
    return bench


def confirm(bench: Bench, commands: list[Command]) -> None:
    for command in commands:
        if isinstance(command, Place):
            confirm(bench, bench.handle(order_placed(command.client_id, command.client_id)))
        elif isinstance(command, Cancel):
            confirm(bench, bench.handle(order_cancelled(command.client_id, 1_000)))


def absorbs(bench: Bench, change: BookChanged) -> bool:
    return bench.engine.absorb(change, bench.now)


def behind(ticker: str = MIDDLE, delta: int = 100) -> BookChanged:
    """A change behind the best prices."""
    return book_changed(ticker, "bid", 3_000, delta)


def settled_down(bench: Bench) -> None:
    """See a change through, after which the bench knows that another one would be calm."""
    assert bench.handle(behind()) == []


def test_a_change_behind_the_best_prices_is_applied_and_nothing_else() -> None:
    bench = quoted()
    settled_down(bench)
    before = bench.engine.state.market(MIDDLE).book
    assert before is not None
    assert absorbs(bench, behind(delta=500))
    assert absorbs(bench, book_changed(MIDDLE, "ask", 7_000, -10_000))
    assert dict(before.levels("bid"))[Price(3_000)] == 10_000 + 100 + 500
    assert 7_000 not in dict(before.levels("ask"))
    assert bench.engine.state.market(MIDDLE).book_at == bench.now


@pytest.mark.parametrize(
    "change",
    [
        book_changed(MIDDLE, "bid", 4_000, -10_000),
        book_changed(MIDDLE, "bid", 4_000, 100),
        book_changed(MIDDLE, "bid", 4_500, 100),
        book_changed(MIDDLE, "ask", 6_000, -10_000),
        book_changed(MIDDLE, "ask", 5_500, 100),
        book_changed(MIDDLE, "bid", 3_000, -20_000),
        book_changed("T-26NOV29-A9.9", "bid", 3_000, 100),
    ],
    ids=[
        "best goes",
        "best grows",
        "better",
        "best ask goes",
        "lower ask",
        "below zero",
        "unknown",
    ],
)
def test_whatever_may_matter_is_left_alone(change: BookChanged) -> None:
    bench = quoted()
    settled_down(bench)
    before = bench.engine.state.market(MIDDLE).book
    assert before is not None
    levels_before = before.levels("bid"), before.levels("ask")
    assert not absorbs(bench, change)
    assert (before.levels("bid"), before.levels("ask")) == levels_before


def test_a_copy_of_a_book_that_is_known_is_taken_for_a_sign_of_life_only() -> None:
    bench = quoted()
    settled_down(bench)
    held = bench.engine.state.market(MIDDLE)
    before = held.book
    assert before is not None
    copy = BookReplaced(MIDDLE, before.levels("bid"), before.levels("ask"))
    assert bench.handle(copy, after=1_000) == []
    assert (held.book, held.book_at) == (before, bench.now)
    other = BookReplaced(MIDDLE, copy.bids, copy.asks[:-1])
    bench.handle(other, after=1_000)
    assert held.book is not before
    assert bench.handle(BookReplaced("T-26NOV29-A9.9", copy.bids, copy.asks)) == []


def test_after_a_fill_the_next_change_is_looked_at_in_every_market() -> None:
    bench = quoted()
    settled_down(bench)
    assert bench.handle(behind(LOW)) == []
    order = next(o for o in bench.engine.state.orders.of(MIDDLE) if o.side == "bid")
    bench.handle(Filled(fill("t-1", order.order_id, 100, client_id=order.client_id)))
    assert not absorbs(bench, behind(LOW))


def test_a_place_makes_its_market_be_looked_at_again() -> None:
    bench = quoted()
    settled_down(bench)
    order = next(o for o in bench.engine.state.orders.of(MIDDLE) if o.side == "bid")
    bench.now += 5_000
    bench.handle(book_changed(MIDDLE, "bid", 4_000, -10_000))
    commands = bench.handle(order_cancelled(order.client_id, 1_000))
    assert any(isinstance(command, Place) for command in commands)
    assert not absorbs(bench, behind())


def test_without_a_book_or_while_stopping_nothing_is_calm() -> None:
    bench = quoted()
    settled_down(bench)
    bench.engine.state.market(MIDDLE).book = None
    assert not absorbs(bench, behind())
    bench = quoted()
    bench.handle(Stopping())
    assert not absorbs(bench, behind())


def test_in_an_event_of_one_market_every_change_is_marked() -> None:
    bench = Bench()
    bench.listed = event(market(MIDDLE))
    bench.start()
    bench.handle(BeliefFormed(belief((0.5,), strikes=(STRIKES[MIDDLE],))))
    confirm(bench, bench.handle(book(MIDDLE)))
    bench.handle(behind())
    assert not absorbs(bench, behind())


def test_once_a_mid_is_forgotten_a_change_is_looked_at() -> None:
    bench = quoted(quoting={"belief_weight": [0.5] * 5})
    bench.handle(book_changed(MIDDLE, "bid", 4_500, 10_000))
    bench.handle(book_changed(MIDDLE, "ask", 5_500, 10_000), after=1_000)
    bench.handle(book_changed(MIDDLE, "ask", 5_500, -10_000), after=1_000)
    bench.handle(book_changed(MIDDLE, "bid", 4_500, -10_000), after=1_000)
    bench.handle(Woken(), after=1_000)
    assert bench.engine.state.market(MIDDLE).market_mid.forgotten_at is not None
    assert bench.handle(behind()) == []
    assert absorbs(bench, behind())
    bench.now += 30 * 60_000
    assert not absorbs(bench, behind())


def test_the_engine_wakes_when_a_mid_is_forgotten() -> None:
    bench = Bench(quoting={"belief_weight": [0.5] * 5})
    bench.start()
    bench.handle(book(MIDDLE, 4_500, 5_500))
    bench.handle(book(MIDDLE, 1_000, 9_000), after=1_000)
    forgotten_at = bench.engine.state.market(MIDDLE).market_mid.forgotten_at
    assert forgotten_at is not None
    for _ in range(200):
        assert bench.wake is not None
        if bench.wake >= forgotten_at:
            break
        bench.handle(Woken(), after=max(0, bench.wake - bench.now))
    assert bench.wake == forgotten_at


# Whatever happens, the commands are those of an engine that looks at every change.


class Twins:
    """Two engines that are told the same; one is asked first whether a change is calm.

    The other reviews every market as if it never had.
    """

    def __init__(self, rng: random.Random) -> None:
        weights = rng.choice(([1.0] * 5, [0.3] * 5))
        sections: dict[str, dict[str, object]] = {
            "quoting": {"belief_weight": weights},
            "limits": {"event_loss_dollars": rng.choice((20.0, 300.0))},
        }
        self.quick, self.plain = quoted(**sections), quoted(**sections)
        self.rng = rng
        self.absorbed = 0

    def tell(self, happened: InputEvent, after: int) -> None:
        for bench in (self.quick, self.plain):
            bench.now += after
        quick: list[Command]
        if isinstance(happened, BookChanged) and absorbs(self.quick, happened):
            self.absorbed += 1
            quick = []
        else:
            quick = self.quick.handle(happened)
        if isinstance(happened, BookReplaced):
            for _, each in self.plain.engine.state.markets():
                each.calm = None
        self.plain.engine._requoting._forget()
        assert quick == self.plain.handle(happened)
        wakes = [command.at for command in quick if isinstance(command, WakeAt)]
        for command in quick:
            if isinstance(command, Place):
                self.answers.append(order_placed(command.client_id, command.client_id))
            elif isinstance(command, Cancel):
                self.answers.append(order_cancelled(command.client_id, 1_000))
        self.due = min([*wakes, self.due])

    answers: list[InputEvent]
    due: int

    def run(self, steps: int) -> None:
        self.answers, self.due = [], 2**62
        for happened in self._events(steps):
            self.tell(happened, self.rng.choice((0, 1, 20, 200, 900)))

    def _events(self, steps: int) -> Iterator[InputEvent]:
        rng = self.rng
        for _ in range(steps):
            if self.quick.now >= self.due:
                self.due = 2**62
                yield Woken()
            elif self.answers and rng.random() < 0.3:
                yield self.answers.pop(rng.randrange(len(self.answers)))
            elif rng.random() < 0.08:
                yield self._other()
            else:
                yield self._change()

    def _change(self) -> BookChanged:
        rng = self.rng
        ticker, is_bid = rng.choice(TICKERS), rng.random() < 0.5
        places = (
            (4_000, 3_000, 2_900, 2_900, 3_000, 4_200)
            if is_bid
            else (6_000, 7_000, 7_100, 7_000, 7_100, 5_800)
        )
        price = Price(rng.choice(places))
        side: Side = "bid" if is_bid else "ask"
        known = self.quick.engine.state.market(ticker).book
        there = dict(known.levels(side) if known else ()).get(price, Count(0))
        delta = rng.choice((-there, -there // 2, 100, 400, 10_000))
        if rng.random() < 0.01:
            delta = -there - 100
        return book_changed(ticker, side, price, delta)

    def _other(self) -> InputEvent:
        rng, state = self.rng, self.quick.engine.state
        ticker = rng.choice(TICKERS)
        orders = [order for order in state.orders.of(ticker) if order.order_id]
        kind = rng.randrange(6)
        if kind == 0 and orders:
            order = rng.choice(orders)
            trade, count = f"t-{rng.random()}", rng.choice((100, int(order.remaining) or 100))
            price, side = int(order.price), order.side
            filled: Any = fill(trade, order.order_id, count, price, side, ticker)
            return Filled(filled)
        if kind == 1:
            return BeliefFormed(belief(rng.choice(((0.8, 0.5, 0.2), (0.7, 0.4, 0.2)))))
        if kind == 2:
            cash = rng.choice((PLENTY, Money(10**9)))
            return Reconciled((), state.recorded, {0: cash}, requested_at=self.quick.now)
        if kind == 3:
            return SettingsChanged(bench_settings(quoting={"margin": rng.choice((0.1, 0.2))}))
        known = state.market(ticker).book
        if kind == 4 and known is not None and rng.random() < 0.7:
            return BookReplaced(ticker, known.levels("bid"), known.levels("ask"))
        if kind == 4:
            narrow = book(ticker, rng.choice((4_500, 4_600, 4_700)), 5_400)
            replaced = rng.choice((book(ticker), narrow))
            return market_settled(ticker, 10_000) if rng.random() < 0.05 else replaced
        return ListingRead("", (self.quick.listed,))


def test_once_a_cancelled_order_must_have_left_the_book_its_level_is_looked_at() -> None:
    bench = quoted()
    order = bench.engine.state.orders.of(MIDDLE)[0]
    confirm(bench, bench.handle(order_cancelled(order.client_id, 1_000)))
    bench.handle(behind())
    assert absorbs(bench, behind())
    change_at = bench.engine.state.orders.levels_change_at(MIDDLE)
    assert change_at is not None
    bench.now = change_at
    assert not absorbs(bench, behind())


@settings(max_examples=60)
@given(st.integers(0, 2**32))
@example(353)
def test_the_commands_are_those_of_an_engine_that_looks_at_every_change(seed: int) -> None:
    Twins(random.Random(seed)).run(120)


def test_of_an_event_that_is_priced_only_what_may_have_changed_is_reviewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = quoted(limits={"orders": 3})
    for ticker in TICKERS:
        confirm(bench, bench.handle(book(ticker, 4_600, 5_400), after=1_000))
    confirm(bench, bench.handle(Woken(), after=5_000))
    state = bench.engine.state
    without_room = set(state.without_room)
    assert without_room
    priced_at = state.events[bench.listed.ticker].priced
    reviewed, review = [], Requoting._review_market

    def noted(requoting: Requoting, *arguments: Any) -> None:
        reviewed.append(arguments[2])
        review(requoting, *arguments)

    monkeypatch.setattr(Requoting, "_review_market", noted)
    bench.handle(book_changed(MIDDLE, "bid", 4_800, 10_000), after=1_000)
    assert state.events[bench.listed.ticker].priced is not priced_at
    assert reviewed == [MIDDLE]
    assert state.without_room == without_room


def test_most_changes_are_absorbed() -> None:
    twins = Twins(random.Random(1))
    twins.run(500)
    assert twins.absorbed > 100
    assert twins.quick.now > NOW
