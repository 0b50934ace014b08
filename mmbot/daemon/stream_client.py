"""The stream kept open: connects, hands frames over, and connects again, politely.

Frames are handed over one by one as they come; while the bot is busy they wait in a queue of the
connection's, and once that is full the exchange's socket fills up. How late the bot is by then
shows in the age of the frames, which its feed measures.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection

from mmbot.daemon import transport

_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0


class StreamListener(Protocol):
    """Who the stream is for."""

    def stream_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers to open a stream with now."""

    def connected(self) -> None:
        """Take note of a new connection."""

    def received(self, frame: bytes | str) -> bool:
        """Take in a frame; say whether the stream serves its purpose."""

    def disconnected(self) -> None:
        """Take note that the connection is gone."""


class StreamClient:
    """One connection at a time, for ever."""

    def __init__(self, url: str, listener: StreamListener, rng: random.Random) -> None:
        """Connect to `url` when run; `rng` keeps reconnections out of step with others'."""
        self._url = url
        self._listener = listener
        self._rng = rng
        self._sender: transport.Sender | None = None
        self._given_up = asyncio.Event()
        self._served = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        backoff = _FIRST_BACKOFF
        while True:
            try:
                headers = self._listener.stream_headers()
                async with transport.open_stream(self._url, headers) as connection:
                    await self._serve(connection)
            except* transport.StreamError as group:
                reason = "; ".join(f"{type(e).__name__}: {e}" for e in group.exceptions)
                self._log.warning("stream.failed", reason=reason[:300])
            if self._served:
                backoff = _FIRST_BACKOFF
            await asyncio.sleep(backoff * (0.5 + self._rng.random()))
            backoff = min(2 * backoff, _LONGEST_BACKOFF)

    def send(self, frame: bytes) -> None:
        """Send a frame, if there is a connection; one that is clogged is given up."""
        if self._sender is not None and not self._sender.put(frame):
            self.reconnect()

    def reconnect(self) -> None:
        """Give the connection up and open another."""
        self._given_up.set()

    async def _serve(self, connection: ClientConnection) -> None:
        """Hand frames over until the connection ends or is given up."""
        self._sender = sender = transport.Sender(connection)
        self._given_up.clear()
        self._served = False
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(sender.run())
                closing = tasks.create_task(self._close_when_given_up(connection))
                self._listener.connected()
                async for frame in connection:
                    # A connection that never came so far is no reason to connect again at once.
                    self._served |= self._listener.received(frame)
                sending.cancel()
                closing.cancel()
        finally:
            self._sender = None
            self._listener.disconnected()

    async def _close_when_given_up(self, connection: ClientConnection) -> None:
        await self._given_up.wait()
        await connection.close()
