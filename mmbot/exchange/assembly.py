"""Builds an exchange: calendar, counts, venue, crowd, pages, and one funded member.

An exchange with a past begins with earlier weeks, which are listed one after another; the caller
then lets it catch up with `advance`.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from mmbot.errors import BadInput
from mmbot.exchange.access import Credential, PublicKey
from mmbot.exchange.consensus import NoisyOutcome
from mmbot.exchange.crowd import Crowd, Pace
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.timetable import releases
from mmbot.exchange.venue import SimulatedVenue
from mmbot.exchange.website import Website
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts
from mmbot.underlying.simulated import LABEL
from mmbot.underlying.underlying import Underlying
from mmbot.units import Milliseconds, Money

# How long before the calendar's start a day can be whose count is released after it, and how far
# synthetic counts go beyond the week.
_LEAD: Final = dt.timedelta(days=14)
_TAIL: Final = dt.timedelta(days=21)


class PublishedCounts(msgspec.Struct, frozen=True):
    """Daily counts as the pages show them: first while their year is current, then archived."""

    first: Mapping[dt.date, int]
    archived: Mapping[dt.date, int]
    label: str


class SimulatedExchange(msgspec.Struct, frozen=True):
    """An exchange's parts, for a shell to serve on sockets or drive in virtual time."""

    venue: SimulatedVenue
    website: Website
    user_id: str
    key_id: str


def synthetic_counts(week: Week, seed: int, underlying: Underlying = TSA) -> PublishedCounts:
    """Return synthetic counts up to three weeks after `week`."""
    counts = underlying.simulated.counts(week.sunday + _TAIL, seed)
    return PublishedCounts(counts, counts, LABEL)


def real_counts(counts: Counts, week: Week, source: str, past_weeks: int = 0) -> PublishedCounts:
    """Return counts as they were published; raise `BadInput` if the week lacks a day.

    The same goes for the `past_weeks` before it.
    """
    for each in weeks_until(week, past_weeks):
        missing = [day for day in each.days if day not in counts]
        if missing:
            raise BadInput(
                f"{source} has no count for {missing[0]}, and the week ending {each.sunday} "
                "needs all seven; choose another --week or a fuller --counts file"
            )
    days = counts.vintages
    return PublishedCounts(
        {day: counts.first_published(day) for day in days},
        {day: counts.latest(day) for day in days},
        "simulated release of real counts",
    )


def weeks_until(week: Week, past_weeks: int) -> list[Week]:
    """Return the `past_weeks` weeks before `week`, then `week` itself."""
    return [Week(week.sunday - dt.timedelta(weeks=back)) for back in range(past_weeks, -1, -1)]


def assemble(
    *,
    settings: SimulatedExchangeSettings,
    clock: CalendarClock,
    week: Week,
    published: PublishedCounts,
    public_key: PublicKey,
    balance: Money,
    seed: int,
    pace: Pace | None = None,
    past_weeks: int = 0,
) -> SimulatedExchange:
    """Build the exchange as of its clock's start; without a `pace` nobody else trades.

    The clock starts before the first of the `past_weeks` opens.
    """
    rng = random.Random(seed)
    first = clock.at(clock.wall).date() - _LEAD
    underlying = settings.underlying
    releases_rng = random.Random(f"releases {seed}")
    planned = releases(first, max(published.first), releases_rng, underlying)
    opening, *later = weeks_until(week, past_weeks)
    venue = SimulatedVenue(
        settings, clock, weeks=[opening], counts=published.first, releases=planned, rng=rng
    )
    for each in later:
        venue.schedule(venue.exchange.created_ms(each), partial(_list_week, venue, each))
    user_id, key_id = venue.exchange.engine.new_id(), venue.exchange.engine.new_id()
    venue.exchange.add_member(Credential(key_id, user_id, public_key), cash=balance)
    if pace is not None:
        crowd_rng = random.Random(f"crowd {seed}")
        consensus = NoisyOutcome(venue.outcome, underlying.simulated.errors, crowd_rng)
        venue.participants = Crowd(venue.exchange, consensus, crowd_rng, pace, clock.wall)
    venue.advance(clock.wall)
    website = Website(
        underlying, published.first, published.archived, planned, clock, published.label
    )
    return SimulatedExchange(venue, website, user_id, key_id)


def _list_week(venue: SimulatedVenue, week: Week, now: Milliseconds) -> None:
    venue.add_event(week, now)
