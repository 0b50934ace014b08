"""Positions and cash of one event, and the exact worst case over its outcome cells.

The strikes s_0 < ... < s_(n-1) of the ladder cut the week's average into n + 1 cells; in cell c
YES pays at the strikes s_0 ... s_(c-1) and nowhere else. Wealth in a cell is the cash of all
fills plus what their positions pay there. An order that may still fill counts against each cell
in which filling it hurts: outcomes pick one cell, and whoever fills our orders is assumed to know
which, so the least such wealth is exactly the worst that can happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import msgspec

from mmbot.trading.values import Fill, OrderReport, Side
from mmbot.units import ONE_DOLLAR, Count, Money, Price


class Exposure(msgspec.Struct, frozen=True):
    """An order that may be live: what it could still buy or sell, at that strike of the event."""

    strike_index: int
    side: Side
    price: Price
    count: Count


class Portfolio:
    """Every fill of one event, booked once, whatever the number of times it is reported."""

    def __init__(self, tickers: tuple[str, ...]) -> None:
        """Begin with nothing; `tickers` are the ladder's markets in ascending order of strike."""
        self._rungs = {ticker: rung for rung, ticker in enumerate(tickers)}
        self._positions: dict[str, Count] = dict.fromkeys(tickers, 0)
        self._cash: dict[str, Money] = dict.fromkeys(tickers, 0)
        self._fills: dict[tuple[str, str], Fill] = {}
        self._filled: dict[str, Count] = {}
        self.cash: Money = 0

    def book(self, fill: Fill) -> bool:
        """Book a fill; say whether it is news."""
        if fill.key in self._fills:
            return False
        self._fills[fill.key] = fill
        self._filled[fill.order_id] = self.filled(fill.order_id) + fill.count
        self._positions[fill.ticker] += fill.signed_count
        self._cash[fill.ticker] += fill.cash
        self.cash += fill.cash
        return True

    def __len__(self) -> int:
        """Return the number of fills."""
        return len(self._fills)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Every fill that was booked, in the order of booking."""
        return tuple(self._fills.values())

    def cost(self, ticker: str) -> Money:
        """Return what a position took out of the balance: NO is paid for as if it were bought."""
        return max(0, -self._positions[ticker]) * ONE_DOLLAR - self._cash[ticker]

    def position(self, ticker: str) -> Count:
        """Return the signed position in a market: + YES, - NO."""
        return self._positions[ticker]

    def strike_index(self, ticker: str) -> int:
        """Return a market's place in the ladder."""
        return self._rungs[ticker]

    def filled(self, order_id: str) -> Count:
        """Return how many contracts of an order are booked."""
        return self._filled.get(order_id, 0)

    def wealth(self, exposures: Iterable[Exposure] = ()) -> list[Money]:
        """Return the wealth in each cell, every exposure filled where that hurts."""
        steps = [self.cash, *(count * ONE_DOLLAR for count in self._positions.values())]
        for exposure in exposures:
            loss = _loss(exposure)
            # A bid hurts from cell 0 up to its rung, an ask from the cell above to the last: as
            # differences between neighbouring cells, each order is at most two numbers.
            if exposure.side == "bid":
                steps[0] -= loss
                steps[exposure.strike_index + 1] += loss
            else:
                steps[exposure.strike_index + 1] -= loss
        return list(accumulate(steps))


class WorstCase:
    """The wealth in each cell, everything that may fill filled where that hurts.

    Most orders fit with much to spare: then the least wealth of all, less what was committed since
    it was worked out, says so without a look at the cells.
    """

    def __init__(self, wealth: list[Money]) -> None:
        self._wealth = wealth
        self._least = min(wealth)
        self._pending: list[Exposure] = []

    def room(self, exposure: Exposure, floor: Money) -> Count:
        """Return how much of `exposure` fits before a cell's wealth falls below `floor`."""
        if self._least - _loss(exposure) >= floor:
            return exposure.count
        free = min(self._cells()[_hurt_cells(exposure)]) - floor
        return max(0, min(exposure.count, free // paid_each(exposure.side, exposure.price)))

    def breaks(self, exposure: Exposure, floor: Money) -> bool:
        """Say whether a cell in which filling `exposure` hurts is below `floor`."""
        return self._least < floor and min(self._cells()[_hurt_cells(exposure)]) < floor

    def commit(self, exposure: Exposure) -> None:
        """Count `exposure` as filled in the cells in which that hurts."""
        self._pending.append(exposure)
        self._least -= _loss(exposure)

    def _cells(self) -> list[Money]:
        for exposure in self._pending:
            hurt, loss = _hurt_cells(exposure), _loss(exposure)
            self._wealth[hurt] = [money - loss for money in self._wealth[hurt]]
        self._pending.clear()
        self._least = min(self._wealth)
        return self._wealth


def _hurt_cells(exposure: Exposure) -> slice:
    above = exposure.strike_index + 1
    return slice(0, above) if exposure.side == "bid" else slice(above, None)


def paid_each(side: Side, price: Price) -> Price:
    """Return what one contract costs: the price of YES, or of NO."""
    return price if side == "bid" else ONE_DOLLAR - price


def _loss(exposure: Exposure) -> Money:
    return paid_each(exposure.side, exposure.price) * exposure.count


def worst_case(
    tickers: tuple[str, ...], fills: Iterable[Fill], orders: Iterable[OrderReport]
) -> Money:
    """Return an event's least wealth over its cells, every order filled where that hurts.

    `tickers` are the event's markets in ascending order of strike; fills and orders are in these.
    """
    portfolio = Portfolio(tickers)
    for fill in fills:
        portfolio.book(fill)
    exposures = [
        Exposure(portfolio.strike_index(order.ticker), order.side, order.price, order.remaining)
        for order in orders
    ]
    return min(portfolio.wealth(exposures))
