"""Dates of the holidays that affect travel, and classes of weeks by holiday. Days are ordinals."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from mmbot.underlying.holidays import RULES

# Classes of weeks, by the holidays in them: 0 normal, 1 minor, 2 major.
_MINOR = ("MLK", "Presidents", "Easter", "Juneteenth", "Columbus", "Veterans")
_MAJOR = ("New Year", "Memorial", "July 4", "Labor", "Thanksgiving", "Christmas")


@lru_cache(maxsize=4096)
def week_class(monday: int, margin_days: int = 0) -> int:
    """Return 2 for a week with a major holiday, 1 for one with a minor one, otherwise 0.

    A holiday up to `margin_days` before or after the week counts as well.
    """
    if any(_is_near(name, monday, margin_days) for name in _MAJOR):
        return 2
    return int(any(_is_near(name, monday, margin_days) for name in _MINOR))


def _is_near(name: str, monday: int, margin_days: int) -> bool:
    return -margin_days <= nearest(name, monday + 3) - monday <= 6 + margin_days


@lru_cache(maxsize=4096)
def holiday(name: str, year: int) -> int:
    """Return the ordinal of the holiday `name` in `year`."""
    return RULES[name](year).toordinal()


def nearest(name: str, day: int) -> int:
    """Return the ordinal of the occurrence of the holiday `name` that is nearest to `day`."""
    year = dt.date.fromordinal(day).year
    return min((holiday(name, y) for y in (year - 1, year, year + 1)), key=lambda h: abs(h - day))
