"""Moves bytes: REST calls, and the stream over websockets. It decides nothing."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from yarl import URL

from mmbot.daemon.http_connection import HttpConnection, Unanswered, host_lines, render
from mmbot.daemon.stream_connection import MOST_FRAME_BYTES, StreamConnection
from mmbot.kalshi.http import HttpAnswer, HttpRequest

# How many answer times are kept.
_MOST_MEASURED = 256
# The most frames that wait to be read, and to be sent.
_MOST_FRAMES_WAITING = 1024
_MOST_CONNECTIONS = 100
# Hosts close connections that were idle for a minute.
_KEPT_SECONDS = 50.0
# Methods that may be sent again if it is unknown whether the request was received.
_SAFE_AGAIN = frozenset({"GET", "DELETE"})
_PING_SECONDS = 10
_OPEN_SECONDS = 10

StreamError = (OSError, WebSocketException, TimeoutError)


class Sending(msgspec.Struct, frozen=True):
    """A request in flight; without a `connection` it waits for one.

    `again` says that it may be sent again if it is unknown whether it was received. `began` is in
    seconds of the performance counter.
    """

    rendered: bytes
    again: bool
    began: float
    connection: HttpConnection | None


class RestClient:
    """A pool of connections to one host.

    Attributes:
        answer_ms: How long the latest answers took, in milliseconds.
    """

    def __init__(self, origin: str, timeout_seconds: float) -> None:
        """Connect to `origin` (scheme and host); each call may take `timeout_seconds`."""
        self._origin = URL(origin)
        self._host = host_lines(self._origin)
        self._timeout_seconds = timeout_seconds
        self._tls = ssl.create_default_context() if self._origin.scheme == "https" else None
        self._open = asyncio.Semaphore(_MOST_CONNECTIONS)
        # Idle connections, the latest used last, each with the time since when it is idle.
        self._idle: deque[tuple[HttpConnection, float]] = deque()
        # Connections with a request that was begun but is not finished.
        self._begun: set[HttpConnection] = set()
        self.answer_ms: deque[float] = deque(maxlen=_MOST_MEASURED)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._idle:
            self._idle.pop()[0].close()
        for connection in self._begun:
            connection.close()

    async def call(self, request: HttpRequest) -> HttpAnswer:
        """Send a request and return the answer.

        Raises:
            OSError, TimeoutError: No answer came.
        """
        return await self.finish(self.begin(request))

    def begin(self, request: HttpRequest) -> Sending:
        """Send a request at once if a connection is idle; await `finish` for the answer."""
        began = time.perf_counter()
        rendered = render(request, self._host)
        connection = None if self._open.locked() else self._kept(began)
        if connection is not None:
            connection.begin(rendered)
            self._begun.add(connection)
        return Sending(rendered, request.method in _SAFE_AGAIN, began, connection)

    async def finish(self, sending: Sending) -> HttpAnswer:
        """Return the answer to a request that was begun; raises as `call` does."""
        try:
            async with asyncio.timeout(self._timeout_seconds), self._open:
                answer = await self._exchange(sending)
        finally:
            if sending.connection is not None:
                self._begun.discard(sending.connection)
                if not sending.connection.usable:
                    sending.connection.close()
        self.answer_ms.append((time.perf_counter() - sending.began) * 1000)
        return answer

    async def _exchange(self, sending: Sending) -> HttpAnswer:
        """Await the answer; send over a new connection if none was idle, or if sent `again`."""
        connection = sending.connection
        if connection is None and (connection := self._kept(time.perf_counter())) is not None:
            connection.begin(sending.rendered)
        if connection is not None:
            try:
                return await self._answer(connection)
            except Unanswered:
                if not sending.again:
                    raise
        connection = await HttpConnection.open(self._origin, self._tls)
        connection.begin(sending.rendered)
        return await self._answer(connection)

    async def _answer(self, connection: HttpConnection) -> HttpAnswer:
        answer = await connection.answer()
        if connection.usable:
            self._idle.append((connection, time.perf_counter()))
        return answer

    def _kept(self, now: float) -> HttpConnection | None:
        """Return the last used idle connection that the host cannot have closed for idleness."""
        while self._idle and self._idle[0][1] < now - _KEPT_SECONDS:
            self._idle.popleft()[0].close()
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def try_call(self, request: HttpRequest) -> HttpAnswer | None:
        """Send a request; return the answer, or `None` if none came, whatever the reason."""
        return await self.try_finish(self.begin(request))

    async def try_finish(self, sending: Sending) -> HttpAnswer | None:
        """Return the answer to a request that was begun, or `None` if none came."""
        try:
            return await self.finish(sending)
        except (OSError, TimeoutError):
            return None


async def read_body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Return the whole body, however many pieces it arrives in.

    Raises:
        aiohttp.ClientError: It is longer than `most_bytes`, or ends too early.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise aiohttp.ClientPayloadError(f"more than {most_bytes:,} bytes")
    return bytes(body)


class _Unredirected(connect):
    """A connection to the given host only, as its headers are signed for the account."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Refuse every redirect."""
        return exc


def open_stream(url: str, headers: tuple[tuple[str, str], ...]) -> connect:
    """Return a `StreamConnection` as a context manager, uncompressed, as the frames are small."""
    return _Unredirected(
        url,
        additional_headers=headers,
        create_connection=StreamConnection,
        compression=None,
        # As for REST, proxies in the environment are not for us.
        proxy=None,
        max_size=MOST_FRAME_BYTES,
        max_queue=_MOST_FRAMES_WAITING,
        ping_interval=_PING_SECONDS,
        ping_timeout=_PING_SECONDS,
        open_timeout=_OPEN_SECONDS,
        close_timeout=1,
    )


class Sender:
    """A bounded queue of frames, sent in order; the caller never waits."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(_MOST_FRAMES_WAITING)

    def put(self, frame: bytes) -> bool:
        """Queue a frame; return whether there was room for it."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            return False
        return True

    async def run(self) -> None:
        """Send until cancelled or until the connection ends."""
        while True:
            frame = await self._frames.get()
            await self._connection.send(frame, text=True)
