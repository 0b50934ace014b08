"""Benchmark of the forecast's parts, beside a floor measured in the same run.

The floor is the least that a fit has to compute: one product and one solve of a dense
least-squares problem of its size. Times vary with the machine and its load; the ratio of a part's
quickest run to its floor's varies less.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from statistics import median

import msgspec
import numpy as np

from mmbot.forecast.fitting import Progress
from mmbot.forecast.history import History
from mmbot.forecast.model import Forecaster
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

# Days and regressors of a structural fit.
_FLOOR_SHAPE = (2_500, 280)


class Timing(msgspec.Struct, frozen=True):
    """Quickest, median and slowest run of a part, and the quickest of its floor; milliseconds."""

    part: str
    quickest: float
    median: float
    slowest: float
    runs: int
    floor: float


def time_forecast(
    counts: Counts, strikes: Sequence[int], repeat: int, method: str, progress: Progress
) -> list[Timing]:
    """Time the residual bank once and each quick part `repeat` times.

    The week is the last one with seven counts.

    Raises:
        BadInput: The history is too short to forecast from.
    """
    last = counts.last_day or dt.date.min
    week = Week.of(last - dt.timedelta(days=6))
    before = counts.up_to(week.monday - dt.timedelta(days=1))
    design = np.random.default_rng(0).normal(size=_FLOOR_SHAPE)
    floor = timed("floor: one dense least squares", repeat, lambda: _least_squares(design))
    least = floor.quickest
    fitted: list[Forecaster] = []
    bank = timed(
        "bank of past weeks",
        1,
        lambda: fitted.append(Forecaster.fit(before, method, progress=progress)),
        least,
    )
    (forecaster,) = fitted
    days = [counts.up_to(day) for day in week.days[:5]]
    forecast = forecaster.forecast(before, week)
    history = History.of(before)
    points = {method.point.name: method.point for method in forecaster.members}.values()
    parts: dict[str, Callable[[], object]] = {
        "fit": lambda: [point.fit(history) for point in points],
        "new week": lambda: Forecaster.fit(before, method, forecaster.hindcasts),
        **{
            f"belief with {days_published} days": _belief(forecaster, view, week, strikes)
            for days_published, view in enumerate(days, start=1)
        },
        f"ladder of {len(strikes)}": lambda: forecast.mixture.above(strikes),
    }
    quick = [timed(part, repeat, run, least) for part, run in parts.items()]
    return [floor, *quick, bank]


def _belief(
    forecaster: Forecaster, counts: Counts, week: Week, strikes: Sequence[int]
) -> Callable[[], object]:
    return lambda: forecaster.belief(counts, week, strikes)


def _least_squares(design: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> object:
    return np.linalg.solve(design.T @ design, design[:1].T)


def timed(part: str, repeat: int, run: Callable[[], object], floor: float | None = None) -> Timing:
    """Time `repeat` runs of a part; without a `floor`, in milliseconds, it is its own floor."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1000)
    quickest = min(times)
    return Timing(
        part, quickest, median(times), max(times), repeat, quickest if floor is None else floor
    )
