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

    def __init__(self, desk: TradingState, out: CommandBuffer) -> None:
        self._desk = desk
        self._out = out

    def replaced(self, event: BookReplaced) -> str | None:
        """Take a whole book in place of whatever was known."""
        listing = self._desk.listing(event.ticker)
        if listing is None:
            return None
        try:
            listing.book = Book(event.bids, event.asks)
        except CorruptBook as error:
            self._desk.distrust(event.ticker, str(error), self._out)
        return event.ticker

    def changed(self, event: BookChanged) -> str | None:
        """Change one level of a book that is trusted."""
        listing = self._desk.listing(event.ticker)
        if listing is None or listing.book is None:
            return None
        try:
            listing.book.change(event.side, event.price, event.delta)
        except CorruptBook as error:
            self._desk.distrust(event.ticker, str(error), self._out)
        return event.ticker

    def distrusted(self, event: BooksDistrusted) -> Iterable[str]:
        """Forget some books until each is replaced."""
        desk = self._desk
        tickers = [ticker for ticker in event.tickers if ticker in desk.ladder_of]
        for ticker in tickers:
            desk.ladder_of[ticker].listings[ticker].book = None
        self._out.note("books.distrusted", "warning", markets=len(tickers), reason=event.reason)
        return tickers

    def up(self) -> None:
        """Read the listing anew, now that everything that happens from here on is heard of."""
        desk = self._desk
        desk.service.streaming, desk.service.reconciled = True, False
        self._out.send(desk.listing_reading())

    def lost(self, _event: StreamLost) -> Iterable[str]:
        """Forget every book, and that the account was known."""
        desk = self._desk
        if desk.service.streaming:
            self._out.note("stream.lost", "warning", live_orders=len(desk.orders))
        desk.service.streaming = desk.service.reconciled = desk.service.lagging = False
        for ticker, ladder in desk.ladder_of.items():
            ladder.listings[ticker].book = None
        return tuple(desk.ladder_of)

    def lagged(self, event: FeedLagged) -> Iterable[str]:
        """Take note that what is heard is old, or in time again."""
        self._desk.service.lagging = event.late
        name = "stream.late" if event.late else "stream.in_time"
        self._out.note(name, "warning" if event.late else "info", age_ms=event.age)
        return tuple(self._desk.ladder_of)
