"""Wanted quotes: from a market's quote limits, book and position.

A bid for NO rests in the book as an ask at one dollar minus its price. Quotes never cross, and
never improve on the best other quote by more than one tick. Values are rounded onto the market's
own grid in the maker's favour: a bid down, an ask up.

A quote that only reduces a position is shown where no other would be: at extreme fair values, at
prices below the lowest bid, and whatever the size for the day of the week.
"""

from __future__ import annotations

import msgspec

from mmbot.config import Settings
from mmbot.trading.book import Top
from mmbot.trading.gates import Gate
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Price, PriceGrid, ceil_price, floor_price


class Quote(msgspec.Struct, frozen=True):
    """The wanted quote on one side of a market.

    `limit` is the worst price that the quote limits allow: a resting order beyond it is wrong, one
    between it and `price` merely pays more than it has to. In the same way an order for more than
    `most` is wrong; one for more than `count` is larger than a new one would be. `count` may be 0.
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
    """Both sides of a market; where neither is wanted, the gate that is shut."""

    bid: Quote | None = None
    ask: Quote | None = None
    gate: Gate | None = None

    def on(self, side: Side) -> Quote | None:
        """Return one side."""
        return self.bid if side == "bid" else self.ask


class _Room(msgspec.Struct, frozen=True):
    """The largest order that may rest on one side, and the size of a new quote there."""

    most: Count
    count: Count


def wanted_quotes(
    limits: QuoteLimits,
    top: Top,
    position: Count,
    grid: PriceGrid,
    settings: Settings,
    *,
    reduce_only: bool = False,
) -> Quotes:
    """Return the quotes for one market.

    Args:
        limits: The highest prices and the sizes.
        top: The best bid and ask of the others.
        position: The signed position, in units of count.
        grid: The market's prices.
        settings: Sides, bounds and the largest position.
        reduce_only: Whether no position may grow.
    """
    quoting, fair = settings.quoting, limits.fair
    closed = reduce_only or not quoting.minimum_fair <= fair <= quoting.maximum_fair
    short = Count(-position)
    bid = ask = None
    if quoting.bids_yes(fair) or reduce_only:
        bid = _bid(limits, _room(limits.yes_count, short, settings, closed=closed), top, grid)
        if bid and bid.price < floor_price(quoting.lowest_bid):
            to_reduce = _room(Count(0), short, settings, closed=True)
            bid = _bid(limits, to_reduce, top, grid)
    if quoting.bids_no(fair) or reduce_only:
        ask = _ask(limits, _room(limits.no_count, position, settings, closed=closed), top, grid)
    if bid is None and ask is None:
        return Quotes(gate=_quote_gate(limits, settings, reduce_only=reduce_only))
    return Quotes(bid, ask)


def _quote_gate(limits: QuoteLimits, settings: Settings, *, reduce_only: bool) -> Gate:
    if reduce_only:
        return Gate.REDUCE_ONLY
    quoting = settings.quoting
    if not quoting.minimum_fair <= limits.fair <= quoting.maximum_fair:
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


def _bid(limits: QuoteLimits, room: _Room, top: Top, grid: PriceGrid) -> Quote | None:
    limit = grid.floor(floor_price(limits.yes_value))
    if limit is None or room.most <= 0:
        return None
    highest = limit
    if top.bid is not None and top.bid < limit:
        highest = min(limit, grid.ceil(_above(top.bid)) or limit)
    price = highest if top.ask is None or top.ask > highest else grid.floor(_below(top.ask))
    return None if price is None else Quote("bid", price, room.count, limit, room.most)


def _ask(limits: QuoteLimits, room: _Room, top: Top, grid: PriceGrid) -> Quote | None:
    # What is paid for NO is one dollar minus the ask.
    limit = grid.ceil(ceil_price(1 - limits.no_value))
    if limit is None or room.most <= 0:
        return None
    lowest = limit
    if top.ask is not None and top.ask > limit:
        lowest = max(limit, grid.floor(_below(top.ask)) or limit)
    price = lowest if top.bid is None or top.bid < lowest else grid.ceil(_above(top.bid))
    return None if price is None else Quote("ask", price, room.count, limit, room.most)


def _above(price: Price) -> Price:
    """Return the least price above one; the grid decides which prices may be quoted."""
    return Price(price + 1)


def _below(price: Price) -> Price:
    return Price(price - 1)


def danger(side: Side, price: Price, fair: float) -> float:
    """Return how far an order at `price` is on the wrong side of fair value, in price units."""
    distance = price - fair * ONE_DOLLAR
    return distance if side == "bid" else -distance
