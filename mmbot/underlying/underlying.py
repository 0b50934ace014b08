"""An underlying: everything in which one weekly statistic differs from another, as one value.

All have this in common: something is counted every day; a Kalshi event is about the seven counts of
one week, Monday to Sunday, and is named by that Sunday; its markets ask whether the value that the
week settles on is above their strikes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mmbot.underlying.calendar import EASTERN, EarlyRelease, Week
from mmbot.underlying.pages import Pages
from mmbot.underlying.simulated import Simulated

_DAYS: Final = 7


class Underlying(msgspec.Struct, frozen=True):
    """One weekly statistic.

    Attributes:
        name: Its name in the config.
        series: Kalshi's series about it.
        unit: What is counted, in the plural.
        value_unit: The unit of a week's value.
        least: The smallest possible count of a day.
        most: The largest possible count of a day.
        release_date: The date on which the count of a day is expected.
        early_days: The days of a week whose count may come before that, each with the date.
        assumed_release: When the count of a day is taken to have come if no time was recorded.
        settles: When a week is usually settled; a revision before that counts.
        outcome: The value that a week settles on, from its seven counts in order.
        pages: Where and how the counts are read.
        simulated: What the simulated exchange makes up for it.
    """

    name: str
    series: str
    unit: str
    value_unit: str
    least: int
    most: int
    release_date: Callable[[dt.date], dt.date]
    early_days: Callable[[Week], tuple[tuple[dt.date, dt.date], ...]]
    assumed_release: Callable[[dt.date], dt.datetime]
    settles: Callable[[Week], dt.datetime]
    outcome: Callable[[Sequence[int]], float]
    pages: Pages
    simulated: Simulated

    def release(self, day: dt.date, at: dt.time) -> dt.datetime:
        """Return the instant of `at`, New York time, on the expected release date of `day`."""
        return dt.datetime.combine(self.release_date(day), at, EASTERN)

    def days_due(self, week: Week, at: dt.datetime, release: dt.time) -> tuple[dt.date, ...]:
        """Return a week's days whose count may be out, if none is released before `release`."""
        return tuple(day for day in week.days if self.release(day, release) <= at)

    def can_settle_near(self, strike: int) -> bool:
        """Return whether possible counts can settle a week both below and above a strike."""
        return self.outcome([self.least] * _DAYS) <= strike <= self.outcome([self.most] * _DAYS)

    def early_releases(
        self, week: Week, earliest: dt.time, latest: dt.time
    ) -> tuple[EarlyRelease, ...]:
        """Return the windows, between the two times, in which counts of a week may come early."""
        return tuple(
            EarlyRelease(
                day,
                dt.datetime.combine(date, earliest, EASTERN),
                dt.datetime.combine(date, latest, EASTERN),
            )
            for day, date in self.early_days(week)
        )
