"""Turns sightings of counts into the counts that forecasts are made from.

A count was published after the last reading of its page without it, and before the first one with
it. Within these bounds the assumed release time is taken.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby
from types import MappingProxyType

from mmbot.history.rows import Sighting
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import EASTERN, from_milliseconds, to_milliseconds
from mmbot.underlying.counts import Counts, Vintage
from mmbot.units import Milliseconds


def counts_of(sightings: Iterable[Sighting]) -> Counts:
    """Return the counts with the best estimates of when they were published."""
    ordered = sorted(sightings, key=lambda each: (each.day, each.seen_ms))
    days = groupby(ordered, key=lambda each: each.day)
    return Counts(MappingProxyType({day: _vintages(day, list(held)) for day, held in days}))


def _vintages(day: dt.date, held: list[Sighting]) -> tuple[Vintage, ...]:
    published = [each for each in held if not each.is_archived]
    archived = [each for each in held if each.is_archived]
    found: list[Vintage] = []
    for number, each in enumerate(published):
        # A revision is assumed to date from when it was seen.
        seen = each.seen_ms if number else _between(each, assumed_release(day))
        found.append(Vintage(each.count, _instant(seen)))
    rewritten = assumed_release(dt.date(day.year, 12, 31)) if published else assumed_release(day)
    for number, each in enumerate(archived):
        seen = each.seen_ms if number else _between(each, rewritten)
        found.append(Vintage(each.count, _instant(seen), archived=True))
    return tuple(sorted(found, key=lambda each: to_milliseconds(each.seen)))


def _between(sighting: Sighting, assumed: dt.datetime) -> Milliseconds:
    least = sighting.absent_ms if sighting.absent_ms is not None else 0
    return min(max(to_milliseconds(assumed), least), sighting.seen_ms)


def _instant(milliseconds: Milliseconds) -> dt.datetime:
    return from_milliseconds(milliseconds).astimezone(EASTERN)
