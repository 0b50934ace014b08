"""The aligned analog forecast: the same weekday a year before, aligned by holiday.

The expected logarithm of a day is that of its analog plus the recent growth over analogs: a robust,
exponentially weighted mean over the last 28 days.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.holiday_classes import holiday

_LAG_DAYS = 364
_RECENT_DAYS = np.arange(28)
_HALF_LIFE_DAYS = 10.0

# First and last day, relative to a moveable holiday, that are aligned with it.
_WINDOWS = MappingProxyType(
    {
        "MLK": (-6, 4),
        "Presidents": (-6, 6),
        "Easter": (-16, 9),
        "Memorial": (-7, 6),
        "Labor": (-7, 6),
        "Columbus": (-6, 4),
        "Thanksgiving": (-10, 8),
    }
)


@lru_cache(maxsize=8192)
def analog(day: int) -> int:
    """Return the ordinal of the day a year earlier that `day`, an ordinal, is compared with."""
    year = dt.date.fromordinal(day).year
    for name, (before, after) in _WINDOWS.items():
        offset = day - holiday(name, year)
        if before <= offset <= after:
            return holiday(name, year - 1) + offset
    return day - _LAG_DAYS


def predict(history: History, days: Days) -> Floats:
    """Return the expected logarithms of `days`, both of shape (n,); NaN where counts are missing.

    Growth g_d = l_d - l_a(d) is averaged with weights 0.5^(age / 10 days) min(1, 2 s / |g_d - q|),
    where q is the median and s is 1.4826 times the median absolute deviation: one step of Huber's
    M-estimator ("Robust Estimation of a Location Parameter", 1964).
    """
    recent = history.last - _RECENT_DAYS
    growth = history.at(recent) - history.at(_analogs(recent))
    usable = np.isfinite(growth)
    if not usable.any():
        return np.full(len(days), np.nan)
    growth, age = growth[usable], _RECENT_DAYS[usable]
    off = np.abs(growth - np.median(growth))
    limit = 2 * 1.4826 * np.median(off)
    trust = np.minimum(1.0, limit / np.maximum(off, limit)) if limit > 0 else np.ones(len(off))
    weights = 0.5 ** (age / _HALF_LIFE_DAYS) * trust
    expected: Floats = history.at(_analogs(days)) + weights @ growth / weights.sum()
    return expected


def _analogs(days: Days) -> Days:
    return np.array([analog(int(day)) for day in days])
