"""A cache file for a forecast method's hindcasts, which take many seconds to make."""

from __future__ import annotations

import os
from pathlib import Path

from mmbot.daemon.private_files import open_private
from mmbot.errors import BadInput
from mmbot.forecast.model import Hindcasts


def bank_path(directory: Path, method: str) -> Path:
    """Return the path of a method's hindcasts in a directory."""
    return directory / f"{method}.bank"


def load_hindcasts(path: Path) -> Hindcasts | None:
    """Return the stored hindcasts, or `None` if there are none that can be read."""
    try:
        return Hindcasts.decode(path.read_bytes())
    except (OSError, BadInput):
        return None


def make_directory(path: Path) -> None:
    """Make the directory of a file of hindcasts, before the work of making these.

    Raises:
        BadInput: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def store_hindcasts(path: Path, hindcasts: Hindcasts) -> None:
    """Store hindcasts atomically: the file before it stays intact until the new one is whole.

    Raises:
        BadInput: The file cannot be written.
    """
    make_directory(path)
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        with open(  # noqa: PTH123
            open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb"
        ) as file:
            file.write(hindcasts.encode())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"{path} cannot be written: {error.strerror}; choose another directory")
