"""Queries for orders whose state only the exchange knows, as often as the read tokens allow."""

from __future__ import annotations

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import QueryOrder
from mmbot.trading.order import Order, OrderState
from mmbot.trading.reading_requests import account_request
from mmbot.trading.state import TradingState
from mmbot.units import Milliseconds

# The wait after a query for an order: twice the first of these, then doubling up to the second.
_FIRST_WAIT_MS, _LONGEST_WAIT_MS = 250, 8_000
# After so many readings for fills that an order is said to have had, it is queried whether it had.
_FILLS_DOUBTED = 5
# An order may outlive its expiry by this much, as the clocks may differ.
_EXPIRY_GRACE_MS = 2_000
# The tokens of a query by the exchange's id, and through the list of all orders.
_QUERY_COST, _SEARCH_COST = 2.0, 10.0
# The tokens left for reading account and listing: both at once, of a page each.
_READING_RESERVE = 100.0

_QUERIED = frozenset({OrderState.UNKNOWN, OrderState.AWAITING_FILLS})
# States in which the exchange should end the order at its expiry.
_EXPIRING = frozenset({OrderState.RESTING, OrderState.RENEWING, OrderState.DECREASING})


class OrderQueries:
    """Queries the exchange for unknown orders, and reads the account for missing fills."""

    def __init__(self, state: TradingState, buffer: CommandBuffer) -> None:
        self._state = state
        self._buffer = buffer

    def query_unknown(self, now: Milliseconds) -> None:
        """Query the exchange for every unknown order whose query is due.

        One reading of the account fetches the fills that all orders await; an order whose fills
        stay away is queried as well.
        """
        fills_due, next_overdue = False, None
        for order in self._state.orders:
            overdue = _mark_overdue_unknown(order, now)
            if overdue is not None and (next_overdue is None or overdue < next_overdue):
                next_overdue = overdue
            if order.state not in _QUERIED:
                continue
            awaiting_fills = order.state is OrderState.AWAITING_FILLS
            if awaiting_fills and not order.queries:
                # Its fills are most likely under way on the stream: wait once before reading.
                order.queried_at, order.queries = now, 1
            if now >= _next_query(order):
                if awaiting_fills:
                    fills_due = True
                    if order.queries >= _FILLS_DOUBTED:
                        self._query(order, now)
                elif not self._query(order, now):
                    continue
                order.queried_at, order.queries = now, order.queries + 1
            self._buffer.wake_by(_next_query(order))
        self._buffer.wake_by(next_overdue)
        if fills_due:
            self._buffer.add(account_request(self._state, now))

    def _query(self, order: Order, now: Milliseconds) -> bool:
        """Query an order if the tokens allow it; else ask to be woken when they do."""
        reads = self._state.budget.reads
        cost = _QUERY_COST if order.order_id else _SEARCH_COST
        if not reads.spend(cost, now, reserve=min(_READING_RESERVE, reads.capacity - cost)):
            self._buffer.wake_by(reads.payable_at(cost + _READING_RESERVE, now))
            return False
        self._buffer.add(QueryOrder(order.client_id, order.order_id, order.ticker, order.placed_at))
        return True


def _mark_overdue_unknown(order: Order, now: Milliseconds) -> Milliseconds | None:
    """Mark an order unknown that should have expired by now; else return when it should have."""
    if order.state not in _EXPIRING or not order.expires:
        return None
    overdue = max(order.expires + _EXPIRY_GRACE_MS, order.queried_at + _LONGEST_WAIT_MS)
    if now < overdue:
        return overdue
    order.mark_unknown()
    return None


def _next_query(order: Order) -> Milliseconds:
    """Return when an order may be queried again: at once, then after ever longer waits."""
    if not order.queries:
        return order.queried_at
    return order.queried_at + min(_FIRST_WAIT_MS << min(order.queries, 10), _LONGEST_WAIT_MS)
