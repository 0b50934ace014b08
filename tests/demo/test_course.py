"""What the picture of a week is drawn from."""

from __future__ import annotations

import datetime as dt

from mmbot.demo.course import WeekCourse
from mmbot.underlying.calendar import EASTERN

NOW = dt.datetime(2026, 11, 23, 7, tzinfo=EASTERN)
HEARTBEAT = {
    "event": "heartbeat",
    "calendar": NOW.isoformat(),
    "pnl_week_fair": "2.5",
    "pnl_week_worst": "-1.0",
}


def test_a_forecast_before_the_first_heartbeat_has_that_ones_time() -> None:
    course = WeekCourse()
    course.watch({"event": "belief.updated", "mean": 2_450_000, "sd": 60_000})
    course.watch(HEARTBEAT)
    assert course.forecasts == [(NOW, 2_450_000.0, 60_000.0)]


def test_the_pnl_ends_with_what_the_week_settled_on() -> None:
    course = WeekCourse()
    course.watch(HEARTBEAT)
    course.watch({"event": "event.settled", "pnl": "1.250000"})
    assert course.pnl == [(NOW, 2.5, -1.0), (NOW, 1.25, 1.25)]


def test_sold_contracts_are_below_the_line() -> None:
    course = WeekCourse()
    course.watch(HEARTBEAT)
    course.watch({"event": "fill", "side": "ask", "count": "3.00"})
    assert course.fills == [(NOW, -3.0)]
