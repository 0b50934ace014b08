"""A WebSocket connection that hands frames over as they arrive, without a queue or a task between.

The library does the handshake, pings, the closing and whatever is unusual. What is usual, a whole
message in one frame, is cut out of the bytes and handed over where they are received; so an order
that answers it is sent before anybody else has a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.protocol import OPEN

# The frames that arrived together.
Receive: TypeAlias = Callable[[list[bytes]], None]

# So much is read at a time, and then timers, answers and the operator have their turn.
_READ_BYTES: Final = 16_384
MOST_FRAME_BYTES: Final = 4 * 1024 * 1024
# FIN and text.
_WHOLE_TEXT: Final = 0x81
# Text or bytes without FIN, and FIN of what was begun so.
_FIRST_PARTS, _LAST_PART = (0x01, 0x02), 0x80
# Lengths that say how many bytes further on the length is.
_MEDIUM, _LONG = 126, 127
_MASKED: Final = -1
# What the answer to the handshake ends with.
_HEAD_ENDS = b"\r\n\r\n"


class StreamConnection(ClientConnection):
    """One connection to the exchange's stream.

    After `hand_over_to` every whole text message goes to the receiver, as bytes. Iteration yields
    what the library was left to put together, and ends with the connection.
    """

    def __init__(self, protocol: ClientProtocol, **options: Any) -> None:
        """Begin as the library does, which reads everything until `hand_over_to`."""
        super().__init__(protocol, **options)
        self._receive: Receive | None = None
        # Whether nothing has come after the answer to the handshake, so that the next byte begins
        # a frame.
        self._only_shaken_hands = False
        # The parts of a frame that is not whole yet, and how many bytes it lacks at least.
        self._parts: list[bytes] = []
        self._missing = 0
        # Whether the library is putting a message together; a whole one then is an error.
        self._fragmented = False

    def hand_over_to(self, receive: Receive) -> None:
        """Hand messages over from now on, unless frames have come that the library has begun."""
        if self._only_shaken_hands:
            self._receive = receive

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read in small parts."""
        super().connection_made(transport)
        self.transport.set_protocol(_Reader(self))

    def bytes_received(self, data: bytes, *, more: bool) -> None:
        """Handle bytes, of which `more` are waiting."""
        if more:
            # Whoever else wants to do something may do it first.
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)
        if self._receive is None or self.protocol.state is not OPEN:
            self._leave_to_library(data)
        else:
            self._split(data, self._receive)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # Frames

    def _split(self, data: bytes, receive: Receive) -> None:
        """Hand over whole messages, leave other frames to the library, keep one that is begun."""
        if self._missing > len(data):
            self._parts.append(data)
            self._missing -= len(data)
            return
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
            self._missing = 0
        at, size = 0, len(data)
        messages: list[bytes] = []
        while at < size:
            start, end = _bounds(data, at, size)
            if end > size or start == _MASKED:
                self._keep(data[at:], start, end - size)
                break
            if data[at] == _WHOLE_TEXT and not self._fragmented:
                messages.append(data[start:end])
            else:
                self._fragmented = data[at] in _FIRST_PARTS or (
                    self._fragmented and data[at] != _LAST_PART
                )
                self._leave_to_library(data[at:end])
                if self.protocol.state is not OPEN:
                    # What comes after a close is no message, nor the beginning of one.
                    self._leave_to_library(data[end:])
                    break
            at = end
        if messages:
            receive(messages)

    def _keep(self, rest: bytes, start: int, missing: int) -> None:
        """Keep the beginning of a frame; one that no server may send ends the connection."""
        if start == _MASKED or missing > MOST_FRAME_BYTES:
            self._receive = None
            self._leave_to_library(rest)
            return
        self._missing = missing
        self._parts.append(rest)

    def _leave_to_library(self, data: bytes) -> None:
        self._only_shaken_hands = data.endswith(_HEAD_ENDS)
        self.data_received(data)


class _Reader(asyncio.BufferedProtocol):
    """Reads into a small buffer; a protocol without one is given all that is there at once."""

    def __init__(self, connection: StreamConnection) -> None:
        self._connection = connection
        self._buffer = bytearray(_READ_BYTES)
        self._view = memoryview(self._buffer)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 (asyncio's)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.bytes_received(bytes(self._view[:nbytes]), more=nbytes == _READ_BYTES)


def _bounds(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Return where the payload of the frame at `at` begins and ends, as far as that is known.

    It begins at `_MASKED` if the frame is masked, which no server's may be.
    """
    start = at + 2
    if size < start:
        return start, start
    length = data[at + 1]
    if length > _LONG:
        return _MASKED, start
    if length < _MEDIUM:
        return start, start + length
    start += 2 if length == _MEDIUM else 8
    if size < start:
        return start, start
    return start, start + int.from_bytes(data[at + 2 : start], "big")
