"""The exchange's side of the measurements, in a process of its own.

`python -m mmbot.bench.exchange EVENTS KEY_TYPE TIER DIRECTORY` serves the simulated exchange with
EVENTS events, in which nobody trades, and prints what `mmbot exchange` prints. On requests under
`/bench/` it adds changes of levels to the stream, which undo one another so that the books stay
consistent, and notes when the writes that answer them arrive.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import uvloop
from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from mmbot.bench.flood import Flood, book_side, websocket_frame
from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.key_text import pem_of
from mmbot.exchange.server import Connection, Server, now_ms
from mmbot.exchange.stream_session import StreamSession, Subscription
from mmbot.kalshi.http import BASE_PATH
from mmbot.kalshi.readings import ORDERS
from mmbot.trading.values import Side
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, Money, Price

WEEK: Final = Week(dt.date(2026, 4, 19))
# Monday afternoon, when nothing is due.
_AT: Final = dt.datetime.combine(WEEK.monday, dt.time(14), EASTERN)
_WRITES: Final = BASE_PATH + ORDERS
_ANSWER_SECONDS: Final = 2.0
# Between two round trips, so that nothing is left of the first.
_PAUSE_SECONDS: Final = 0.01
# So much is sent ahead of the reader: no frame waits for long, as none does at the exchange.
_CHUNKS_UNDER_WAY: Final = 4
# A client that reads nothing for this long is gone.
_FLOOD_SECONDS: Final = 20.0
_MEMBER_CASH: Final = Money(10_000_000 * MONEY_PER_DOLLAR)
_PING: Final = b"\x89\x05flood"


class _Noting(asyncio.Protocol):
    """Notes when something was received, and passes it on."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self.received_at = time.perf_counter_ns()

    def data_received(self, data: bytes) -> None:
        self.received_at = time.perf_counter_ns()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class BenchServer(Server):
    """The simulated exchange, with level changes in its stream that belong to no order."""

    def __init__(self, site: SimulatedExchange) -> None:
        """Begin without a client."""
        super().__init__(site)
        self._transport: asyncio.Transport | None = None
        self._written = asyncio.Event()
        self._written_at = 0
        self._orders = 0
        self._ponged = asyncio.Event()
        self._unanswered = 0
        self._flood: Flood | None = None

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self._transport = request.transport
        if self._transport is not None:
            # What is within its limits uvloop sends only at the end of its turn.
            self._transport.set_write_buffer_limits(0)
        return await super()._stream(request)

    async def _rest(self, request: web.Request) -> web.Response:
        if request.path.startswith("/bench/"):
            return await self._told(request.path.removeprefix("/bench/"), request.query)
        if request.method != "GET" and request.path.startswith(_WRITES):
            await request.read()
            self._written_at = _received_at(request)
            self._orders += request.method == "POST"
            self._written.set()
        return await super()._rest(request)

    async def _told(self, what: str, query: Any) -> web.Response:
        answer: object
        match what:
            case "orders":
                answer = self._orders
            case "trips":
                answer = await self._trips(int(query["count"]), bare=query.get("bare") == "1")
            case "flood":
                answer = await self._flooded(int(query["frames"]))
            case _:
                raise web.HTTPNotFound
        return web.Response(body=msgspec.json.encode(answer))

    # The stream

    def _books(self) -> tuple[StreamSession, Subscription]:
        session = self._venue.sessions[-1]
        found = (s for s in session.subscriptions.values() if s.channel == "orderbook_delta")
        return session, next(found)

    def _send(self, data: bytes, session: StreamSession) -> None:
        """Send frames, after those numbered before them."""
        if self._transport is None:
            raise RuntimeError("nobody has connected")
        waiting = b"".join(map(websocket_frame, session.outbox))
        session.outbox.clear()
        self._transport.write(waiting + data)

    def _own(self) -> dict[tuple[str, Side], Price]:
        """Return the prices at which the client quotes."""
        engine = self._venue.exchange.engine
        orders = engine.resting(engine.accounts[self._site.user_id, 0])
        return {(order.ticker, order.side): order.price for order in orders}

    # Round trips

    async def _trips(self, count: int, *, bare: bool) -> list[float]:
        """Return the microseconds from a frame to the write that answers it, `count` times."""
        session, books = self._books()
        ticker = next(iter(books.tickers or {}))
        taken = []
        for data in self._moves(books, ticker, bare=bare, count=count):
            self._written.clear()
            began = time.perf_counter_ns()
            self._send(data, session)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._written.wait()
            except TimeoutError:
                continue
            taken.append((self._written_at - began) / 1000)
            await self._come_to_rest(bare=bare)
        return taken

    def _moves(
        self, books: Subscription, ticker: str, *, bare: bool, count: int
    ) -> Iterator[bytes]:
        """Yield frames each of which moves a bid: another appears some cents below, or goes."""
        price, best = None, Price(5_000)
        if not bare:
            bids = {t: p for (t, side), p in self._own().items() if side == "bid"}
            ticker = max(bids, key=lambda t: min(bids[t], 10_000 - bids[t]))
            best = bids[ticker]
        price = Price(best - 500)
        for number in range(count):
            size = "-100.00" if number % 2 else "100.00"
            yield websocket_frame(book_side(books, ticker, "bid", price, size, now_ms()))

    async def _come_to_rest(self, *, bare: bool) -> None:
        """Wait until the client has its quote in the book again and writes nothing more."""
        quoted = 0 if bare else len(self._own())
        while True:
            self._written.clear()
            try:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._written.wait()
            except TimeoutError:
                if len(self._own()) >= quoted:
                    return

    # The flood

    async def _flooded(self, frames: int) -> dict[str, float]:
        """Send `frames` frames as fast as they are read; return how long it took until the last."""
        session, books = self._books()
        if self._flood is None:
            rng = random.Random("flood")  # noqa: S311 (which levels change)
            self._flood = Flood(list(books.tickers or {}), self._own(), books.sid, rng)
            await self._fill_books(self._flood, session)
            await self._answered(but=0)
        began, sent = time.perf_counter(), 0
        while sent < frames:
            sent += self._flood.chunk
            await self._send_and_wait(self._flood.next_chunk(books, now_ms()), session)
        await self._answered(but=0)
        return {"frames": sent, "seconds": time.perf_counter() - began}

    async def _fill_books(self, flood: Flood, session: StreamSession) -> None:
        """Place another member's orders at the levels that change, so that snapshots have them."""
        engine = self._venue.exchange.engine
        member = engine.open_account("flood", cash=_MEMBER_CASH)
        for orders in flood.ladders():
            for order in orders:
                engine.place(member, order, now_ms())
            self._venue.publish(now_ms())
            await self._send_and_wait(b"", session)

    async def _send_and_wait(self, frames: bytes, session: StreamSession) -> None:
        """Send frames, unless too many are under way."""
        # Once a ping is answered, all that was sent before it has been read.
        self._send(frames + _PING, session)
        self._unanswered += 1
        await self._answered(but=_CHUNKS_UNDER_WAY)

    async def _answered(self, *, but: int) -> None:
        """Wait until all pings but `but` are answered."""
        await asyncio.sleep(0)
        async with asyncio.timeout(_FLOOD_SECONDS):
            while self._unanswered > but:
                self._ponged.clear()
                await self._ponged.wait()

    def _socket(self) -> web.WebSocketResponse:
        return web.WebSocketResponse(autoping=False)

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type is WSMsgType.PONG and message.data == b"flood":
                self._unanswered -= 1
                self._ponged.set()
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self._venue.receive(connection.session, message.data, now_ms())
                self._pump()


