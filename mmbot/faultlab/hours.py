"""The windows of a simulated calendar that are played; time jumps from one to the next.

*Eventful* hours are a few short windows where most things go wrong: the opening, around a release,
the maintenance pause and the end. *Ordinary* hours are for measuring what a week earns: the minutes
after each release at normal speed, and the wait for it and an hour or two of every day sped up, so
that the crowd does in five minutes what it would do in up to a hundred.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, TypeAlias, assert_never

import msgspec

from mmbot.exchange.timetable import Release
from mmbot.underlying.calendar import EASTERN, Week, to_milliseconds
from mmbot.units import Milliseconds

Hours: TypeAlias = Literal["eventful", "ordinary"]

MINUTE_MS: Final = 60_000
# The last part of each window, in which no fault is injected and the bot has to recover.
RECOVERY_MS: Final = 95_000

_USUAL_MS: Final = 5 * MINUTE_MS
# From before a release until everybody has read its count.
_RELEASE_MS: Final = (-30_000, 20 * MINUTE_MS)
_AFTER_GATE_MS: Final = 10 * MINUTE_MS
# Windows closer than this are played as one.
_GAP_MS: Final = 2 * MINUTE_MS
# The window of a day without particular events: its start, and the crowd's speedup.
_QUIET_AT: Final = dt.time(14)
_QUIET_SPEEDUP: Final = 20.0
_MAINTENANCE_DAY, _BEFORE_MAINTENANCE = 3, dt.time(2, 58, 30)


class PlayedWindow(msgspec.Struct, frozen=True, order=True):
    """A window from `start` to `end`, in true milliseconds; the crowd acts `speedup` times as fast.

    A window whose speedup is not 1 stands for a longer one.
    """

    start: Milliseconds
    end: Milliseconds
    speedup: float = 1.0

    @property
    def faults_end(self) -> Milliseconds:
        """Until when faults may be injected; the recovery follows."""
        return self.end - RECOVERY_MS


def played_windows(
    hours: Hours,
    weeks: Iterable[Week],
    planned: Iterable[Release],
    gate: dt.time,
    settles: Callable[[Week], dt.datetime],
) -> tuple[PlayedWindow, ...]:
    """Return the windows in order, at least two minutes apart.

    Args:
        hours: The kind of hours that is played.
        weeks: The weeks played.
        planned: When the counts are released.
        gate: The time of day from which a release is possible, and quotes come off.
        settles: When a week is settled.
    """
    releases = tuple(planned)
    windows = [
        window for week in weeks for window in _windows(hours, week, releases, gate, settles(week))
    ]
    merged: list[PlayedWindow] = []
    for window in sorted(windows):
        # A week's settlement and the next week's opening fall together.
        if merged and window.start <= merged[-1].end + _GAP_MS:
            merged[-1] = PlayedWindow(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return tuple(merged)


def _windows(
    hours: Hours,
    week: Week,
    planned: tuple[Release, ...],
    gate: dt.time,
    settles: dt.datetime,
) -> Iterator[PlayedWindow]:
    yield _usual(to_milliseconds(week.opens) - MINUTE_MS)
    # The releases that come while the week's markets trade.
    traded = [release for release in planned if release.days[0] in week.days[:4]]
    match hours:
        case "eventful":
            yield from _eventful(week, traded, gate)
        case "ordinary":
            yield from _ordinary(week, traded, gate)
        case _:
            assert_never(hours)
    yield _usual(to_milliseconds(week.closes) - 3 * MINUTE_MS)
    yield _usual(to_milliseconds(settles) - MINUTE_MS)


def _eventful(week: Week, traded: list[Release], gate: dt.time) -> Iterator[PlayedWindow]:
    for release in traded:
        # One in four windows begins before the gate shuts, the others just before the count is out.
        if release.days[0] == week.days[0]:
            yield _usual(_gate_shuts(release, gate) - 2 * MINUTE_MS)
        else:
            yield _usual(to_milliseconds(release.at) - MINUTE_MS)
    yield _usual(_on(week, _MAINTENANCE_DAY, _BEFORE_MAINTENANCE))


def _ordinary(week: Week, traded: list[Release], gate: dt.time) -> Iterator[PlayedWindow]:
    for release in traded:
        shut, out = _gate_shuts(release, gate), to_milliseconds(release.at)
        start, end = (out + delay for delay in _RELEASE_MS)
        yield PlayedWindow(start, end)
        waiting = shut + _AFTER_GATE_MS
        if waiting + _USUAL_MS + _GAP_MS < start:
            yield PlayedWindow(waiting, waiting + _USUAL_MS, speedup=(out - shut) / _USUAL_MS)
    for day in range(len(week.days)):
        start = _on(week, day, _QUIET_AT)
        yield PlayedWindow(start, start + _USUAL_MS, _QUIET_SPEEDUP)


def _usual(start: Milliseconds) -> PlayedWindow:
    return PlayedWindow(start, start + _USUAL_MS)


def _gate_shuts(release: Release, gate: dt.time) -> Milliseconds:
    return to_milliseconds(dt.datetime.combine(release.at.date(), gate, EASTERN))


def _on(week: Week, day: int, at: dt.time) -> Milliseconds:
    return to_milliseconds(dt.datetime.combine(week.days[day], at, EASTERN))
