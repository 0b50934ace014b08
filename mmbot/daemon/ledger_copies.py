"""Copies of a ledger: made while a daemon may write it, restored while none runs."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from mmbot.daemon.ledger import FILE_NAME, has_ledger
from mmbot.daemon.ledger_schema import VERSION
from mmbot.daemon.private_files import make_private_directory, open_private
from mmbot.errors import BadInput, NotReady, reason

# Pages copied between two writes of the daemon; how long to wait for a locked ledger.
_PAGES, _LOCKED_SECONDS = 1024, 10.0


def back_up(directory: Path, target: Path, now: dt.datetime) -> Path:
    """Copy the ledger of a state directory, consistently; return the copy's path.

    Args:
        directory: The state directory; a daemon may be running there.
        target: The copy, which must not exist; or a directory, in which it is named by the time.
        now: The time.

    Raises:
        BadInput: There is no ledger, or the copy cannot be written.
    """
    if not has_ledger(directory):
        raise BadInput(f"there is no ledger in {directory}: nothing has traded with this config")
    if target.is_dir():
        target /= f"ledger-{now:%Y%m%dT%H%M%S}.sqlite"
    if target.exists():
        raise BadInput(f"{target} exists and is not overwritten; name another file, or a directory")
    _copy(directory / FILE_NAME, target)
    return target


def restore(source: Path, directory: Path, now: dt.datetime) -> Path | None:
    """Replace a ledger by a copy; return where the replaced one is kept, if there was one.

    Args:
        source: The copy, of this version or an earlier one.
        directory: The state directory.
        now: The time.

    Raises:
        NotReady: A daemon is running there.
        BadInput: The copy is not a ledger, or the directory is unusable.
    """
    _refuse_unfit(source)
    make_private_directory(directory)
    path = directory / FILE_NAME
    with _held(directory):
        fresh = directory / f"{FILE_NAME}.restoring"
        fresh.unlink(missing_ok=True)
        _copy(source, fresh)
        kept = _put_aside(path, now) if path.exists() else None
        fresh.replace(path)
        _give_to_owner(path, directory)
    return kept


def _refuse_unfit(source: Path) -> None:
    if not source.is_file():
        raise BadInput(f"there is no {source}; name a file that `mmbot backup` wrote")
    try:
        with closing(_opened(source)) as db:
            (health,) = db.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if health != "ok":
                raise sqlite3.DatabaseError(health)
            db.execute("SELECT 1 FROM fills LIMIT 1")
    except sqlite3.Error as error:
        raise BadInput(f"{source} is no ledger, or is broken: {error}") from None
    if version > VERSION:
        raise BadInput(f"{source} is of version {version}, this mmbot knows version {VERSION}")


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold the lock of the directory, as a daemon does."""
    with open(open_private(directory / "lock", os.O_RDWR | os.O_CREAT), "w") as lock:  # noqa: PTH123
        _give_to_owner(directory / "lock", directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReady(
                f"a daemon is running in {directory}; stop it first: systemctl stop mmbot"
            ) from None
        yield


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(open_private(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        with closing(_opened(source)) as db, closing(sqlite3.connect(partial)) as copy:
            db.backup(copy, pages=_PAGES)
            # A single file, without a WAL beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        descriptor = os.open(partial, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise BadInput(f"{source} cannot be copied to {target}: {reason(error)}") from None


def _put_aside(path: Path, now: dt.datetime) -> Path:
    """Keep a ledger under another name, together with its WAL."""
    kept = path.with_name(f"ledger.replaced-{now:%Y%m%dT%H%M%S}.sqlite")
    path.rename(kept)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + suffix))
    return kept


def _give_to_owner(path: Path, directory: Path) -> None:
    """Give a file that root has written to the owner of its directory."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _opened(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=_LOCKED_SECONDS, isolation_level=None)
