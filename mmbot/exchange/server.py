"""The simulated exchange on a socket: REST, WebSocket, the pages and the ledger on one port.

This is the only module of the exchange that does I/O or reads the time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
from aiohttp import WSMsgType, web

from mmbot.exchange.assembly import SimulatedExchange
from mmbot.exchange.audit import ledger_json, tape_json
from mmbot.exchange.render import Json
from mmbot.exchange.stream_session import StreamSession
from mmbot.kalshi.http import BASE_PATH, STREAM_PATH, HttpAnswer, HttpRequest
from mmbot.units import Milliseconds

LEDGER_PATH: Final = "/ledger"
TAPE_PATH: Final = "/ledger/tape"
_HEARTBEAT_S: Final = 10.0
_LONGEST_SLEEP_S: Final = 0.05
_SHORTEST_SLEEP_S: Final = 0.005
_LARGEST_FRAME: Final = 1 << 20


class Connection:
    """One WebSocket, which sends its session's outbox as fast as the client reads."""

    def __init__(self, session: StreamSession, socket: web.WebSocketResponse) -> None:
        self.session = session
        self.socket = socket
        self.wake = asyncio.Event()

    async def write(self) -> None:
        """Send whatever is in the outbox, until the session is closed."""
        while not self.session.closed:
            await self.wake.wait()
            self.wake.clear()
            while self.session.outbox:
                await self.socket.send_str(self.session.outbox.popleft().decode())
        await self.socket.close(code=1001)

    async def send_heartbeats(self, every_s: float) -> None:
        """Ping the client as the exchange does."""
        while True:
            await asyncio.sleep(every_s)
            await self.socket.ping(b"heartbeat")


class Server:
    """Serves one exchange on loopback; its URLs are known once it has started."""

    def __init__(self, site: SimulatedExchange, *, heartbeat_s: float = _HEARTBEAT_S) -> None:
        self._site = site
        self._heartbeat_s = heartbeat_s
        self._venue = site.venue
        self._connections: set[Connection] = set()
        self._runner: web.AppRunner | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._host = ""

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one."""
        app = web.Application(client_max_size=4 << 20)
        app.router.add_get(STREAM_PATH, self._stream)
        app.router.add_get(LEDGER_PATH, self._ledger)
        app.router.add_get(TAPE_PATH, self._tape)
        app.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, "127.0.0.1", port)
        await listener.start()
        bound = self._runner.addresses[0][1]
        self._host = f"127.0.0.1:{bound}"
        self._ticking = asyncio.create_task(self._tick())

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Serve until `stopped` is set; raise whatever ends the exchange's own task."""
        waiting = asyncio.create_task(stopped.wait())
        tasks = {waiting, self._ticking} if self._ticking else {waiting}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._ticking is not None and self._ticking.done():
            self._ticking.result()

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        self._venue.drop_sessions()
        self._pump()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def rest_url(self) -> str:
        """The base of the REST API."""
        return f"http://{self._host}{BASE_PATH}"

    @property
    def ws_url(self) -> str:
        """The address of the stream."""
        return f"ws://{self._host}{STREAM_PATH}"

    @property
    def counts_url(self) -> str:
        """The root of the site with the counts: its pages are below it."""
        return f"http://{self._host}"

    @property
    def ledger_url(self) -> str:
        """The address of the exchange's own ledger."""
        return f"http://{self._host}{LEDGER_PATH}"

    async def _tick(self) -> None:
        while True:
            now = now_ms()
            due = self._venue.next_event_at()
            wait = _LONGEST_SLEEP_S if due is None else (due - now) / 1000
            await asyncio.sleep(min(max(wait, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S))
            self._venue.advance(now_ms())
            self._pump()

    def _pump(self) -> None:
        for connection in self._connections:
            if connection.session.outbox or connection.session.closed:
                connection.wake.set()

    async def _rest(self, request: web.Request) -> web.Response:
        plain = HttpRequest(
            method=request.method,
            path=request.path,
            query=tuple(request.query.items()),
            headers=tuple(request.headers.items()),
            body=await request.read(),
        )
        if self._site.website.serves(plain.path):
            return _response(self._site.website.answer(plain, now_ms()))
        answer = self._venue.handle(plain, now_ms())
        self._pump()
        return _response(answer)

    async def _ledger(self, _request: web.Request) -> web.Response:
        now = self._caught_up()
        return _json(ledger_json(self._venue, self._site.user_id, now))

    async def _tape(self, _request: web.Request) -> web.Response:
        self._caught_up()
        return _json(tape_json(self._venue))

    def _caught_up(self) -> Milliseconds:
        now = now_ms()
        self._venue.advance(now)
        self._pump()
        return now

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        opened = self._venue.open_session(tuple(request.headers.items()), now_ms())
        if isinstance(opened, HttpAnswer):
            return _response(opened)
        socket = self._socket()
        await socket.prepare(request)
        connection = Connection(opened, socket)
        self._connections.add(connection)
        tasks = [
            asyncio.create_task(connection.write()),
            asyncio.create_task(connection.send_heartbeats(self._heartbeat_s)),
        ]
        try:
            await self._listen(connection)
        finally:
            self._connections.discard(connection)
            self._venue.close_session(opened)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return socket

    def _socket(self) -> web.WebSocketResponse:
        return web.WebSocketResponse(max_msg_size=_LARGEST_FRAME)

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._venue.receive(connection.session, message.data, now_ms())
                self._pump()


def now_ms() -> Milliseconds:
    """Return the wall time in milliseconds."""
    return time.time_ns() // 1_000_000


def _json(value: Json) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _response(answer: HttpAnswer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))
