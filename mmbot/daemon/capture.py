"""The capture: every input of the bot, in a file of its own for each life, for `mmbot replay`.

A file begins where its life begins and is never cut at that end, because a bot's state is made of
everything that it was ever given: so whatever the directory holds can be replayed. At the ceiling
the oldest lives are deleted; a life that fills it alone is captured no further.

The event loop only puts bytes into a buffer. A thread compresses and writes them every second, or
sooner when there are many, so that a process that is killed loses its last second at the most, and
nothing before it. A disk that is full, gone or too slow ends the capture with one warning: it
costs what the capture would have shown, never a trade.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from mmbot.recording.batches import MARK, Packer

SUFFIX = ".capture"
FLUSH_SECONDS = 1.0

_MEGABYTE = 1024 * 1024
# Bytes of records that are written before the second is over, and that may wait at the most.
_BATCH = 256 * 1024
_MOST_WAITING = 24 * _MEGABYTE
_CLOSE_SECONDS = 5.0
# A bot that is started again and again leaves many small files.
_MOST_LIVES = 1000


class Capture:
    """One life's records on their way into its file."""

    def __init__(self, directory: Path, life: str, megabytes: int) -> None:
        """Capture into `directory`, all of whose files take `megabytes` at most; 0 is off."""
        self._file = _LifeFile(directory / f"{life}{SUFFIX}", megabytes * _MEGABYTE)
        self._taking = megabytes > 0
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._size = 0
        self._packer = Packer()
        self._closing = False
        self._news = threading.Event()
        self._log = structlog.get_logger()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> Self:
        if self._taking:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what waits; a disk that does not answer is not waited for long."""
        self._closing = True
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def keep(self, record: bytes) -> None:
        """Take a record, to be written soon."""
        if not self._taking:
            return
        with self._lock:
            self._waiting.append(record)
            self._size += len(record)
        if self._size > _MOST_WAITING:
            self._stop("the disk is too slow")
        elif self._size > _BATCH:
            self._news.set()

    def _run(self) -> None:
        try:
            with self._file:
                self._write_until_closed()
        except OSError as error:
            self._stop(error.strerror or str(error))

    def _write_until_closed(self) -> None:
        while self._taking:
            last = self._closing
            if not last:
                self._news.wait(FLUSH_SECONDS)
                self._news.clear()
            batch = self._take()
            if batch and not self._file.append(self._packer.pack(batch)):
                self._stop("this life alone fills state.capture_megabytes")
            if last:
                return

    def _take(self) -> list[bytes]:
        with self._lock:
            batch, self._waiting, self._size = self._waiting, [], 0
        return batch

    def _stop(self, reason: str) -> None:
        """Take no more, and say so once."""
        with self._lock:
            stopped, self._taking = self._taking, False
            self._waiting, self._size = [], 0
        if stopped:
            self._log.warning("capture.stopped", path=str(self._file.path), reason=reason)


class _LifeFile:
    """A file that only grows, and deletes older ones beside it to stay below their ceiling."""

    def __init__(self, path: Path, ceiling: int) -> None:
        self.path = path
        self._ceiling = ceiling
        self._descriptor = -1
        self._size = 0
        self._others = 0

    def __enter__(self) -> Self:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._make_room(len(MARK))
        self._write(MARK)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def append(self, data: bytes) -> bool:
        """Write `data` if it fits below the ceiling; say whether it does."""
        if self._size + len(data) + self._others > self._ceiling:
            self._make_room(self._size + len(data))
        fits = self._size + len(data) + self._others <= self._ceiling
        if fits:
            self._write(data)
        return fits

    def _make_room(self, own: int) -> None:
        """Delete the oldest of the others until there is room for a file of this size."""
        paths = self.path.parent.glob(f"*{SUFFIX}")
        stats = {path: path.stat() for path in paths if path != self.path}
        self._others = sum(stat.st_size for stat in stats.values())
        left = len(stats)
        for path in sorted(stats, key=lambda path: stats[path].st_mtime_ns):
            if own + self._others <= self._ceiling and left < _MOST_LIVES:
                break
            path.unlink(missing_ok=True)
            self._others -= stats[path].st_size
            left -= 1

    def _write(self, data: bytes) -> None:
        # Unbuffered: what was written outlives the process.
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._size += len(data)
