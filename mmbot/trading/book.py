"""One market's order book, in YES prices.

A level is a price and the contracts that rest there; a level that reaches zero is removed. A book
that cannot be right (a negative level, a bid at or above an ask) raises `CorruptBook` and must not
be read again until it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mmbot.trading.values import Level, Side
from mmbot.units import Count, Price


class Top(NamedTuple):
    """The best bid and the best ask; `None` where there is none."""

    bid: Price | None
    ask: Price | None


class CorruptBook(Exception):
    """The book contradicts itself."""


class Book:
    """Bids and asks as price -> contracts, with each side's best price cached.

    Raises:
        CorruptBook: The levels cannot be right.
    """

    __slots__ = ("_asks", "_best_ask", "_best_bid", "_bids")

    def __init__(self, bids: Iterable[Level] = (), asks: Iterable[Level] = ()) -> None:
        self._bids = {price: count for price, count in bids if count}
        self._asks = {price: count for price, count in asks if count}
        self._best_bid = max(self._bids, default=None)
        self._best_ask = min(self._asks, default=None)
        if any(count < 0 for side in (self._bids, self._asks) for count in side.values()):
            raise CorruptBook("a level below zero")
        self._refuse_crossed()

    def change(self, side: Side, price: Price, delta: Count) -> None:
        """Add `delta` contracts to a level.

        Raises:
            CorruptBook: The book cannot be right with it.
        """
        levels = self._bids if side == "bid" else self._asks
        count = Count(levels.get(price, 0) + delta)
        if count > 0:
            levels[price] = count
            self._raise_best(side, price)
        elif count == 0:
            levels.pop(price, None)
            self._drop_best(side, price)
        else:
            raise CorruptBook(f"the {side} level at {price} fell to {count}")

    def top(self, our_bids: Mapping[Price, Count], our_asks: Mapping[Price, Count]) -> Top:
        """Return the best prices of others, given our own contracts at each price."""
        return self.deep(our_bids, our_asks, Count(1))

    def deep(
        self, our_bids: Mapping[Price, Count], our_asks: Mapping[Price, Count], depth: Count
    ) -> Top:
        """Return the best prices at which at least `depth` contracts of others rest."""
        bid, ask = self._best_bid, self._best_ask
        # Most books are deep enough at their best prices; only the others are searched.
        if bid is not None and self._bids[bid] - our_bids.get(bid, 0) < depth:
            bids = (p for p, count in self._bids.items() if count - our_bids.get(p, 0) >= depth)
            bid = max(bids, default=None)
        if ask is not None and self._asks[ask] - our_asks.get(ask, 0) < depth:
            asks = (p for p, count in self._asks.items() if count - our_asks.get(p, 0) >= depth)
            ask = min(asks, default=None)
        return Top(bid, ask)

    def levels(self, side: Side) -> tuple[Level, ...]:
        """Return one side, best first."""
        if side == "bid":
            return tuple(sorted(self._bids.items(), reverse=True))
        return tuple(sorted(self._asks.items()))

    def _raise_best(self, side: Side, price: Price) -> None:
        if side == "bid":
            if self._best_bid is None or price > self._best_bid:
                self._best_bid = price
                self._refuse_crossed()
        elif self._best_ask is None or price < self._best_ask:
            self._best_ask = price
            self._refuse_crossed()

    def _drop_best(self, side: Side, price: Price) -> None:
        if side == "bid":
            if price == self._best_bid:
                self._best_bid = max(self._bids, default=None)
        elif price == self._best_ask:
            self._best_ask = min(self._asks, default=None)

    def _refuse_crossed(self) -> None:
        bid, ask = self._best_bid, self._best_ask
        if bid is not None and ask is not None and bid >= ask:
            raise CorruptBook(f"the best bid {bid} is not below the best ask {ask}")
