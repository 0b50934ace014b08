"""Keeps the WebSocket stream open: connects, passes frames on, reconnects after a `Backoff`.

Frames are passed on where they are received; while the bot is busy they wait in the socket. The
delay shows in the age of the frames, which the feed measures.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection

from mmbot.bot.backoff import Backoff
from mmbot.daemon import transport
from mmbot.daemon.stream_connection import StreamConnection


class StreamListener(Protocol):
    """The receiver of the stream's frames."""

    def stream_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers to open a stream with now."""

    def connected(self) -> None:
        """Handle a new connection."""

    def received(self, frames: Sequence[bytes | str]) -> bool:
        """Handle frames that arrived together; return whether every channel is subscribed."""

    def disconnected(self) -> None:
        """Handle the loss of the connection."""


class StreamClient:
    """One connection at a time, reopened whenever it ends."""

    def __init__(self, url: str, listener: StreamListener, rng: random.Random) -> None:
        """Connect to `url` when run; `rng` draws the jitter of reconnections."""
        self._url = url
        self._listener = listener
        self._backoff = Backoff(rng.random)
        self._sender: transport.Sender | None = None
        self._reconnect = asyncio.Event()
        self._has_served = self._is_subscribed = False
        # The last logged failure since a connection served.
        self._failure = ""
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Keep a connection open until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            self._has_served, began = False, clock()
            try:
                headers = self._listener.stream_headers()
                async with transport.open_stream(self._url, headers) as connection:
                    await self._serve(connection)
            except* transport.StreamError as group:
                reason = "; ".join(f"{type(e).__name__}: {e}" for e in group.exceptions)
                self._log_failure(reason[:300])
            lasted = round((clock() - began) * 1000)
            wait = self._backoff.after(
                lasted, served=self._has_served, given_up=self._reconnect.is_set()
            )
            await asyncio.sleep(wait / 1000)

    def send(self, frame: bytes) -> None:
        """Send a frame, if connected; reconnect if too many wait to be sent."""
        if self._sender is not None and not self._sender.put(frame):
            self.reconnect()

    def reconnect(self) -> None:
        """Close the connection and open another."""
        self._reconnect.set()

    async def _serve(self, connection: ClientConnection) -> None:
        """Pass frames on until the connection ends or a reconnection is requested."""
        self._sender = sender = transport.Sender(connection)
        self._reconnect.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(sender.run())
                closing = tasks.create_task(self._close_on_request(connection))
                self._listener.connected()
                self._is_subscribed = False
                if isinstance(connection, StreamConnection):
                    connection.hand_over_to(self._received)
                async for frame in connection:
                    # Only a message that was split over several frames comes this way.
                    self._received([frame])
                sending.cancel()
                closing.cancel()
        finally:
            self._sender = None
            self._listener.disconnected()

    def _received(self, frames: Sequence[bytes | str]) -> None:
        # Frames that arrive once all is subscribed are data.
        self._has_served |= self._is_subscribed
        self._is_subscribed = self._listener.received(frames)

    def _log_failure(self, reason: str) -> None:
        """Log a failure, but once for an outage in which all attempts fail in the same way."""
        if self._has_served or reason != self._failure:
            self._log.warning("stream.failed", reason=reason)
        self._failure = reason

    async def _close_on_request(self, connection: ClientConnection) -> None:
        await self._reconnect.wait()
        await connection.close()
