"""The viewers of the dashboard: all are sent the same events, made once a second for all of them.

Nothing waits for a viewer. Each has a bounded queue, and one that reads too slowly is disconnected;
its browser reconnects by itself and is sent everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog
from aiohttp import web

MOST_VIEWERS = 8
LOOK_SECONDS = 1.0
# The most events that wait for a viewer, besides those being sent.
_MOST_WAITING = 8
_SENT_AHEAD_BYTES = 256 * 1024
_COME_BACK_MS = 2000

# Makes the events of one look, from the number of viewers and how late the look is, in ms.
MakeEvents: TypeAlias = Callable[[int, float], Awaitable[list[bytes]]]
# The events that wait for one viewer; `None` ends them.
_Queue: TypeAlias = "asyncio.Queue[bytes | None]"


class Viewers:
    """The viewers, and the task that makes their events."""

    def __init__(self, make: MakeEvents, greeting: Callable[[], list[bytes]]) -> None:
        """Begin without a viewer.

        Args:
            make: Makes the events of one look.
            greeting: Returns what a new viewer is sent first.
        """
        self._make = make
        self._greeting = greeting
        self._queues: dict[_Queue, web.Request] = {}
        self._looking: asyncio.Task[None] | None = None
        self._next_look = 0.0
        self._log = structlog.get_logger()

    def __len__(self) -> int:
        """Return the number of viewers."""
        return len(self._queues)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send events for as long as the viewer stays.

        Raises:
            web.HTTPServiceUnavailable: There are too many.
        """
        if len(self._queues) >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(
                text=f"{MOST_VIEWERS} viewers are connected already; close one."
            )
        queue: _Queue = asyncio.Queue(_MOST_WAITING)
        self._queues[queue] = request
        try:
            return await self._serve(request, queue)
        finally:
            del self._queues[queue]

    async def _serve(self, request: web.Request, queue: _Queue) -> web.StreamResponse:
        _send_little_ahead(request)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        # A viewer that has gone, or was disconnected, needs no end of the response.
        with contextlib.suppress(ConnectionError):
            await response.write(b"retry: %d\n\n" % _COME_BACK_MS)
            for first in self._greeting():
                await response.write(first)
            self._begin_to_look()
            while (event := await queue.get()) is not None:
                await response.write(event)
        return response

    def close(self) -> None:
        """Disconnect all viewers, and stop making events."""
        if self._looking is not None:
            self._looking.cancel()
        for queue, request in self._queues.items():
            _drop(request, queue)

    def _begin_to_look(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queues:
            # Viewers that come and go must not make the looks more frequent.
            due = max(self._next_look, loop.time())
            await asyncio.sleep(due - loop.time())
            late_ms = (loop.time() - due) * 1000
            self._next_look = due + LOOK_SECONDS
            for event in await self._make(len(self._queues), late_ms):
                self._tell(event)

    def _tell(self, event: bytes) -> None:
        for queue, request in self._queues.items():
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._log.info("dashboard.viewer_dropped", waiting=queue.qsize())
                _drop(request, queue)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._log.error("dashboard.failed", exc_info=error)
            self.close()
        elif self._queues:
            self._begin_to_look()


def _drop(request: web.Request, queue: _Queue) -> None:
    """End a connection, whether its handler waits for an event or for the viewer to read."""
    if request.transport is not None:
        request.transport.abort()
    if not queue.full():
        queue.put_nowait(None)


def _send_little_ahead(request: web.Request) -> None:
    """Limit how much unread data the system buffers for a viewer."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_AHEAD_BYTES)


def event(name: str, data: bytes) -> bytes:
    """Return a server-sent event; the data is one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
