"""The course of a demonstrated week, gathered from the daemon's log alone, for a picture."""

from __future__ import annotations

import datetime as dt
from typing import Any


class WeekCourse:
    """What the log has told, each with the calendar's time of the heartbeat before it.

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

    def watch(self, line: dict[str, Any]) -> None:
        """Gather one log line."""
        if line["event"] == "heartbeat":
            self._now = dt.datetime.fromisoformat(line["calendar"])
        if self._now is None:
            return
        match line["event"]:
            case "heartbeat" if line["pnl_week_fair"] is not None:
                at_fair, at_worst = float(line["pnl_week_fair"]), float(line["pnl_week_worst"])
                self.pnl.append((self._now, at_fair, at_worst))
            case "belief.updated":
                self.forecasts.append((self._now, float(line["mean"]), float(line["sd"])))
            case "fill":
                count = float(line["count"])
                self.fills.append((self._now, count if line["side"] == "bid" else -count))
