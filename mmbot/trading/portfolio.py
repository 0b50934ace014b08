"""Positions and cash of one event, and the exact worst case over its outcome cells.

The event's strikes s_0 < ... < s_(n-1) cut the week's value into n + 1 cells; in cell c YES pays
at the strikes s_0 ... s_(c-1) and nowhere else. Wealth in a cell is the cash of all fills plus what
their positions pay there. An open order counts against each cell in which its fill loses money: the
outcome is one cell, and whoever fills our orders is assumed to know which, so the least such wealth
is exactly the worst case.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import msgspec

from mmbot.trading.fees import NO_FEE, MakerFee
from mmbot.trading.values import Fill, OrderReport, Side
from mmbot.units import ONE_DOLLAR, Count, Money, Price, value_of


class Exposure(msgspec.Struct, frozen=True):
    """What an order may still buy or sell at the event's strike `strike_index`."""

    strike_index: int
    side: Side
    price: Price
    count: Count
    fee: MakerFee = NO_FEE


class Portfolio:
    """Every fill of one event, booked once however often it is reported."""

    def __init__(self, tickers: tuple[str, ...]) -> None:
        """Begin empty; `tickers` are the event's markets in ascending order of strike."""
        self._strike_indices = {ticker: index for index, ticker in enumerate(tickers)}
        self._positions: dict[str, Count] = dict.fromkeys(tickers, Count(0))
        self._cash: dict[str, Money] = dict.fromkeys(tickers, Money(0))
        self._fills: dict[tuple[str, str], Fill] = {}
        self._filled: dict[str, Count] = {}
        self.cash = Money(0)
        # How often a fill was booked or removed.
        self.changes = 0
        self._least: Money | None = None

    def book(self, fill: Fill) -> bool:
        """Book a fill; return whether it is new."""
        if fill.key in self._fills:
            return False
        self._fills[fill.key] = fill
        self._filled[fill.order_id] = Count(self.filled(fill.order_id) + fill.count)
        self._positions[fill.ticker] = Count(self._positions[fill.ticker] + fill.signed_count)
        self._cash[fill.ticker] = Money(self._cash[fill.ticker] + fill.cash)
        self.cash = Money(self.cash + fill.cash)
        self._changed()
        return True

    def void(self, fill: Fill) -> None:
        """Remove a booked fill: it never happened."""
        del self._fills[fill.key]
        self._filled[fill.order_id] = Count(self.filled(fill.order_id) - fill.count)
        self._positions[fill.ticker] = Count(self._positions[fill.ticker] - fill.signed_count)
        self._cash[fill.ticker] = Money(self._cash[fill.ticker] - fill.cash)
        self.cash = Money(self.cash - fill.cash)
        self._changed()

    def _changed(self) -> None:
        self.changes += 1
        self._least = None

    @property
    def least_wealth(self) -> Money:
        """The least wealth that an outcome leaves, open orders not counted."""
        if self._least is None:
            self._least = min(self.wealth())
        return self._least

    def __len__(self) -> int:
        """Return the number of fills."""
        return len(self._fills)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Every booked fill, in the order of booking."""
        return tuple(self._fills.values())

    @property
    def tickers(self) -> tuple[str, ...]:
        """The event's markets, in ascending order of strike."""
        return tuple(self._positions)

    def cash_of(self, ticker: str) -> Money:
        """Return what the fills in a market have added to the cash."""
        return self._cash[ticker]

    def cost(self, ticker: str) -> Money:
        """Return what a position took out of the balance; short YES is held as bought NO."""
        short = Count(max(0, -self._positions[ticker]))
        return Money(value_of(short, ONE_DOLLAR) - self._cash[ticker])

    def position(self, ticker: str) -> Count:
        """Return the signed position in a market: + YES, - NO."""
        return self._positions[ticker]

    def strike_index(self, ticker: str) -> int:
        """Return the index of a market's strike, ascending from 0."""
        return self._strike_indices[ticker]

    def filled(self, order_id: str) -> Count:
        """Return how many contracts of an order are booked."""
        return self._filled.get(order_id, Count(0))

    def wealth(self, exposures: Iterable[Exposure] = ()) -> list[Money]:
        """Return the wealth in each cell, with every exposure filled where that loses money."""
        steps = [self.cash, *(value_of(count, ONE_DOLLAR) for count in self._positions.values())]
        for exposure in exposures:
            loss = _loss(exposure)
            above = exposure.strike_index + 1
            # A bid loses in the cells up to its strike, an ask in those above it: in differences
            # between neighbouring cells, each order is at most two numbers.
            if exposure.side == "bid":
                steps[0] = Money(steps[0] - loss)
                steps[above] = Money(steps[above] + loss)
            else:
                steps[above] = Money(steps[above] - loss)
        return [Money(wealth) for wealth in accumulate(steps)]


