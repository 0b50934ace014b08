"""Our orders, by id and by market, and those that ended recently.

The exchange's messages may arrive late, twice or out of order: an order that is over stays over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, KeysView
from typing import NamedTuple

from mmbot.trading.events import BookChanged
from mmbot.trading.order import Order, OrderCause, OrderState, adopted_order
from mmbot.trading.values import Fill, OrderReport, Side
from mmbot.units import Count, Milliseconds, Price

# How many ended orders are remembered, so that a late message cannot revive one. A week of quoting
# makes a few thousand; messages are late by seconds.
_REMEMBERED = 4096
# How long after the answer to a cancel the stream may still show the order in the book.
_LEAVING_MS = 2_000


class _Leaving(NamedTuple):
    """A cancelled order's part of a level, and until when the book may show it."""

    side: Side
    price: Price
    contracts: Count
    until: Milliseconds


class OwnOrders:
    """Every order that may still matter, by its client id and by its market.

    `now` is the time of the event that is being handled.
    """

    def __init__(self) -> None:
        self.now: Milliseconds = 0
        self._orders: dict[str, Order] = {}
        self._by_ticker: dict[str, dict[str, Order]] = {}
        self._by_order_id: dict[str, Order] = {}
        # What the book may still show of cancelled orders, by market and client id.
        self._leaving: dict[str, dict[str, _Leaving]] = {}
        # The client ids of the latest orders, over or not, by the exchange's ids.
        self._client_ids: OrderedDict[str, str] = OrderedDict()
        # Dropped orders that are not logged yet.
        self._dropped: list[Order] = []
        # Ended orders, and since when they are over.
        self._over: OrderedDict[str, Milliseconds] = OrderedDict()

    def __iter__(self) -> Iterator[Order]:
        return iter(tuple(self._orders.values()))

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def client_ids(self) -> KeysView[str]:
        """The client ids of the orders that are not over."""
        return self._orders.keys()

    def get(self, client_id: str) -> Order | None:
        """Return an order that is not over."""
        return self._orders.get(client_id)

    def of_fill(self, fill: Fill) -> Order | None:
        """Return the order of a fill, by either of its ids, unless it is over."""
        return self._by_order_id.get(fill.order_id) or self._orders.get(fill.client_id)

    def by_order_id(self, order_id: str) -> Order | None:
        """Return an order by the exchange's id."""
        return self._by_order_id.get(order_id)

    def client_id_of(self, order_id: str) -> str:
        """Return the client id of an order, over or not; empty if it is not remembered."""
        return self._client_ids.get(order_id, "")

    def of(self, ticker: str) -> tuple[Order, ...]:
        """Return a market's orders, oldest first."""
        orders = self._by_ticker.get(ticker)
        return tuple(orders.values()) if orders else ()

    def levels(self, ticker: str) -> tuple[dict[Price, int], dict[Price, int]]:
        """Return our own part of a market's bids and asks: contracts at each price."""
        bids: dict[Price, int] = {}
        asks: dict[Price, int] = {}
        orders = self._by_ticker.get(ticker)
        for order in orders.values() if orders else ():
            remaining = order.remaining
            if remaining and not order.off_book:
                levels = bids if order.side == "bid" else asks
                levels[order.price] = levels.get(order.price, 0) + remaining
        leaving = self._leaving.get(ticker)
        for left in leaving.values() if leaving else ():
            if self.now < left.until:
                levels = bids if left.side == "bid" else asks
                levels[left.price] = levels.get(left.price, 0) + left.contracts
        return bids, asks

    def levels_change_at(self, ticker: str) -> Milliseconds | None:
        """Return the next time at which the clock alone changes our part of a market's levels."""
        leaving = self._leaving.get(ticker)
        if not leaving:
            return None
        instants = (each.until for each in leaving.values())
        return min((at for at in instants if at > self.now), default=None)

    def cancelled(self, order: Order) -> None:
        """End an order whose cancel is confirmed.

        The stream may remove it from the book later: for a while it is not taken for another's.
        """
        remaining = order.remaining
        self.end(order)
        if not remaining or order.off_book:
            return
        leaving = self._leaving.setdefault(order.ticker, {})
        until = self.now + _LEAVING_MS
        leaving[order.client_id] = _Leaving(order.side, order.price, remaining, until)
        for client_id in [each for each, left in leaving.items() if left.until <= self.now]:
            del leaving[client_id]

    def book_changed(self, change: BookChanged) -> None:
        """Apply a change of a book that was made by a write of an own order."""
        if change.delta >= 0:
            return
        self._leaving.get(change.ticker, {}).pop(change.client_id, None)
        order = self._orders.get(change.client_id)
        if order is not None and -change.delta >= order.remaining:
            order.off_book = True

    def book_replaced(self, ticker: str) -> None:
        """Apply a new snapshot of a book, which no longer shows cancelled orders."""
        self._leaving.pop(ticker, None)

    def add(self, order: Order) -> None:
        """Add an order that is being placed or was found at the exchange."""
        self._orders[order.client_id] = order
        self._by_ticker.setdefault(order.ticker, {})[order.client_id] = order
        if order.order_id:
            self._by_order_id[order.order_id] = order

    def is_over(self, client_id: str) -> bool:
        """Return whether an order is remembered as over."""
        return client_id in self._over

    def over_since(self, client_id: str) -> Milliseconds | None:
        """Return since when an order is over, its fills booked or not; `None` if it is not over."""
        order = self._orders.get(client_id)
        if order is not None and order.state is OrderState.AWAITING_FILLS:
            return order.over_since
        return self._over.get(client_id)

    def revive(self, report: OrderReport, now: Milliseconds) -> Order:
        """Make an order unknown that we thought was over but is listed as resting; return it."""
        order = self._orders.get(report.client_id)
        if order is None:
            order = adopted_order(report, now)
            self.add(order)
            order.mark_unknown()
        else:
            order.change(OrderCause.LISTED_AGAIN)
            order.filled = max(report.filled, order.booked)
            order.count = Count(order.filled + report.remaining)
        self._over.pop(report.client_id, None)
        return order

    def identify(self, order: Order, order_id: str, booked: Count) -> None:
        """Set the exchange's id of an order, and how much is booked under it already."""
        order.order_id = order_id
        self._by_order_id[order_id] = order
        self._client_ids[order_id] = order.client_id
        if len(self._client_ids) > _REMEMBERED:
            self._client_ids.popitem(last=False)
        self.update_booked(order, booked)

    def update_booked(self, order: Order, booked: Count) -> None:
        """Set how much of an order is booked in total; end it if that completes it."""
        order.booked = max(order.booked, booked)
        order.filled = max(order.filled, order.booked)
        if order.state is OrderState.AWAITING_FILLS or order.filled >= order.count:
            self.end(order)

    def nothing_owed(self, order: Order) -> None:
        """End an order that awaits fills that the exchange does not know of."""
        if order.state is OrderState.AWAITING_FILLS:
            order.filled = order.booked
            self.end(order)

    def unbook(self, order: Order, booked: Count) -> None:
        """Lower an order's booked count, and have the exchange queried for its filled count."""
        order.booked = order.filled = booked
        order.mark_unknown()

    def apply_report(self, order: Order, report: OrderReport) -> None:
        """Update an order from a report, except for the state of its writes."""
        order.filled = max(order.filled, report.filled)
        order.expires = max(order.expires, report.expires)
        order.group = report.group or order.group
        if report.status == "resting":
            order.count = min(order.count, Count(report.filled + report.remaining))
        if report.status == "ended" or order.filled >= order.count:
            self.end(order)

    def end(self, order: Order) -> None:
        """End an order, or let it await fills that are not booked yet."""
        if order.state is not OrderState.AWAITING_FILLS:
            order.over_since = self.now
        if order.filled > order.booked:
            order.change(OrderCause.ENDED_UNBOOKED)
            return
        self.forget(order)
        self._over[order.client_id] = order.over_since
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    def take_dropped(self) -> list[Order]:
        """Return the orders that were dropped since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def forget(self, order: Order) -> None:
        """Drop an order without remembering it as over: a later report of it has it adopted."""
        self._dropped.append(order)
        del self._orders[order.client_id]
        del self._by_ticker[order.ticker][order.client_id]
        self._by_order_id.pop(order.order_id, None)
