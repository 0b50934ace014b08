"""A flood of book changes, rendered as fast as the socket takes them.

Every market gets five levels of another member on each side, two cents behind the client's own
quotes or, where it has none, around an even price. One frame in twenty takes a best level away or
puts it back; the others change what rests behind it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from mmbot.exchange.order_types import NewOrder
from mmbot.exchange.stream_session import Subscription
from mmbot.trading.values import Side
from mmbot.units import (
    ONE_CENT,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Price,
    format_count,
    format_price,
)

_LEVELS = 5
_BEHIND = 2 * ONE_CENT
_SIDES: tuple[Side, Side] = ("bid", "ask")
_LEGS = {"bid": "yes", "ask": "no"}
_WHOLE, _PART = Count(100 * ONE_CONTRACT), Count(13 * ONE_CONTRACT)
# One in so many frames moves a best price.
_MOVING = 20
# The number of different changes in the flood.
_CHANGES = 4_000


def websocket_frame(payload: bytes) -> bytes:
    """Return a server's text frame."""
    length = len(payload)
    if length < 126:
        return b"\x81" + bytes((length,)) + payload
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


def book_side(
    books: Subscription, ticker: str, side: Side, price: Price, change: str, now: Milliseconds
) -> bytes:
    """Return the next frame of a subscription: a level of a book changes."""
    head, tail = _around(books.sid, ticker, side, price, change)
    return b"%b%d,%b%d}" % (head, books.next_seq(), tail, now)


def _around(sid: int, ticker: str, side: Side, price: Price, change: str) -> tuple[bytes, bytes]:
    """Return the parts of a frame before and after its sequence number, up to its time."""
    head = f'{{"type":"orderbook_delta","sid":{sid},"seq":'
    tail = (
        f'"msg":{{"market_ticker":"{ticker}","market_id":"9b0f66ad-2ba9-4f29-8d6c-5c1d1b6cbd0e",'
        f'"clock":0,"price_dollars":"{format_price(price)}","delta_fp":"{change}",'
        f'"side":"{_LEGS[side]}","ts_ms":1776103210000}},"sending_ts_ms":'
    )
    return head.encode(), tail.encode()


class Flood:
    """Endless changes of some books; `chunk` of them are rendered at a time."""

    chunk = 500

    def __init__(
        self,
        tickers: Sequence[str],
        own: Mapping[tuple[str, Side], Price],
        sid: int,
        rng: random.Random,
    ) -> None:
        """Begin before the levels are there.

        Args:
            tickers: The markets.
            own: The prices at which the client quotes.
            sid: The subscription to which the changes are sent.
            rng: Chooses which levels change.
        """
        self._best = {
            (ticker, side): _best(own, ticker, side) for ticker in tickers for side in _SIDES
        }
        self._rng = rng
        self._parts = list(self._changes(sid))
        self._next = 0

    def ladders(self) -> Iterator[list[NewOrder]]:
        """Yield the orders that put the levels into the books, a market's side at a time."""
        for (ticker, side), best in self._best.items():
            yield [NewOrder(ticker, side, price, _WHOLE) for price in _levels(side, best)]

    def _changes(self, sid: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield changes, each undone by a later one."""
        pairs = []
        places = list(self._best.items())
        for number in range(_CHANGES // 2):
            (ticker, side), best = self._rng.choice(places)
            moving = number % _MOVING == 0
            level = 0 if moving else self._rng.randrange(1, _LEVELS)
            size = _WHOLE if moving else _PART
            price = _levels(side, best)[level]
            pairs.append(
                [
                    _around(sid, ticker, side, price, format_count(Count(change)))
                    for change in (-size, size)
                ]
            )
        for near in zip(*[iter(pairs)] * 10, strict=True):
            yield from (first for first, _ in near)
            yield from (second for _, second in near)

    def next_chunk(self, books: Subscription, now: Milliseconds) -> bytes:
        """Return the next frames, numbered."""
        seq, parts = books.seq, self._parts
        sent = b"%d}" % now
        frames = []
        for head, tail in parts[self._next : self._next + self.chunk]:
            seq += 1
            payload = b"%b%d,%b%b" % (head, seq, tail, sent)
            frames.append(b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload)
        books.seq = seq
        self._next = (self._next + self.chunk) % len(parts)
        return b"".join(frames)


def _best(own: Mapping[tuple[str, Side], Price], ticker: str, side: Side) -> Price:
    """Return the price at which a side's levels begin, so that none crosses the client's quotes."""
    first, second = _SIDES if side == "bid" else _SIDES[::-1]
    quoted = own.get((ticker, first)) or own.get((ticker, second)) or ONE_DOLLAR // 2
    return Price(quoted - _BEHIND if side == "bid" else quoted + _BEHIND)


def _levels(side: Side, best: Price) -> list[Price]:
    """Return the prices of the levels that are valid prices."""
    step = -ONE_CENT if side == "bid" else ONE_CENT
    prices = [best + number * step for number in range(_LEVELS)]
    return [Price(min(max(price, ONE_CENT), ONE_DOLLAR - ONE_CENT)) for price in prices]
