"""Times of releases, maintenance, determination and settlement."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Final

import msgspec

from mmbot.underlying.calendar import EASTERN, Week, release_date

_RELEASE_FROM: Final = dt.time(8, 20)
_RELEASE_SPREAD_S: Final = 30 * 60
_SPANS: Final = (
    (dt.time(8, 20), dt.time(8, 40)),
    (dt.time(7), dt.time(8, 20)),
    (dt.time(8, 40), dt.time(9, 30)),
    (dt.time(9, 30), dt.time(10, 15)),
    (dt.time(6, 30), dt.time(6, 55)),
)
_SHARES: Final = (0.70, 0.15, 0.10, 0.03, 0.02)
_MAINTENANCE: Final = (dt.time(3, 0), dt.time(5, 0))
_THURSDAY: Final = 3
_DETERMINATION: Final = dt.timedelta(seconds=30)
_SETTLEMENT: Final = dt.timedelta(seconds=60)


class Release(msgspec.Struct, frozen=True):
    """The counts of `days` are published at `at`."""

    at: dt.datetime
    days: tuple[dt.date, ...]


def usual_time(rng: random.Random) -> dt.timedelta:
    """Draw a release's time of day: between 08:20 and 08:50."""
    return _from_midnight(_RELEASE_FROM) + dt.timedelta(seconds=rng.randrange(_RELEASE_SPREAD_S))


def varied_time(rng: random.Random) -> dt.timedelta:
    """Draw a release's time of day, early and late ones included.

    Counts have been seen from 07:00 to 10:15, mostly about 08:20 to 08:40. One in fifty is
    earlier than any that was seen.
    """
    (span,) = rng.choices(_SPANS, _SHARES)
    start, end = (_from_midnight(at) for at in span)
    return start + rng.random() * (end - start)


def releases(
    first: dt.date,
    last: dt.date,
    rng: random.Random,
    draw: Callable[[random.Random], dt.timedelta] = usual_time,
) -> tuple[Release, ...]:
    """Return the releases of the days `first` to `last`, each at a time after midnight."""
    by_date: dict[dt.date, list[dt.date]] = {}
    for i in range((last - first).days + 1):
        day = first + dt.timedelta(days=i)
        by_date.setdefault(release_date(day), []).append(day)
    return tuple(
        Release(dt.datetime.combine(date, dt.time(), EASTERN) + draw(rng), tuple(days))
        for date, days in sorted(by_date.items())
    )


def _from_midnight(at: dt.time) -> dt.timedelta:
    return dt.timedelta(hours=at.hour, minutes=at.minute)


def settlement_times(week: Week) -> tuple[dt.datetime, dt.datetime]:
    """Return when a week's markets are determined and when they are paid out: about 10:01."""
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
