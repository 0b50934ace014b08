"""What an event may lose in markets of its own that are not known.

A market that could not be read has no strike, so what its fills and orders may lose counts as lost
in every outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mmbot.trading.fees import NO_FEE, MakerFee
from mmbot.trading.portfolio import Portfolio, most_spent
from mmbot.trading.values import Fill, OrderReport
from mmbot.units import Money, total


class UnlistedMarkets:
    """The markets of one event that have our fills or orders and could never be read."""

    def __init__(self) -> None:
        self._lost: dict[str, Money] = {}
        # By market and client order id. An order's possible loss stays after it is off: no list
        # that this session reads shows whether it filled before.
        self._at_risk: dict[tuple[str, str], Money] = {}

    @property
    def loss(self) -> Money:
        """The most that fills and orders may lose."""
        return total((*self._lost.values(), *self._at_risk.values()))

    def count_fills(self, fills: Iterable[Fill]) -> None:
        """Count these fills of earlier sessions, and no others."""
        portfolios: dict[str, Portfolio] = {}
        for fill in fills:
            portfolios.setdefault(fill.ticker, Portfolio((fill.ticker,))).book(fill)
        self._lost = {
            ticker: Money(max(0, -min(portfolio.wealth())))
            for ticker, portfolio in portfolios.items()
        }

    def count_order(self, report: OrderReport, fee: MakerFee = NO_FEE) -> None:
        """Count an order of an earlier session that rests in one of these markets."""
        key = report.ticker, report.client_id
        loss = most_spent(report.side, report.price, report.remaining, fee)
        self._at_risk[key] = Money(max(loss, self._at_risk.get(key, 0)))

    def drop(self, listed: Collection[str]) -> None:
        """Drop the orders in markets that are known by now."""
        self._at_risk = {key: loss for key, loss in self._at_risk.items() if key[0] not in listed}
