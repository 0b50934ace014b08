"""Files and directories that only the daemon's user may write, opened without following links."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
from pathlib import Path

from mmbot.errors import BadInput

_PR_SET_DUMPABLE = 4


def make_private_directory(directory: Path) -> None:
    """Create a directory if there is none; refuse one that others may write to.

    Raises:
        BadInput: It cannot be used.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = directory.stat()
    except OSError as error:
        raise BadInput(f"cannot use the state directory {directory}: {error.strerror}") from None
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadInput(
            f"other users may write to the state directory {directory}; run: chmod go-w {directory}"
        )


def open_private(path: Path, flags: int) -> int:
    """Open a file, accessible to its owner only; created if `flags` say so, never through a link.

    Raises:
        OSError: It is a link, not a file, or cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")  # noqa: TRY301 (closed below)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def forbid_core_dumps() -> None:
    """Prevent core dumps of this process, which would contain its API key."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A core dump that is piped to a program ignores the limit.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
