"""A separate process that grows the trees of a fit, and ends with it.

The library that grows them takes 25 MiB, with its imports, that a process never gives back. A
helper that has not answered within a minute is ended; if one fails, the trees are grown in this
process. The last trees are kept in a file: the next start needs the same ones, and no helper then.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Timer
from typing import Any, Self

import msgspec

from mmbot.daemon.bank_file import load_memory, store_memory
from mmbot.errors import BadInput
from mmbot.forecast.boosted import GROW, grown_here
from mmbot.forecast.history import Floats
from mmbot.versions import versions

_PATIENCE_SECONDS = 60.0
_END_SECONDS = 5.0
# Trees of the present week, and of the bank's last week, which is computed again.
_KEPT = 2


class TreeProcess:
    """A context in which a helper process grows the trees; started when first needed."""

    def __init__(self, path: Path) -> None:
        """Begin without a helper; `path` is the file of the kept trees."""
        self._path = path
        self._kept: dict[str, str] = load_memory(path, _read) or {}
        self._last: dict[str, str] = {}
        self._helper: tuple[subprocess.Popen[bytes], Connection[Any, Any]] | None = None
        self._failed = False

    def __enter__(self) -> Self:
        """Have trees grown by the helper from now on."""
        self._token = GROW.set(self.grow)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore what was before, end the helper, and store the last trees."""
        GROW.reset(self._token)
        self._end()
        if self._last.keys() - self._kept.keys():
            # The file only saves the next start a second.
            with suppress(BadInput):
                store_memory(self._path, _Models(self._last))

    def grow(self, rows: Floats, target: Floats) -> str | None:
        """Return kept trees, or have new ones grown; see `grown_here`."""
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
            except (OSError, EOFError):
                self._failed = True
                self._end()
        return grown_here(rows, target)

    def _asked(self, rows: Floats, target: Floats) -> str | None:
        if self._helper is None:
            self._helper = _started()
        process, connection = self._helper
        # Killing it closes the connection, which ends the wait to send or receive.
        patience = Timer(_PATIENCE_SECONDS, process.kill)
        patience.start()
        try:
            connection.send((rows, target))
            model: str | None = connection.recv()
        finally:
            patience.cancel()
        return model

    def _end(self) -> None:
        if self._helper is None:
            return
        (process, connection), self._helper = self._helper, None
        # It ends when its connection is closed.
        connection.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started() -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
    """Return a new helper, and the connection to it."""
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return process, ours


class _Models(msgspec.Struct, frozen=True):
    """Trees by the hash of their training data."""

    models: dict[str, str]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self.models)


def _read(content: bytes) -> dict[str, str]:
    try:
        return msgspec.msgpack.decode(content, type=dict[str, str])
    except msgspec.DecodeError:
        raise BadInput("the stored trees cannot be read") from None


def main() -> None:
    """Grow trees for the other end of the connection, until that closes it."""
    with Connection(int(sys.argv[1])) as connection, suppress(EOFError, ConnectionError):
        while True:
            rows, target = connection.recv()
            connection.send(grown_here(rows, target))


if __name__ == "__main__":
    main()