def _received_at(request: web.Request) -> int:
    """Return when the last of a request was received; the first of a connection counts from now."""
    transport = cast("asyncio.Transport", request.transport)
    protocol = cast("asyncio.Protocol", transport.get_protocol())
    if not isinstance(protocol, _Noting):
        protocol = _Noting(protocol)
        transport.set_protocol(protocol)
    return protocol.received_at


def _serve(events: int, key_type: str, tier: str, directory: Path) -> None:
    key = (
        generate_private_key(public_exponent=65537, key_size=2048)
        if key_type == "rsa"
        else Ed25519PrivateKey.generate()
    )
    path = directory / "exchange-key.pem"
    path.touch(mode=0o600)
    path.write_bytes(pem_of(key))
    clock = CalendarClock(now_ms(), to_milliseconds(_AT))
    settings = SimulatedExchangeSettings(tier=tier, weeks_ahead=events, maintenance=False)
    site = assemble(
        settings=settings,
        clock=clock,
        week=WEEK,
        published=synthetic_counts(WEEK, 1),
        public_key=key.public_key(),
        balance=Money(100_000 * MONEY_PER_DOLLAR),
        seed=1,
    )
    for number in range(1, events):
        site.venue.add_event(Week(WEEK.sunday + dt.timedelta(weeks=number)), now_ms())
    uvloop.run(_run(site, clock, path))


async def _run(site: SimulatedExchange, clock: CalendarClock, key_path: Path) -> None:
    server = BenchServer(site)
    await server.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    line = {
        "rest_url": server.rest_url,
        "ws_url": server.ws_url,
        "key_id": site.key_id,
        "private_key_path": str(key_path),
        "counts_url": server.counts_url,
        "clock": {"wall": clock.wall, "calendar": clock.calendar, "speed": clock.speed},
    }
    print(msgspec.json.encode(line).decode(), flush=True)
    await server.run_until(stopped)
    await server.stop()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
