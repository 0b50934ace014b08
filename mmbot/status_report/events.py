"""What a status shows of one event: its days, its forecast, its outcomes, its markets."""

from __future__ import annotations

import datetime as dt
from typing import Literal, TypeAlias

import msgspec

from mmbot.status_report.markets import MarketStatus
from mmbot.units import Milliseconds

DayState: TypeAlias = Literal["published", "due", "expected", "none"]


class DayStatus(msgspec.Struct, frozen=True):
    """One day of a week.

    Attributes:
        day: The day.
        state: Published, due now, expected later, or none: no longer waited for.
        count: The count on which it settles; `null` until one is published.
        release: The earliest time at which its count may be out.
    """

    day: dt.date
    state: DayState
    count: int | None
    release: Milliseconds


class MemberShare(msgspec.Struct, frozen=True):
    """One method of the pool: its weight, 0 to 1, and its own forecast, in passengers."""

    method: str
    weight: float
    mean: float
    sd: float


class ForecastStatus(msgspec.Struct, frozen=True):
    """The forecast of a week's value that quotes are based on.

    Attributes:
        mean: The expected value.
        sd: Its standard deviation.
        method: The name of the method.
        days_published: How many of the week's seven counts it uses.
        formed: When it was formed.
        age_ms: The time since then.
        effective_weeks: The effective number of past weeks behind it, from their weights.
        members: The methods of the pool; none once all days are published.
        digest: A digest of its inputs.
        unit: The unit of `mean` and `sd`, such as passengers a day.
    """

    mean: float
    sd: float
    method: str
    days_published: int
    formed: Milliseconds
    age_ms: Milliseconds
    effective_weeks: float
    members: tuple[MemberShare, ...]
    digest: str
    unit: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """One outcome of a week: an average above one strike and not above the next.

    Attributes:
        above: The strike below it; `null` for the lowest outcome.
        up_to: The strike above it; `null` for the highest.
        probability: The forecast's probability; `null` without a forecast.
        pnl: The event's P&L there, with the positions held.
        pnl_if_filled: The same, with every own order filled where that hurts.
    """

    above: int | None
    up_to: int | None
    probability: float | None
    pnl: str
    pnl_if_filled: str


class EventStatus(msgspec.Struct, frozen=True):
    """One event: a week of the series.

    Attributes:
        event: Its ticker.
        week: The Sunday that names its week.
        cash: What its fills have added to the cash.
        pnl_fair: Its P&L at fair; `null` while a position cannot be valued.
        pnl_worst: Its P&L in the worst outcome, with the positions held.
        pnl_worst_if_filled: The same, with every own order filled where that hurts.
        pnl_today_fair: What the day has added to `pnl_fair` so far.
        pnl_today_worst: The same, if the worst outcome came true.
        markets: Its markets, by strike ascending.
        settled: Whether every market is settled.
        reduce_only: Whether a loss limit is used up, so that no position may grow.
        closes: When the last of its markets closes; `null` without a daemon.
        days_published: How many of the week's counts are published.
        days: The seven days, Monday first.
        margin: The margin in force at this number of published days.
        fee: The terms of the maker fee, such as `quadratic`; the highest if they are about to
            change. While they are not understood, nothing is quoted (`fee_type`).
        forecast: The forecast; `null` before there is one.
        outcomes: Every outcome, ascending; one more than there are strikes.
    """

    event: str
    week: dt.date
    cash: str
    pnl_fair: str | None
    pnl_worst: str
    pnl_worst_if_filled: str
    pnl_today_fair: str | None
    pnl_today_worst: str
    markets: tuple[MarketStatus, ...]
    settled: bool = False
    reduce_only: bool = False
    closes: Milliseconds | None = None
    days_published: int = 0
    days: tuple[DayStatus, ...] = ()
    margin: float | None = None
    fee: str = ""
    forecast: ForecastStatus | None = None
    outcomes: tuple[Outcome, ...] = ()
