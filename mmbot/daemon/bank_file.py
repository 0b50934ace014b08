"""A cache file for a forecast method's bank of past residuals, which takes many seconds to make."""

from __future__ import annotations

import os
from pathlib import Path

from mmbot.daemon.private_files import open_private
from mmbot.errors import BadInput
from mmbot.forecast.residuals import ResidualBank


def bank_path(directory: Path, method: str) -> Path:
    """Return the path of a method's bank in a directory."""
    return directory / f"{method}.bank"


def load_bank(path: Path) -> ResidualBank | None:
    """Return the stored bank, or `None` if there is none that can be read."""
    try:
        return ResidualBank.decode(path.read_bytes())
    except (OSError, BadInput):
        return None


def store_bank(path: Path, bank: ResidualBank) -> None:
    """Store a bank atomically: the file before it stays intact until the new one is whole.

    Raises:
        BadInput: The file cannot be written.
    """
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with open(  # noqa: PTH123
            open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb"
        ) as file:
            file.write(bank.encode())
        temporary.replace(path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written: {error.strerror}; choose another directory"
        ) from None
