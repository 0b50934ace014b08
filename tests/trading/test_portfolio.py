from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.portfolio import Exposure, Portfolio, WorstCase
from mmbot.trading.values import Fill, Side
from mmbot.units import ONE_DOLLAR

TICKERS = ("A", "B", "C")

sides = st.sampled_from(["bid", "ask"])
prices, counts = st.integers(1, ONE_DOLLAR - 1), st.integers(1, 500)
exposures = st.builds(Exposure, st.integers(0, 2), sides, prices, counts)
fills = st.builds(
    Fill,
    trade_id=st.sampled_from("pqrstuvw"),
    order_id=st.sampled_from(["1", "2"]),
    ticker=st.sampled_from(TICKERS),
    side=sides,
    price=prices,
    count=counts,
    fee=st.integers(0, 1000),
    at=st.just(0),
)


def brute_wealth(booked: list[Fill], cell: int) -> int:
    """Cash and what the positions pay if the average ends up in `cell`."""
    wealth = 0
    for fill in booked:
        pays = ONE_DOLLAR if TICKERS.index(fill.ticker) < cell else 0
        sign = 1 if fill.side == "bid" else -1
        wealth += sign * fill.count * (pays - fill.price) - fill.fee
    return wealth


def as_fill(exposure: Exposure, count: int) -> Fill:
    ticker = TICKERS[exposure.strike_index]
    return Fill("x", "x", ticker, exposure.side, exposure.price, count, 0, 0)


@given(st.lists(fills, max_size=6), st.lists(exposures, max_size=4))
def test_the_worst_case_is_the_worst_of_all_cells_and_all_partial_fills(
    booked: list[Fill], open_orders: list[Exposure]
) -> None:
    portfolio = Portfolio(TICKERS)
    news = [fill for fill in booked if portfolio.book(fill)]
    parts = [(0, (e.count + 1) // 2, e.count) for e in open_orders]
    brute = [
        min(
            brute_wealth(
                news + [as_fill(e, n) for e, n in zip(open_orders, chosen, strict=True)], c
            )
            for chosen in product(*parts)
        )
        for c in range(4)
    ]
    assert portfolio.wealth(open_orders) == brute


@given(
    st.lists(fills, max_size=6), st.lists(exposures, max_size=3), exposures, st.integers(0, 10**9)
)
def test_room_is_the_most_that_can_be_committed_above_the_floor(
    booked: list[Fill], open_orders: list[Exposure], wanted: Exposure, loss: int
) -> None:
    portfolio = Portfolio(TICKERS)
    for fill in booked:
        portfolio.book(fill)
    floor = -loss

    def breaks_with(count: int) -> bool:
        part = Exposure(wanted.strike_index, wanted.side, wanted.price, count)
        after = portfolio.wealth([*open_orders, part])
        hurt = (
            after[: wanted.strike_index + 1]
            if wanted.side == "bid"
            else after[wanted.strike_index + 1 :]
        )
        return min(hurt) < floor

    worst = WorstCase(portfolio.wealth())
    for order in open_orders:
        worst.commit(order)
    fits = worst.room(wanted, floor)
    assert 0 <= fits <= wanted.count
    assert fits == 0 or not breaks_with(fits)
    assert fits == wanted.count or breaks_with(fits + 1)
    assert worst.breaks(wanted, floor) == breaks_with(0)


@given(st.lists(fills, max_size=8))
def test_a_fill_counts_once_however_often_it_is_reported(booked: list[Fill]) -> None:
    once, twice = Portfolio(TICKERS), Portfolio(TICKERS)
    for fill in booked:
        once.book(fill)
        twice.book(fill)
        assert not twice.book(fill)
    assert once.wealth() == twice.wealth()
    assert once.fills == twice.fills
    for order_id in ("1", "2"):
        ours = [fill.count for fill in once.fills if fill.order_id == order_id]
        assert twice.filled(order_id) == sum(ours)


def test_positions_are_signed() -> None:
    portfolio = Portfolio(TICKERS)
    portfolio.book(Fill("p", "1", "B", "bid", 4000, 300, 0, 0))
    portfolio.book(Fill("q", "2", "B", "ask", 6000, 500, 0, 0))
    assert portfolio.position("B") == -200
    assert portfolio.position("A") == 0
    assert portfolio.cash == -4000 * 300 + 6000 * 500


def test_a_fee_comes_off_the_cash() -> None:
    portfolio = Portfolio(TICKERS)
    portfolio.book(Fill("p", "1", "A", "bid", 4000, 100, 1234, 0))
    assert portfolio.wealth() == [-401_234, 598_766, 598_766, 598_766]


def test_the_same_trade_number_of_two_orders_is_two_fills() -> None:
    portfolio = Portfolio(TICKERS)
    side: Side = "bid"
    assert portfolio.book(Fill("p", "1", "A", side, 4000, 100, 0, 0))
    assert portfolio.book(Fill("p", "2", "A", side, 4000, 100, 0, 0))
