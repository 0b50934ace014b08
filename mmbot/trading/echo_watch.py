"""Own writes as probes of the stream: what the exchange confirmed must appear on its channels.

A confirmed order is reported and changes its book within moments; a fill in the account's list was
also on the stream. If such an echo is missing, whatever depends on the channel is distrusted: a new
snapshot of the book is requested, the account is read before anything else is quoted, and after a
second failure on one connection that connection is replaced. After a missing order report, on any
connection, only one order at a time is placed until a report arrives.
"""

from __future__ import annotations

from typing import TypeAlias

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import RenewStream
from mmbot.trading.market_data import MarketData
from mmbot.trading.order import Order
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill
from mmbot.units import Milliseconds

# How long after its confirmation an order may remain unreported, and its book unchanged.
_REPORT_MS, _BOOK_MS = 3_000, 2_000
# How long after it was found in the account's list a fill may be missing on the stream.
_FILL_MS = 5_000
# A fill this soon after the stream came up may have happened before.
_CONNECTED_MS = 1_000
# After this many failures of a connection the account is read; after the next it is replaced.
_TOLERATED = 1

_FillKey: TypeAlias = tuple[str, str]


class EchoWatch:
    """The echoes that are due on the present connection, with their deadlines."""

    def __init__(self, state: TradingState, buffer: CommandBuffer, market_data: MarketData) -> None:
        self._state = state
        self._buffer = buffer
        self._market_data = market_data
        self._since: Milliseconds = 0
        self._failures = 0
        self._heard_again = False
        self._reports: dict[str, Milliseconds] = {}
        self._books: dict[str, tuple[Milliseconds, Milliseconds]] = {}
        self._fills: dict[_FillKey, tuple[str, Milliseconds]] = {}

    def connection_changed(self, now: Milliseconds) -> None:
        """Drop all expectations, as the connection is new or gone."""
        self._since, self._failures = now, 0
        self._reports.clear()
        self._books.clear()
        self._fills.clear()

    def order_confirmed(self, order: Order, now: Milliseconds) -> None:
        """Expect the report of an order and a change of its book, unless they have come already."""
        if not order.reported:
            self._reports[order.client_id] = now + _REPORT_MS
        if self._state.market(order.ticker).book_at <= order.placed_at:
            self._books.setdefault(order.ticker, (order.placed_at, now + _BOOK_MS))

    def order_reported(self, client_id: str) -> None:
        """Drop the expectation of an order's report: the channel works."""
        self._reports.pop(client_id, None)
        if self._state.service.unheard:
            self._state.service.unheard, self._heard_again = False, True
            self._buffer.log("stream.heard_again", channel="user_orders")

    def fill_listed(self, fill: Fill, now: Milliseconds) -> None:
        """Expect a listed fill on the stream, if it happened during this connection."""
        if self._state.service.streaming and fill.at > self._since + _CONNECTED_MS:
            self._fills[fill.key] = fill.ticker, now + _FILL_MS

    def check(self, now: Milliseconds) -> bool:
        """Distrust channels with overdue echoes; return whether all markets have to be reviewed."""
        heard_again, self._heard_again = self._heard_again, False
        if not (self._reports or self._books or self._fills):
            return heard_again
        books = self._check_books(now)
        silent = [name for name, due in self._reports.items() if now >= due]
        untold = [key for key, (ticker, due) in self._fills.items() if now >= due]
        for client_id in silent:
            del self._reports[client_id]
        untold = [key for key in untold if not self._told(key)]
        if silent:
            self._state.service.unheard = True
            self._channel_failed("user_orders", f"{silent[0]} was confirmed but not reported")
        elif untold:
            self._channel_failed("fill", f"the fill {untold[0][0]} was listed but not reported")
        self._wake_when_due()
        return heard_again or books or bool(silent or untold)

    def _wake_when_due(self) -> None:
        """Request all wakes again, as any wake clears the earlier requests."""
        for due in self._reports.values():
            self._buffer.wake_by(due)
        for _, due in (*self._books.values(), *self._fills.values()):
            self._buffer.wake_by(due)

    def _check_books(self, now: Milliseconds) -> bool:
        overdue = [ticker for ticker, (_, due) in self._books.items() if now >= due]
        distrusted = False
        for ticker in overdue:
            sent, _ = self._books.pop(ticker)
            market = self._state.find_market(ticker)
            if market is not None and market.book is not None and market.book_at <= sent:
                self._market_data.distrust(ticker, "a confirmed order was not reported")
                distrusted = True
        return distrusted

    def _told(self, key: _FillKey) -> bool:
        ticker, _ = self._fills.pop(key)
        event_state = self._state.event_of_market.get(ticker)
        return event_state is None or event_state.fills.is_told(key)

    def _channel_failed(self, channel: str, reason: str) -> None:
        self._failures += 1
        self._buffer.log("stream.silent", "warning", channel=channel, reason=reason)
        self._state.service.reconciled = False
        if self._failures > _TOLERATED:
            self._buffer.add(RenewStream(f"{channel} is silent: {reason}"))
