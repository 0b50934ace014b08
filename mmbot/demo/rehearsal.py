"""The counts that the daemon is going to read, known beforehand.

Forecasting every past week takes many seconds, in which a compressed calendar would pass days. A
demonstration has that done before the calendar starts to run, on these counts, and leaves the
result where the daemon keeps it.
"""

from __future__ import annotations

import datetime as dt

from mmbot.exchange.assembly import Published
from mmbot.tsa.calendar import release_instant
from mmbot.tsa.counts import Counts

_MORNING = dt.time(9, 0)


def counts_at(published: Published, start: dt.datetime) -> Counts:
    """Return what the simulated TSA pages show at `start`: past years as they were archived."""
    counts = Counts()
    for day in sorted(published.first):
        archived = day.year < start.year
        shown = published.archived if archived else published.first
        if day in shown and release_instant(day, _MORNING) <= start:
            counts, _ = counts.observe(day, shown[day], start, archived=archived)
    return counts
