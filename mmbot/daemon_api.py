"""The operator's requests to a running daemon and its answers, as plain values.

`daemon` and `observe` both import these, so that neither has to import the other. The values of a
`StatusReport` are described in `mmbot.status_report`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.status_report import DayState, ShownFill, StatusReport
from mmbot.units import Milliseconds

MAX_REASON_CHARACTERS = 200
MAX_TICKER_CHARACTERS = 100
MOST_FILLS = 10_000

CountState: TypeAlias = DayState


# Requests


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request; the tag names it on the wire."""


class Halt(_Request, frozen=True, tag="halt"):
    """Cancel every quote, and place none until `Resume`."""

    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON_CHARACTERS)] = ""


class Resume(_Request, frozen=True, tag="resume"):
    """Quote again."""


class MissCount(_Request, frozen=True, tag="counts none"):
    """Quote without the count of a day that is overdue."""

    day: dt.date


class ListCounts(_Request, frozen=True, tag="counts"):
    """List the counts of this week and of the one before."""


class Explain(_Request, frozen=True, tag="explain"):
    """Explain one market's quotes."""

    ticker: Annotated[str, msgspec.Meta(max_length=MAX_TICKER_CHARACTERS)]


class Plan(_Request, frozen=True, tag="plan"):
    """Show what other settings would quote."""

    settings: Settings


class Reload(_Request, frozen=True, tag="reload"):
    """Read the config file again, and apply what can be applied now."""


class Status(_Request, frozen=True, tag="status"):
    """Show everything at a glance."""


class PauseMarket(_Request, frozen=True, tag="pause"):
    """Take one market's quotes off, and place none there until `UnpauseMarket`."""

    ticker: Annotated[str, msgspec.Meta(max_length=MAX_TICKER_CHARACTERS)]


class UnpauseMarket(_Request, frozen=True, tag="unpause"):
    """Quote a market again."""

    ticker: Annotated[str, msgspec.Meta(max_length=MAX_TICKER_CHARACTERS)]


class ListFills(_Request, frozen=True, tag="fills"):
    """List the latest fills, those of one event if it is named."""

    event: Annotated[str, msgspec.Meta(max_length=MAX_TICKER_CHARACTERS)] = ""
    most: Annotated[int, msgspec.Meta(ge=1, le=MOST_FILLS)] = 100


class FindDashboard(_Request, frozen=True, tag="dashboard"):
    """Say where the dashboard is."""


Request: TypeAlias = (
    Halt
    | Resume
    | MissCount
    | ListCounts
    | Explain
    | Plan
    | Reload
    | Status
    | PauseMarket
    | UnpauseMarket
    | ListFills
    | FindDashboard
)


# Answers


class HaltReport(msgspec.Struct, frozen=True, tag="halt"):
    """Result of a halt.

    Attributes:
        since: When the halt began; before this request if one was in force already.
        reason: The reason given then.
        running: Whether a daemon had quotes to cancel.
        live: Orders that were live when the halt was requested.
        left: Those of them that may still be live at the end of the wait.
        account_read: Whether the account has been read, so that no other order can be live.
        seconds: How long the cancelling took.
        not_kept: Why the ledger could not store the halt, so that a restart would end it; or empty.
    """

    since: Milliseconds
    reason: str
    running: bool = False
    live: int = 0
    left: int = 0
    account_read: bool = False
    seconds: float = 0.0
    not_kept: str = ""


class ResumeReport(msgspec.Struct, frozen=True, tag="resume"):
    """When the halt that ended had begun, and its reason; `None` if none was in force."""

    since: Milliseconds | None
    reason: str = ""
    running: bool = False


class MissingReport(msgspec.Struct, frozen=True, tag="counts none"):
    """The days whose counts are no longer waited for."""

    days: tuple[dt.date, ...]


class CountSighting(msgspec.Struct, frozen=True):
    """One value that a page showed for a day, and when; `archived` if the yearly page did."""

    count: int
    seen: dt.datetime
    archived: bool


