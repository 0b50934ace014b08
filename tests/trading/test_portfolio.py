from __future__ import annotations

from itertools import product

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.fees import MOST_MULTIPLIER, MakerFee
from mmbot.trading.portfolio import Exposure, Portfolio, WorstCase, worst_case
from mmbot.trading.values import Fill, Side
from mmbot.units import ONE_DOLLAR, Count, Money, Price
from tests.trading.builders import fill, reported

TICKERS = ("A", "B", "C")

sides = st.sampled_from(["bid", "ask"])
prices, counts = st.integers(1, ONE_DOLLAR - 1).map(Price), st.integers(1, 500).map(Count)
exposures = st.builds(Exposure, st.integers(0, 2), sides, prices, counts)
# Whole contracts and cents: in fractions of them, rounding may take a fee where the fill gains.
charged_exposures = st.builds(
    Exposure,
    st.integers(0, 2),
    sides,
    st.integers(1, 99).map(lambda cents: Price(100 * cents)),
    st.integers(1, 20).map(lambda contracts: Count(100 * contracts)),
    st.builds(
        MakerFee,
        st.sampled_from(["quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]),
        st.integers(0, MOST_MULTIPLIER),
    ),
)
fills = st.builds(
    Fill,
    trade_id=st.sampled_from("pqrstuvw"),
    order_id=st.sampled_from(["1", "2"]),
    ticker=st.sampled_from(TICKERS),
    side=sides,
    price=prices,
    count=counts,
    fee=st.integers(0, 1000).map(Money),
    at=st.just(0),
)


def brute_wealth(booked: list[Fill], cell: int) -> int:
    """Cash and what the positions pay if the average ends up in `cell`."""
    wealth = 0
    for each in booked:
        pays = ONE_DOLLAR if TICKERS.index(each.ticker) < cell else 0
        sign = 1 if each.side == "bid" else -1
        wealth += sign * each.count * (pays - each.price) - each.fee
    return wealth


def as_fill(exposure: Exposure, count: int) -> Fill:
    ticker = TICKERS[exposure.strike_index]
    fee = exposure.fee.of(Count(count), exposure.price)
    return fill("x", "x", count, exposure.price, exposure.side, ticker, fee=fee)


@given(st.lists(fills, max_size=6), st.lists(exposures | charged_exposures, max_size=4))
def test_the_worst_case_is_the_worst_of_all_cells_and_all_partial_fills(
    booked: list[Fill], open_orders: list[Exposure]
) -> None:
    portfolio = Portfolio(TICKERS)
    news = [each for each in booked if portfolio.book(each)]
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
    for each in booked:
        portfolio.book(each)
    floor = Money(-loss)

    def breaks_with(count: int) -> bool:
        part = Exposure(wanted.strike_index, wanted.side, wanted.price, Count(count))
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


@given(
    st.lists(fills, max_size=6),
    st.lists(charged_exposures, max_size=3),
    charged_exposures,
    st.integers(0, 10**9),
)
def test_what_there_is_room_for_is_above_the_floor_with_its_fee(
    booked: list[Fill], open_orders: list[Exposure], wanted: Exposure, loss: int
) -> None:
    portfolio = Portfolio(TICKERS)
    for each in booked:
        portfolio.book(each)
    worst = WorstCase(portfolio.wealth())
    for order in open_orders:
        worst.commit(order)
    floor = Money(-loss)
    fits = worst.room(wanted, floor)
    if fits:
        worst.commit(msgspec.structs.replace(wanted, count=fits))
        assert not worst.breaks(wanted, floor)


@given(st.lists(fills, max_size=8))
def test_a_fill_counts_once_however_often_it_is_reported(booked: list[Fill]) -> None:
    once, twice = Portfolio(TICKERS), Portfolio(TICKERS)
    for each in booked:
        once.book(each)
        twice.book(each)
        assert not twice.book(each)
    assert once.wealth() == twice.wealth()
    assert once.fills == twice.fills
    for order_id in ("1", "2"):
        ours = [each.count for each in once.fills if each.order_id == order_id]
        assert twice.filled(order_id) == sum(ours)


def test_the_least_wealth_follows_every_fill_and_every_fill_that_is_taken_out() -> None:
    portfolio, one = Portfolio(TICKERS), fill("t-1", "o-1", 500, ticker="A")
    assert portfolio.least_wealth == 0
    portfolio.book(one)
    assert portfolio.least_wealth == min(portfolio.wealth()) < 0
    portfolio.void(one)
    assert portfolio.least_wealth == 0


def test_positions_are_signed() -> None:
    portfolio = Portfolio(TICKERS)
    portfolio.book(fill("p", "1", 300, 4000, "bid", "B"))
    portfolio.book(fill("q", "2", 500, 6000, "ask", "B"))
    assert portfolio.position("B") == -200
    assert portfolio.position("A") == 0
    assert portfolio.cash == -4000 * 300 + 6000 * 500


def test_each_market_has_its_own_cash() -> None:
    portfolio = Portfolio(TICKERS)
    portfolio.book(fill("t", "o", 100, 4100, ticker="A"))
    assert (portfolio.cash_of("A"), portfolio.cash_of("B")) == (-410_000, 0)


def test_a_fee_comes_off_the_cash() -> None:
    portfolio = Portfolio(TICKERS)
    portfolio.book(fill("p", "1", 100, 4000, "bid", "A", fee=1234))
    assert portfolio.wealth() == [-401_234, 598_766, 598_766, 598_766]


def test_the_same_trade_number_of_two_orders_is_two_fills() -> None:
    portfolio = Portfolio(TICKERS)
    side: Side = "bid"
    assert portfolio.book(fill("p", "1", 100, 4000, side, "A"))
    assert portfolio.book(fill("p", "2", 100, 4000, side, "A"))


def test_the_worst_case_counts_fills_and_what_rests_of_orders() -> None:
    resting = reported("mmbot-1", price=4000, ticker="B", filled=300, remaining=200)
    bought = fill("p", "1", 300, 4000, "bid", "B")
    assert worst_case(TICKERS, [bought], [resting]) == -4000 * 500
    assert worst_case(TICKERS, [], []) == 0
    fee = MakerFee("quadratic_with_maker_fees")
    assert worst_case(TICKERS, [bought], [resting], fee) == -4000 * 500 - 8_400


def test_its_markets_are_those_it_was_made_for_in_order() -> None:
    assert Portfolio(TICKERS).tickers == TICKERS
