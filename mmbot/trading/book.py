"""One market's order book, in YES prices.

A level is a price and the contracts that rest there; a level that reaches zero is removed. A book
that cannot be right (a negative level, crossed or locked) raises `CorruptBook` and must not be
read again until it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from mmbot.trading.values import Level, Side
from mmbot.units import Count, Price


class Top(msgspec.Struct, frozen=True, gc=False):
    """The best bid and the best ask; `None` where there is none."""

    bid: Price | None
    ask: Price | None


class CorruptBook(Exception):
    """The book contradicts itself."""


class _SideRead(msgspec.Struct, frozen=True, gc=False):
    """The best price of others on a side, and the best at which `depth` of them rest.

    Valid as long as our own contracts on the side equal `ours`.
    """

    ours: Mapping[Price, int]
    depth: Count
    best: Price | None
    deep: Price | None


class Book:
    """Bids and asks as price -> contracts, with each side's best price at hand.

    Attributes:
        best_bid: The best bid, own orders included; `None` if there is none.
        best_ask: The best ask, likewise.

    Raises:
        CorruptBook: The levels cannot be right.
    """

    __slots__ = ("_asks", "_asks_read", "_bids", "_bids_read", "best_ask", "best_bid")

    def __init__(self, bids: Iterable[Level] = (), asks: Iterable[Level] = ()) -> None:
        # Plain integers, as the conversion of every change to a `Count` would be a call.
        self._bids: dict[Price, int] = {price: count for price, count in bids if count}
        self._asks: dict[Price, int] = {price: count for price, count in asks if count}
        # The last result for each side, until it changes: mostly only the other side has.
        self._bids_read: _SideRead | None = None
        self._asks_read: _SideRead | None = None
        self.best_bid = _best("bid", self._bids)
        self.best_ask = _best("ask", self._asks)
        if any(count < 0 for side in (self._bids, self._asks) for count in side.values()):
            raise CorruptBook("a level below zero")
        self._refuse_crossed()

    def change(self, side: Side, price: Price, delta: Count) -> None:
        """Add `delta` contracts to a level.

        Raises:
            CorruptBook: The book cannot be right after the change.
        """
        if side == "bid":
            levels, best, self._bids_read = self._bids, self.best_bid, None
        else:
            levels, best, self._asks_read = self._asks, self.best_ask, None
        count = levels.get(price, 0) + delta
        if count > 0:
            levels[price] = count
            if best is None or (price > best if side == "bid" else price < best):
                self._set_best(side, price)
                self._refuse_crossed()
        elif count == 0:
            levels.pop(price, None)
            if price == best:
                self._set_best(side, _best(side, levels))
        else:
            raise CorruptBook(f"the {side} level at {price} fell to {count}")

    def change_behind(self, side: Side, price: Price, delta: Count) -> bool:
        """Add `delta` contracts to a level behind the best one, unless it would go below zero.

        Return whether it was done.
        """
        if side == "bid":
            levels, self._bids_read = self._bids, None
        else:
            levels, self._asks_read = self._asks, None
        count = levels.get(price, 0) + delta
        if count > 0:
            levels[price] = count
        elif count == 0:
            levels.pop(price, None)
        else:
            return False
        return True

    def shows(self, bids: Iterable[Level], asks: Iterable[Level]) -> bool:
        """Return whether the book has exactly these levels."""
        return self._bids == {price: count for price, count in bids if count} and (
            self._asks == {price: count for price, count in asks if count}
        )

    def top(self, our_bids: Mapping[Price, int], our_asks: Mapping[Price, int]) -> Top:
        """Return the best prices of others, given our own contracts at each price."""
        return self.top_and_deep(our_bids, our_asks, Count(1))[0]

    def deep(
        self, our_bids: Mapping[Price, int], our_asks: Mapping[Price, int], depth: Count
    ) -> Top:
        """Return the best prices at which at least `depth` contracts of others rest."""
        return self.top_and_deep(our_bids, our_asks, depth)[1]

    def top_and_deep(
        self, our_bids: Mapping[Price, int], our_asks: Mapping[Price, int], depth: Count
    ) -> tuple[Top, Top]:
        """Return `top` and `deep`; they are equal if the best levels have that depth.

        The two mappings must not be changed afterwards.
        """
        bids, asks = self._bids_read, self._asks_read
        if bids is None or bids.depth != depth or bids.ours != our_bids:
            found = _others("bid", self._bids, self.best_bid, our_bids, depth)
            bids = self._bids_read = _SideRead(our_bids, depth, *found)
        if asks is None or asks.depth != depth or asks.ours != our_asks:
            found = _others("ask", self._asks, self.best_ask, our_asks, depth)
            asks = self._asks_read = _SideRead(our_asks, depth, *found)
        bid, deep_bid, ask, deep_ask = bids.best, bids.deep, asks.best, asks.deep
        top = Top(bid, ask)
        return top, top if deep_bid is bid and deep_ask is ask else Top(deep_bid, deep_ask)

    def resting(self, side: Side, price: Price) -> Count:
        """Return the contracts that rest at a price."""
        return Count((self._bids if side == "bid" else self._asks).get(price, 0))

    def levels(self, side: Side) -> tuple[Level, ...]:
        """Return one side, best first."""
        levels = self._bids if side == "bid" else self._asks
        prices = sorted(levels, reverse=side == "bid")
        return tuple((price, Count(levels[price])) for price in prices)

    def _set_best(self, side: Side, price: Price | None) -> None:
        if side == "bid":
            self.best_bid = price
        else:
            self.best_ask = price

    def _refuse_crossed(self) -> None:
        bid, ask = self.best_bid, self.best_ask
        if bid is not None and ask is not None and bid >= ask:
            raise CorruptBook(f"the best bid {bid} is not below the best ask {ask}")


def _others(
    side: Side,
    levels: Mapping[Price, int],
    best: Price | None,
    ours: Mapping[Price, int],
    depth: Count,
) -> tuple[Price | None, Price | None]:
    """Return the best price of others on a side, and the best at which `depth` of them rest."""
    # Most books are deep enough at their best prices, and need no search.
    if best is None:
        return None, None
    top, others = best, levels[best] - ours.get(best, 0)
    if others <= 0:
        theirs = levels.keys() - {p for p, count in ours.items() if count >= levels.get(p, 0)}
        if not theirs:
            return None, None
        top = max(theirs) if side == "bid" else min(theirs)
        others = levels[top] - ours.get(top, 0)
    if others >= depth:
        return top, top
    return top, _best(side, [p for p, count in levels.items() if count - ours.get(p, 0) >= depth])


def _best(side: Side, levels: Iterable[Price]) -> Price | None:
    return max(levels, default=None) if side == "bid" else min(levels, default=None)
