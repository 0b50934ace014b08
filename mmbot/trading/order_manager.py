"""Applies answers, reports and fills to own orders.

The messages about an order may come in any order, twice or not at all: a fill before the answer to
its place, an answer after the order is over. A write without an answer leaves its order unknown;
until the exchange has been queried, other orders of that market may be cancelled, but nothing is
placed, renewed or decreased there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Cancel
from mmbot.trading.echo_watch import EchoWatch
from mmbot.trading.events import (
    Filled,
    OrderAbsent,
    OrderCancelled,
    OrderDecreased,
    OrderEvent,
    OrderPlaced,
    OrderQueryFailed,
    OrderRenewed,
    OrderReported,
    OrderUnreadable,
    WriteAnswer,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.fill_booking import FillBooking
from mmbot.trading.order import Order, OrderCause, OrderState, adopted_order
from mmbot.trading.refusals import Refusals
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX, OrderReport, event_of
from mmbot.units import Count, Milliseconds, format_count, format_price

# An order that the exchange does not know this long after its place never arrived.
_ABSENT_AFTER_MS = 15_000
# An answer about an order may be this much older than what the stream has reported.
_ANSWERS_BEHIND_MS = 2_000
# A reading of the account may be this much older than an order's own answer.
_READING_LAG_MS = 5_000
# For how many orders the logged reason is remembered.
_MOST_TOLD = 1_000


class OrderManager:
    """Applies messages to our orders; each method returns the market to review, if any."""

    def __init__(
        self,
        state: TradingState,
        buffer: CommandBuffer,
        refusals: Refusals,
        fills: FillBooking,
        echoes: EchoWatch,
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._refusals = refusals
        self._fills = fills
        self._echoes = echoes
        # Whether a report ended an order that was neither filled nor being cancelled.
        self.end_in_doubt = False
        # The reason logged last for each order that is stray or cannot be read.
        self._told: dict[str, str] = {}
        # Queries that failed since the last answered one, and their orders.
        self._failed_queries = 0
        self._queried_in_vain: set[str] = set()

    def apply(self, event: OrderEvent, now: Milliseconds) -> str | None:
        """Apply an answer, a report or a fill; orders that are over stay over."""
        match event:
            case OrderReported():
                if event.queried:
                    self._query_answered()
                else:
                    self._reported_by_stream(event.report.client_id)
                return self.apply_report(event.report, now, queried=event.queried)
            case OrderAbsent():
                self._query_answered()
                return self._absent(event, now)
            case OrderUnreadable():
                return self.apply_unreadable(event, now, listed=False)
            case OrderQueryFailed():
                if event.rate_limited:
                    self._state.budget.reads.drain(now)
                # It is queried again when its next query is due.
                self._query_failed(event)
                return None
            case Filled():
                return self._fills.book(event.fill, "stream", now)
            case _:
                order = self._state.orders.get(event.client_id)
                if order is None:
                    # The cancel may not have arrived, so only a report says that the order is over.
                    self.end_in_doubt |= isinstance(event, WriteUnknown)
                    return None
                self._answered(order, event, now)
                return order.ticker

    def _reported_by_stream(self, client_id: str) -> None:
        order = self._state.orders.get(client_id)
        if order is not None:
            order.reported = True
        self._echoes.order_reported(client_id)

    def _query_failed(self, event: OrderQueryFailed) -> None:
        """Log the first of several failures in a row; their number is logged at the end."""
        if not self._failed_queries:
            self._buffer.log(
                "order.look_up_failed",
                "warning",
                client_order_id=event.client_id,
                detail=event.detail,
            )
        self._failed_queries += 1
        self._queried_in_vain.add(event.client_id)

    def _query_answered(self) -> None:
        if self._failed_queries:
            failed, orders = self._failed_queries, len(self._queried_in_vain)
            self._buffer.log("order.look_up_answered", failed=failed, orders=orders)
            self._failed_queries = 0
            self._queried_in_vain.clear()

    def _answered(self, order: Order, event: WriteAnswer, now: Milliseconds) -> None:
        match event:
            case OrderPlaced():
                self._placed(order, event)
                self._echoes.order_confirmed(order, now)
            case OrderCancelled():
                order.filled = max(order.filled, Count(order.count - event.remaining))
                self._state.orders.cancelled(order)
            case OrderRenewed():
                order.change(OrderCause.RENEWED)
                order.expires = max(order.expires, event.expires)
            case OrderDecreased():
                # The answer does not say what filled before, and a renewal must state the whole
                # count: the order is queried unless a report has shown it.
                applied = order.remaining <= event.remaining
                order.change(OrderCause.DECREASED if applied else OrderCause.OUTCOME_UNKNOWN)
            case WriteRefused():
                self._refusals.apply(order, event, now)
            case WriteUnknown():
                self._buffer.log(
                    "order.unknown",
                    "warning",
                    market=order.ticker,
                    client_order_id=order.client_id,
                    write=event.write,
                    detail=event.detail,
                )
                order.mark_unknown()
            case _:
                assert_never(event)

    def _placed(self, order: Order, event: OrderPlaced) -> None:
        if order.state is OrderState.PLACING or not order.order_id:
            order.change(OrderCause.CONFIRMED)
        order.filled = max(order.filled, event.filled)
        self._fills.identify(order, event.order_id)
        self._state.market(order.ticker).post_only_refusals = 0

    # Reports

    def apply_report(self, report: OrderReport, now: Milliseconds, *, queried: bool) -> str | None:
        """Apply a report; an unknown order with our prefix is one of an earlier session."""
        if not report.client_id.startswith(CLIENT_ID_PREFIX):
            return None
        event_state = self._state.event_of_market.get(report.ticker)
        if queried and event_state is not None:
            as_of = now - _ANSWERS_BEHIND_MS
            event_state.fills.order_stated(report.order_id, report.filled, as_of)
        orders = self._state.orders
        order = orders.get(report.client_id)
        if order is None:
            return self._adopt(report, now)
        if report.filled > order.count and not queried:
            # No order fills beyond its size: only the answer to a query is believed on that.
            order.mark_unknown()
            return order.ticker
        # A report on the stream may be older than the last write: it only proves that the order
        # reached the exchange.
        doubtful = report.status == "unknown"
        answered = queried and order.state is OrderState.UNKNOWN and not doubtful
        if answered or order.state is OrderState.PLACING or not order.order_id:
            order.change(OrderCause.CONFIRMED)
        if not order.order_id:
            self._fills.identify(order, report.order_id)
        if queried and report.status == "ended" and report.filled <= order.booked:
            orders.nothing_owed(order)
        if orders.get(report.client_id) is order:
            asked = queried or order.state is OrderState.CANCELLING
            if report.status == "ended" and report.filled < order.count and not asked:
                self.end_in_doubt = True
            orders.apply_report(order, report)
        if doubtful and orders.get(report.client_id) is order:
            order.mark_unknown()
        return order.ticker

    def _adopt(self, report: OrderReport, now: Milliseconds) -> str | None:
        orders = self._state.orders
        unknown_market = report.ticker not in self._state.event_of_market
        if report.status == "ended" or orders.is_over(report.client_id) or unknown_market:
            return None
        order = adopted_order(report, now)
        orders.add(order)
        self._fills.identify(order, report.order_id)
        if report.status == "unknown":
            order.mark_unknown()
        self._buffer.log(
            "order.adopted",
            market=order.ticker,
            client_order_id=order.client_id,
            order_id=order.order_id,
            side=order.side,
            price=format_price(order.price),
            count=format_count(order.count),
        )
        return order.ticker

    def mark_missing_unknown(self, reported: set[str], now: Milliseconds) -> None:
        """Mark resting orders unknown that are missing from a reading of the account."""
        for order in self._state.orders:
            missing = order.client_id not in reported and order.placed_at < now - _READING_LAG_MS
            if missing and order.state is OrderState.RESTING:
                order.mark_unknown()

    def revive(self, reports: Iterable[OrderReport], now: Milliseconds) -> bool:
        """Have orders queried that a reading of the account lists although we think they are over.

        The lists lag, so an order that ended a moment ago may still be listed. Return whether there
        is one that only another reading can decide on. An order that is over only because of a fill
        that no list confirms is cancelled, as it may still rest.
        """
        in_doubt = False
        for report in reports:
            since = self._state.orders.over_since(report.client_id)
            known = report.ticker in self._state.event_of_market
            if since is None or not known or report.status == "ended" or not report.remaining:
                continue
            if 0 <= now - since < _READING_LAG_MS:
                in_doubt = True
                continue
            event_state = self._state.event_of_market[report.ticker]
            total = report.filled + report.remaining
            booked = event_state.portfolio.filled(report.order_id)
            unlisted = sum(
                fill.count
                for fill in event_state.fills.unconfirmed
                if fill.order_id == report.order_id
            )
            if booked < total:
                self._revive(report, now)
                continue
            in_doubt = True
            if booked - unlisted < total:
                self._cancel_stray(
                    report.client_id, report.order_id, report.ticker, report.shard, now
                )
        return in_doubt

    def _revive(self, report: OrderReport, now: Milliseconds) -> None:
        order = self._state.orders.revive(report, now)
        self._fills.identify(order, report.order_id)
        self._buffer.log(
            "order.revived", "warning", market=order.ticker, client_order_id=order.client_id
        )

    def apply_unreadable(
        self, event: OrderUnreadable, now: Milliseconds, *, listed: bool
    ) -> str | None:
        """Query a live order after an unreadable statement on it; cancel one that is not known.

        Ignore a statement on an order that is over if it may be late: on the stream at any time,
        in a list within its lag.
        """
        orders = self._state.orders
        order, since = orders.get(event.client_id), orders.over_since(event.client_id)
        self._tell("order.unreadable", event.client_id, event.ticker, event.reason)
        if since is not None and (not listed or 0 <= now - since < _READING_LAG_MS):
            return None
        if order is not None and order.state is not OrderState.AWAITING_FILLS:
            order.mark_unknown()
            return order.ticker
        self._cancel_stray(event.client_id, event.order_id, event.ticker, event.shard, now)
        return None

    def cancel_strays(self, reports: Iterable[OrderReport], now: Milliseconds) -> bool:
        """Cancel our orders in markets that are not known; return whether there are any."""
        strays = [each for each in reports if each.ticker not in self._state.event_of_market]
        strays = [each for each in strays if each.client_id.startswith(CLIENT_ID_PREFIX)]
        for report in strays:
            self._tell("order.stray", report.client_id, report.ticker, "its market is not known")
            if event_state := self._state.events.get(event_of(report.ticker)):
                event_state.unlisted.count_order(report, event_state.fee)
            self._cancel_stray(report.client_id, report.order_id, report.ticker, report.shard, now)
        return bool(strays)

    def _cancel_stray(
        self, client_id: str, order_id: str, ticker: str, shard: int, now: Milliseconds
    ) -> None:
        budget = self._state.budget
        if order_id and budget.spend(budget.cancel_cost, now):
            self._buffer.add(Cancel(client_id, order_id, ticker, shard))

    def _tell(self, name: str, client_id: str, ticker: str, reason: str) -> None:
        """Log a warning about an order, once for each reason."""
        if self._told.get(client_id) == reason:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[client_id] = reason
        self._buffer.log(name, "warning", market=ticker, client_order_id=client_id, reason=reason)

    def _absent(self, event: OrderAbsent, now: Milliseconds) -> str | None:
        """Drop an order that the exchange does not know, unless its place may still arrive."""
        order = self._state.orders.get(event.client_id)
        if order is None or order.state is not OrderState.UNKNOWN:
            return None
        if now >= order.placed_at + _ABSENT_AFTER_MS:
            if order.order_id:
                self._state.orders.end(order)
            else:
                self._state.orders.forget(order)
        return order.ticker

    def abandon(self, ticker: str) -> None:
        """Drop the orders of a market that is decided."""
        for order in self._state.orders.of(ticker):
            self._state.orders.forget(order)
            self._buffer.log(
                "order.abandoned",
                "warning",
                market=ticker,
                client_order_id=order.client_id,
                state=str(order.state),
                owed=format_count(Count(order.filled - order.booked)),
            )

    def log_dropped(self) -> None:
        """Log each order that has ended."""
        for order in self._state.orders.take_dropped():
            self._buffer.log(
                "order.over",
                market=order.ticker,
                client_order_id=order.client_id,
                order_id=order.order_id,
                filled=format_count(order.booked),
            )
