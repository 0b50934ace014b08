"""How long the forecast's parts take, beside a floor measured in the same run.

The floor is the least that a fit has to do: one product and one solve of a dense least-squares
problem of its size. Times vary with the machine and with what else runs on it; the ratio to the
floor does less.
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
    """One part's median and slowest run, in milliseconds."""

    part: str
    median: float
    slowest: float
    runs: int


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
    bank = _timed("bank of past weeks", 1, lambda: Forecaster.fit(before, progress=progress))
    forecaster = Forecaster.fit(before)
    days = [counts.up_to(day) for day in week.days[:5]]
    forecast = forecaster.forecast(before, week)
    history = History.of(before)
    design = np.random.default_rng(0).normal(size=_FLOOR_SHAPE)
    return [
        _timed("floor: one dense least squares", repeat, lambda: _least_squares(design)),
        _timed("fit", repeat, lambda: forecaster.method.point.fit(history)),
        _timed("new week", repeat, lambda: Forecaster.fit(before, bank=forecaster.bank)),
        *(
            _timed(f"belief with {known} days", repeat, _belief(forecaster, view, week, strikes))
            for known, view in enumerate(days, start=1)
        ),
        _timed(f"ladder of {len(strikes)}", repeat, lambda: forecast.mixture.above(strikes)),
        bank,
    ]


def _belief(
    forecaster: Forecaster, counts: Counts, week: Week, strikes: Sequence[int]
) -> Callable[[], object]:
    return lambda: forecaster.belief(counts, week, strikes)


def _least_squares(design: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> object:
    return np.linalg.solve(design.T @ design, design[:1].T)


def _timed(part: str, repeat: int, run: Callable[[], object]) -> Timing:
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1000)
    return Timing(part, median(times), max(times), repeat)
