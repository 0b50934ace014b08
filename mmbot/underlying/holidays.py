"""Dates of the holidays that affect travel, by rule, and holiday weekends.

These are the federal holidays, Easter, Halloween and the Super Bowl.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
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
    """Return the rule of a holiday on the same date each year."""
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

FEDERAL = (
    "New Year",
    "MLK",
    "Presidents",
    "Memorial",
    "Juneteenth",
    "July 4",
    "Labor",
    "Columbus",
    "Veterans",
    "Thanksgiving",
    "Christmas",
)
# The days on which a holiday makes a long weekend, with at most one day in between.
_THURSDAY_BEFORE, _TUESDAY_AFTER = dt.timedelta(days=-2), dt.timedelta(days=3)


def is_holiday_weekend(saturday: dt.date) -> bool:
    """Return whether a federal holiday is within Thursday before to Tuesday after the weekend."""
    first, last = saturday + _THURSDAY_BEFORE, saturday + _TUESDAY_AFTER
    return any(
        first <= RULES[name](year) <= last for name in FEDERAL for year in {first.year, last.year}
    )
