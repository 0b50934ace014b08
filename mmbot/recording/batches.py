"""Batches of records in a file: compressed, each with its checksums.

A file is a mark followed by batches. A batch is a head (the length of its body, the body's CRC-32,
the CRC-32 of these two) and a body, which continues the file's zlib stream up to a flush. It can
only be read after the batches before it, which a replay needs anyway, and is a fraction of its size
alone, as most batches hold a few records that resemble earlier ones.

A killed process leaves the last batch short, and a machine that loses power may leave zeros in its
place: both are a torn tail, at which reading ends. Any other checksum mismatch is damage, and the
file is refused.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from mmbot.errors import BadInput

MARK: Final = b"mmbot capture 2\n"
# The largest batch, compressed or not, so that no foreign file can exhaust the memory.
LARGEST: Final = 64 * 1024 * 1024

_HEAD = struct.Struct(">II")
_CHECK = struct.Struct(">I")
_HEAD_SIZE = _HEAD.size + _CHECK.size
_LEVEL = 6


class ByteSource(Protocol):
    """A binary file; it returns fewer bytes than requested only at its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


class Packer:
    """Writes the batches of one file, in order."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL)

    def pack(self, message: bytes | memoryview) -> bytes:
        """Return a message of `records` as the file's next batch."""
        body = self._stream.compress(message) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        head = _HEAD.pack(len(body), zlib.crc32(body))
        return head + _CHECK.pack(zlib.crc32(head)) + body


def unpack(source: ByteSource) -> Iterator[bytes]:
    """Yield the messages in a file, up to a torn tail if it has one; `records.split` reads them.

    Raises:
        BadInput: The file is no capture of this version, or it is damaged.
    """
    mark = source.read(len(MARK))
    if not MARK.startswith(mark):
        raise BadInput("it does not begin as a capture does, or was written by another version")
    if mark != MARK:
        # It ended here when it was read; whatever a live session has added since begins the mark.
        return
    at, stream = len(mark), zlib.decompressobj()
    while len(head := source.read(_HEAD_SIZE)) == _HEAD_SIZE:
        if not any(head) and _only_zeros(source):
            return
        body = _body(source, head, at)
        if body is None:
            return
        try:
            message = stream.decompress(body, LARGEST)
        except zlib.error:
            raise _damaged(at) from None
        if stream.unconsumed_tail:
            raise _damaged(at)
        yield message
        at += len(head) + len(body)


def _body(source: ByteSource, head: bytes, at: int) -> bytes | None:
    """Return the body that belongs to a head, or `None` if the file ends within it."""
    front = head[: _HEAD.size]
    length, checksum = _HEAD.unpack(front)
    if _CHECK.unpack(head[_HEAD.size :]) != (zlib.crc32(front),) or length > LARGEST:
        raise _damaged(at)
    body = source.read(length)
    if len(body) < length:
        return None
    if zlib.crc32(body) != checksum:
        raise _damaged(at)
    return body


def _only_zeros(source: ByteSource) -> bool:
    while block := source.read(65_536):
        if any(block):
            return False
    return True


def _damaged(at: int) -> BadInput:
    return BadInput(
        f"it is damaged in the batch that begins at byte {at:,}; take another copy of it, as "
        "what follows cannot be replayed without what stood there"
    )
