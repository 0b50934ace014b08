"""A process of its own that grows the trees of a fit, and ends with it.

The library that grows them, and what that imports, take 25 MiB that a process never gives back. If
the helper ends early, or says nothing for a minute, the trees are grown where they are asked for.
The last trees are kept in a file, as the next start asks for the same, and needs no helper then.
"""

from __future__ import annotations

import hashlib
import os
import select
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import msgspec
import numpy as np

from mmbot.daemon.bank_file import load_memory, store_memory
from mmbot.errors import BadInput
from mmbot.forecast.boosted import GROW, grown_here
from mmbot.forecast.history import Floats
from mmbot.versions import versions

# Rows and columns of the features; in the answer, the length of the model, 0 if there is none.
_ASKED, _ANSWERED = struct.Struct("<QQ"), struct.Struct("<Q")
_SILENCE_SECONDS = 60.0
_END_SECONDS = 5.0
# Of the present week, and of the last one of the bank, which is computed again.
_KEPT = 2


class TreeProcess:
    """Has trees grown by a helper while it is entered; the helper starts with the first of them."""

    def __init__(self, path: Path) -> None:
        """Begin without a helper; `path` is the file of the trees that are kept."""
        self._path = path
        self._kept: dict[str, str] = load_memory(path, _read) or {}
        self._last: dict[str, str] = {}
        self._helper: subprocess.Popen[bytes] | None = None
        self._failed = False

    def __enter__(self) -> Self:
        """Take the growing of this context over."""
        self._token = GROW.set(self.grow)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it as it was, end the helper, and keep the last trees."""
        GROW.reset(self._token)
        self._end()
        if self._last.keys() - self._kept.keys():
            # It only saves the next start a second.
            with suppress(BadInput):
                store_memory(self._path, _Models(self._last))

    def grow(self, rows: Floats, target: Floats) -> str | None:
        """Return trees that were kept, or have them grown; see `grown_here`."""
        asked = hashlib.sha256(f"{versions()} {rows.shape}".encode())
        asked.update(rows.tobytes() + target.tobytes())
        key = asked.hexdigest()[:16]
        model = self._kept.get(key) or self._grown(rows, target)
        if model is not None:
            self._last = dict([*self._last.items(), (key, model)][-_KEPT:])
        return model

    def _grown(self, rows: Floats, target: Floats) -> str | None:
        if not self._failed:
            try:
                return self._asked(rows, target)
            except OSError:
                self._failed = True
                self._end()
        return grown_here(rows, target)

    def _asked(self, rows: Floats, target: Floats) -> str | None:
        if self._helper is None:
            self._helper = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        into, out = self._helper.stdin, self._helper.stdout
        if into is None or out is None:
            raise OSError("the helper has no pipes")
        into.write(_ASKED.pack(*rows.shape))
        into.write(rows.tobytes() + target.tobytes())
        into.flush()
        (length,) = _ANSWERED.unpack(_heard(out, _ANSWERED.size))
        return _heard(out, length).decode() if length else None

    def _end(self) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        try:
            # It ends when it is asked nothing more.
            helper.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            helper.kill()
            helper.wait()


class _Models(msgspec.Struct, frozen=True):
    """Trees by what they were grown from."""

    models: dict[str, str]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self.models)


def _read(content: bytes) -> dict[str, str]:
    try:
        return msgspec.msgpack.decode(content, type=dict[str, str])
    except msgspec.DecodeError:
        raise BadInput("the stored trees cannot be read") from None


def _heard(out: IO[bytes], length: int) -> bytes:
    """Return so many bytes of an answer.

    Raises:
        OSError: The helper has ended, or says nothing.
    """
    parts: list[bytes] = []
    poll = select.poll()
    poll.register(out, select.POLLIN)
    while length:
        part = os.read(out.fileno(), length) if poll.poll(1000 * _SILENCE_SECONDS) else b""
        if not part:
            raise OSError("the helper does not answer")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def main() -> None:
    """Grow trees for whoever asks over the pipes, until there is nobody."""
    into, out = sys.stdin.buffer, sys.stdout.buffer
    while len(head := into.read(_ASKED.size)) == _ASKED.size:
        count, columns = _ASKED.unpack(head)
        values = np.frombuffer(into.read(8 * count * (columns + 1)))
        rows, target = values[: count * columns].reshape(count, columns), values[count * columns :]
        model = (grown_here(rows, target) or "").encode()
        out.write(_ANSWERED.pack(len(model)) + model)
        out.flush()


if __name__ == "__main__":
    main()
