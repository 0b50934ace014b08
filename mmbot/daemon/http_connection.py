"""One connection over which requests are sent and answered, one at a time (HTTP/1.1).

A request goes to the socket in the iteration of the loop in which `begin` is called. Answers are
parsed by llhttp (`httptools`), and limited in size. A connection on which anything was wrong is
closed and not used again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import string
from functools import lru_cache
from typing import Final, Self, cast
from urllib.parse import quote

import aiohappyeyeballs
import httptools
from yarl import URL

from mmbot.kalshi.http import HttpAnswer, HttpRequest

# A page of a thousand orders is about half a megabyte.
MOST_BODY_BYTES: Final = 16 * 1024 * 1024
_MOST_HEADER_BYTES: Final = 64 * 1024
# The only headers that are read; the first two serve to compare clocks.
_READ: Final = frozenset({b"date", b"age", b"retry-after"})
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
# The characters allowed in a path besides letters and digits, and all that stay as they are in it.
_IN_PATH: Final = "/-._~!$&'()*+,;=:@"
_PLAIN: Final = (string.ascii_letters + string.digits + _IN_PATH).encode()
# The cancels of a market's orders have the same query.
_QUERIES_KEPT: Final = 4_096
# Where a host has several addresses, the next is tried as well after so long.
_NEXT_ADDRESS_SECONDS: Final = 0.25


class Unanswered(ConnectionError):
    """The connection ended before any part of an answer came."""


class HttpConnection(asyncio.Protocol):
    """One connection to a host.

    Attributes:
        usable: Whether another request may be sent over it.
    """

    def __init__(self) -> None:
        """Begin unconnected."""
        self.usable = False
        self._answered: asyncio.Future[HttpAnswer] | None = None

    @classmethod
    async def open(cls, origin: URL, tls: ssl.SSLContext | None) -> Self:
        """Connect to the host of `origin`.

        Raises:
            OSError: It cannot be reached, or its certificate is not valid for it.
        """
        loop = asyncio.get_running_loop()
        host, port = origin.host or "", origin.port or 0
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        connected = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1
        )
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, connection = await loop.create_connection(
                cls, sock=connected, ssl=tls, server_hostname=host if tls else None
            )
        except BaseException:
            connected.close()
            raise
        return connection

    def begin(self, request: bytes) -> None:
        """Send a rendered request, whose `answer` is to be awaited; only while `usable`."""
        self.usable = False
        self._transport.write(request)
        # No answer can be read before this turn of the loop ends.
        self._answered = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self._begin_answer()

    async def answer(self) -> HttpAnswer:
        """Return the answer to the request that was begun.

        Raises:
            Unanswered: The connection ended before any part of an answer came.
            ConnectionError: It ended amid the answer, or the answer is too long or no HTTP.
        """
        if self._answered is None:
            raise RuntimeError("no request was begun")
        try:
            return await self._answered
        finally:
            # The caller gave up, and the answer may still come.
            if not self.usable:
                self.close()

    def close(self) -> None:
        """End the connection."""
        self.usable = False
        self._transport.abort()

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and have it send at once."""
        self._transport = cast("asyncio.Transport", transport)
        # Below the limit, uvloop would send only at the end of the loop's iteration.
        self._transport.set_write_buffer_limits(0)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Parse a piece of an answer; close the connection if no answer is awaited."""
        if self._answered is None or self._answered.done():
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is not HTTP: {error}"))
        if not self._headers_complete and self._received > _MOST_HEADER_BYTES:
            self._fail(ConnectionError(f"more than {_MOST_HEADER_BYTES:,} bytes of headers"))

    def connection_lost(self, error: Exception | None) -> None:
        """Complete an answer without a stated length; fail any other awaited answer."""
        self.usable = False
        if self._answered is None or self._answered.done():
            return
        if not self._received:
            self._fail(Unanswered(str(error or "closed without an answer")))
        elif error is None and self._headers_complete and not self._length_said:
            self._answered.set_result(self._answer())
        else:
            self._fail(
                ConnectionError(
                    f"closed in the middle of the answer{f': {error}' if error else ''}"
                )
            )

    # Called by the parser

    def on_message_begin(self) -> None:
        """Retire the connection if an answer follows that was not requested."""
        if self._answered is not None and self._answered.done():
            self.usable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header that is read."""
        name = name.lower()
        if name in _READ:
            self._headers.append((name.decode(), value.decode("latin-1")))
        self._length_said |= name in _LENGTHS

    def on_headers_complete(self) -> None:
        """Note that the body follows."""
        self._headers_complete = True

    def on_body(self, piece: bytes) -> None:
        """Add to the body, up to its limit."""
        self._body += piece
        if len(self._body) > MOST_BODY_BYTES:
            self._fail(ConnectionError(f"more than {MOST_BODY_BYTES:,} bytes"))

    def on_message_complete(self) -> None:
        """Complete the awaited answer, unless this one is only informational (1xx)."""
        if self._answered is None or self._answered.done():
            return
        if self._parser.get_status_code() < 200:
            self._begin_answer()
            return
        self.usable = self._parser.should_keep_alive()
        self._answered.set_result(self._answer())

    def _begin_answer(self) -> None:
        self._headers: list[tuple[str, str]] = []
        self._headers_complete = self._length_said = False
        self._body = bytearray()

    def _answer(self) -> HttpAnswer:
        status = self._parser.get_status_code()
        return HttpAnswer(status, bytes(self._body), tuple(self._headers))

    def _fail(self, error: ConnectionError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)


def host_lines(origin: URL) -> str:
    """Return the header lines that every request to a host has."""
    host = origin.host_port_subcomponent
    return f" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mmbot\r\nAccept: */*\r\n"


def render(request: HttpRequest, host: str) -> bytes:
    """Return a request as bytes; `host` are the lines of `host_lines`.

    Raises:
        ValueError: A header contains a line break.
    """
    target = request.path
    if target.encode().translate(None, _PLAIN):
        target = quote(target, safe=_IN_PATH)
    if request.query:
        target = f"{target}?{_query(request.query)}"
    lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    if not lines.count("\r") == lines.count("\n") == len(request.headers):
        raise ValueError("a header contains a line break")
    if request.body:
        lines = f"{lines}Content-Length: {len(request.body)}\r\n"
    return f"{request.method} {target}{host}{lines}\r\n".encode() + request.body


@lru_cache(_QUERIES_KEPT)
def _query(pairs: tuple[tuple[str, str], ...]) -> str:
    """Return a query as it is written in a URL."""
    return "&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs])
