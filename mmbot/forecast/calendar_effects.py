"""Calendar regressors of a day: weekday, season and holidays, with their ridge penalties.

A row holds seven weekday dummies, Fourier terms of the year, the first Fourier terms again for the
day's weekday, hat functions of the distance to Easter, and dummies of each day around each holiday,
for holidays with a fixed date once more by group of weekdays. Nothing here depends on counts.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType

import numpy as np

from mmbot.forecast.history import Floats
from mmbot.forecast.holiday_classes import nearest

_YEAR_DAYS = 365.2425
_HARMONICS = 8
_WEEKDAY_HARMONICS = 3

# First and last day, relative to the holiday, with a dummy.
_WINDOWS = MappingProxyType(
    {
        "MLK": (-6, 4),
        "Presidents": (-6, 6),
        "Memorial": (-7, 6),
        "Juneteenth": (-2, 2),
        "July 4": (-6, 7),
        "Labor": (-7, 6),
        "Columbus": (-6, 4),
        "Veterans": (-5, 5),
        "Halloween": (-1, 1),
        "Thanksgiving": (-8, 6),
        "Super Bowl": (0, 2),
        "Christmas": (-9, 15),
        "Easter": (-3, 1),
    }
)
# The effect of a holiday with a fixed date depends on the weekday that it falls on.
_BY_WEEKDAY = ("Juneteenth", "July 4", "Halloween", "Veterans", "Christmas")
_WEEKDAY_GROUPS = (0, 0, 1, 1, 2, 2, 2)
_EASTER_KNOTS = np.arange(-24.0, 13.0, 3.0)


def _lengths() -> tuple[int, ...]:
    windows = [last - first + 1 for first, last in _WINDOWS.values()]
    grouped = [3 * (_WINDOWS[name][1] - _WINDOWS[name][0] + 1) for name in _BY_WEEKDAY]
    season = (2 * _HARMONICS, 7 * 2 * _WEEKDAY_HARMONICS)
    return (7, *season, len(_EASTER_KNOTS), *windows, *grouped)


_STARTS = (0, *accumulate(_lengths()))
_FIRST_WINDOW = 4
_FIRST_GROUP = _FIRST_WINDOW + len(_WINDOWS)


def penalties() -> Floats:
    """Return the ridge penalty of each regressor, in the order of `regressors`; shape (p,)."""
    harmonic = np.repeat(0.18 * (1 + np.arange(1, _HARMONICS + 1) / 3), 2)
    lengths = _lengths()
    rest = [0.6, *(0.06 for _ in lengths[3:_FIRST_GROUP]), *(0.12 for _ in _BY_WEEKDAY)]
    return np.concatenate([np.full(7, 0.02), harmonic, np.repeat(rest, lengths[2:])])


@lru_cache(maxsize=8192)
def regressors(day: int) -> Floats:
    """Return the regressors of the day with the ordinal `day`, shape (p,); read-only, as cached."""
    row = np.zeros(_STARTS[-1])
    weekday = dt.date.fromordinal(day).weekday()
    row[weekday] = 1.0
    waves = _waves(day)
    row[_STARTS[1] : _STARTS[2]] = waves
    narrow = 2 * _WEEKDAY_HARMONICS
    start = _STARTS[2] + weekday * narrow
    row[start : start + narrow] = waves[:narrow]
    from_easter = day - nearest("Easter", day)
    row[_STARTS[3] : _STARTS[4]] = np.maximum(0.0, 1 - np.abs(from_easter - _EASTER_KNOTS) / 3)
    for i, (name, (first, last)) in enumerate(_WINDOWS.items()):
        date = nearest(name, day)
        if first <= day - date <= last:
            row[_STARTS[_FIRST_WINDOW + i] + day - date - first] = 1.0
    for i, name in enumerate(_BY_WEEKDAY):
        date = nearest(name, day)
        first, last = _WINDOWS[name]
        if first <= day - date <= last:
            group = _WEEKDAY_GROUPS[dt.date.fromordinal(date).weekday()]
            offset = group * (last - first + 1) + day - date - first
            row[_STARTS[_FIRST_GROUP + i] + offset] = 1.0
    row.flags.writeable = False
    return row


def _waves(day: int) -> Floats:
    """Return sine and cosine of each harmonic of the year, interleaved."""
    angle = 2 * np.pi * day / _YEAR_DAYS * np.arange(1, _HARMONICS + 1)
    return np.column_stack([np.sin(angle), np.cos(angle)]).ravel()