class WorstCase:
    """The wealth in each cell, with every open order filled where that loses money.

    Most orders fit easily: then a lower bound (the least wealth when the cells were last summed,
    less what was committed since) decides without summing the cells.
    """

    def __init__(self, wealth: list[Money]) -> None:
        self._wealth = wealth
        self._least = min(wealth)
        self._pending: list[Exposure] = []

    def room(self, exposure: Exposure, floor: Money) -> Count:
        """Return how much of `exposure` fits before a cell's wealth falls below `floor`."""
        if self._least - _loss(exposure) >= floor:
            return exposure.count
        free = min(self._cells()[_losing_cells(exposure)]) - floor
        fitting = exposure.fee.affordable(Money(free), paid_each(exposure.side, exposure.price))
        return min(exposure.count, fitting)

    def breaks(self, exposure: Exposure, floor: Money) -> bool:
        """Return whether a cell in which a fill of `exposure` loses money is below `floor`."""
        return self._least < floor and min(self._cells()[_losing_cells(exposure)]) < floor

    def commit(self, exposure: Exposure) -> None:
        """Count `exposure` as filled in the cells in which that loses money."""
        self._pending.append(exposure)
        self._least = Money(self._least - _loss(exposure))

    def _cells(self) -> list[Money]:
        for exposure in self._pending:
            losing, loss = _losing_cells(exposure), _loss(exposure)
            self._wealth[losing] = [Money(wealth - loss) for wealth in self._wealth[losing]]
        self._pending.clear()
        self._least = min(self._wealth)
        return self._wealth


def _losing_cells(exposure: Exposure) -> slice:
    above = exposure.strike_index + 1
    return slice(0, above) if exposure.side == "bid" else slice(above, None)


def paid_each(side: Side, price: Price) -> Price:
    """Return what one contract costs: the price of YES, or of NO."""
    return price if side == "bid" else Price(ONE_DOLLAR - price)


def most_spent(side: Side, price: Price, count: Count, fee: MakerFee) -> Money:
    """Return what an order costs if it fills completely, with its fees."""
    return Money(value_of(count, paid_each(side, price)) + fee.of(count, price))


def _loss(exposure: Exposure) -> Money:
    return most_spent(exposure.side, exposure.price, exposure.count, exposure.fee)


def worst_case(
    tickers: tuple[str, ...],
    fills: Iterable[Fill],
    orders: Iterable[OrderReport],
    fee: MakerFee = NO_FEE,
) -> Money:
    """Return an event's least wealth over its cells, orders filled where that loses money.

    `tickers` are the event's markets in ascending order of strike; fills and orders are in them.
    """
    portfolio = Portfolio(tickers)
    for fill in fills:
        portfolio.book(fill)
    exposures = [
        Exposure(
            portfolio.strike_index(order.ticker), order.side, order.price, order.remaining, fee
        )
        for order in orders
    ]
    return min(portfolio.wealth(exposures))
