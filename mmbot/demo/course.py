"""The course of a demonstrated week, gathered from the daemon's log alone, for a picture."""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import Any, Final

_MOST_EARLY: Final = 10_000


class WeekCourse:
    """The log's events, each with the calendar time of the heartbeat before it.

    Events before the first heartbeat get its time.

    Attributes:
        forecasts: Time, mean and standard deviation in passengers.
        pnl: Time, and the week's P&L at fair and at worst, in dollars.
        fills: Time, and the contracts of each fill: + YES, - NO.
    """

    def __init__(self) -> None:
        self.forecasts: list[tuple[dt.datetime, float, float]] = []
        self.pnl: list[tuple[dt.datetime, float, float]] = []
        self.fills: list[tuple[dt.datetime, float]] = []
        self._now: dt.datetime | None = None
        self._early: deque[dict[str, Any]] = deque(maxlen=_MOST_EARLY)

    def watch(self, line: dict[str, Any]) -> None:
        """Gather one log line."""
        if line["event"] == "heartbeat":
            self._now = dt.datetime.fromisoformat(line["calendar"])
        self._early.append(line)
        if self._now is None:
            return
        for told in self._early:
            self._gather(told, self._now)
        self._early.clear()

    def _gather(self, line: dict[str, Any], now: dt.datetime) -> None:
        match line["event"]:
            case "heartbeat" if line["pnl_week_fair"] is not None:
                at_fair, at_worst = float(line["pnl_week_fair"]), float(line["pnl_week_worst"])
                self.pnl.append((now, at_fair, at_worst))
            case "belief.updated":
                self.forecasts.append((now, float(line["mean"]), float(line["sd"])))
            case "event.settled":
                self.pnl.append((now, float(line["pnl"]), float(line["pnl"])))
            case "fill":
                count = float(line["count"])
                self.fills.append((now, count if line["side"] == "bid" else -count))
