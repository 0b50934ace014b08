"""What a status shows of a whole session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from typing import Literal, TypeAlias

import msgspec

from mmbot.bot.latency import Histogram, Latency
from mmbot.status_report.events import EventStatus
from mmbot.status_report.markets import ShownGate
from mmbot.underlying.calendar import EASTERN
from mmbot.units import Milliseconds

LimitUnit: TypeAlias = Literal["dollars", "contracts", "orders"]


class LimitStatus(msgspec.Struct, frozen=True):
    """A limit and what it has left.

    Attributes:
        limit: Its key under `[limits]` of the config.
        scope: The event or market that it is about; empty for the whole account. For the limit on
            each market, the market with the least left.
        unit: What it counts.
        most: The limit in force, which may be less than the config's: `event_loss_dollars` is no
            more than the event's share of the cash.
        used: How much of it is used; `null` where only the exchange counts it.
        left: What is left; negative if it is exceeded.
    """

    limit: str
    scope: str
    unit: LimitUnit
    most: str
    used: str | None
    left: str | None


class HaltStatus(msgspec.Struct, frozen=True):
    """The halt in force: since when, and the reason that was given."""

    since: Milliseconds
    reason: str


class Ages(msgspec.Struct, frozen=True):
    """The ages of the latest data, in milliseconds; `null` if none ever came.

    Attributes:
        stream_ms: Since the exchange sent the last frame of the stream.
        orders_ms: Since the stream last reported an own order or fill; long if nothing happens.
        belief_ms: Since the forecast of the current week was formed.
        page_ms: Since a page of the counts was last read successfully, changed or not.
        account_ms: Since the request of the last usable reading of the account.
        listing_ms: Since the last reading of the listing.
    """

    stream_ms: Milliseconds | None = None
    orders_ms: Milliseconds | None = None
    belief_ms: Milliseconds | None = None
    page_ms: Milliseconds | None = None
    account_ms: Milliseconds | None = None
    listing_ms: Milliseconds | None = None


class DurationSpread(msgspec.Struct, frozen=True):
    """The distribution of durations or amounts; a percentile is at most a quarter too large.

    Attributes:
        n: How many there were.
        p50: The median.
        p99: The 99th percentile.
        max: The greatest.
    """

    n: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, histogram: Histogram) -> DurationSpread | None:
        """Return the distribution in a histogram; `None` if it is empty."""
        figures = histogram.summary()
        return msgspec.convert(figures, cls) if figures else None


class LatencyStatus(msgspec.Struct, frozen=True):
    """The latencies of the session since its start; `null` where nothing was measured.

    Attributes:
        frames: How many frames of the stream were received.
        order_us: From the reading of a frame to the writing of an order that follows from it, in
            microseconds.
        age_ms: How old the latest frame was, by the exchange's clock, when it was handled.
        lag_ms: How late the event loop was.
        risk_cent_seconds: What each new belief left at risk until the last wrong quote was off:
            cents times contracts times seconds.
    """

    frames: int
    order_us: DurationSpread | None = None
    age_ms: DurationSpread | None = None
    lag_ms: DurationSpread | None = None
    risk_cent_seconds: DurationSpread | None = None

    @classmethod
    def of(cls, latency: Latency) -> LatencyStatus:
        """Return what was measured in a session."""
        return cls(latency.frames, **{name: DurationSpread.of(each) for name, each in latency})


class PnlStatus(msgspec.Struct, frozen=True):
    """The account's P&L, over the events of the report.

    Attributes:
        day: The day of `today_*`, in New York.
        today_fair: Today's P&L at fair; `null` while a position cannot be valued.
        today_worst: Today's P&L, if the worst outcome of every event came true.
        week: The event of the next two fields: the current week's or, while none is listed, the
            latest; empty without any.
        week_fair: That event's P&L at fair.
        week_worst: That event's P&L at worst, with the positions held.
        total_fair: P&L of all these events at fair.
        total_worst: P&L of all these events at worst.
    """

    day: dt.date
    today_fair: str | None
    today_worst: str
    week: str
    week_fair: str | None
    week_worst: str
    total_fair: str | None
    total_worst: str


class StatusReport(msgspec.Struct, frozen=True, tag="status"):
    """A session at one instant.

    Attributes:
        running: Whether a daemon answered; if not, only what the ledger knows is set: `halt`,
            `paused`, positions, cash and what follows from them.
        at: When this was made.
        calendar: The calendar's time then, in New York; a simulated one may run fast.
        zone: The name of the calendar's time zone, which an offset does not identify; days and
            weeks are in it.
        mode: paper, demo or live.
        session: The id of the session, contained in all its client order ids.
        since: When the session began.
        process: The daemon's process id.
        exchange: The exchange's address.
        directory: The state directory.
        series: The series that is traded.
        streaming: Whether everything on the stream is subscribed.
        reconciled: Whether the account has been read since the stream came up.
        ages: The ages of the latest data.
        latency: Its latencies; `null` without a daemon.
        quoting: Whether at least one quote stands, or is being placed, that is to stay.
        gate: The gate that stops all quoting or, if there is none and yet no market is quoted, the
            gate of most markets. `null` while it is quoting.
        gates: How many of the markets each gate shuts.
        halt: The halt in force.
        paused: The markets that the operator has paused, open or not.
        stopping: Whether the daemon was told to stop.
        problems: What a person should see to, in sentences.
        live_orders: How many own orders may be live.
        cash: The account's cash as if no open event had been traded; `null` until it was read.
        balances: Each shard's balance, fills since its reading included.
        pnl: P&L over all events.
        limits: How much is left of each limit.
        events: The events that are open, and those closed in the last two weeks, the earliest
            first; without a daemon those not finally settled.
        unreadable: What cannot be read in the listing, by event or market.
        unknown_words: How often the exchange used each word that mmbot does not know.
        log_dropped: The number of log lines dropped because nobody read them in time.
    """

    running: bool
    at: Milliseconds
    calendar: dt.datetime
    mode: str
    pnl: PnlStatus
    zone: str = EASTERN.key
    session: str = ""
    since: Milliseconds | None = None
    process: int | None = None
    exchange: str = ""
    directory: str = ""
    series: str = ""
    streaming: bool = False
    reconciled: bool = False
    ages: Ages = Ages()
    latency: LatencyStatus | None = None
    quoting: bool = False
    gate: ShownGate | None = None
    gates: dict[str, int] = {}
    halt: HaltStatus | None = None
    paused: tuple[str, ...] = ()
    stopping: bool = False
    problems: tuple[str, ...] = ()
    live_orders: int = 0
    cash: str | None = None
    balances: dict[int, str] = {}
    limits: tuple[LimitStatus, ...] = ()
    events: tuple[EventStatus, ...] = ()
    unreadable: dict[str, str] = {}
    unknown_words: dict[str, int] = {}
    log_dropped: int = 0


# A status in steps, one for each event, between which the state may change.
StatusSteps: TypeAlias = Generator[None, None, StatusReport]


def finished(steps: StatusSteps) -> StatusReport:
    """Take all steps at once; return the status."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: StatusReport = end.value
            return report


class Surroundings(msgspec.Struct, frozen=True):
    """What a status shows beyond the trading state.

    Attributes:
        session: The id of the session.
        since: When it began.
        process: The process id.
        exchange: The exchange's address.
        directory: The state directory.
        stream_age_ms: As in `Ages`.
        orders_age_ms: As in `Ages`.
        page_age_ms: As in `Ages`.
        latency: As in `StatusReport`.
        problems: As in `StatusReport`.
        unknown_words: As in `StatusReport`.
        log_dropped: As in `StatusReport`.
    """

    session: str = ""
    since: Milliseconds = 0
    process: int = 0
    exchange: str = ""
    directory: str = ""
    stream_age_ms: Milliseconds | None = None
    orders_age_ms: Milliseconds | None = None
    page_age_ms: Milliseconds | None = None
    latency: LatencyStatus | None = None
    problems: tuple[str, ...] = ()
    unknown_words: dict[str, int] = {}
    log_dropped: int = 0
