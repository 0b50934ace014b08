"""What an account holds in one event, as the exchange booked it, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from mmbot.exchange.accounts import Side, cost_of_one
from mmbot.exchange.facts import AccountFilled
from mmbot.units import ONE_DOLLAR, Count, Money, Price


class Holding:
    """Cash and positions of one event; `allowed` is what the bot need not answer for.

    Selling YES counts as cash and a debt, so that cash and positions add up to the event's P&L.
    """

    def __init__(self, tickers: tuple[str, ...]) -> None:
        """Hold nothing in markets of ascending strikes."""
        self.cash: Money = 0
        self.allowed: Money = 0
        self.positions: dict[str, Count] = dict.fromkeys(tickers, 0)
        self._rungs = {ticker: rung for rung, ticker in enumerate(tickers)}

    def book(self, fill: AccountFilled, *, foreign: bool) -> None:
        """Book a fill; nothing that the bot does can undo a `foreign` one, or a sudden fee."""
        signed = fill.count if fill.side == "bid" else -fill.count
        self.positions[fill.ticker] += signed
        self.cash -= fill.price * signed + fill.fee
        self.allowed += fill.fee
        if foreign:
            self.allowed += cost_of_one(fill.side, fill.price) * fill.count

    def wealth(self, orders: Iterable[tuple[str, Side, Price, Count]]) -> list[Money]:
        """Return the least wealth in each outcome cell, each order filled where that hurts."""
        # What each cell has more than the one below it.
        steps = [self.cash, *(net * ONE_DOLLAR for net in self.positions.values())]
        for ticker, side, price, count in orders:
            rung, lost = self._rungs.get(ticker), cost_of_one(side, price) * count
            if rung is None:
                continue
            if side == "bid":
                steps[0] -= lost
                steps[rung + 1] += lost
            else:
                steps[rung + 1] -= lost
        return list(accumulate(steps))
