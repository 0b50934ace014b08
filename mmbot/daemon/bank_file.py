"""The cache file of a forecast method's hindcasts, which are slow to compute, for its next fit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmbot.daemon.private_files import open_private
from mmbot.errors import BadInput
from mmbot.forecast.fitting import Memory

_Kept = TypeVar("_Kept")


def bank_path(directory: Path, method: str) -> Path:
    """Return the path of a method's file in a directory."""
    return directory / f"{method}.bank"


def load_memory(path: Path, recall: Callable[[bytes], _Kept]) -> _Kept | None:
    """Return the stored memory as `recall` reads it, or `None` if it cannot be read."""
    try:
        return recall(path.read_bytes())
    except (OSError, BadInput):
        return None


def make_directory(path: Path) -> None:
    """Create the directory of the file, before the slow work.

    Raises:
        BadInput: It cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def store_memory(path: Path, memory: Memory) -> None:
    """Store it atomically: the old file stays intact until the new one is complete.

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
            file.write(memory.encode())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"{path} cannot be written: {error.strerror}; choose another directory")
