"""An account's holding in one event, as booked by the exchange, and its wealth per outcome."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from mmbot.exchange.accounts import cost_of_one
from mmbot.exchange.facts import AccountFilled
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Money, Price, value_of


class Holding:
    """Cash and positions of one event; `unavoidable_loss` is not the bot's fault.

    Selling YES counts as cash and a debt, so that cash and positions add up to the event's P&L.
    """

    def __init__(self, tickers: tuple[str, ...]) -> None:
        """Hold nothing in markets of ascending strikes."""
        self.cash = Money(0)
        self.unavoidable_loss = Money(0)
        self.positions: dict[str, Count] = dict.fromkeys(tickers, Count(0))
        self._strike_indices = {ticker: index for index, ticker in enumerate(tickers)}

    def book(self, fill: AccountFilled, expected: Money) -> None:
        """Book a fill; a fee beyond the `expected` one counts as unavoidable."""
        signed = Count(fill.count if fill.side == "bid" else -fill.count)
        self.positions[fill.ticker] = Count(self.positions[fill.ticker] + signed)
        self.cash = Money(self.cash - value_of(signed, fill.price) - fill.fee)
        sudden = max(0, fill.fee - expected)
        self.unavoidable_loss = Money(self.unavoidable_loss + sudden)

    def excuse(self, fill: AccountFilled) -> None:
        """Count what a booked fill may lose as unavoidable."""
        lost = value_of(fill.count, cost_of_one(fill.side, fill.price))
        self.unavoidable_loss = Money(self.unavoidable_loss + lost + fill.fee)

    def wealth(self, orders: Iterable[tuple[str, Side, Price, Count, Money]]) -> list[Money]:
        """Return the least wealth in each outcome cell, with each order filled where it loses.

        The last part of an order is its fee. Cell i is the outcome above the first i strikes.
        Orders of other events are left out.
        """
        # The differences between each cell and the one below it.
        steps: list[int] = [self.cash, *(net * ONE_DOLLAR for net in self.positions.values())]
        for ticker, side, price, count, fee in orders:
            index, lost = self._strike_indices.get(ticker), cost_of_one(side, price) * count + fee
            if index is None:
                continue
            if side == "bid":
                steps[0] -= lost
                steps[index + 1] += lost
            else:
                steps[index + 1] -= lost
        return [Money(wealth) for wealth in accumulate(steps)]
