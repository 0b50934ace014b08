"""Market data: books from the stream, and whether the stream can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mmbot.trading.book import Book, CorruptBook
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import RepairBooks
from mmbot.trading.event_state import EventState
from mmbot.trading.events import (
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    StreamEvent,
    StreamLost,
    StreamUp,
)
from mmbot.trading.market_state import Calm, MarketState
from mmbot.trading.reading_requests import listing_request
from mmbot.trading.state import TradingState
from mmbot.units import Milliseconds

_Tickers = tuple[str, ...]


class MarketData:
    """Keeps the books in step with the stream; each input returns the markets to review."""

    def __init__(self, state: TradingState, buffer: CommandBuffer) -> None:
        self._state = state
        self._buffer = buffer

    def book_changed(self, market: MarketState, event: BookChanged, now: Milliseconds) -> bool:
        """Change one level of a market's book if the book is trusted; return whether it was."""
        if market.book is None:
            return False
        market.book_at = now
        try:
            market.book.change(event.side, event.price, event.delta)
        except CorruptBook as error:
            self.distrust(event.ticker, str(error))
        if event.client_id:
            self._state.orders.book_changed(event)
        return True

    def absorb(self, event: BookChanged, now: Milliseconds) -> bool:
        """Change one level of a book if nothing follows from that; return whether it was changed.

        This is tried first, as it suits most changes.
        """
        event_state = self._state.event_of_market.get(event.ticker)
        if event_state is None:
            return False
        market = event_state.markets[event.ticker]
        calm, book = market.calm, market.book
        if calm is None or book is None:
            return False
        side, price = event.side, event.price
        if (
            (price >= calm.bid if side == "bid" else price <= calm.ask)
            or not _holds(calm, event_state, now)
            or not book.change_behind(side, price, event.delta)
        ):
            return False
        market.book_at = now
        return True

    def book_replaced(self, event: BookReplaced, now: Milliseconds) -> _Tickers:
        """Replace a whole book; return its market, unless the snapshot holds nothing new."""
        event_state = self._state.event_of_market.get(event.ticker)
        if event_state is None:
            return ()
        market = event_state.markets[event.ticker]
        market.book_at = now
        if self._is_known(event, event_state, market, now):
            return ()
        self._state.orders.book_replaced(event.ticker)
        try:
            market.book = Book(event.bids, event.asks)
        except CorruptBook as error:
            self.distrust(event.ticker, str(error))
        return (event.ticker,)

    def _is_known(
        self, copy: BookReplaced, event_state: EventState, market: MarketState, now: Milliseconds
    ) -> bool:
        """Return whether a snapshot equals the known book, and no review of its market is due."""
        calm, book = market.calm, market.book
        return (
            calm is not None
            and book is not None
            and _holds(calm, event_state, now)
            and self._state.orders.levels_change_at(copy.ticker) is None
            and book.shows(copy.bids, copy.asks)
        )

    def distrust(self, ticker: str, reason: str) -> None:
        """Drop a book that contradicts itself or the exchange, and request a snapshot."""
        self._state.market(ticker).post_only_refusals = 0
        self.renew_books((ticker,))
        self._buffer.log("book.distrusted", "warning", market=ticker, reason=reason)

    def renew_books(self, tickers: Iterable[str]) -> None:
        """Drop these books until they are replaced, and request new snapshots."""
        renewed = tuple(tickers)
        for ticker in renewed:
            self._state.market(ticker).book = None
        self._buffer.add(RepairBooks(renewed))

    def stream_changed(self, event: StreamEvent) -> _Tickers:
        """Apply a change of the connection (up, lost, late), or a gap in books."""
        match event:
            case BooksDistrusted():
                return self._books_distrusted(event)
            case StreamUp():
                # The listing may have changed while nothing was received.
                self._state.service.streaming, self._state.service.reconciled = True, False
                self._buffer.add(listing_request(self._state))
            case StreamLost():
                self._stream_lost()
            case FeedLagged():
                self._state.service.lagging = event.late
                name = "stream.late" if event.late else "stream.in_time"
                self._buffer.log(name, "warning" if event.late else "info", age_ms=event.age)
            case _:
                assert_never(event)
        return tuple(self._state.event_of_market)

    def _books_distrusted(self, event: BooksDistrusted) -> _Tickers:
        tickers = tuple(t for t in event.tickers if t in self._state.event_of_market)
        for ticker in tickers:
            self._state.market(ticker).book = None
        self._buffer.log("books.distrusted", "warning", markets=len(tickers), reason=event.reason)
        return tickers

    def _stream_lost(self) -> None:
        """Drop every book, and have the account read again before anything is quoted."""
        service = self._state.service
        if service.streaming:
            self._buffer.log("stream.lost", "warning", live_orders=len(self._state.orders))
        service.streaming = service.reconciled = service.lagging = False
        for _, market in self._state.markets():
            market.book = None


def _holds(calm: Calm, event_state: EventState, now: Milliseconds) -> bool:
    """Return whether `calm` is still valid."""
    return (
        now < calm.until
        and event_state.priced is calm.priced
        and event_state.portfolio.changes == calm.booked
    )
