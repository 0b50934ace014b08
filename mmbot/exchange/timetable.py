"""Times of releases, maintenance, determination and settlement."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Final

import msgspec

from mmbot.underlying.calendar import EASTERN
from mmbot.underlying.underlying import Underlying

_MAINTENANCE: Final = (dt.time(3, 0), dt.time(5, 0))
_THURSDAY: Final = 3
_DETERMINATION: Final = dt.timedelta(seconds=30)
_SETTLEMENT: Final = dt.timedelta(seconds=60)


class Release(msgspec.Struct, frozen=True):
    """The counts of `days` are published at `at`."""

    at: dt.datetime
    days: tuple[dt.date, ...]


def releases(
    first: dt.date,
    last: dt.date,
    rng: random.Random,
    underlying: Underlying,
    draw: Callable[[random.Random], dt.timedelta] | None = None,
) -> tuple[Release, ...]:
    """Return the releases of the days `first` to `last`.

    Args:
        first: The first day.
        last: The last day.
        rng: Draws their times.
        underlying: What is released.
        draw: Draws a time after midnight; by default, the underlying's usual one.
    """
    draw = draw or underlying.simulated.release_time
    by_date: dict[dt.date, list[dt.date]] = {}
    for i in range((last - first).days + 1):
        day = first + dt.timedelta(days=i)
        by_date.setdefault(underlying.release_date(day), []).append(day)
    return tuple(
        Release(dt.datetime.combine(date, dt.time(), EASTERN) + draw(rng), tuple(days))
        for date, days in sorted(by_date.items())
    )


def settlement_times(settles: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return when a week's markets are determined and when they are paid out, a minute later."""
    return settles + _DETERMINATION, settles + _SETTLEMENT


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
