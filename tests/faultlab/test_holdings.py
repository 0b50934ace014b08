from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmbot.exchange.accounts import Account, cost_of_one
from mmbot.exchange.facts import AccountFilled
from mmbot.faultlab.holdings import Holding
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Money, Price

TICKERS = ("E-A1", "E-A2", "E-A3")

trades = st.lists(
    st.tuples(
        st.sampled_from(TICKERS),
        st.sampled_from(["bid", "ask"]),
        st.integers(1, 9_999),
        st.integers(1, 5_000),
    ),
    max_size=6,
)


def filled(ticker: str, side: Side, price: int, count: int, fee: int = 0) -> AccountFilled:
    return AccountFilled(
        trade_id="t",
        account=Account("member"),
        order_id="o",
        client_order_id="c",
        ticker=ticker,
        side=side,
        price=Price(price),
        count=Count(count),
        is_taker=False,
        fee=Money(fee),
        post_position=Count(0),
        at=0,
    )


def order(
    ticker: str, side: Side, price: int, count: int, fee: int = 0
) -> tuple[str, Side, Price, Count, Money]:
    return ticker, side, Price(price), Count(count), Money(fee)


@given(trades, trades)
def test_wealth_is_that_of_each_outcome_with_every_losing_order_filled(
    fills: list[tuple[str, Side, int, int]], orders: list[tuple[str, Side, int, int]]
) -> None:
    holding = Holding(TICKERS)
    for trade in fills:
        holding.book(filled(*trade), Money(0))
    expected = []
    for cell in range(len(TICKERS) + 1):
        pays = {ticker: ONE_DOLLAR if i < cell else 0 for i, ticker in enumerate(TICKERS)}
        signed = [(t, c if s == "bid" else -c, p) for t, s, p, c in fills]
        wealth = sum((pays[t] - p) * n for t, n, p in signed)
        for ticker, side, price, count in orders:
            worth = pays[ticker] if side == "bid" else ONE_DOLLAR - pays[ticker]
            wealth += min(0, (worth - cost_of_one(side, Price(price))) * count)
        expected.append(wealth)
    assert holding.wealth([order(*each) for each in orders]) == expected


def test_other_events_orders_do_not_matter() -> None:
    holding = Holding(TICKERS)
    assert holding.wealth([order("F-A1", "bid", 5_000, 100)]) == [0, 0, 0, 0]


def test_the_bot_is_not_blamed_for_foreign_trades_and_fees() -> None:
    holding = Holding(TICKERS)
    foreign = filled("E-A1", "ask", 4_000, 100, fee=70)
    holding.book(foreign, Money(70))
    holding.excuse(foreign)
    holding.book(filled("E-A1", "bid", 4_000, 100, fee=30), Money(20))
    assert holding.unavoidable_loss == 6_000 * 100 + 70 + 10


def test_an_order_that_is_filled_costs_its_fee_where_it_loses() -> None:
    holding = Holding(TICKERS)
    assert holding.wealth([order("E-A2", "bid", 5_000, 100, fee=30)]) == [-500_030, -500_030, 0, 0]
