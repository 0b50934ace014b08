"""Calendar regressors of a day: weekday, season and holidays, with their ridge penalties.

A row holds seven weekday dummies, Fourier terms of the year, the first Fourier terms again for the
day's weekday, hat functions of the distance to Easter, and dummies of the days around each holiday;
holidays with a fixed date can have a second set by the weekday they fall on. Counts play no part.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mmbot.forecast.history import Days, Floats
from mmbot.forecast.holiday_classes import nearest

_YEAR_DAYS = 365.2425
_HARMONICS = 8
_WEEKDAY_HARMONICS = 3
_WEEKDAY_GROUPS = (0, 0, 1, 1, 2, 2, 2)
_EASTER_KNOTS = np.arange(-24.0, 13.0, 3.0)
_FIRST_WINDOW = 4

Window = tuple[int, int]


class CalendarEffects:
    """The regressors for one choice of holidays."""

    def __init__(
        self,
        windows: Mapping[str, Window],
        by_weekday: tuple[str, ...],
        day_penalty: float,
        weekday_penalty: float,
    ) -> None:
        """Choose the holidays.

        Args:
            windows: First and last day, relative to each holiday, with a dummy.
            by_weekday: The fixed-date holidays whose effect depends on their weekday.
            day_penalty: The ridge penalty of a dummy and of an Easter hat function.
            weekday_penalty: The ridge penalty of a dummy for one group of weekdays.
        """
        self._windows = MappingProxyType(dict(windows))
        self._by_weekday = by_weekday
        spans = [last - first + 1 for first, last in self._windows.values()]
        grouped = [3 * spans[list(self._windows).index(name)] for name in by_weekday]
        season = (2 * _HARMONICS, 7 * 2 * _WEEKDAY_HARMONICS)
        lengths = (7, *season, len(_EASTER_KNOTS), *spans, *grouped)
        self._starts = (0, *accumulate(lengths))
        harmonic = np.repeat(0.18 * (1 + np.arange(1, _HARMONICS + 1) / 3), 2)
        days = (len(_EASTER_KNOTS) + sum(spans)) * [day_penalty]
        groups = sum(grouped) * [weekday_penalty]
        self.penalties: Floats = np.concatenate(
            [np.full(7, 0.02), harmonic, np.full(lengths[2], 0.6), days, groups]
        )
        self._entries = lru_cache(maxsize=8192)(self._entries_of)

    def regressors(self, days: Days) -> Floats:
        """Return the regressors of days, ordinals of shape (n,); shape (n, p)."""
        rows = np.zeros((len(days), self._starts[-1]))
        for row, day in zip(rows, days.tolist(), strict=True):
            columns, values = self._entries(day)
            row[columns] = values
        return rows

    def _entries_of(self, day: int) -> tuple[NDArray[np.int16], Floats]:
        """Return columns and values of a day's non-zero regressors, about one in ten."""
        row = self._row(day)
        columns = np.flatnonzero(row).astype(np.int16)
        return columns, row[columns]

    def _row(self, day: int) -> Floats:
        """Return the regressors of the day with the ordinal `day`, shape (p,)."""
        starts = self._starts
        row = np.zeros(starts[-1])
        weekday = dt.date.fromordinal(day).weekday()
        row[weekday] = 1.0
        waves = _waves(day)
        row[starts[1] : starts[2]] = waves
        narrow = 2 * _WEEKDAY_HARMONICS
        start = starts[2] + weekday * narrow
        row[start : start + narrow] = waves[:narrow]
        from_easter = day - nearest("Easter", day)
        row[starts[3] : starts[4]] = np.maximum(0.0, 1 - np.abs(from_easter - _EASTER_KNOTS) / 3)
        for i, (name, (first, last)) in enumerate(self._windows.items(), _FIRST_WINDOW):
            offset = day - nearest(name, day)
            if first <= offset <= last:
                row[starts[i] + offset - first] = 1.0
        for i, name in enumerate(self._by_weekday, _FIRST_WINDOW + len(self._windows)):
            date = nearest(name, day)
            first, last = self._windows[name]
            if first <= day - date <= last:
                group = _WEEKDAY_GROUPS[dt.date.fromordinal(date).weekday()]
                row[starts[i] + group * (last - first + 1) + day - date - first] = 1.0
        return row


def _waves(day: int) -> Floats:
    """Return sine and cosine of each harmonic of the year, interleaved."""
    angle = 2 * np.pi * day / _YEAR_DAYS * np.arange(1, _HARMONICS + 1)
    return np.column_stack([np.sin(angle), np.cos(angle)]).ravel()
