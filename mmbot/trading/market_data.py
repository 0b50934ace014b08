"""What the stream brings and what it is worth: books whole and changed, distrusted, late, gone."""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.trading.book import Book, CorruptBook
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.events import (
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    StreamLost,
)
from mmbot.trading.state import TradingState


class MarketData:
    """Keeps the desk's books in step with the stream; each input returns the tickers it is of."""

    def __init__(self, state: TradingState, out: CommandBuffer) -> None:
        self._state = state
        self._out = out

    def replaced(self, event: BookReplaced) -> str | None:
        """Take a whole book in place of whatever was known."""
        listing = self._state.market(event.ticker)
        if listing is None:
            return None
        try:
            listing.book = Book(event.bids, event.asks)
        except CorruptBook as error:
            self._state.distrust(event.ticker, str(error), self._out)
        return event.ticker

    def changed(self, event: BookChanged) -> str | None:
        """Change one level of a book that is trusted."""
        listing = self._state.market(event.ticker)
        if listing is None or listing.book is None:
            return None
        try:
            listing.book.change(event.side, event.price, event.delta)
        except CorruptBook as error:
            self._state.distrust(event.ticker, str(error), self._out)
        return event.ticker

    def distrusted(self, event: BooksDistrusted) -> Iterable[str]:
        """Forget some books until each is replaced."""
        state = self._state
        tickers = [ticker for ticker in event.tickers if ticker in state.event_of_market]
        for ticker in tickers:
            state.event_of_market[ticker].markets[ticker].book = None
        self._out.note("books.distrusted", "warning", markets=len(tickers), reason=event.reason)
        return tickers

    def up(self) -> None:
        """Read the listing anew, now that everything that happens from here on is heard of."""
        state = self._state
        state.service.streaming, state.service.reconciled = True, False
        self._out.send(state.listing_reading())

    def lost(self, _event: StreamLost) -> Iterable[str]:
        """Forget every book, and that the account was known."""
        state = self._state
        if state.service.streaming:
            self._out.note("stream.lost", "warning", live_orders=len(state.orders))
        state.service.streaming = state.service.reconciled = state.service.lagging = False
        for ticker, ladder in state.event_of_market.items():
            ladder.markets[ticker].book = None
        return tuple(state.event_of_market)

    def lagged(self, event: FeedLagged) -> Iterable[str]:
        """Take note that what is heard is old, or in time again."""
        self._state.service.lagging = event.late
        name = "stream.late" if event.late else "stream.in_time"
        self._out.note(name, "warning" if event.late else "info", age_ms=event.age)
        return tuple(self._state.event_of_market)
