"""How much more an event may risk, and the balance of a shard can pay for.

An event may lose so much in its worst outcome. What rests on a shard is paid for from the balance
there and from nowhere else, as if all of it filled; what closes a position needs no cash, and of
several orders the dearest close it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from mmbot.trading.desk import Desk, Ladder
from mmbot.trading.orders import Order
from mmbot.trading.portfolio import Exposure, WorstCase, paid_each
from mmbot.trading.values import Side
from mmbot.units import Count, Money, Price


class Purse:
    """What is left of a shard's balance beside the orders that may live there."""

    def __init__(self, balance: Money) -> None:
        self._left = balance
        # What the orders that are being cancelled set free once they are.
        self._leaving: Money = 0
        self._closing: dict[tuple[str, Side], Count] = {}

    def hold(self, ticker: str, position: Count, orders: Iterable[Order]) -> None:
        """Set aside what the orders of a market need."""
        self._closing[ticker, "bid"] = max(0, -position)
        self._closing[ticker, "ask"] = max(0, position)
        for order in sorted(orders, key=lambda o: -paid_each(o.side, o.price)):
            needed = self.spend(ticker, order.side, order.price, order.exposed)
            if order.state == "cancelling":
                self._leaving += needed

    def spend(self, ticker: str, side: Side, price: Price, count: Count) -> Money:
        """Set aside what one more order needs, and return it."""
        covered = min(self._closing[ticker, side], count)
        self._closing[ticker, side] -= covered
        needed = (count - covered) * paid_each(side, price)
        self._left -= needed
        return needed

    def room(self, ticker: str, side: Side, price: Price, count: Count) -> Count:
        """Return how much of one more order can be paid for."""
        return min(
            count, self._closing[ticker, side] + max(0, self._left) // paid_each(side, price)
        )

    def recall(self, order: Order, position: Count) -> bool:
        """Say whether an order has to go as not all can be paid for; its cash then comes back."""
        against = -position if order.side == "bid" else position
        growing = order.exposed - max(0, against)
        if growing <= 0 or self._left + self._leaving >= 0:
            return False
        self._leaving += growing * paid_each(order.side, order.price)
        return True


class Headroom:
    """What there is room for at one instant, every order counted that may be live."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._worst_cases: dict[str, WorstCase] = {}
        self._purses: dict[int, Purse | None] = {}

    def excess(self, order: Order) -> str:
        """Return why an order is more than there is room for, or nothing."""
        ladder = self._desk.ladder_of[order.ticker]
        exposure = _exposure(ladder, order.ticker, order.side, order.price, order.exposed)
        if self._worst_case(ladder).breaks(exposure, self._floor):
            return "worst_case"
        purse = self._purse(order.ticker)
        position = ladder.portfolio.position(order.ticker)
        return "shard_balance" if purse and purse.recall(order, position) else ""

    def room(self, ticker: str, side: Side, price: Price, count: Count) -> Count:
        """Return how much of one more order there is room for."""
        ladder = self._desk.ladder_of[ticker]
        exposure = _exposure(ladder, ticker, side, price, count)
        safe = self._worst_case(ladder).room(exposure, self._floor)
        purse = self._purse(ticker)
        return purse.room(ticker, side, price, safe) if purse else safe

    def commit(self, ticker: str, side: Side, price: Price, count: Count) -> None:
        """Count one more order."""
        ladder = self._desk.ladder_of[ticker]
        self._worst_case(ladder).commit(_exposure(ladder, ticker, side, price, count))
        purse = self._purse(ticker)
        if purse:
            purse.spend(ticker, side, price, count)

    @cached_property
    def _floor(self) -> Money:
        """The least wealth that an outcome may leave."""
        return -self._desk.loss_limit()

    def _worst_case(self, ladder: Ladder) -> WorstCase:
        if ladder.ticker not in self._worst_cases:
            exposures = self._desk.exposures(ladder)
            self._worst_cases[ladder.ticker] = WorstCase(ladder.portfolio.wealth(exposures))
        return self._worst_cases[ladder.ticker]

    def _purse(self, ticker: str) -> Purse | None:
        """Return the purse of a market's shard, or `None` while its balance is not known."""
        shard = self._desk.ladder_of[ticker].listings[ticker].market.shard
        if shard not in self._purses:
            balance = self._desk.balance(shard)
            self._purses[shard] = None if balance is None else self._filled(Purse(balance), shard)
        return self._purses[shard]

    def _filled(self, purse: Purse, shard: int) -> Purse:
        for ticker in self._desk.on_shard(shard):
            position = self._desk.ladder_of[ticker].portfolio.position(ticker)
            purse.hold(ticker, position, self._desk.orders.of(ticker))
        return purse


def _exposure(ladder: Ladder, ticker: str, side: Side, price: Price, count: Count) -> Exposure:
    return Exposure(ladder.portfolio.rung(ticker), side, price, count)
