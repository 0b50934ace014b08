"""Wanted quotes: from a market's quote limits, book and position.

A bid for NO rests in the book as an ask at one dollar minus its price. Quotes never cross, and
never improve on the best quote of others by more than one tick. Values are rounded to the market's
own grid in the maker's favour: a bid down, an ask up.

A quote that only reduces a position is allowed where others are not: at extreme fair values, at
prices below the lowest bid, and whatever the size for the day of the week.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from mmbot.config import QuotingSettings, Settings
from mmbot.trading.book import Top
from mmbot.trading.gates import Gate
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Price, PriceGrid, ceil_price, floor_price

# Grids have steps of a cent, or of a tenth of one near the ends.
_PRICES_KEPT = 1024


class Quote(msgspec.Struct, frozen=True):
    """The wanted quote on one side of a market.

    `limit` is the worst price that the quote limits allow: a resting order beyond it is wrong, one
    between it and `price` merely pays more than necessary. Likewise, an order for more than `most`
    is wrong; one for more than `count` is larger than a new one would be. `count` may be 0.
    """

    side: Side
    price: Price
    count: Count
    limit: Price
    most: Count

    def allows(self, price: Price) -> bool:
        """Return whether an order of ours at `price` still keeps the margin."""
        return price <= self.limit if self.side == "bid" else price >= self.limit


class Quotes(msgspec.Struct, frozen=True):
    """Both sides of a market; if neither is wanted, the gate that is shut."""

    bid: Quote | None = None
    ask: Quote | None = None
    gate: Gate | None = None


class _Room(msgspec.Struct, frozen=True):
    """The largest order that may rest on one side (`most`), and the size of a new quote."""

    most: Count
    count: Count


class _Prices(msgspec.Struct, frozen=True):
    """All prices from `least` to `most`, which round to the same price of a grid."""

    least: int
    most: int


_ANY: Final = _Prices(-ONE_DOLLAR, 2 * ONE_DOLLAR)


class QuoteBounds(msgspec.Struct):
    """What a market's quotes have to keep to whatever its book shows; made from the other values.

    `bid` and `ask` are the worst prices that the limits allow there, on the grid, with the room;
    `cheap` is the room of a bid below the lowest that is wanted. Limits may be others within
    `bids` and `asks`, as long as they ask for the same sides and sizes; `limits` are the latest.
    """

    limits: QuoteLimits
    position: Count
    grid: PriceGrid
    settings: Settings
    reduce_only: bool
    bid: tuple[Price, _Room] | None
    cheap: _Room
    lowest_bid: Price
    ask: tuple[Price, _Room] | None
    bids: _Prices
    asks: _Prices

    def hold_for(
        self,
        limits: QuoteLimits,
        position: Count,
        grid: PriceGrid,
        settings: Settings,
        *,
        reduce_only: bool,
    ) -> bool:
        """Return whether these values lead to the same bounds."""
        return (
            self.position == position
            and self.grid is grid
            and self.settings is settings
            and self.reduce_only == reduce_only
            and (self.limits is limits or self._are_those_of(limits))
        )

    def _are_those_of(self, limits: QuoteLimits) -> bool:
        """Return whether other limits lead to the same bounds, all other inputs being equal."""
        before, quoting = self.limits, self.settings.quoting
        are_those = (
            self.bids.least <= floor_price(limits.yes_value) <= self.bids.most
            and self.asks.least <= ceil_price(1 - limits.no_value) <= self.asks.most
            and limits.yes_count == before.yes_count
            and limits.no_count == before.no_count
            and _sides(quoting, limits.fair) == _sides(quoting, before.fair)
        )
        if are_those:
            self.limits = limits
        return are_those


def quote_bounds(
    limits: QuoteLimits,
    position: Count,
    grid: PriceGrid,
    settings: Settings,
    *,
    reduce_only: bool = False,
) -> QuoteBounds:
    """Return the bounds of the quotes for one market.

    Args:
        limits: The highest prices and the sizes.
        position: The signed position, in units of count.
        grid: The market's prices.
        settings: Sides, bounds and the largest position.
        reduce_only: Whether no position may grow.
    """
    quoting, fair = settings.quoting, limits.fair
    closed = reduce_only or not quoting.minimum_fair <= fair <= quoting.maximum_fair
    short = Count(-position)
    bid = ask = None
    bids = asks = _ANY
    if fair >= quoting.yes_from or reduce_only:
        highest = grid.floor(floor_price(limits.yes_value))
        bids = _rounded_down(grid, highest)
        room = _room(limits.yes_count, short, settings, closed=closed)
        bid = None if highest is None or room.most <= 0 else (highest, room)
    if fair < quoting.no_below or reduce_only:
        # The price of NO is one dollar minus the ask.
        lowest = grid.ceil(ceil_price(1 - limits.no_value))
        asks = _rounded_up(grid, lowest)
        room = _room(limits.no_count, position, settings, closed=closed)
        ask = None if lowest is None or room.most <= 0 else (lowest, room)
    cheap = _room(Count(0), short, settings, closed=True)
    lowest_bid = floor_price(quoting.lowest_bid)
    return QuoteBounds(
        limits, position, grid, settings, reduce_only, bid, cheap, lowest_bid, ask, bids, asks
    )


def _sides(quoting: QuotingSettings, fair: float) -> tuple[bool, bool, bool]:
    """Return what the fair value decides: whether to quote, to bid for YES, to bid for NO."""
    return (
        quoting.minimum_fair <= fair <= quoting.maximum_fair,
        fair >= quoting.yes_from,
        fair < quoting.no_below,
    )


@lru_cache(_PRICES_KEPT)
def _rounded_down(grid: PriceGrid, price: Price | None) -> _Prices:
    """Return the prices that the grid rounds down to this one."""
    least = _ANY.least if price is None else price
    above = grid.ceil(0 if price is None else price + 1)
    return _Prices(least, _ANY.most if above is None else above - 1)


@lru_cache(_PRICES_KEPT)
def _rounded_up(grid: PriceGrid, price: Price | None) -> _Prices:
    """Return the prices that the grid rounds up to this one."""
    most = _ANY.most if price is None else price
    below = grid.floor(ONE_DOLLAR if price is None else price - 1)
    return _Prices(_ANY.least if below is None else below + 1, most)


def wanted_quotes(bounds: QuoteBounds, top: Top) -> Quotes:
    """Return the quotes for one market, given the best bid and ask of others."""
    bid, ask = _bid(bounds, top), _ask(bounds, top)
    if bid is None and ask is None:
        return Quotes(gate=_quote_gate(bounds))
    return Quotes(bid, ask)


def _quote_gate(bounds: QuoteBounds) -> Gate:
    if bounds.reduce_only:
        return Gate.REDUCE_ONLY
    quoting = bounds.settings.quoting
    if not quoting.minimum_fair <= bounds.limits.fair <= quoting.maximum_fair:
        return Gate.FAIR_EXTREME
    return Gate.NO_PRICE_OR_ROOM


def _room(count: Count, against: Count, settings: Settings, *, closed: bool) -> _Room:
    """Return the sizes on a side; `against` is the position that a fill there would reduce."""
    reducing = Count(max(0, against))
    to_reduce = min(reducing, settings.quoting.size)
    if closed:
        return _Room(reducing, to_reduce)
    most = Count(max(0, settings.limits.position + against))
    return _Room(most, max(to_reduce, min(count, most)))


# Below, +1 or -1 is one price unit better than others; the grid then gives the next valid price.


def _bid(bounds: QuoteBounds, top: Top) -> Quote | None:
    if bounds.bid is None:
        return None
    limit, room = bounds.bid
    price, best_bid, best_ask = limit, top.bid, top.ask
    if best_bid is not None and best_bid < limit:
        above = bounds.grid.ceil(best_bid + 1)
        if above is not None and above < limit:
            price = above
    if best_ask is not None and best_ask <= price:
        below = bounds.grid.floor(best_ask - 1)
        if below is None:
            return None
        price = below
    if price < bounds.lowest_bid:
        room = bounds.cheap
        if room.most <= 0:
            return None
    return Quote("bid", price, room.count, limit, room.most)


def _ask(bounds: QuoteBounds, top: Top) -> Quote | None:
    if bounds.ask is None:
        return None
    limit, room = bounds.ask
    price, best_bid, best_ask = limit, top.bid, top.ask
    if best_ask is not None and best_ask > limit:
        below = bounds.grid.floor(best_ask - 1)
        if below is not None and below > limit:
            price = below
    if best_bid is not None and best_bid >= price:
        above = bounds.grid.ceil(best_bid + 1)
        if above is None:
            return None
        price = above
    return Quote("ask", price, room.count, limit, room.most)


def danger(side: Side, price: Price, fair: float) -> float:
    """Return how far an order at `price` is on the wrong side of fair value, in price units."""
    distance = price - fair * ONE_DOLLAR
    return distance if side == "bid" else -distance
