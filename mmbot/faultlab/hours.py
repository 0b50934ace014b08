"""Which hours of a simulated calendar are played: between them the crowd sleeps and time jumps.

*Eventful* hours are few and short: what can go wrong mostly goes wrong at the opening, around a
release, in the pause and at the end. *Ordinary* hours are for what a week earns: the minutes after
each release as they are, the wait for it and an hour or two of every day at a hurry, in which the
crowd does in five minutes what it does in a hundred.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.exchange.timetable import Release
from mmbot.tsa.calendar import EASTERN, Week, to_milliseconds

Hours: TypeAlias = Literal["eventful", "ordinary"]

MINUTE: Final = 60_000
# The last part of each session, in which nothing breaks and everything has to come right.
CALM: Final = 95_000

_SESSION: Final = 5 * MINUTE
_NEWS: Final = (-30_000, 20 * MINUTE)
# How much quicker the crowd acts in the sessions that stand for longer ones.
_HURRY: Final = 20.0
_AFTER_GATE: Final = 10 * MINUTE
_APART: Final = 2 * MINUTE
# On each day of the week, when a session begins in which nothing in particular happens.
_QUIET: Final = tuple((day, dt.time(14)) for day in range(7))


class PlayedSession(msgspec.Struct, frozen=True, order=True):
    """A session: true milliseconds from `start` to `end`, and how much the crowd hurries."""

    start: int
    end: int
    hurry: float = 1.0

    @property
    def calm(self) -> int:
        """When nothing breaks any more."""
        return self.end - CALM


def played_sessions(
    hours: Hours, weeks: Iterable[Week], planned: Iterable[Release], gate: dt.time
) -> tuple[PlayedSession, ...]:
    """Return the sessions in order; `gate` is when quotes come off before a release."""
    releases = tuple(planned)
    drawn = [window for week in weeks for window in _HOURS[hours](week, releases, gate)]
    apart: list[PlayedSession] = []
    for window in sorted(drawn):
        # A week's settlement and the next week's opening are the same minutes.
        if apart and window.start <= apart[-1].end + _APART:
            apart[-1] = PlayedSession(apart[-1].start, max(apart[-1].end, window.end))
        else:
            apart.append(window)
    return tuple(apart)


def _eventful(week: Week, planned: tuple[Release, ...], gate: dt.time) -> Iterator[PlayedSession]:
    yield _session(to_milliseconds(week.opens) - MINUTE)
    for release in _traded(week, planned):
        # One in four begins before the gate shuts, the others just before the count is out.
        early = release.days[0] == week.days[0]
        at = dt.datetime.combine(release.at.date(), gate, EASTERN) if early else release.at
        yield _session(to_milliseconds(at) - (2 if early else 1) * MINUTE)
    yield _session(_on(week, 3, dt.time(2, 58, 30)))
    yield _session(to_milliseconds(week.closes) - 3 * MINUTE)
    yield _session(to_milliseconds(week.settles) - MINUTE)


def _ordinary(week: Week, planned: tuple[Release, ...], gate: dt.time) -> Iterator[PlayedSession]:
    yield _session(to_milliseconds(week.opens) - MINUTE)
    for release in _traded(week, planned):
        shut = to_milliseconds(dt.datetime.combine(release.at.date(), gate, EASTERN))
        out = to_milliseconds(release.at)
        start, end = (out + delay for delay in _NEWS)
        yield PlayedSession(start, end)
        if shut + _AFTER_GATE + _SESSION + _APART < start:
            hurry = (out - shut) / _SESSION
            yield PlayedSession(shut + _AFTER_GATE, shut + _AFTER_GATE + _SESSION, hurry)
    for day, at in _QUIET:
        yield PlayedSession(_on(week, day, at), _on(week, day, at) + _SESSION, _HURRY)
    yield _session(to_milliseconds(week.closes) - 3 * MINUTE)
    yield _session(to_milliseconds(week.settles) - MINUTE)


_HOURS: Final[
    MappingProxyType[Hours, Callable[[Week, tuple[Release, ...], dt.time], Iterator[PlayedSession]]]
] = MappingProxyType({"eventful": _eventful, "ordinary": _ordinary})


def _session(start: int) -> PlayedSession:
    return PlayedSession(start, start + _SESSION)


def _on(week: Week, day: int, at: dt.time) -> int:
    return to_milliseconds(dt.datetime.combine(week.days[day], at, EASTERN))


def _traded(week: Week, planned: tuple[Release, ...]) -> list[Release]:
    """Return the releases that come while the week's markets trade."""
    return [release for release in planned if release.days[0] in week.days[:4]]
