"""The daemon's web server, which guards and bounds all pages at each of its addresses.

If an address cannot be opened, its pages are missing and it is tried again now and then; quotes are
not affected. A client that does not speak HTTP, never ends its request or exceeds the limit of
connections is logged at the level debug, because anyone could fill the log otherwise.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from mmbot.daemon.web_guard import refuse_others, secure

MOST_CONNECTIONS = 48
MOST_BODY_BYTES = 4096
# A connection without a complete request for this long is closed.
IDLE_SECONDS = 30.0
_RETRY_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_BACKLOG = 16


class Page(Protocol):
    """A page that is served at an address, and notified of it."""

    @property
    def address(self) -> str:
        """The machine's address."""

    @property
    def port(self) -> int:
        """The port; 0 takes a free one."""

    def add_to(self, app: web.Application) -> None:
        """Add the routes of the page."""

    def served(self, url: str) -> None:
        """Note the address, such as `http://127.0.0.1:8780`; "" once it is closed."""

    def unavailable(self, reason: str) -> None:
        """Note why the address cannot be opened; called once."""


@asynccontextmanager
async def serving(pages: Collection[Page], names: Collection[str]) -> AsyncIterator[None]:
    """Serve pages for as long as the context lasts; those with the same address share a server.

    Args:
        pages: The pages, with their addresses.
        names: The host names that are allowed besides localhost and IP addresses.
    """
    async with AsyncExitStack() as stack:
        for together in _by_address(pages):
            await stack.enter_async_context(_listening(together, names))
        yield


def _by_address(pages: Collection[Page]) -> list[list[Page]]:
    """Return pages grouped by address, the widest address of each group first."""
    groups: list[list[Page]] = []
    for page in sorted(pages, key=lambda each: not _ip(each).is_unspecified):
        for group in groups:
            if _covers(group[0], page):
                group.append(page)
                break
        else:
            groups.append([page])
    return groups


def _covers(page: Page, other: Page) -> bool:
    """Return whether one page's listener also receives requests to the other's address."""
    ours, theirs = _ip(page), _ip(other)
    same = ours == theirs or (ours.is_unspecified and ours.version == theirs.version)
    return same and page.port == other.port != 0


def _ip(page: Page) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(page.address)


@asynccontextmanager
async def _listening(pages: Sequence[Page], names: Collection[str]) -> AsyncIterator[None]:
    app = web.Application(middlewares=[refuse_others(names)], client_max_size=MOST_BODY_BYTES)
    app.on_response_prepare.append(secure)
    for page in pages:
        page.add_to(app)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=LOGGER,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=_CLOSE_SECONDS,
    )
    await runner.setup()
    task = asyncio.create_task(_listen(runner, pages))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def _listen(runner: web.AppRunner, pages: Sequence[Page]) -> None:
    listener = await _listener(runner, pages)
    try:
        host, port = listener.sockets[0].getsockname()[:2]
        for page in pages:
            page.served(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await asyncio.Event().wait()
    finally:
        for page in pages:
            page.served("")
        listener.close()


async def _listener(runner: web.AppRunner, pages: Sequence[Page]) -> asyncio.Server:
    """Return a listener, once the address can be opened."""
    server, loop = runner.server, asyncio.get_running_loop()
    assert server is not None  # noqa: S101 (it was set up)
    address, port = pages[0].address, pages[0].port
    told = False
    while True:
        try:
            return await loop.create_server(BoundedServer(server), address, port, backlog=_BACKLOG)
        except OSError as error:
            for page in () if told else pages:
                page.unavailable(f"cannot listen on {address}:{port}: {error.strerror or error}")
            told = True
        await asyncio.sleep(_RETRY_SECONDS)


class BoundedServer:
    """Makes the protocol of each connection, and ends connections beyond the limit."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection."""
        if len(self._server.connections) >= MOST_CONNECTIONS:
            structlog.get_logger().debug("http.refused", reason="too many connections")
            return _Refusal()
        return self._server()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _is_own_fault(record: logging.LogRecord) -> bool:
    """Return whether a log line is about more than an invalid HTTP request."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    structlog.get_logger().debug("http.refused", reason=f"not HTTP: {type(error).__name__}")
    return False


# The logger in which aiohttp reports errors.
LOGGER = logging.getLogger("mmbot.web")
LOGGER.addFilter(_is_own_fault)
