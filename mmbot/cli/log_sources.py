"""The lines of a pipe, or of a file that grows, is truncated or is replaced.

`None` between lines means that no more are available at the moment.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mmbot.errors import BadInput

_CHUNK = 1 << 18
# A line is cut at this length.
_LONGEST_LINE = 1 << 20
# An incomplete line is shown after this long without new bytes; also the pause between reads.
_IDLE_SECONDS = 0.2


class _Splitter:
    """Cuts bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            whole.append(self._rest)
            self._rest = b""
        return whole

    def end(self) -> list[bytes]:
        """Return the rest, which has no end of line."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def pipe_lines(descriptor: int) -> Iterator[bytes | None]:
    """Yield the lines of a pipe until its end."""
    splitter = _Splitter()
    while True:
        ready, _, _ = select.select([descriptor], [], [], _IDLE_SECONDS)
        if not ready:
            yield None
            continue
        data = os.read(descriptor, _CHUNK)
        if not data:
            break
        yield from splitter.feed(data)
    yield from splitter.end()


def file_lines(path: Path, begin: int | None, *, follow: bool) -> Iterator[bytes | None]:
    """Yield the lines of a file; with `follow` for ever.

    Args:
        path: The file; while it is followed it may be truncated, or moved away and created again.
        begin: How many lines before the end to start; `None` starts at the beginning.
        follow: Whether to wait for more.

    Raises:
        BadInput: It cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"cannot read the log {path}: {error.strerror}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise BadInput(f"cannot read the log {path}: it is a directory")
        if not stat.S_ISREG(mode):
            # A pipe, such as a shell's <(...), cannot be read from another position.
            yield from pipe_lines(descriptor)
            return
        if begin is not None:
            os.lseek(descriptor, _start_of_last(descriptor, begin), os.SEEK_SET)
        splitter = _Splitter()
        while True:
            data = _read(descriptor, path)
            if data:
                yield from splitter.feed(data)
            elif not follow:
                yield from splitter.end()
                return
            else:
                yield None
                time.sleep(_IDLE_SECONDS)
                descriptor, is_new = _reopened(descriptor, path)
                if is_new:
                    yield from splitter.end()
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: Path) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError as error:
        raise BadInput(f"cannot read the log {path}: {error.strerror}") from None


def _reopened(descriptor: int, path: Path) -> tuple[int, bool]:
    """Return the descriptor to read on from, and whether it is at the start of a new file."""
    held = os.fstat(descriptor)
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    if held.st_size < position:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor, True
    try:
        named = path.stat()
        if os.path.samestat(named, held) or held.st_size > position:
            return descriptor, False
        fresh = os.open(path, os.O_RDONLY)
    except OSError:
        # It is being rotated: the next read finds the new one.
        return descriptor, False
    os.close(descriptor)
    return fresh, True


def _start_of_last(descriptor: int, lines: int) -> int:
    """Return the offset at which the last `lines` lines begin."""
    end = position = os.lseek(descriptor, 0, os.SEEK_END)
    if not lines:
        return end
    # The final end of line starts no further line.
    wanted = lines + 1
    while position > 0:
        begin = max(0, position - _CHUNK)
        block = os.pread(descriptor, position - begin, begin)
        if position == end and not block.endswith(b"\n"):
            wanted -= 1
        found = block.count(b"\n")
        if found >= wanted:
            cut = len(block)
            for _ in range(wanted):
                cut = block.rindex(b"\n", 0, cut)
            return begin + cut + 1
        wanted -= found
        position = begin
    return 0
