"""What the operator may ask of a running daemon, and what it answers, as plain values."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.observe.explain import Step
from mmbot.observe.plan import PlannedMarket

# What may be written to say why.
LONGEST_REASON = 200

Awaited: TypeAlias = Literal["published", "due", "expected", "none"]


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question or order; the tag names it."""


class Halt(_Request, frozen=True, tag="halt"):
    """Take every quote off, and show none until `Resume`."""

    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)] = ""


class Resume(_Request, frozen=True, tag="resume"):
    """Show quotes again."""


class MissCount(_Request, frozen=True, tag="counts none"):
    """Wait no more for the count of a day."""

    day: dt.date


class ListCounts(_Request, frozen=True, tag="counts"):
    """Tell the counts of this week and the one before."""


class Explain(_Request, frozen=True, tag="explain"):
    """Tell why one market is quoted as it is."""

    ticker: Annotated[str, msgspec.Meta(max_length=100)]


class Plan(_Request, frozen=True, tag="plan"):
    """Tell what other settings would quote."""

    settings: Settings


Request: TypeAlias = Halt | Resume | MissCount | ListCounts | Explain | Plan


class HaltReport(msgspec.Struct, frozen=True, tag="halt"):
    """How a halt went.

    Attributes:
        since: When it began, in milliseconds; before this request if it lasted already.
        reason: Why, as it was said then.
        running: Whether a daemon had quotes to take off.
        live: The orders that were live when it was asked for.
        left: Those that still may be when the waiting ended.
        account_read: Whether the account has been read, so that no other order can be live.
        seconds: How long that took.
        not_kept: Why the ledger could not keep it, so that a restart would end it; or empty.
    """

    since: int
    reason: str
    running: bool = False
    live: int = 0
    left: int = 0
    account_read: bool = False
    seconds: float = 0.0
    not_kept: str = ""


class ResumeReport(msgspec.Struct, frozen=True, tag="resume"):
    """Since when quoting was halted, in milliseconds, and why; `None` if it was not."""

    since: int | None
    reason: str = ""
    running: bool = False


class MissingReport(msgspec.Struct, frozen=True, tag="counts none"):
    """The days for which no count is waited for."""

    days: tuple[dt.date, ...]


class SeenCount(msgspec.Struct, frozen=True):
    """One value that was shown for a day."""

    count: int
    seen: dt.datetime
    archived: bool


class CountDay(msgspec.Struct, frozen=True):
    """What is known of one day's count.

    Attributes:
        day: The day.
        state: Whether it is published, due now, expected later, or not waited for.
        release: From when on it may be out.
        vintages: Every value that was shown, in the order they were seen.
    """

    day: dt.date
    state: Awaited
    release: dt.datetime
    vintages: tuple[SeenCount, ...]


class CountsReport(msgspec.Struct, frozen=True, tag="counts"):
    """The days in order."""

    days: tuple[CountDay, ...]


class Explanation(msgspec.Struct, frozen=True, tag="explain"):
    """The steps from the counts to the order."""

    ticker: str
    steps: tuple[Step, ...]


class PlanReport(msgspec.Struct, frozen=True, tag="plan"):
    """Every market as it is and as it would be."""

    markets: tuple[PlannedMarket, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why the request was not followed, in a sentence; nothing has changed."""

    error: str


Answer: TypeAlias = (
    HaltReport | ResumeReport | MissingReport | CountsReport | Explanation | PlanReport | Refused
)
