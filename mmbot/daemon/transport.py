"""Moving bytes: REST calls over aiohttp, the stream over websockets. No decisions are made here."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import TracebackType
from typing import Self

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from yarl import URL

from mmbot.daemon.stream_connection import MOST_FRAME_BYTES, StreamConnection
from mmbot.kalshi.http import HttpAnswer, HttpRequest

# A page of a thousand orders is about half a megabyte.
_MOST_ANSWER_BYTES = 16 * 1024 * 1024
# Answers whose times are kept.
_MOST_MEASURED = 256
# Frames that may wait to be read, and others to be sent; then the other end has to wait.
_MOST_FRAMES_WAITING = 1024
# The only headers that are read: clocks are compared by the first two.
_HEADERS = ("date", "age", "retry-after")
_PING_SECONDS = 10
_OPEN_SECONDS = 10

StreamError = (OSError, WebSocketException, TimeoutError)


class RestClient:
    """One connection pool to one host.

    Attributes:
        answer_ms: How long the latest answers took, in milliseconds.
    """

    def __init__(self, origin: str, timeout_seconds: float) -> None:
        """Connect to `origin` (scheme and host); each call may take `timeout_seconds`."""
        self._origin = origin
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self.answer_ms: deque[float] = deque(maxlen=_MOST_MEASURED)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, request: HttpRequest) -> HttpAnswer:
        """Send a request and return the answer.

        Raises:
            OSError, TimeoutError, aiohttp.ClientError: No answer came.
        """
        if self._session is None:
            raise RuntimeError("the session is not open")
        began = time.perf_counter()
        url = URL(self._origin + request.path).with_query(request.query)
        async with self._session.request(
            request.method,
            url,
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            body = await read_body(response, _MOST_ANSWER_BYTES)
            self.answer_ms.append((time.perf_counter() - began) * 1000)
            read = ((name, response.headers.get(name)) for name in _HEADERS)
            headers = tuple((name, value) for name, value in read if value)
            return HttpAnswer(response.status, body, headers)

    async def try_call(self, request: HttpRequest) -> HttpAnswer | None:
        """Send a request; return `None` where no answer came, whatever the reason."""
        try:
            return await self.call(request)
        except (OSError, TimeoutError, aiohttp.ClientError):
            return None


async def read_body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Return the whole body, in however many pieces it arrives.

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
    """A connection to the given host and no other, as its headers are signed for the account."""

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
        # As for REST: what the environment says of proxies is for others.
        proxy=None,
        max_size=MOST_FRAME_BYTES,
        max_queue=_MOST_FRAMES_WAITING,
        ping_interval=_PING_SECONDS,
        ping_timeout=_PING_SECONDS,
        open_timeout=_OPEN_SECONDS,
        close_timeout=1,
    )


class Sender:
    """A bounded queue of frames, sent in order, that never makes the caller wait."""

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
