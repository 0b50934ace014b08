"""A wire on loopback between the daemon and a server, which can be down, and cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

LARGEST_PIECE = 1 << 16


class Wire:
    """Passes bytes on at a port that stays the same."""

    def __init__(self, origin: str) -> None:
        """Lead to the server of an address; it is down until it is up."""
        parts = urlsplit(origin)
        assert parts.hostname is not None
        assert parts.port is not None
        self._origin = (parts.hostname, parts.port)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._passes = asyncio.Event()
        self._passes.set()
        self._connections: set[asyncio.Task[None]] = set()

    def through(self, url: str) -> str:
        """Return an address of the server as it is reached through the wire."""
        return urlsplit(url)._replace(netloc=f"127.0.0.1:{self._port}").geturl()

    async def up(self) -> None:
        """Listen, at the same port as before."""
        assert self._server is None
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and end those that there are, as where a process has died."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Pass no byte on, and tell nobody."""
        self._passes.clear()

    def mend(self) -> None:
        """Pass on what was held up, as a network does that sends again what was lost."""
        self._passes.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._passes.wait()
            back, forth = await asyncio.open_connection(*self._origin)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, forth))
                    both.create_task(self._pass(back, writer))
            finally:
                forth.transport.abort()
        except (asyncio.CancelledError, OSError, ExceptionGroup):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(LARGEST_PIECE):
            await self._passes.wait()
            writer.write(piece)
            await writer.drain()
        await self._passes.wait()
        with suppress(OSError):
            writer.write_eof()


@asynccontextmanager
async def wire(origin: str) -> AsyncIterator[Wire]:
    """Lead to the server of an address until the end."""
    laid = Wire(origin)
    await laid.up()
    try:
        yield laid
    finally:
        await laid.down()
