"""Paper trading: the market is the real one, and the bot's orders stay in this process.

A layer between the bot and the transport. Whatever concerns the bot's own account is answered by a
paper exchange, on which nobody else trades; only reads of public market data, and of the API key's
limits and scopes, pass.
An order fills when the real market trades through it, at a price strictly worse for the order's
owner than the order's own: it fills at its own price, up to the trade's size, best price first,
oldest first. Each trade fills once. That is less than a real order would get, which also fills at
its own price once it is first in the queue; and trades missed while the stream is down fill
nothing. A paper order does not move the market, as a real one might.
"""

from __future__ import annotations

import contextlib
import random

import msgspec

from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.rest.rest_errors import refusal_answer
from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.paper.mirror import MirroredMarket
from mmbot.paper.paper_exchange import PaperExchange
from mmbot.paper.paper_stream import PaperStream
from mmbot.paper.rewrite import FrameData
from mmbot.recording.outside import PaperBegan
from mmbot.units import Count, Milliseconds, Price

# The reads that pass, by their first path segment below the base path. All others concern the
# account's orders and money.
_PUBLIC = frozenset(
    {"account", "api_keys", "events", "exchange", "incentive_programs", "markets", "series"}
)
# The writes that stay inside; all others are refused.
_WRITES = tuple(f"{BASE_PATH}/portfolio/{name}" for name in ("events/orders", "order_groups"))


class PaperTrading:
    """One bot's paper account on top of the real market; times are wall times.

    `incoming` returns the frames for the bot; `take` returns those caused by other inputs; `began`
    is its initial state; it `answers` requests.
    """

    answers = True

    def __init__(self, began: PaperBegan, queue_ahead: Count | None = None) -> None:
        """Start unconnected; the same initial state and inputs give the same answers and frames.

        Args:
            began: The initial state.
            queue_ahead: If given, orders also fill at their own price, once this much has traded
            there since they rest.
        """
        self.began = began
        ids = random.Random(began.seed)
        self._exchange = PaperExchange(
            began.series, began.subaccount, began.balance, began.fills, ids, queue_ahead
        )
        self._stream: PaperStream | None = None

    def markets(self) -> list[MirroredMarket]:
        """Return the mirrored markets, with their real books where known."""
        return self._exchange.markets()

    def last_numbers(self) -> dict[int, int]:
        """Return the sequence number of the last frame of each of the exchange's subscriptions."""
        return self._stream.last_numbers() if self._stream else {}

    # REST

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer | None:
        """Answer a request, or return `None` for one that may go to the exchange."""
        if passes(request):
            return None
        if request.method != "GET" and not request.path.startswith(_WRITES):
            what = "paper mode writes nothing to the exchange"
            return refusal_answer(RequestRefused("permission_denied", what))
        self._exchange.advance(now)
        answer = self._exchange.answer(request, now)
        self._publish(now)
        return answer

    def observe_answer(
        self, request: HttpRequest, answer: HttpAnswer | None, now: Milliseconds
    ) -> None:
        """Read an answer of the exchange: markets' terms and results, fees, and pauses."""
        path = request.path.removeprefix(BASE_PATH)
        if answer is None or answer.status != 200:
            return
        with contextlib.suppress(wire.Malformed):  # the bot reports what is wrong with it
            if path == "/exchange/status":
                status = wire.decode(answer.body, _Status)
                self._exchange.pause(
                    trading=status.trading_active is not True,
                    exchange=status.exchange_active is not True,
                    now=now,
                )
            elif path.startswith("/series/") or path == "/events/fee_changes":
                self._exchange.fees.read(path, answer.body, now)
            elif path == "/events" or path.startswith("/events/"):
                listing = wire.decode(answer.body, _Listing)
                for event in (*listing.events, *([listing.event] if listing.event else ())):
                    self._exchange.fees.list_event(event, now)
                    for market in wire.markets_of(event):
                        with contextlib.suppress(wire.Malformed):
                            ticker = wire.word(event.event_ticker)
                            self._exchange.list_market(ticker, market, now)
        self.advance(now)

    # The stream

    def connected(self) -> None:
        """Start a new connection."""
        self._stream = PaperStream(self._exchange)

    def disconnected(self) -> None:
        """End the connection and drop every book; orders rest until they expire."""
        self._stream = None
        for market in self._exchange.markets():
            market.forget_book()

    def outgoing(self, frame: bytes, now: Milliseconds) -> list[bytes]:
        """Take a frame of the bot; return the frames to send to the exchange."""
        return self._stream.outgoing(frame, now) if self._stream else []

    def incoming(self, data: FrameData, now: Milliseconds) -> list[FrameData]:
        """Take a frame of the exchange; return the frames for the bot."""
        self.advance(now)
        if self._stream is not None:
            self._stream.incoming(data, now)
        self._publish(now)
        return self.take()

    def insert(self, data: bytes, now: Milliseconds) -> list[FrameData]:
        """Take a frame that the exchange did not send; return the frames for the bot."""
        if self._stream is not None:
            self._stream.insert(data, now)
        return self.take()

    def reached_by(self, ticker: str, price: Price) -> bool:
        """Return whether a real trade at `price` might fill an order; others can be left out."""
        return self._exchange.reached_by(ticker, price)

    def advance(self, now: Milliseconds) -> None:
        """Expire orders, open and close markets, and give up on overdue answers."""
        self._exchange.advance(now)
        if self._stream is not None:
            self._stream.check_timeouts(now)
        self._publish(now)

    def take(self) -> list[FrameData]:
        """Return the queued frames for the bot, once."""
        return self._stream.take() if self._stream else []

    def _publish(self, now: Milliseconds) -> None:
        facts = self._exchange.take_facts()
        if facts and self._stream is not None:
            self._stream.publish(facts, now)


def passes(request: HttpRequest) -> bool:
    """Return whether a request may go to the exchange: a plain read of a path in `_PUBLIC`."""
    inside, base, below = request.path.partition(BASE_PATH + "/")
    segments = below.split("/")
    plain = base and not inside and "%" not in below and not {"", ".", ".."} & set(segments)
    return request.method == "GET" and bool(plain) and segments[0] in _PUBLIC


class _Status(msgspec.Struct, frozen=True):
    exchange_active: wire.Word = None
    trading_active: wire.Word = None


class _Listing(msgspec.Struct, frozen=True):
    events: tuple[wire.RestEvent, ...] = ()
    event: wire.RestEvent | None = None
