"""Our own part of a book: what is ours there is no quote of another's."""

from __future__ import annotations

import pytest

from mmbot.trading.commands import Place
from mmbot.trading.events import BookChanged, Woken
from mmbot.units import Count
from tests.trading.builders import (
    MIDDLE,
    Bench,
    book,
    book_changed,
    order_cancelled,
    order_placed,
    top,
)

OTHERS = top(4000, 6000)


def own_change(place: Place, contracts: int) -> BookChanged:
    """What a write of an own order makes of the book, as the stream tells it."""
    return BookChanged(MIDDLE, place.side, place.price, Count(contracts), place.client_id)


def resting() -> tuple[Bench, Place]:
    """A bot whose bid rests in the book, better than those of others."""
    bench = Bench()
    bid = bench.quote()["bid"]
    assert bid.price > 4000
    bench.handle(order_placed(bid.client_id, "o-bid"), own_change(bid, bid.count))
    assert bench.engine.state.market(MIDDLE).top == OTHERS
    return bench, bid


def cancelled() -> tuple[Bench, Place]:
    """The same, after the answer to a cancel; the stream has not taken the bid out yet."""
    bench, bid = resting()
    bench.handle(order_cancelled(bid.client_id, bid.count))
    return bench, bid


def ours(bench: Bench, place: Place) -> Count:
    return Count(bench.engine.state.orders.levels(MIDDLE)[0].get(place.price, 0))


def test_a_cancelled_order_is_no_quote_of_anothers_until_the_stream_takes_it_out() -> None:
    bench, bid = cancelled()
    assert ours(bench, bid) >= bid.count
    assert bench.engine.state.market(MIDDLE).top == OTHERS


def test_it_is_gone_once_the_stream_has_taken_it_out() -> None:
    bench, bid = cancelled()
    bench.echoing = False
    before = ours(bench, bid)
    bench.handle(own_change(bid, -bid.count))
    assert ours(bench, bid) == before - bid.count
    assert bench.engine.state.market(MIDDLE).top == OTHERS


def test_it_is_waited_for_two_seconds_at_the_most() -> None:
    bench, bid = cancelled()
    others = [each for each in bench.engine.state.orders.of(MIDDLE) if each.side == "bid"]
    bench.engine.state.orders.now = bench.now + 1_999
    waited_for = ours(bench, bid)
    bench.engine.state.orders.now = bench.now + 2_000
    assert waited_for - ours(bench, bid) == bid.count
    assert bench.wake is not None
    assert bench.wake <= bench.now + 2_000
    assert len(others) <= 1


def test_its_end_is_looked_at_however_often_the_engine_is_woken_before() -> None:
    bench, _ = cancelled()
    end = bench.now + 2_000
    for _ in range(20):
        assert bench.wake is not None
        if bench.wake >= end:
            break
        bench.now = bench.wake
        bench.handle(Woken())
    assert bench.wake == end


def test_where_the_stream_was_first_nothing_is_waited_for() -> None:
    bench, bid = resting()
    bench.handle(own_change(bid, -bid.count))
    assert ours(bench, bid) == 0
    bench.handle(order_cancelled(bid.client_id, bid.count))
    assert bid.client_id not in bench.engine.state.orders._leaving.get(MIDDLE, {})


def test_a_new_copy_of_the_book_shows_what_is_in_it() -> None:
    bench, bid = cancelled()
    bench.handle(book())
    assert bid.client_id not in bench.engine.state.orders._leaving.get(MIDDLE, {})


@pytest.mark.parametrize("contracts", [-100, 100])
def test_a_part_of_an_order_that_goes_or_comes_leaves_the_rest_ours(contracts: int) -> None:
    bench, bid = resting()
    bench.handle(own_change(bid, contracts))
    assert ours(bench, bid) == bid.count


def test_what_others_take_out_of_a_level_is_none_of_ours() -> None:
    bench, bid = cancelled()
    bench.handle(book_changed(MIDDLE, "bid", bid.price, 500))
    assert bench.engine.state.orders._leaving[MIDDLE][bid.client_id].contracts == bid.count


def test_what_was_waited_for_in_vain_is_forgotten() -> None:
    bench, _ = cancelled()
    orders = bench.engine.state.orders
    bench.now += 5_000
    other = next(each for each in orders.of(MIDDLE) if each.side == "ask")
    bench.handle(order_placed(other.client_id, "o-ask"))
    bench.handle(order_cancelled(other.client_id, other.count))
    assert set(orders._leaving[MIDDLE]) == {other.client_id}
