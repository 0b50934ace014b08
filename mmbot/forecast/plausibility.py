"""When a published count may be believed at once, and when it must be read a second time.

Pages have shown counts that were a fifth too high. A count far from its forecast is held back until
a read at least eleven minutes later, when the page's cache has turned over, still shows it.
"""

from __future__ import annotations

import datetime as dt

import msgspec

MOST_DEVIATIONS = 6.0
CONFIRM_AFTER = dt.timedelta(minutes=11)


class Doubt(msgspec.Struct, frozen=True):
    """An implausible count and when it was first read."""

    day: dt.date
    count: int
    since: dt.datetime


class Doubts(msgspec.Struct, frozen=True):
    """The counts that wait for a second read, one a day at most."""

    held: tuple[Doubt, ...] = ()

    def read(
        self, day: dt.date, count: int, at: dt.datetime, deviations: float
    ) -> tuple[Doubts, bool]:
        """Take in one read of a day's count, and say whether it may be used.

        Args:
            day: The day.
            count: What the page shows for it.
            at: When it was read.
            deviations: How far the count is from its forecast, in standard deviations.

        Returns:
            The doubts that remain, and whether to use the count. Another count than the one in
            doubt starts the wait anew.
        """
        others = tuple(doubt for doubt in self.held if doubt.day != day)
        if abs(deviations) <= MOST_DEVIATIONS:
            return Doubts(others), True
        same = [doubt for doubt in self.held if (doubt.day, doubt.count) == (day, count)]
        if not same:
            return Doubts((*others, Doubt(day, count, at))), False
        confirmed = at - same[0].since >= CONFIRM_AFTER
        return (Doubts(others), True) if confirmed else (self, False)
