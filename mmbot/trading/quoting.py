"""From a belief, a book and a position to the quotes that one market should show.

With margin m and fair value p: the bid for YES is at most p x (1 - m), the bid for NO at most
(1 - p) x (1 - m), which stands in the book as an ask at one dollar minus that. Both keep a
minimum edge in cents, never cross, and never pay more than one tick beyond the best other quote.
Values are rounded onto the market's own grid in the maker's favour: a bid down, an ask up.
"""

from __future__ import annotations

import msgspec

from mmbot.config import QuotingSettings, Settings
from mmbot.trading.book import Top
from mmbot.trading.events import Side
from mmbot.units import ONE_DOLLAR, Count, Price, PriceGrid, ceil_price, floor_price


class Quote(msgspec.Struct, frozen=True):
    """One side of a market as it should stand.

    `limit` is the price that the margin allows at the most: a resting order beyond it is wrong,
    one between it and `price` merely pays more than it has to.
    """

    side: Side
    price: Price
    count: Count
    limit: Price

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


def wanted_quotes(
    fair: float, top: Top, position: Count, grid: PriceGrid, settings: Settings
) -> Quotes:
    """Return the quotes for one market.

    Args:
        fair: The fair value of YES, in dollars.
        top: The best bid and ask of the others.
        position: The signed position, in units of count.
        grid: The market's prices.
        settings: Margin, sides, size and the largest position.
    """
    quoting, largest = settings.quoting, settings.limits.position
    if not quoting.minimum_fair <= fair <= quoting.maximum_fair:
        return Quotes(reason="fair_extreme")
    both = quoting.sides == "both"
    bid = ask = None
    if both or fair >= 0.5:
        bid = _bid(
            _bid_limit(fair, grid, quoting), min(quoting.size, largest - position), top, grid
        )
    if both or fair < 0.5:
        ask = _ask(
            _ask_limit(fair, grid, quoting), min(quoting.size, largest + position), top, grid
        )
    if bid is None and ask is None:
        return Quotes(reason="no_price_or_room")
    return Quotes(bid, ask)


def _bid_limit(fair: float, grid: PriceGrid, quoting: QuotingSettings) -> Price | None:
    value = min(fair * (1 - quoting.margin), fair - quoting.minimum_edge)
    return grid.floor(floor_price(value))


def _ask_limit(fair: float, grid: PriceGrid, quoting: QuotingSettings) -> Price | None:
    # What is paid for NO is one dollar minus the ask.
    no_value = min((1 - fair) * (1 - quoting.margin), 1 - fair - quoting.minimum_edge)
    return grid.ceil(ceil_price(1 - no_value))


def _bid(limit: Price | None, count: Count, top: Top, grid: PriceGrid) -> Quote | None:
    if limit is None or count <= 0:
        return None
    highest = limit
    if top.bid is not None:
        highest = min(highest, grid.ceil(top.bid + 1) or limit)
    if top.ask is not None:
        highest = min(highest, top.ask - 1)
    price = grid.floor(highest)
    return None if price is None else Quote("bid", price, count, limit)


def _ask(limit: Price | None, count: Count, top: Top, grid: PriceGrid) -> Quote | None:
    if limit is None or count <= 0:
        return None
    lowest = limit
    if top.ask is not None:
        lowest = max(lowest, grid.floor(top.ask - 1) or limit)
    if top.bid is not None:
        lowest = max(lowest, top.bid + 1)
    price = grid.ceil(lowest)
    return None if price is None else Quote("ask", price, count, limit)


def danger(side: Side, price: Price, fair: float) -> float:
    """Return how far an order at `price` is on the wrong side of fair value, in price units."""
    distance = price - fair * ONE_DOLLAR
    return distance if side == "bid" else -distance
