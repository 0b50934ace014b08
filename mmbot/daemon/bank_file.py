"""Keeping the forecasts of past weeks in a file, as making them takes many seconds."""

from __future__ import annotations

import os
from pathlib import Path

from mmbot.errors import BadInput
from mmbot.forecast.residuals import Bank


def bank_path(directory: Path, method: str) -> Path:
    """Return where a method's bank is kept in a directory."""
    return directory / f"{method}.bank"


def load_bank(path: Path) -> Bank | None:
    """Return what is kept; whatever cannot be read is to be made anew, and replaced."""
    try:
        return Bank.decode(path.read_bytes())
    except (OSError, BadInput):
        return None


def store_bank(path: Path, bank: Bank) -> None:
    """Keep a bank, the one before intact until the new one is whole.

    Raises:
        BadInput: The place cannot be written to.
    """
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(bank.encode())
        beside.replace(path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written: {error.strerror}; choose another directory"
        ) from None
