"""Records on their way into a batch, end to end in a mapping of memory of their own.

In a flood the thread that compresses them may be late by thousands of records. As objects these
would take memory between others that stay, which is never given back; the pages of a mapping are.
"""

from __future__ import annotations

import mmap
from typing import Final

from mmbot.recording import records

# Memory that stays for the next records, a multiple of any page.
_KEPT_BYTES: Final = 512 * 1024


class RecordBuffer:
    """A message of `records` that grows; only what was written takes memory."""

    def __init__(self, most_bytes: int) -> None:
        """Begin empty; the message may have so many bytes."""
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
        """Return the message, good until the next change; `None` if no record is in it."""
        if not self._count:
            return None
        self._memory[: records.HEAD_BYTES] = records.head(self._count)
        return memoryview(self._memory)[: self.size]

    def clear(self) -> None:
        """Empty it, and give back the memory that one late batch took."""
        beyond = self.size - _KEPT_BYTES
        if beyond > 0:
            self._memory.madvise(mmap.MADV_DONTNEED, _KEPT_BYTES, beyond)
        self._memory.seek(records.HEAD_BYTES)
        self._count = 0
