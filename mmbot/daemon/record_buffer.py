"""Records waiting for the next batch, end to end in a memory mapping of their own.

In a flood the thread that compresses them may be late by thousands of records. As separate objects
they would fragment the heap, which then never shrinks; the pages of a mapping can be returned.
"""

from __future__ import annotations

import mmap
from typing import Final

from mmbot.recording import records

# Memory kept for the next records, a multiple of any page size.
_KEPT_BYTES: Final = 512 * 1024


class RecordBuffer:
    """A growing message of `records`; only the written part takes memory."""

    def __init__(self, most_bytes: int) -> None:
        """Begin empty; the message may have at most `most_bytes`."""
        self._most_bytes = most_bytes
        self._memory = mmap.mmap(-1, most_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.clear()

    @property
    def size(self) -> int:
        """The message's bytes."""
        return self._memory.tell()

    def add(self, record: bytes) -> bool:
        """Append a record; return whether there was room for it."""
        fits = self._memory.tell() + len(record) <= self._most_bytes
        if fits:
            self._memory.write(record)
            self._count += 1
        return fits

    def message(self) -> memoryview | None:
        """Return the message, valid until the next change; `None` if it has no record."""
        if not self._count:
            return None
        self._memory[: records.HEAD_BYTES] = records.head(self._count)
        return memoryview(self._memory)[: self.size]

    def clear(self) -> None:
        """Empty the buffer, and return the memory that a late batch took to the system."""
        beyond = self.size - _KEPT_BYTES
        if beyond > 0:
            self._memory.madvise(mmap.MADV_DONTNEED, _KEPT_BYTES, beyond)
        self._memory.seek(records.HEAD_BYTES)
        self._count = 0
