"""The life of our orders, and what to do about each of them.

An order is *placing* until its place is answered, *resting* while the exchange has it, *renewing*,
*decreasing* or *cancelling* while that write is unanswered, *unknown* when nobody can say what
became of the last write, and *owed* when it is over but fills it is known to have had are not
booked yet.
What the exchange says may come in any order, twice or late: the filled count only rises, and an
order that is over stays over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from mmbot.config import OrderSettings, QuotingSettings
from mmbot.trading.quoting import Quote
from mmbot.trading.values import OrderReport, Side
from mmbot.units import Count, Price

OrderState: TypeAlias = Literal[
    "placing", "resting", "renewing", "decreasing", "cancelling", "unknown", "owed"
]
OrderAction: TypeAlias = Literal["keep", "renew", "decrease", "cancel"]

# How many orders that are over are remembered, so that a late message cannot revive one. A week
# of quoting makes a few thousand; messages are late by seconds.
_REMEMBERED = 4096
# How long, in milliseconds, an order of an earlier life may wait for this one to learn what it
# needs to judge it: it has stood there without anybody to watch it for longer than that.
_SPARED = 5_000


class Order(msgspec.Struct):
    """One order of ours.

    `count` is what is filled of it and what rests, together: it only falls, by decreases. `filled`
    is what the exchange is known to have filled, by whichever message said most; `booked` what of
    it has arrived as fills. Times are in milliseconds.
    """

    client_id: str
    ticker: str
    side: Side
    price: Price
    count: Count
    expires: int
    placed_at: int
    order_id: str = ""
    group: str = ""
    state: OrderState = "placing"
    filled: Count = 0
    booked: Count = 0
    asked_at: int = 0
    asked_often: int = 0
    # A write that was refused is not tried again before then.
    cancel_after: int = 0
    change_after: int = 0
    spared_until: int = 0

    @property
    def remaining(self) -> Count:
        """What may still rest in the book."""
        return 0 if self.state == "owed" else max(0, self.count - self.filled)

    @property
    def exposed(self) -> Count:
        """What may still become a position: whatever is not booked yet and could be."""
        return max(0, (self.filled if self.state == "owed" else self.count) - self.booked)

    def doubt(self) -> None:
        """Have the order looked up before it is believed to be what it was."""
        if self.state not in {"owed", "unknown"}:
            self.state = "unknown"
            self.asked_often = 0


class OwnOrders:
    """Every order that may still matter, by its client id and by its market."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._by_ticker: dict[str, dict[str, Order]] = {}
        self._by_order_id: dict[str, Order] = {}
        self._over: OrderedDict[str, None] = OrderedDict()

    def __iter__(self) -> Iterator[Order]:
        return iter(tuple(self._orders.values()))

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, client_id: str) -> Order | None:
        """Return an order that is not over."""
        return self._orders.get(client_id)

    def by_order_id(self, order_id: str) -> Order | None:
        """Return an order by the exchange's id."""
        return self._by_order_id.get(order_id)

    def of(self, ticker: str) -> tuple[Order, ...]:
        """Return a market's orders, oldest first."""
        return tuple(self._by_ticker.get(ticker, {}).values())

    def levels(self, ticker: str) -> tuple[dict[Price, Count], dict[Price, Count]]:
        """Return what is ours in a market's bids and asks: contracts at each price."""
        bids: dict[Price, Count] = {}
        asks: dict[Price, Count] = {}
        for order in self._by_ticker.get(ticker, {}).values():
            levels = bids if order.side == "bid" else asks
            if order.remaining:
                levels[order.price] = levels.get(order.price, 0) + order.remaining
        return bids, asks

    def add(self, order: Order) -> None:
        """Take up an order that is being placed, or one that was found at the exchange."""
        self._orders[order.client_id] = order
        self._by_ticker.setdefault(order.ticker, {})[order.client_id] = order
        if order.order_id:
            self._by_order_id[order.order_id] = order

    def is_over(self, client_id: str) -> bool:
        """Say whether an order is remembered as over."""
        return client_id in self._over

    def identify(self, order: Order, order_id: str, booked: Count) -> None:
        """Learn the exchange's id of an order, and what was booked under it already."""
        order.order_id = order_id
        self._by_order_id[order_id] = order
        self.fill(order, booked)

    def fill(self, order: Order, booked: Count) -> None:
        """Learn how much of an order is booked in all."""
        order.booked = max(order.booked, booked)
        order.filled = max(order.filled, order.booked)
        if order.state == "owed" or order.filled >= order.count:
            self.end(order)

    def report(self, order: Order, report: OrderReport) -> None:
        """Learn what the exchange says of an order, apart from which write it answers."""
        order.filled = max(order.filled, report.filled)
        order.expires = max(order.expires, report.expires)
        order.group = report.group or order.group
        if report.status == "resting":
            order.count = min(order.count, report.filled + report.remaining)
        if report.status == "ended" or order.filled >= order.count:
            self.end(order)

    def end(self, order: Order) -> None:
        """Let an order be over, unless fills are still owed."""
        if order.filled > order.booked:
            order.state = "owed"
            return
        self.forget(order)
        self._over[order.client_id] = None
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    def forget(self, order: Order) -> None:
        """Drop an order that never came to be; should it turn up after all, it is adopted."""
        del self._orders[order.client_id]
        del self._by_ticker[order.ticker][order.client_id]
        self._by_order_id.pop(order.order_id, None)


def adopted_order(report: OrderReport, now: int) -> Order:
    """Return an order of ours that was found at the exchange, from an earlier life of the bot."""
    return Order(
        client_id=report.client_id,
        ticker=report.ticker,
        side=report.side,
        price=report.price,
        count=report.filled + report.remaining,
        expires=report.expires,
        placed_at=now,
        order_id=report.order_id,
        group=report.group,
        state="resting",
        filled=report.filled,
        spared_until=now + _SPARED,
    )


def order_action(
    order: Order, wanted: Quote | None, now: int, quoting: QuotingSettings, life: OrderSettings
) -> OrderAction:
    """Say what to do about a resting order when `wanted` should stand in its place."""
    if wanted is None or not wanted.allows(order.price):
        return "cancel"
    rested = now >= order.placed_at + quoting.minimum_rest
    astray = abs(order.price - wanted.price) > quoting.reprice_tolerance
    if rested and (astray or 2 * order.remaining < wanted.count):
        return "cancel"
    if order.remaining > wanted.most or (rested and order.remaining > 2 * wanted.count):
        # Less of it keeps its place in the queue; where nothing may stay, or while less of it is
        # refused, all of it goes.
        smaller = wanted.count and now >= order.change_after
        return "decrease" if smaller else "cancel"
    return "renew" if now >= renewal_due(order, life) else "keep"


def renewal_due(order: Order, life: OrderSettings) -> int:
    """Return when an order's lifetime is half over."""
    return order.expires - life.lifetime // 2
