from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mmbot.trading.book import Book, CorruptBook, Top
from mmbot.trading.values import Side
from mmbot.units import Count, Price
from tests.trading.builders import levels, top

bid_prices, ask_prices = st.integers(1, 5).map(Price), st.integers(5, 9).map(Price)
counts = st.integers(1, 3).map(Count)
deltas = st.integers(-2, 3).map(Count)
changes = st.one_of(
    st.tuples(st.just("bid"), bid_prices, deltas),
    st.tuples(st.just("ask"), ask_prices, deltas),
)


class NaiveBook:
    """Recomputes everything from plain levels."""

    def __init__(self, bids: Mapping[Price, Count], asks: Mapping[Price, Count]) -> None:
        self.sides: dict[str, dict[Price, Count]] = {"bid": dict(bids), "ask": dict(asks)}

    def change(self, side: str, price: Price, delta: Count) -> None:
        levels = self.sides[side]
        levels[price] = Count(levels.get(price, 0) + delta)
        if levels[price] == 0:
            del levels[price]

    @property
    def corrupt(self) -> bool:
        negative = any(c < 0 for levels in self.sides.values() for c in levels.values())
        bids, asks = self.sides["bid"], self.sides["ask"]
        return negative or bool(bids and asks and max(bids) >= min(asks))

    def top(self, our_bids: Mapping[Price, Count], our_asks: Mapping[Price, Count]) -> Top:
        bids = [p for p, c in self.sides["bid"].items() if c > our_bids.get(p, 0)]
        asks = [p for p, c in self.sides["ask"].items() if c > our_asks.get(p, 0)]
        return Top(max(bids, default=None), min(asks, default=None))


@given(
    st.dictionaries(bid_prices, counts),
    st.dictionaries(ask_prices, counts),
    st.lists(changes, max_size=30),
    st.dictionaries(bid_prices, counts, max_size=3),
    st.dictionaries(ask_prices, counts, max_size=3),
)
def test_a_book_is_what_its_levels_say_until_it_contradicts_itself(
    bids: dict[Price, Count],
    asks: dict[Price, Count],
    steps: list[tuple[Side, Price, Count]],
    our_bids: dict[Price, Count],
    our_asks: dict[Price, Count],
) -> None:
    naive = NaiveBook(bids, asks)
    if naive.corrupt:
        with pytest.raises(CorruptBook):
            Book(bids.items(), asks.items())
        return
    book = Book(bids.items(), asks.items())
    for step in steps:
        naive.change(*step)
        if naive.corrupt:
            with pytest.raises(CorruptBook):
                book.change(*step)
            return
        book.change(*step)
        assert book.top({}, {}) == naive.top({}, {})
        assert book.top(our_bids, our_asks) == naive.top(our_bids, our_asks)
        assert book.levels("bid") == tuple(sorted(naive.sides["bid"].items(), reverse=True))
        assert book.levels("ask") == tuple(sorted(naive.sides["ask"].items()))


@given(st.lists(changes, max_size=20), st.dictionaries(bid_prices, counts, max_size=2), counts)
def test_what_a_book_found_before_a_change_is_not_what_it_finds_after(
    steps: list[tuple[Side, Price, Count]], our_bids: dict[Price, Count], depth: Count
) -> None:
    book = Book(levels((3, 2), (2, 3)), levels((6, 2), (7, 3)))
    for side, price, delta in steps:
        behind = price < (book.best_bid or 0) if side == "bid" else price > (book.best_ask or 99)
        try:
            if behind:
                assume(book.change_behind(side, price, delta))
            else:
                book.change(side, price, delta)
        except CorruptBook:
            assume(False)
        fresh = Book(book.levels("bid"), book.levels("ask"))
        found = book.top_and_deep(our_bids, {}, depth)
        assert found == fresh.top_and_deep(our_bids, {}, depth)


def test_an_empty_book_has_no_top() -> None:
    assert Book().top({}, {}) == Top(None, None)


def test_a_level_of_nothing_is_no_level() -> None:
    assert Book(levels((4000, 0)), levels((5000, 0))).top({}, {}) == Top(None, None)


def test_a_snapshot_below_zero_is_corrupt() -> None:
    with pytest.raises(CorruptBook, match="below zero"):
        Book(levels((4000, -1)))


def test_a_crossed_snapshot_is_corrupt() -> None:
    with pytest.raises(CorruptBook, match="best bid 5000 is not below the best ask 5000"):
        Book(levels((5000, 1)), levels((5000, 1)))


def test_a_level_that_falls_below_zero_is_corrupt() -> None:
    with pytest.raises(CorruptBook, match="the bid level at 4000 fell to -1"):
        Book(levels((4000, 1))).change("bid", Price(4000), Count(-2))


def test_our_own_orders_are_not_the_top() -> None:
    book = Book(levels((4000, 10), (4100, 5)), levels((6000, 5), (6100, 7)))
    assert book.top(dict(levels((4100, 5))), dict(levels((6000, 5)))) == top(4000, 6100)
    assert book.top(dict(levels((4100, 4))), dict(levels((6000, 4)))) == top(4100, 6000)


def test_when_the_best_level_goes_the_next_is_the_best() -> None:
    book = Book(levels((4000, 10), (4100, 5)), levels((6000, 5), (6100, 7)))
    book.change("bid", Price(4100), Count(-5))
    book.change("ask", Price(6000), Count(-5))
    assert book.top({}, {}) == top(4000, 6100)
    book.change("bid", Price(4000), Count(-10))
    book.change("ask", Price(6100), Count(-7))
    assert book.top({}, {}) == Top(None, None)


def test_where_the_best_level_is_shallow_the_deep_price_is_behind_it() -> None:
    shallow = Book(levels((5000, 150), (4900, 1_000)), levels((5200, 1_000)))
    ours = {Price(5000): Count(100)}
    best, deep = shallow.top_and_deep(ours, {}, Count(100))
    assert (best, deep) == (top(5000, 5200), top(4900, 5200))


def test_what_rests_at_a_price_is_told_by_side() -> None:
    shown = Book(levels((5000, 150)), levels((5200, 1_000)))
    assert [shown.resting("bid", Price(5000)), shown.resting("ask", Price(5200))] == [150, 1_000]
    assert shown.resting("bid", Price(5200)) == 0


def test_behind_a_level_of_ours_alone_the_best_and_the_deep_price_may_differ() -> None:
    behind = Book(levels((5000, 100), (4900, 50), (4800, 1_000)), levels((5200, 1_000)))
    best, deep = behind.top_and_deep({Price(5000): Count(100)}, {}, Count(100))
    assert (best, deep) == (top(4900, 5200), top(4800, 5200))
