"""The cache of hindcasts, which take many seconds to compute."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np

from mmbot.bot.outputs import FitForecast
from mmbot.cli.output import progress
from mmbot.daemon.bank_file import bank_path, load_memory, make_directory, store_memory
from mmbot.forecast.methods import METHODS
from mmbot.forecast.model import Forecaster, Hindcasts
from mmbot.underlying.counts import Counts


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
    cached = load_memory(path, Hindcasts.decode) if method in METHODS else None
    if cached is None and method in METHODS:
        make_directory(path)
    with progress() as bar:
        task = bar.add_task(f"Forecasting past weeks ({method})", total=None)
        forecaster = Forecaster.fit(
            counts,
            method,
            cached,
            lambda done, total: bar.update(task, completed=done, total=total),
            error_correction=error_correction,
        )
    extended = forecaster.hindcasts
    # If the history is too short, only the seed method may have been fitted.
    is_whole = all(member.point.name in extended.banks for member in METHODS[method])
    if is_whole and (cached is None or not _covers(cached, extended)):
        store_memory(path, extended)
    return forecaster


class Fits(msgspec.Struct, frozen=True):
    """Fits forecasts, extending the hindcasts cached in `directory`."""

    directory: Path

    def __call__(self, wanted: FitForecast) -> Forecaster:
        """Fit a forecast; see `fit`."""
        corrected = wanted.error_correction
        return fit(wanted.counts, wanted.method, self.directory, error_correction=corrected)


def _covers(cached: Hindcasts, extended: Hindcasts) -> bool:
    """Return whether the cache had all of a fit: every week, and the same weights."""
    held, made = cached.record, extended.record
    weeks = len(made.digests)
    same = np.array_equal(held.learnt[: weeks + 1], made.learnt)
    return held.digests[:weeks] == made.digests and same
