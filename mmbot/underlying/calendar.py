"""Weeks, event tickers, early releases, and the calendar as a function of wall time.

Days, release times and the exchange's trading hours are New York's. An instant is an aware
`datetime` or `Milliseconds` since the Unix epoch; time is an argument, no clock is read.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from mmbot.units import Milliseconds

EASTERN = ZoneInfo("America/New_York")

# Source: the markets of such a series open Monday 10:00 and close Sunday 23:59, New York time.
_OPENING = dt.time(10, 0)
_CLOSING = dt.time(23, 59)
_SETTLEMENT = dt.time(10, 0)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
# The second day of the calendar and its last: any zone has all between, in milliseconds.
_EARLIEST, _LATEST = -62_135_510_400_000, 253_402_214_400_000

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EVENT_TICKER = re.compile(rf"[A-Z]+-(\d{{2}})({'|'.join(_MONTHS)})(\d{{2}})\Z", re.ASCII)


class Week(msgspec.Struct, frozen=True, order=True):
    """The seven days, Monday to Sunday, whose counts one event is about; named by its Sunday.

    Raises:
        ValueError: `sunday` is another day of the week.
    """

    sunday: dt.date

    def __post_init__(self) -> None:
        if self.sunday.weekday() != 6:
            raise ValueError(f"a week is named by its Sunday, and {self.sunday} is not one")

    @classmethod
    def of(cls, day: dt.date) -> Week:
        """Return the week of `day`; a Sunday belongs to the week that it ends."""
        return cls(day + dt.timedelta(days=6 - day.weekday()))

    @classmethod
    def from_event_ticker(cls, ticker: str) -> Week:
        """Read the week from an event ticker such as `SERIES-26APR19`.

        Raises:
            ValueError: It is not an event ticker.
        """
        match = _EVENT_TICKER.match(ticker)
        if match is None:
            raise ValueError(f"{ticker!r} is not an event ticker such as SERIES-26APR19")
        year, month, day = 2000 + int(match[1]), _MONTHS.index(match[2]) + 1, int(match[3])
        try:
            return cls(dt.date(year, month, day))
        except ValueError as error:
            raise ValueError(f"{ticker!r} is not an event ticker: {error}") from None

    def event_ticker(self, series: str) -> str:
        """Return the ticker of this week's event in `series`."""
        day = self.sunday
        return f"{series}-{day:%y}{_MONTHS[day.month - 1]}{day:%d}"

    @property
    def monday(self) -> dt.date:
        """The first day."""
        return self.sunday - dt.timedelta(days=6)

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The seven days in order."""
        return tuple(self.monday + dt.timedelta(days=i) for i in range(7))

    @property
    def following(self) -> Week:
        """The week after this one."""
        return Week(self.sunday + dt.timedelta(days=7))

    @property
    def opens(self) -> dt.datetime:
        """When trading opens."""
        return dt.datetime.combine(self.monday, _OPENING, EASTERN)

    @property
    def closes(self) -> dt.datetime:
        """When trading closes."""
        return dt.datetime.combine(self.sunday, _CLOSING, EASTERN)

    @property
    def settles(self) -> dt.datetime:
        """When the event is usually settled: the Monday after, once Sunday's count is out."""
        return dt.datetime.combine(self.following.monday, _SETTLEMENT, EASTERN)


class EarlyRelease(msgspec.Struct, frozen=True):
    """The count of `day` may come from `opens` on and before `closes_at`."""

    day: dt.date
    opens: dt.datetime
    closes_at: dt.datetime


class CalendarClock(msgspec.Struct, frozen=True):
    """The calendar as a linear function of wall time: the identity, or compressed for a demo.

    Attributes:
        wall: The origin in wall time.
        calendar: The calendar's time at that origin.
        speed: Calendar seconds a wall second.
    """

    wall: Milliseconds = 0
    calendar: Milliseconds = 0
    speed: float = 1.0

    def at(self, now: Milliseconds) -> dt.datetime:
        """Return the calendar's New York time at the wall time `now`."""
        # A product with the time since the epoch would lose milliseconds at a high speed.
        elapsed = now - self.wall
        return from_milliseconds(self.calendar + round(elapsed * self.speed))

    def wall_time(self, at: dt.datetime) -> Milliseconds:
        """Return the first wall time at which the calendar shows `at` or later."""
        return self.wall + -int(-(to_milliseconds(at) - self.calendar) // self.speed)


def to_milliseconds(at: dt.datetime) -> Milliseconds:
    """Return an aware instant as milliseconds since the Unix epoch.

    Raises:
        ValueError: It has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("an instant needs its time zone")
    return (at - _EPOCH) // _MILLISECOND


@lru_cache(16)
def from_milliseconds(milliseconds: Milliseconds) -> dt.datetime:
    """Return an instant as New York time; one that no calendar has as the nearest that it has.

    Whatever is heard as an instant can so be written down. Most are asked for several times in a
    row, and zones take time.
    """
    known = min(max(milliseconds, _EARLIEST), _LATEST)
    return (_EPOCH + known * _MILLISECOND).astimezone(EASTERN)
