"""The counts that the daemon will read at the start of a demonstration.

Computing the residual bank takes many seconds, in which a compressed calendar would pass days. So
it is computed from these counts before the calendar starts, in the daemon's own cache.
"""

from __future__ import annotations

import datetime as dt

from mmbot.exchange.assembly import PublishedCounts
from mmbot.tsa.underlying import TSA
from mmbot.underlying.counts import Counts

_MORNING = dt.time(9, 0)


def counts_at(published: PublishedCounts, start: dt.datetime) -> Counts:
    """Return the counts on the simulated TSA pages at `start`, those of past years as archived."""
    counts = Counts()
    for day in sorted(published.first):
        archived = day.year < start.year
        shown = published.archived if archived else published.first
        if day in shown and TSA.release(day, _MORNING) <= start:
            counts, _ = counts.observe(day, shown[day], start, archived=archived)
    return counts
