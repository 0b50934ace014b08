"""The outputs of the bot, as values."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import msgspec

from mmbot.kalshi.gateway import Call
from mmbot.trading.commands import (
    ConfirmFills,
    Note,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    StopConfirmed,
    VoidFill,
    WakeAt,
)
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts


class Transmit(msgspec.Struct, frozen=True, tag=True):
    """Send a frame on the stream."""

    frame: bytes


class Reconnect(msgspec.Struct, frozen=True, tag=True):
    """Close the stream and open another."""


class FetchPage(msgspec.Struct, frozen=True, tag=True):
    """Read a page of the counts' site; its answer comes back under `id`."""

    id: int
    path: str
    headers: tuple[tuple[str, str], ...]


class FitForecast(msgspec.Struct, frozen=True, tag=True):
    """Fit the forecaster to the complete weeks of these counts; `week` is the running one."""

    method: str
    counts: Counts
    week: Week | None
    error_correction: bool = True


class ShownCount(msgspec.Struct, frozen=True, array_like=True):
    """What a page showed for a day when it was `seen`."""

    day: dt.date
    count: int
    seen: dt.datetime
    archived: bool

    @property
    def key(self) -> tuple[dt.date, dt.datetime, bool, int]:
        """Its identity: a count that changes and changes back gives three of these."""
        return self.day, self.seen, self.archived, self.count


class RecordCounts(msgspec.Struct, frozen=True, tag=True):
    """Write new and revised counts of a page into the ledger, oldest day first."""

    counts: tuple[ShownCount, ...]


class CountsUnavailable(msgspec.Struct, frozen=True, tag=True):
    """The counts that forecasting needs cannot be read; the session cannot begin."""

    reason: str


Output: TypeAlias = (
    Call
    | Transmit
    | Reconnect
    | WakeAt
    | Note
    | RecordFill
    | ConfirmFills
    | VoidFill
    | RecordViews
    | RecordSettlement
    | RecordPnlMark
    | RecordCounts
    | FetchPage
    | FitForecast
    | CountsUnavailable
    | StopConfirmed
)
