"""How long the forecast's parts take, beside a floor measured in the same run.

The floor is the least that a fit has to do: one product and one solve of a dense least-squares
problem of its size. Times vary with the machine and with what else runs on it; the ratio of the
quickest runs, a part's and its floor's, does less.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from statistics import median

import msgspec
import numpy as np

from mmbot.forecast.history import History
from mmbot.forecast.model import Forecaster
from mmbot.forecast.residuals import Progress
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

# Days and columns of a structural fit.
_FLOOR_SHAPE = (2_500, 280)


class Timing(msgspec.Struct, frozen=True):
    """One part's quickest, median and slowest run, in milliseconds, and its floor's quickest."""

    part: str
    quickest: float
    median: float
    slowest: float
    runs: int
    floor: float


def time_forecast(
    counts: Counts, strikes: Sequence[int], repeat: int, progress: Progress
) -> list[Timing]:
    """Time the bank once and each quick part `repeat` times, on the last whole week of `counts`.

    Raises:
        BadInput: The history is too short to forecast from.
    """
    last = counts.last_day or dt.date.min
    week = Week.of(last - dt.timedelta(days=6))
    before = counts.up_to(week.monday - dt.timedelta(days=1))
    design = np.random.default_rng(0).normal(size=_FLOOR_SHAPE)
    floor = timed("floor: one dense least squares", repeat, lambda: _least_squares(design))
    least = floor.quickest
    bank = timed("bank of past weeks", 1, lambda: Forecaster.fit(before, progress=progress), least)
    forecaster = Forecaster.fit(before)
    days = [counts.up_to(day) for day in week.days[:5]]
    forecast = forecaster.forecast(before, week)
    history = History.of(before)
    parts: dict[str, Callable[[], object]] = {
        "fit": lambda: forecaster.method.point.fit(history),
        "new week": lambda: Forecaster.fit(before, bank=forecaster.bank),
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
    """Run one part `repeat` times; `floor` is its floor's quickest run, itself if it is one."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1000)
    quickest = min(times)
    return Timing(
        part, quickest, median(times), max(times), repeat, quickest if floor is None else floor
    )
