"""A WebSocket connection that hands frames over as they arrive, without a queue or task between.

The library does the handshake, pings, the closing and whatever is unusual. The usual case, a whole
message in one frame, is cut out of the bytes and handed over where they are received, so that an
order that it leads to is sent before any other task runs.
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

# The most that is read at a time, so that timers, answers and the operator get their turn.
_READ_BYTES: Final = 16_384
MOST_FRAME_BYTES: Final = 4 * 1024 * 1024
# FIN and text.
_WHOLE_TEXT: Final = 0x81
# Text or bytes without FIN, and the last part of such a message.
_FIRST_PARTS, _LAST_PART = (0x01, 0x02), 0x80
# Values of the length byte that mean: the length is in the next 2 or 8 bytes.
_MEDIUM, _LONG = 126, 127
_MASKED: Final = -1
# The end of the answer to the handshake.
_HEAD_ENDS = b"\r\n\r\n"


class StreamConnection(ClientConnection):
    """One connection to the exchange's stream.

    After `hand_over_to` every text message in one frame goes to the receiver, as bytes. Iteration
    yields the messages that the library assembles, and ends with the connection.
    """

    def __init__(self, protocol: ClientProtocol, **options: Any) -> None:
        """Begin as the library does, which reads everything until `hand_over_to`."""
        super().__init__(protocol, **options)
        self._receive: Receive | None = None
        # Whether nothing has arrived after the answer to the handshake, so that the next byte
        # begins a frame.
        self._only_shaken_hands = False
        # The parts of an incomplete frame, and the least number of bytes that it lacks.
        self._parts: list[bytes] = []
        self._missing = 0
        # Whether the library is assembling a message; a whole one before its end is an error.
        self._fragmented = False

    def hand_over_to(self, receive: Receive) -> None:
        """Hand messages over from now on, unless the library has already begun to read frames."""
        if self._only_shaken_hands:
            self._receive = receive

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read in small parts."""
        super().connection_made(transport)
        self.transport.set_protocol(_Reader(self))

    def bytes_received(self, data: bytes, *, more: bool) -> None:
        """Handle bytes, of which `more` are waiting."""
        if more:
            # Other tasks get their turn first.
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
        """Hand over whole messages, leave other frames to the library, keep an incomplete one."""
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
                    # Bytes after a close frame are no message.
                    self._leave_to_library(data[end:])
                    break
            at = end
        if messages:
            receive(messages)

    def _keep(self, rest: bytes, start: int, missing: int) -> None:
        """Keep the beginning of a frame; an invalid one is left to the library, which closes."""
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
    """Reads into a small buffer; a protocol without one gets all that has arrived at once."""

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
    """Return where the payload of the frame at `at` begins and ends, as far as known.

    The start is `_MASKED` if the frame is masked, which a server's frames must not be.
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
