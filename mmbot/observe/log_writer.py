"""Writes log lines to a reader that may stall or go away; the callers never wait.

Lines wait in a bounded queue for the one thread that writes them. While the reader stalls, the
queue fills, and a line that does not fit is dropped and counted, as is one that cannot be written.
Once there is room again, a line says how many were dropped.
"""

from __future__ import annotations

import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable

MOST_LINES = 10_000
MOST_BYTES = 8 * 1024 * 1024
# How long the process waits for the reader at exit.
FLUSH_SECONDS = 2.0
# A text without an end of line is cut into lines of this length.
_LONGEST_PARTIAL = 65_536


class LogWriter:
    """The queue and the thread of one file descriptor.

    Attributes:
        dropped: How many lines were dropped so far.
    """

    def __init__(self, descriptor: int, tell: Callable[[int], bytes]) -> None:
        """Write to `descriptor`; `tell` renders the line that says how many were dropped."""
        self.dropped = 0
        self._descriptor = descriptor
        self._tell = tell
        self._untold = 0
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._writing = False
        # Reentrant, because garbage collected while a thread holds it may log.
        self._changed = threading.Condition(threading.RLock())
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: bytes) -> None:
        """Queue a line, or drop it if there is no room."""
        with self._changed:
            if len(self._lines) >= MOST_LINES or self._bytes + len(line) > MOST_BYTES:
                self._drop()
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until everything is written, `seconds` at most; return whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._lines or self._writing or self._has_to_tell), seconds
            )

    @property
    def _has_to_tell(self) -> bool:
        """Whether lines were dropped, and there is room again to say so."""
        return self._untold > 0 and len(self._lines) <= MOST_LINES // 2

    def _drop(self) -> None:
        self.dropped += 1
        self._untold += 1

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                line = self._lines.popleft()
                self._bytes -= len(line)
                self._writing = True
            if not self._write(line):
                with self._changed:
                    self._drop()
            elif self._has_to_tell:
                self._write_untold()

    def _write_untold(self) -> None:
        count = self._untold
        if self._write(self._tell(count)):
            with self._changed:
                self._untold -= count

    def _write(self, line: bytes) -> bool:
        """Write a line, however long the reader takes; return whether there is a reader."""
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Another process that shares the descriptor may have made it non-blocking.
                select.select((), (self._descriptor,), ())
            except OSError:
                return False
        return True


class LogStream(io.TextIOBase):
    """Standard error for everything that does not go through the logger, line by line."""

    def __init__(self, writer: LogWriter, descriptor: int) -> None:
        self._writer = writer
        self._descriptor = descriptor
        self._partial = ""

    def write(self, text: str, /) -> int:
        """Queue every whole line."""
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._put(f"{line}\n")
        if len(self._partial) > _LONGEST_PARTIAL:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Queue the unfinished line."""
        partial, self._partial = self._partial, ""
        if partial:
            self._put(partial)

    def fileno(self) -> int:
        """Return the descriptor, for child processes."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return true: it can be written."""
        return True

    def _put(self, text: str) -> None:
        self._writer.put(text.encode("utf-8", "backslashreplace"))
