"""The capture: every input of the bot in a file of its own for each life, for `mmbot replay`.

A file begins where its life begins and is never cut at that end, because a bot's state is made of
everything that it was ever given: whatever the directory holds can be replayed. When the ceiling
is reached, the oldest lives go; a life that fills it alone is captured no further.

The event loop only puts bytes into a buffer. A thread compresses and writes them once a second,
or sooner when there are many, so that a process that is killed loses about a second's inputs, and
always the last. A disk that is full, gone or too slow ends the capture with one warning: it costs
what the capture would have shown, never a trade.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import structlog

from mmbot.recording.batches import MARK, pack

SUFFIX = ".capture"
FLUSH_SECONDS = 1.0

_MEGABYTE = 1024 * 1024
# Bytes of records that are written before the second is over, and that may wait at the most.
_BATCH = 256 * 1024
_MOST_WAITING = 24 * _MEGABYTE
_CLOSE_SECONDS = 5.0


class Capture:
    """One life's file, and the thread that writes it."""

    def __init__(self, directory: Path, life: str, megabytes: int) -> None:
        """Capture into `directory`, all of whose files take `megabytes` at most; 0 is off."""
        self._path = directory / f"{life}{SUFFIX}"
        self._ceiling = megabytes * _MEGABYTE
        self._taking = megabytes > 0
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._size = 0
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
        """Take a record to be written soon."""
        if not self._taking:
            return
        with self._lock:
            self._waiting.append(record)
            self._size += len(record)
            size = self._size
        if size > _MOST_WAITING:
            self._stop("the disk is too slow")
        elif size > _BATCH:
            self._news.set()

    def _run(self) -> None:
        try:
            with self._open() as file:
                self._write_until_closed(file)
        except OSError as error:
            self._stop(error.strerror or str(error))

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Unbuffered: a batch that is written has left the process.
        return open(descriptor, "wb", buffering=0)  # noqa: PTH123 (a descriptor)

    def _write_until_closed(self, file: BinaryIO) -> None:
        written = _write(file, MARK)
        while self._taking:
            closing = self._closing
            if not closing:
                self._news.wait(FLUSH_SECONDS)
                self._news.clear()
            batch = self._take()
            if batch:
                packed = pack(batch)
                if not self._make_room(written + len(packed)):
                    self._stop(f"this life alone fills the {self._ceiling // _MEGABYTE} MB")
                    return
                written += _write(file, packed)
            elif closing:
                return

    def _take(self) -> list[bytes]:
        with self._lock:
            batch, self._waiting, self._size = self._waiting, [], 0
        return batch

    def _make_room(self, own: int) -> bool:
        """Delete the oldest lives until this one's size fits; say whether it does."""
        others = [path for path in self._path.parent.glob(f"*{SUFFIX}") if path != self._path]
        sizes = {path: path.stat() for path in others}
        total = own + sum(stat.st_size for stat in sizes.values())
        for path in sorted(sizes, key=lambda path: sizes[path].st_mtime_ns):
            if total <= self._ceiling:
                break
            path.unlink()
            total -= sizes[path].st_size
        return total <= self._ceiling

    def _stop(self, reason: str) -> None:
        """Take no more, and say so once."""
        with self._lock:
            stopped, self._taking = self._taking, False
            self._waiting, self._size = [], 0
        if stopped:
            self._log.warning("capture.stopped", path=str(self._path), reason=reason)


def _write(file: BinaryIO, data: bytes) -> int:
    """Write all of it, as one call may write less; return its size."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    return len(data)
