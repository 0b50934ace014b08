"""A proxy on loopback between the daemon and the exchange's stream, whose channels can die.

Control frames are each side's own: pings are answered while the data is dropped or changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]


class StreamProxy:
    """Passes every frame of the exchange on, but for those that `rewrite` drops or changes."""

    def __init__(self) -> None:
        self.url = ""
        # Returns what the daemon receives in place of a frame of the exchange; `None` is nothing.
        self.rewrite: Callable[[Message], Message | None] = lambda message: message
        # How often the daemon has connected.
        self.connections = 0
        self._daemon: ServerConnection | None = None
        self._frozen: list[ServerConnection] = []

    def drop(self, *kinds: str) -> None:
        """Drop the frames of these types from now on, on every connection; all without any."""
        self.rewrite = lambda message: None if not kinds or message["type"] in kinds else message

    def heal(self) -> None:
        """Pass everything on again."""
        self.rewrite = lambda message: message

    def freeze(self) -> None:
        """Neither read nor write on the present connection any more, and leave it open."""
        assert self._daemon is not None
        self._daemon.transport.pause_reading()
        self._frozen.append(self._daemon)
        self._daemon = None

    def end(self) -> None:
        """Let go of the frozen connections."""
        for connection in self._frozen:
            connection.transport.abort()

    async def inject(self, message: Message) -> None:
        """Send the daemon a frame that the exchange has not sent."""
        assert self._daemon is not None
        await self._daemon.send(orjson.dumps(message).decode())

    async def serve(self, daemon: ServerConnection, target: str) -> None:
        """Serve one connection of the daemon, with a connection to the exchange of its own."""
        assert daemon.request is not None
        signed = {k: v for k, v in daemon.request.headers.raw_items() if k.startswith("KALSHI")}
        async with connect(target, additional_headers=signed, proxy=None) as exchange:
            self.connections += 1
            self._daemon = daemon

            async def pass_commands() -> None:
                try:
                    async for frame in daemon:
                        await exchange.send(frame)
                finally:
                    await exchange.close()

            commands = asyncio.create_task(pass_commands())
            try:
                async for frame in exchange:
                    message = self.rewrite(orjson.loads(frame))
                    if message is not None and self._daemon is daemon:
                        await daemon.send(orjson.dumps(message).decode())
            except ConnectionClosed:
                pass
            finally:
                commands.cancel()
                await asyncio.gather(commands, return_exceptions=True)


@asynccontextmanager
async def stream_proxy(target: str) -> AsyncIterator[StreamProxy]:
    """Stand between the daemon and the stream at `target`."""
    proxy = StreamProxy()
    path = "/" + target.split("/", 3)[3]
    async with serve(
        lambda daemon: proxy.serve(daemon, target),
        "127.0.0.1",
        0,
        ping_interval=None,
        compression=None,
        close_timeout=0.2,
    ) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        proxy.url = f"ws://{host}:{port}{path}"
        try:
            yield proxy
        finally:
            proxy.end()
