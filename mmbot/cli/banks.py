"""The residual banks that commands keep in a cache directory, as making one takes many seconds."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mmbot.daemon.bank_file import bank_path, load_bank, store_bank
from mmbot.forecast.model import METHODS, Forecaster
from mmbot.forecast.residuals import ResidualBank
from mmbot.tsa.counts import Counts


def default_directory() -> Path:
    """Return `mmbot` in the user's cache directory, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "mmbot"


def fit(counts: Counts, method: str, directory: Path) -> Forecaster:
    """Fit `method`, extending the residual bank cached in `directory`.

    Raises:
        BadInput: There is no such method, there are no counts, or `directory` cannot be written.
    """
    path = bank_path(directory, method)
    cached = load_bank(path) if method in METHODS else None
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Forecasting past weeks ({method})", total=None)
        forecaster = Forecaster.fit(
            counts,
            method,
            cached,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    extended = forecaster.bank
    if extended.method == method and (cached is None or not _covers(cached, extended)):
        store_bank(path, extended)
    return forecaster


def _covers(cached: ResidualBank, extended: ResidualBank) -> bool:
    return cached.digests[: len(extended.digests)] == extended.digests
