"""When the calendar does what: releases, maintenance, opening, closing, settlement."""

from __future__ import annotations

import datetime as dt
import random
from typing import Final

import msgspec

from mmbot.tsa.calendar import EASTERN, Week, release_date

_RELEASE_FROM: Final = dt.time(8, 20)
_RELEASE_SPREAD_S: Final = 30 * 60
_MAINTENANCE: Final = (dt.time(3, 0), dt.time(5, 0))
_THURSDAY: Final = 3
_DETERMINATION: Final = dt.timedelta(seconds=30)
_SETTLEMENT: Final = dt.timedelta(seconds=60)


class Release(msgspec.Struct, frozen=True):
    """The counts of `days` appear at `at`."""

    at: dt.datetime
    days: tuple[dt.date, ...]


def releases(first: dt.date, last: dt.date, rng: random.Random) -> tuple[Release, ...]:
    """Return the releases of the days `first` to `last`, each between 08:20 and 08:50."""
    by_date: dict[dt.date, list[dt.date]] = {}
    for i in range((last - first).days + 1):
        day = first + dt.timedelta(days=i)
        by_date.setdefault(release_date(day), []).append(day)
    return tuple(
        Release(
            dt.datetime.combine(date, _RELEASE_FROM, EASTERN)
            + dt.timedelta(seconds=rng.randrange(_RELEASE_SPREAD_S)),
            tuple(days),
        )
        for date, days in sorted(by_date.items())
    )


def settlement_times(week: Week) -> tuple[dt.datetime, dt.datetime]:
    """Return when a week's result is determined and when it is paid out: about 10:01."""
    return week.settles + _DETERMINATION, week.settles + _SETTLEMENT


def maintenance_windows(after: dt.datetime, weeks: int) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return the Thursday windows that end after `after`, one a week."""
    thursday = after.date() + dt.timedelta(days=(_THURSDAY - after.weekday()) % 7)
    windows = []
    for i in range(weeks + 1):
        date = thursday + dt.timedelta(weeks=i)
        start, end = (dt.datetime.combine(date, at, EASTERN) for at in _MAINTENANCE)
        if end > after:
            windows.append((start, end))
    return windows[:weeks]