class CountDay(msgspec.Struct, frozen=True):
    """What is known about one day's count.

    Attributes:
        day: The day.
        state: Published, due now, expected later, or none: no longer waited for.
        release: The earliest time at which it may be published.
        vintages: Every value that was shown, in the order in which they were seen.
    """

    day: dt.date
    state: CountState
    release: dt.datetime
    vintages: tuple[CountSighting, ...]


class CountsReport(msgspec.Struct, frozen=True, tag="counts"):
    """The days in order."""

    days: tuple[CountDay, ...]


class Step(msgspec.Struct, frozen=True):
    """One step of an explanation: a sentence with its numbers."""

    name: str
    text: str


class Explanation(msgspec.Struct, frozen=True, tag="explain"):
    """The steps from the counts to the order."""

    ticker: str
    steps: tuple[Step, ...]


class Offer(msgspec.Struct, frozen=True):
    """One side of a market: dollars and contracts, as text."""

    price: str
    count: str


class QuotedMarket(msgspec.Struct, frozen=True):
    """A market's fair value in dollars, its quotes, and the gate that is shut, or empty.

    The edges are the least ones of YES and of NO over their reservation prices, in cents, after the
    fee; `fee` has the terms of the maker fee, and is empty if makers pay nothing.
    """

    fair: float | None
    bid: Offer | None
    ask: Offer | None
    gate: str
    yes_edge_cents: float | None = None
    no_edge_cents: float | None = None
    fee: str = ""


class PlannedMarket(msgspec.Struct, frozen=True):
    """One market as it is and as planned, and whether its quotes or its gate differ."""

    market: str
    present: QuotedMarket
    planned: QuotedMarket
    differs: bool


class PlanReport(msgspec.Struct, frozen=True, tag="plan"):
    """Every market as it is and as it would be.

    Attributes:
        markets: The markets.
        live: The planned keys that the daemon applies while it trades.
        waits_for_restart: The planned keys that wait for a restart.
    """

    markets: tuple[PlannedMarket, ...]
    live: tuple[ChangedKey, ...] = ()
    waits_for_restart: tuple[ChangedKey, ...] = ()


class ChangedKey(msgspec.Struct, frozen=True):
    """A key of the config, written as `table.key`, and its values as a file has them."""

    key: str
    old: str
    new: str


class ReloadReport(msgspec.Struct, frozen=True, tag="reload"):
    """The changes that a reload has applied, and those that wait for a restart."""

    changed: tuple[ChangedKey, ...]
    waits_for_restart: tuple[ChangedKey, ...]


class PauseReport(msgspec.Struct, frozen=True, tag="pause"):
    """Result of pausing a market, or of ending its pause.

    Attributes:
        market: The market's ticker.
        changed: Whether this changed anything.
        paused: Every market that is paused now.
        running: Whether a daemon did it; otherwise the next one that starts will.
        live: Orders that were live in the market.
        left: Those of them that may still be live at the end of the wait.
        seconds: How long the cancelling took.
        not_kept: Why the ledger could not store it, so that a restart would undo it; or empty.
    """

    market: str
    changed: bool
    paused: tuple[str, ...]
    running: bool = False
    live: int = 0
    left: int = 0
    seconds: float = 0.0
    not_kept: str = ""


class FillsReport(msgspec.Struct, frozen=True, tag="fills"):
    """The latest fills, the oldest of them first; `left_out` are older ones than these."""

    running: bool
    at: Milliseconds
    fills: tuple[ShownFill, ...]
    left_out: int = 0


class DashboardReport(msgspec.Struct, frozen=True, tag="dashboard"):
    """Where the dashboard is.

    Attributes:
        url: The address of the page; empty if it is not served.
        token_file: The file of the token that halts; empty if there is none.
        problem: Why the page is not served, in a sentence; empty if it is.
    """

    url: str
    token_file: str
    problem: str = ""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why the request was refused, in a sentence; nothing has changed."""

    error: str


Answer: TypeAlias = (
    HaltReport
    | ResumeReport
    | MissingReport
    | CountsReport
    | Explanation
    | PlanReport
    | ReloadReport
    | StatusReport
    | PauseReport
    | FillsReport
    | DashboardReport
    | Refused
)
