"""The status of a session as one value: what it trades, what it knows, what it may still lose.

`mmbot status --json` prints it, a dashboard draws it, the heartbeat is a line of it. Conventions:

* Money, prices and contracts are exact and therefore text: dollars with six decimals ("4.200000"),
  a price of YES with four ("0.5600"), contracts with two ("25.00"). All prices are those of YES;
  NO costs a dollar less that. Positions are signed: + YES, - NO.
* Estimates (`belief`, `mid`, `fair`, `reservation`) are numbers: dollars of YES, so probabilities.
* Instants are milliseconds since the Unix epoch by the bot's clock, ages milliseconds.
* An unknown value is `null`; where there is nothing to show, the value is empty.
* P&L counts every fill since the event opened, fees included. At fair: positions at fair value or,
  once settled, at their payout. At worst: in the outcome that costs most.

Fields are only ever added.
"""

from __future__ import annotations

from mmbot.status_report.events import (
    DayState,
    DayStatus,
    EventStatus,
    ForecastStatus,
    MemberShare,
    Outcome,
)
from mmbot.status_report.markets import (
    BookLevel,
    MarketStatus,
    OwnOrder,
    ShownFill,
    ShownGate,
    ShownMarkout,
)
from mmbot.status_report.session import (
    Ages,
    DurationSpread,
    HaltStatus,
    LatencyStatus,
    LimitStatus,
    LimitUnit,
    PnlStatus,
    StatusReport,
    StatusSteps,
    Surroundings,
    finished,
)

__all__ = [
    "Ages",
    "BookLevel",
    "DayState",
    "DayStatus",
    "DurationSpread",
    "EventStatus",
    "ForecastStatus",
    "HaltStatus",
    "LatencyStatus",
    "LimitStatus",
    "LimitUnit",
    "MarketStatus",
    "MemberShare",
    "Outcome",
    "OwnOrder",
    "PnlStatus",
    "ShownFill",
    "ShownGate",
    "ShownMarkout",
    "StatusReport",
    "StatusSteps",
    "Surroundings",
    "finished",
]
