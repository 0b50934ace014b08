"""Plausibility of published counts: an implausible one is held until a second read confirms it.

Pages have shown counts that were a fifth too high. A count more than six standard deviations from
its forecast is held until a read at least eleven minutes later, when the page's cache has expired,
shows the same count.
"""

from __future__ import annotations

import datetime as dt

import msgspec

MOST_DEVIATIONS = 6.0
CONFIRM_AFTER = dt.timedelta(minutes=11)


class HeldCount(msgspec.Struct, frozen=True):
    """An implausible count and the instant of its first read."""

    day: dt.date
    count: int
    since: dt.datetime


class HeldCounts(msgspec.Struct, frozen=True):
    """The counts held for a second read, at most one for each day."""

    held: tuple[HeldCount, ...] = ()

    def read(
        self, day: dt.date, count: int, at: dt.datetime, deviations: float
    ) -> tuple[HeldCounts, bool]:
        """Return the counts held after one read, and whether the count read may be used.

        An implausible count other than the one held for the day restarts the wait.

        Args:
            day: The day.
            count: The count that the page shows for it, in passengers.
            at: The instant of the read.
            deviations: Count less forecast, in standard deviations.
        """
        others = tuple(each for each in self.held if each.day != day)
        if abs(deviations) <= MOST_DEVIATIONS:
            return HeldCounts(others), True
        same = [each for each in self.held if (each.day, each.count) == (day, count)]
        if not same:
            return HeldCounts((*others, HeldCount(day, count, at))), False
        confirmed = at - same[0].since >= CONFIRM_AFTER
        return (HeldCounts(others), True) if confirmed else (self, False)
