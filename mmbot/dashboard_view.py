"""What the dashboard shows beside a status: the course of each open event, and the log.

`daemon` sends these values and `observe` makes them, so that neither has to import the other. They
keep to the conventions of `mmbot.status_report`.
"""

from __future__ import annotations

import msgspec

from mmbot.status_report import ShownFill, StatusReport
from mmbot.units import Milliseconds

# The most of each that are sent.
MOST_FILLS = 200
MOST_POINTS = 400
MOST_LINES = 300


class PnlPoint(msgspec.Struct, frozen=True):
    """An event's P&L at an instant.

    Attributes:
        at: The instant.
        fair: P&L at fair; `null` where a position could not be valued.
        worst: P&L in the worst outcome, with the positions held then.
    """

    at: Milliseconds
    fair: str | None
    worst: str


class PastForecast(msgspec.Struct, frozen=True):
    """The forecast at one number of published days, as first sampled.

    Attributes:
        days_published: How many counts it used.
        at: When the first of its markets was sampled.
        above: The probability of YES in each market that had a midpoint then, by ticker.
    """

    days_published: int
    at: Milliseconds
    above: dict[str, float]


class EventCourse(msgspec.Struct, frozen=True):
    """The course of an event.

    Attributes:
        event: Its ticker.
        pnl: Its P&L at each fill, markout and sample, the earliest first.
        forecasts: The forecasts with fewer days published, then with the current number.
        fills: Its latest fills, the earliest of them first.
        fills_left_out: How many earlier ones there are.
    """

    event: str
    pnl: tuple[PnlPoint, ...] = ()
    forecasts: tuple[PastForecast, ...] = ()
    fills: tuple[ShownFill, ...] = ()
    fills_left_out: int = 0


class LoggedLine(msgspec.Struct, frozen=True):
    """A line of the log; `number` counts the session's lines."""

    number: int
    fields: dict[str, object]


class Spread(msgspec.Struct, frozen=True):
    """The distribution of durations: their number, median, 95th percentile and maximum."""

    count: int
    median_ms: float
    p95_ms: float
    most_ms: float


class Look(msgspec.Struct, frozen=True):
    """What is sent once a second.

    Attributes:
        status: The session at that instant.
        answers: How long the exchange took for its latest answers; `null` before the first.
        loop_late_ms: How late the event loop was for this look.
        viewers: The number of viewers.
    """

    status: StatusReport
    answers: Spread | None
    loop_late_ms: float
    viewers: int
