"""The capture: every input of the bot, in one file per session, for `mmbot replay`.

A bot's state depends on every input, so a file starts with its session and is never truncated at
the start: every file in the directory can be replayed. At the size limit the oldest sessions are
deleted; once a session alone reaches the limit, its capture ends.

The event loop only appends to a buffer. A thread compresses and writes it every second, or earlier
if it is large, so that a killed process loses at most one second of records. A disk that is nearly
full, gone or too slow ends the capture with one warning; trading continues.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from mmbot.daemon.private_files import open_private
from mmbot.daemon.record_buffer import RecordBuffer
from mmbot.recording.batches import MARK, Packer

SUFFIX = ".capture"
FLUSH_SECONDS = 1.0

_MEGABYTE = 1024 * 1024
# A larger buffer is written before the second is over; where the second is full, the capture ends.
_BATCH_BYTES = 256 * 1024
_MOST_BUFFERED_BYTES = 24 * _MEGABYTE
_CLOSE_SECONDS = 5.0
# Disk space that is left for the ledger, which matters more.
RESERVE_BYTES = 64 * _MEGABYTE
# A bot that restarts repeatedly leaves many small files.
_MOST_FILES = 1000


class Capture:
    """One session's records on their way into its file."""

    def __init__(self, directory: Path, session: str, megabytes: int) -> None:
        """Capture into `directory`, all of whose files take `megabytes` at most; 0 is off."""
        self._file = _SessionFile(directory / f"{session}{SUFFIX}", megabytes * _MEGABYTE)
        self._is_on = megabytes > 0
        self._lock = threading.Lock()
        # The event loop fills one while the thread writes the other.
        self._filling = RecordBuffer(_MOST_BUFFERED_BYTES)
        self._writing = RecordBuffer(_MOST_BUFFERED_BYTES)
        self._packer = Packer()
        self._closing = False
        self._flush = threading.Event()
        self._log = structlog.get_logger()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def is_on(self) -> bool:
        """Whether records are stored; once it is off, it stays off for this session."""
        return self._is_on

    @property
    def share_filled(self) -> float:
        """This session's part of the size limit of all sessions, from 0 to 1."""
        return self._file.share_filled

    @property
    def bytes_written(self) -> int:
        """How much of this session is on disk."""
        return self._file.own_bytes

    def __enter__(self) -> Self:
        if self._is_on:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what is buffered; a disk that hangs is waited for a few seconds only."""
        self._closing = True
        self._flush.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def keep(self, record: bytes) -> None:
        """Buffer a record, to be written within a second."""
        if not self._is_on:
            return
        with self._lock:
            fits = self._filling.add(record)
            size = self._filling.size
        if not fits:
            self._stop("the disk is too slow")
        elif size > _BATCH_BYTES:
            self._flush.set()

    def _run(self) -> None:
        try:
            with self._file:
                self._write_until_closed()
        except OSError as error:
            self._stop(error.strerror or str(error))

    def _write_until_closed(self) -> None:
        while self._is_on:
            is_last = self._closing
            if not is_last:
                self._flush.wait(FLUSH_SECONDS)
                self._flush.clear()
            with self._lock:
                self._filling, self._writing = self._writing, self._filling
            message = self._writing.message()
            if message and not self._file.leaves_reserve:
                self._stop(f"less than {RESERVE_BYTES // _MEGABYTE} megabytes are free on its disk")
            elif message and not self._file.append(self._packer.pack(message)):
                self._stop("this session alone fills state.capture_megabytes")
            self._writing.clear()
            if is_last:
                return

    def _stop(self, reason: str) -> None:
        """End the capture with one warning."""
        with self._lock:
            was_on, self._is_on = self._is_on, False
            self._filling.clear()
        if was_on:
            self._log.warning("capture.stopped", path=str(self._file.path), reason=reason)


class _SessionFile:
    """An append-only file that deletes older ones beside it to keep them all below a ceiling."""

    def __init__(self, path: Path, ceiling_bytes: int) -> None:
        self.path = path
        self._ceiling_bytes = ceiling_bytes
        self._descriptor = -1
        self.own_bytes = 0
        self._other_bytes = 0

    def __enter__(self) -> Self:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = open_private(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
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

    @property
    def leaves_reserve(self) -> bool:
        """Whether the disk has more room than the ledger may need."""
        disk = os.fstatvfs(self._descriptor)
        return disk.f_bavail * disk.f_frsize > RESERVE_BYTES

    @property
    def share_filled(self) -> float:
        """The file's size, as a part of the ceiling."""
        return self.own_bytes / self._ceiling_bytes if self._ceiling_bytes else 0.0

    def append(self, data: bytes) -> bool:
        """Write `data` if it fits below the ceiling; return whether it does."""
        own_bytes = self.own_bytes + len(data)
        if own_bytes + self._other_bytes > self._ceiling_bytes:
            self._make_room(own_bytes)
        fits = own_bytes + self._other_bytes <= self._ceiling_bytes
        if fits:
            self._write(data)
        return fits

    def _make_room(self, own_bytes: int) -> None:
        """Delete the oldest other files until this one fits at `own_bytes`."""
        paths = self.path.parent.glob(f"*{SUFFIX}")
        stats = {path: path.stat() for path in paths if path != self.path}
        self._other_bytes = sum(stat.st_size for stat in stats.values())
        files_left = len(stats)
        for path in sorted(stats, key=lambda path: stats[path].st_mtime_ns):
            if own_bytes + self._other_bytes <= self._ceiling_bytes and files_left < _MOST_FILES:
                break
            path.unlink(missing_ok=True)
            self._other_bytes -= stats[path].st_size
            files_left -= 1

    def _write(self, data: bytes) -> None:
        # Unbuffered, so that it survives the process.
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.own_bytes += len(data)
