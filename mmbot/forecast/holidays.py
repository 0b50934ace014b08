"""Holidays that move travel, by rule, and each day's offset from them.

Days are ordinals. Beside the federal holidays there are Easter, Halloween and the Super Bowl.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType

MONDAY, THURSDAY, SUNDAY = 0, 3, 6

Rule = Callable[[int], dt.date]


def nth(n: int, weekday: int, month: int) -> Rule:
    """Return the rule of the `n`-th `weekday` of `month`; -1 for the last."""

    def date(year: int) -> dt.date:
        if n < 0:
            last = dt.date(year, month + 1, 1) - dt.timedelta(days=1)
            return last - dt.timedelta(days=(last.weekday() - weekday) % 7)
        first = dt.date(year, month, 1)
        return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))

    return date


def fixed(month: int, day: int) -> Rule:
    """Return the rule of a holiday that has one date, whatever its weekday."""
    return lambda year: dt.date(year, month, day)


def easter(year: int) -> dt.date:
    """Return Easter Sunday of the Gregorian calendar.

    The anonymous algorithm, as in Meeus, "Astronomical Algorithms", chapter 8.
    """
    century, rest = divmod(year, 100)
    leap_centuries, centuries_left = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * (year % 19) + century - leap_centuries - correction + 15) % 30
    leap_years, years_left = divmod(rest, 4)
    weekday = (32 + 2 * centuries_left + 2 * leap_years - epact - years_left) % 7
    shift = (year % 19 + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return dt.date(year, month, day + 1)


def super_bowl(year: int) -> dt.date:
    """Return the second Sunday of February; the first until the season grew by a week in 2021."""
    return nth(2 if year >= 2022 else 1, SUNDAY, 2)(year)


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "New Year": fixed(1, 1),
        "MLK": nth(3, MONDAY, 1),
        "Super Bowl": super_bowl,
        "Presidents": nth(3, MONDAY, 2),
        "Easter": easter,
        "Memorial": nth(-1, MONDAY, 5),
        "Juneteenth": fixed(6, 19),
        "July 4": fixed(7, 4),
        "Labor": nth(1, MONDAY, 9),
        "Columbus": nth(2, MONDAY, 10),
        "Halloween": fixed(10, 31),
        "Veterans": fixed(11, 11),
        "Thanksgiving": nth(4, THURSDAY, 11),
        "Christmas": fixed(12, 25),
    }
)


# Classes of weeks, by the holidays in them: 0 normal, 1 minor, 2 major.
_MINOR = ("MLK", "Presidents", "Easter", "Juneteenth", "Columbus", "Veterans")
_MAJOR = ("New Year", "Memorial", "July 4", "Labor", "Thanksgiving", "Christmas")


@lru_cache(maxsize=4096)
def week_class(monday: int) -> int:
    """Return 2 for a week with a major holiday in it, 1 for a minor one, otherwise 0."""
    if any(0 <= nearest(name, monday + 3) - monday <= 6 for name in _MAJOR):
        return 2
    return int(any(0 <= nearest(name, monday + 3) - monday <= 6 for name in _MINOR))


@lru_cache(maxsize=4096)
def holiday(name: str, year: int) -> int:
    """Return the ordinal of the holiday `name` in `year`."""
    return RULES[name](year).toordinal()


def nearest(name: str, day: int) -> int:
    """Return the ordinal of the holiday `name` that is nearest to `day`."""
    year = dt.date.fromordinal(day).year
    return min((holiday(name, y) for y in (year - 1, year, year + 1)), key=lambda h: abs(h - day))
