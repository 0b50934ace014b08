"""From what may be paid in a market, its book and a position to the quotes it should show.

A bid for NO stands in the book as an ask at one dollar minus its price. Quotes never cross, and
never pay more than one tick beyond the best other quote. Values are rounded onto the market's own
grid in the maker's favour: a bid down, an ask up.

What only reduces a position is quoted where nothing else would be: at extreme fair values, at
prices below the lowest bid, and whatever the size for the day of the week.
"""

from __future__ import annotations

import msgspec

from mmbot.config import Settings
from mmbot.trading.book import Top
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Price, PriceGrid, ceil_price, floor_price


class Quote(msgspec.Struct, frozen=True):
    """One side of a market as it should stand.

    `limit` is the price that the terms allow at the most: a resting order beyond it is wrong, one
    between it and `price` merely pays more than it has to. In the same way an order for more than
    `most` is wrong; one for more than `count` is larger than a new one would be, which may be
    nothing.
    """

    side: Side
    price: Price
    count: Count
    limit: Price
    most: Count

    def allows(self, price: Price) -> bool:
        """Say whether an order of ours at `price` still keeps the margin."""
        return price <= self.limit if self.side == "bid" else price >= self.limit


class Quotes(msgspec.Struct, frozen=True):
    """Both sides of a market; where neither is wanted, the one reason why."""

    bid: Quote | None = None
    ask: Quote | None = None
    reason: str = ""

    def on(self, side: Side) -> Quote | None:
        """Return one side."""
        return self.bid if side == "bid" else self.ask


class _Room(msgspec.Struct, frozen=True):
    """How much may stand on one side at the most, and how much a new quote there is for."""

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
        limits: What may be paid, and for how much.
        top: The best bid and ask of the others.
        position: The signed position, in units of count.
        grid: The market's prices.
        settings: Sides, bounds and the largest position.
        reduce_only: Whether no position may grow.
    """
    quoting, fair = settings.quoting, limits.fair
    closed = reduce_only or not quoting.minimum_fair <= fair <= quoting.maximum_fair
    bid = ask = None
    if quoting.bids_yes(fair) or reduce_only:
        bid = _bid(limits, _room(limits.yes_count, -position, settings, closed=closed), top, grid)
        if bid and bid.price < floor_price(quoting.lowest_bid):
            to_reduce = _room(0, -position, settings, closed=True)
            bid = _bid(limits, to_reduce, top, grid)
    if quoting.bids_no(fair) or reduce_only:
        ask = _ask(limits, _room(limits.no_count, position, settings, closed=closed), top, grid)
    if bid is None and ask is None:
        return Quotes(reason=_reason(limits, settings, reduce_only=reduce_only))
    return Quotes(bid, ask)


def _reason(limits: QuoteLimits, settings: Settings, *, reduce_only: bool) -> str:
    if reduce_only:
        return "reduce_only"
    quoting = settings.quoting
    if not quoting.minimum_fair <= limits.fair <= quoting.maximum_fair:
        return "fair_extreme"
    return "no_price_or_room"


def _room(count: Count, against: Count, settings: Settings, *, closed: bool) -> _Room:
    """Return what a side has room for; `against` is the position that it would reduce."""
    reducing = max(0, against)
    to_reduce = min(reducing, settings.quoting.size)
    if closed:
        return _Room(reducing, to_reduce)
    most = max(0, settings.limits.position + against)
    return _Room(most, max(to_reduce, min(count, most)))


def _bid(limits: QuoteLimits, room: _Room, top: Top, grid: PriceGrid) -> Quote | None:
    limit = grid.floor(floor_price(limits.yes_value))
    if limit is None or room.most <= 0:
        return None
    highest = limit
    if top.bid is not None and top.bid < limit:
        highest = min(limit, grid.ceil(top.bid + 1) or limit)
    price = highest if top.ask is None or top.ask > highest else grid.floor(top.ask - 1)
    return None if price is None else Quote("bid", price, room.count, limit, room.most)


def _ask(limits: QuoteLimits, room: _Room, top: Top, grid: PriceGrid) -> Quote | None:
    # What is paid for NO is one dollar minus the ask.
    limit = grid.ceil(ceil_price(1 - limits.no_value))
    if limit is None or room.most <= 0:
        return None
    lowest = limit
    if top.ask is not None and top.ask > limit:
        lowest = max(limit, grid.floor(top.ask - 1) or limit)
    price = lowest if top.bid is None or top.bid < lowest else grid.ceil(top.bid + 1)
    return None if price is None else Quote("ask", price, room.count, limit, room.most)


def danger(side: Side, price: Price, fair: float) -> float:
    """Return how far an order at `price` is on the wrong side of fair value, in price units."""
    distance = price - fair * ONE_DOLLAR
    return distance if side == "bid" else -distance
