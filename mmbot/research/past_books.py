"""The best prices of a past week's markets, as far as they can be known at each moment.

A candle tells both sides at its end. A trade tells the side that its taker met: a buyer of YES paid
the ask. Where a market has candles of a minute, a minute without one left its book as it was, so
what was known stays known; without them a price is known for `holds_ms`. A release makes all that
was known before it unknown: of a book with minute candles until the minute after it has ended, of
any other until candle or trade tell it anew. A book with a side that is not known is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from mmbot.history.rows import Candle, Trade
from mmbot.trading.book import Top
from mmbot.trading.values import Side
from mmbot.units import Milliseconds, Price

_MINUTE_MS: Milliseconds = 60_000
_NEVER: Milliseconds = -(2**62)


class _Quote(msgspec.Struct):
    """One side: its best price, `None` if nobody quotes it, and when that was last seen."""

    price: Price | None = None
    seen: Milliseconds = _NEVER


class _Book(msgspec.Struct):
    bid: _Quote
    ask: _Quote
    has_minutes: bool


class PastBooks:
    """The tops of all markets of a week; what happened is told in the order of time."""

    def __init__(
        self, tickers: Iterable[str], with_minutes: Collection[str], holds_ms: Milliseconds
    ) -> None:
        """Begin with nothing known.

        Args:
            tickers: The markets.
            with_minutes: Those of which the candles of a minute are there.
            holds_ms: How long a price of any other is known after it was seen.
        """
        self._books = {t: _Book(_Quote(), _Quote(), t in with_minutes) for t in tickers}
        self._holds_ms = holds_ms
        self._released = _NEVER
        # When the books with minute candles are confirmed after a release.
        self._confirmed = _NEVER

    def top(self, ticker: str, now: Milliseconds) -> Top | None:
        """Return a market's best prices; `None` if one of the two is not known."""
        book = self._books[ticker]
        if not (self._known(book, book.bid, now) and self._known(book, book.ask, now)):
            return None
        return Top(book.bid.price, book.ask.price)

    def known_until(self, ticker: str) -> Milliseconds | None:
        """Return when a market's book stops being known if nothing happens; `None` if never."""
        book = self._books[ticker]
        return None if book.has_minutes else min(book.bid.seen, book.ask.seen) + self._holds_ms

    def trade(self, trade: Trade) -> bool:
        """Take a trade; return whether the book may be another now."""
        book = self._books.get(trade.ticker)
        if book is None or trade.taker_side is None:
            return False
        side: Side = "ask" if trade.taker_side == "yes" else "bid"
        met, other = (book.ask, book.bid) if side == "ask" else (book.bid, book.ask)
        changed = met.price != trade.price or not self._known(book, met, trade.at_ms)
        met.price, met.seen = trade.price, trade.at_ms
        if other.price is not None and _crossed(side, trade.price, other.price):
            # Nobody can have quoted it any more; who quotes instead is not known.
            changed = changed or other.seen != _NEVER
            other.seen = _NEVER
        return changed

    def candle(self, candle: Candle) -> bool:
        """Take a candle; return whether the book may be another now."""
        book = self._books.get(candle.ticker)
        if book is None:
            return False
        bid, ask = candle.closed.bid, candle.closed.ask
        if bid is not None and ask is not None and bid >= ask:
            book.bid.seen = book.ask.seen = _NEVER
            return True
        changed = False
        told = ((book.bid, candle.bid_close, bid), (book.ask, candle.ask_close, ask))
        for quote, raw, price in told:
            if raw is None:
                continue
            known = self._known(book, quote, candle.end_ms)
            changed = changed or not known or quote.price != price
            quote.price, quote.seen = price, candle.end_ms
        return changed

    def release(self, at: Milliseconds) -> Milliseconds:
        """Take a release; return when the books with minute candles are known again."""
        self._released = at
        self._confirmed = (at // _MINUTE_MS + 1) * _MINUTE_MS
        return self._confirmed

    def _known(self, book: _Book, quote: _Quote, now: Milliseconds) -> bool:
        if quote.seen == _NEVER:
            return False
        if quote.seen <= self._released and not (book.has_minutes and now >= self._confirmed):
            return False
        return book.has_minutes or now < quote.seen + self._holds_ms


def _crossed(side: Side, price: Price, other: Price) -> bool:
    return price <= other if side == "ask" else price >= other
