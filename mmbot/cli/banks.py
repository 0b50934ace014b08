"""The hindcasts that commands keep in a cache directory, as making them takes many seconds."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mmbot.daemon.bank_file import bank_path, load_hindcasts, store_hindcasts
from mmbot.forecast.methods import METHODS
from mmbot.forecast.model import Forecaster, Hindcasts
from mmbot.tsa.counts import Counts


def default_directory() -> Path:
    """Return `mmbot` in the user's cache directory, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "mmbot"


def fit(
    counts: Counts, method: str, directory: Path, *, error_correction: bool = True
) -> Forecaster:
    """Fit `method`, extending the hindcasts cached in `directory`.

    Raises:
        BadInput: There is no such method, there are no counts, or `directory` cannot be written.
    """
    path = bank_path(directory, method)
    cached = load_hindcasts(path) if method in METHODS else None
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Forecasting past weeks ({method})", total=None)
        forecaster = Forecaster.fit(
            counts,
            method,
            cached,
            lambda done, total: progress.update(task, completed=done, total=total),
            error_correction=error_correction,
        )
    extended = forecaster.hindcasts
    if forecaster.name == method and (cached is None or not _covers(cached, extended)):
        store_hindcasts(path, extended)
    return forecaster


def _covers(cached: Hindcasts, extended: Hindcasts) -> bool:
    held, made = cached.record.digests, extended.record.digests
    return held[: len(made)] == made
