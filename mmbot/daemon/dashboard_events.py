"""The events sent to the dashboard's viewers: the status once a second, and whatever is new.

The status is read from the bot on its loop; the courses of the events are read from the ledger in a
thread, and only when it has changed.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from mmbot.daemon.ledger import FILE_NAME
from mmbot.daemon.ledger_fills import shown_fills
from mmbot.daemon.ledger_reader import read_records
from mmbot.daemon.viewers import LOOK_SECONDS, event
from mmbot.dashboard_view import MOST_FILLS, EventCourse, LoggedLine, Look, Spread
from mmbot.errors import BadInput
from mmbot.status_report import StatusReport
from mmbot.texts import to_json
from mmbot.trading.commands import MarketSample, Markout, RecordFill, RecordSettlement

# Makes the course of an event from its ticker, its markets by strike, and the ledger's records.
MakeCourse: TypeAlias = Callable[
    [
        str,
        Sequence[str],
        Sequence[RecordFill],
        Sequence[Markout],
        Sequence[MarketSample],
        Sequence[RecordSettlement],
    ],
    EventCourse,
]


class DashboardParts(msgspec.Struct, frozen=True):
    """What a dashboard is made of.

    Attributes:
        files: The page's files: their content by path, such as `app.js`.
        course: Makes the course of an event.
        lines_after: Returns the lines of the log whose number is greater than a given one.
    """

    files: Callable[[], Mapping[str, bytes]]
    course: MakeCourse
    lines_after: Callable[[int], list[LoggedLine]]


# An event's ticker, and those of its markets by strike.
_Event: TypeAlias = tuple[str, tuple[str, ...]]


class DashboardEvents:
    """Makes the events of each look, and keeps those that a new viewer needs."""

    def __init__(
        self,
        directory: Path,
        parts: DashboardParts,
        status: Callable[[], StatusReport],
        answer_ms: Collection[float],
    ) -> None:
        """Begin with nothing sent; the arguments are those of `Dashboard`."""
        self._directory = directory
        self._parts = parts
        self._status = status
        self._answer_ms = answer_ms
        self._last_line = 0
        self._looked_at = -LOOK_SECONDS
        self._look = b""
        self._courses = b""
        self._read: object = None

    def greeting(self) -> list[bytes]:
        """Return the events for a new viewer before the next look."""
        fresh = asyncio.get_running_loop().time() - self._looked_at <= LOOK_SECONDS
        look = self._look if fresh else b""
        # Only lines that the others have been sent already; the next look has the rest.
        lines = [line for line in self._parts.lines_after(0) if line.number <= self._last_line]
        return [*filter(None, (look, self._courses)), _lines(lines)]

    async def make(self, viewers: int, late_ms: float) -> list[bytes]:
        """Return the events of one look."""
        status = self._status()
        look = Look(status, spread(self._answer_ms), round(late_ms, 2), viewers)
        self._look, self._looked_at = _event("look", look), asyncio.get_running_loop().time()
        made = [self._look]
        lines = self._parts.lines_after(self._last_line)
        if lines:
            self._last_line = lines[-1].number
            made.append(_lines(lines))
        return made + await self._new_courses(status)

    async def _new_courses(self, status: StatusReport) -> list[bytes]:
        events = tuple(
            (each.event, tuple(market.market for market in each.markets)) for each in status.events
        )
        seen = (events, _state_of(self._directory / FILE_NAME))
        if seen == self._read:
            return []
        try:
            courses = await asyncio.to_thread(self._read_courses, events)
        except BadInput:
            # Other parts watch over the ledger and report its errors.
            return []
        self._read, self._courses = seen, _event("courses", courses)
        return [self._courses]

    def _read_courses(self, events: Iterable[_Event]) -> list[EventCourse]:
        return [self._read_course(*each) for each in events]

    def _read_course(self, ticker: str, markets: Sequence[str]) -> EventCourse:
        records = read_records(self._directory, ticker)
        course = self._parts.course(
            ticker,
            markets,
            records.fills,
            records.markouts,
            records.samples,
            records.settlements,
        )
        fills = shown_fills(records, MOST_FILLS)
        left_out = len(records.fills) - len(fills)
        return msgspec.structs.replace(course, fills=fills, fills_left_out=left_out)


def spread(durations_ms: Collection[float]) -> Spread | None:
    """Return the distribution of durations; `None` if there are none."""
    if not durations_ms:
        return None
    ordered = sorted(durations_ms)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    median = statistics.median(ordered)
    return Spread(len(ordered), *(round(each, 2) for each in (median, p95, ordered[-1])))


def _state_of(ledger: Path) -> tuple[object, ...]:
    """Return a stamp that changes whenever the ledger is written."""
    found: list[object] = []
    for path in (ledger, ledger.with_name(f"{ledger.name}-wal")):
        try:
            state = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((state.st_mtime_ns, state.st_size))
    return tuple(found)


def _event(name: str, value: Any) -> bytes:
    return event(name, to_json(value))


def _lines(lines: list[LoggedLine]) -> bytes:
    return _event("lines", lines)
