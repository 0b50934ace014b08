"""The status of a session as one value: what it trades, what it knows, what it may still lose.

`mmbot status --json` prints it, a dashboard draws it, the heartbeat is a line of it. Conventions:

* Money, prices and contracts are exact and therefore text: dollars with six decimals ("4.200000"),
  a price of YES with four ("0.5600"), contracts with two ("25.00"). All prices are those of YES;
  NO costs a dollar less that. Positions are signed: + YES, - NO.
* Estimates (`belief`, `mid`, `fair`, `reservation`) are numbers: dollars of YES, so probabilities.
* Instants are milliseconds since the Unix epoch by the bot's clock, ages milliseconds.
* What is not known is `null`; what there is none of is empty.
* P&L counts every fill since the event opened, fees included. At fair: positions at fair value or,
  once settled, at their payout. At worst: in the outcome that costs most.

Fields are only ever added.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, TypeAlias

import msgspec

from mmbot.units import Milliseconds

DayState: TypeAlias = Literal["published", "due", "expected", "none"]
LimitUnit: TypeAlias = Literal["dollars", "contracts", "orders"]


class ShownGate(msgspec.Struct, frozen=True):
    """A gate that is shut.

    Attributes:
        gate: Its name, as everywhere in log and JSON, such as `release_due`.
        meaning: What that means and what ends it, in a sentence for a person.
        detail: What exactly, where the gate alone does not say it; otherwise empty.
    """

    gate: str
    meaning: str
    detail: str = ""


class BookLevel(msgspec.Struct, frozen=True):
    """A price of YES and the contracts that rest there."""

    price: str
    count: str


class OwnOrder(msgspec.Struct, frozen=True):
    """One of the bot's orders that may still matter.

    Attributes:
        market: The market's ticker.
        side: `bid` buys YES; `ask` sells YES, which is to buy NO at a dollar less the price.
        price: Its price of YES.
        count: The contracts that may still rest.
        filled: The contracts that were filled.
        state: placing, resting, renewing, decreasing, cancelling, unknown or awaiting_fills.
        placed: When it was sent, or found.
        expires: When the exchange drops it by itself, unless it is renewed before.
        order_id: The exchange's id; empty until it is known.
        client_id: The bot's own id.
    """

    market: str
    side: Literal["bid", "ask"]
    price: str
    count: str
    filled: str
    state: str
    placed: Milliseconds
    expires: Milliseconds
    order_id: str
    client_id: str


class ShownMarkout(msgspec.Struct, frozen=True):
    """The market of a fill some time after it, in dollars of YES; `null` where it had none.

    Attributes:
        at: When it was looked at.
        belief: The forecast's probability.
        mid: The midpoint.
        fair: Fair value.
    """

    at: Milliseconds
    belief: float | None
    mid: float | None
    fair: float | None


class ShownFill(msgspec.Struct, frozen=True):
    """One fill of an own order, and what its market showed at the time.

    Attributes:
        trade_id: The exchange's id of the trade.
        order_id: The exchange's id of the order.
        market: The market's ticker.
        side: `bid` bought YES, `ask` sold it.
        price: The price of YES.
        count: The contracts.
        fee: The fee in dollars.
        at: When it happened.
        days_published: How many of the week's counts were published then.
        belief: The forecast's probability then; `null` where it was reported too late.
        mid: The midpoint then.
        fair: Fair value then.
        confirmed: Whether the account's list has it, and not the stream alone.
        markouts: What the market showed after `1s`, `1min`, `1h` and the next `release`.
    """

    trade_id: str
    order_id: str
    market: str
    side: Literal["bid", "ask"]
    price: str
    count: str
    fee: str
    at: Milliseconds
    days_published: int
    belief: float | None
    mid: float | None
    fair: float | None
    confirmed: bool
    markouts: dict[str, ShownMarkout] = {}


class MarketStatus(msgspec.Struct, frozen=True):
    """One market.

    Attributes:
        market: Its ticker.
        strike: The passengers above which YES pays; `null` without a daemon.
        opens: When trading opens; `null` without a daemon.
        closes: When trading closes; the same.
        belief: The forecast's probability of YES.
        mid: The market's own midpoint, while its book is narrow and deep enough.
        fair: Fair value: belief and midpoints pooled.
        reservation: What one more YES is worth to the holder of the present positions.
        book_bid: The best bid of others in the book; `null` without one, or without a book.
        book_ask: The best ask of others.
        book_age_ms: Since the book changed last; `null` while it is not known or not trusted.
        quotes: Own orders, oldest first.
        position: Contracts held: + YES, - NO.
        position_left: How many more may be held on the side of the position.
        cash: What its fills have added to the cash, fees included; negative if it cost.
        pnl_fair: Its P&L at fair; `null` while a position there cannot be valued.
        pnl_worst: Its P&L if its position pays nothing, or what it has paid.
        result: What YES pays, once that is known.
        settled: Whether its payout is booked.
        paused: Whether the operator has taken this market's quotes off.
        gate: Why it is not quoted; `null` if nothing keeps it from being quoted.
    """

    market: str
    strike: int | None = None
    opens: Milliseconds | None = None
    closes: Milliseconds | None = None
    belief: float | None = None
    mid: float | None = None
    fair: float | None = None
    reservation: float | None = None
    book_bid: BookLevel | None = None
    book_ask: BookLevel | None = None
    book_age_ms: Milliseconds | None = None
    quotes: tuple[OwnOrder, ...] = ()
    position: str = "0.00"
    position_left: str = "0.00"
    cash: str = "0.000000"
    pnl_fair: str | None = None
    pnl_worst: str = "0.000000"
    result: str | None = None
    settled: bool = False
    paused: bool = False
    gate: ShownGate | None = None


class DayStatus(msgspec.Struct, frozen=True):
    """One day of a week.

    Attributes:
        day: The day.
        state: Published, due now, expected later, or none: not waited for.
        count: Its passengers as first published, which settle the week; `null` until then.
        release: From when on its count may be out.
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
    """The forecast of the value of a week that is traded on.

    Attributes:
        mean: The expected value.
        sd: Its standard deviation.
        method: The name of the method.
        days_published: How many of the week's seven counts it knows.
        formed: When it was formed.
        age_ms: Since then.
        effective_weeks: How many past weeks stand behind it, by their weights.
        members: The methods of the pool; none once all days are published.
        digest: What identifies its inputs.
        unit: What `mean` and `sd` are in, such as passengers a day.
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
        pnl_today_worst: The same, were the worst outcome to come true.
        markets: Its markets, by strike ascending.
        settled: Whether every market is settled.
        reduce_only: Whether a loss limit is spent, so that no position may grow.
        closes: When the last of its markets closes; `null` without a daemon.
        days_published: How many of the week's counts are published.
        days: The seven days, Monday first.
        margin: The margin in force with so many days published.
        fee: The terms of what makers pay, such as `quadratic`, the dearest where they are about to
            change; while they are not understood, nothing is quoted (`fee_type`).
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


class LimitStatus(msgspec.Struct, frozen=True):
    """A limit and what it has left.

    Attributes:
        limit: Its key under `[limits]` of the config.
        scope: The event or market that it is about; empty for the whole account. Of the limit for
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
    """How old what is known is, in milliseconds; `null` if it never came.

    Attributes:
        stream_ms: Since the exchange sent the last frame of the stream.
        orders_ms: Since the stream last told of an own order or fill; long where nothing happens.
        belief_ms: Since the forecast of the running week was formed.
        page_ms: Since a page of the counts was read last with success, changed or not.
        account_ms: Since the last reading of the account was requested that could be used.
        listing_ms: Since the last reading of the listing.
    """

    stream_ms: Milliseconds | None = None
    orders_ms: Milliseconds | None = None
    belief_ms: Milliseconds | None = None
    page_ms: Milliseconds | None = None
    account_ms: Milliseconds | None = None
    listing_ms: Milliseconds | None = None


class PnlStatus(msgspec.Struct, frozen=True):
    """The account's P&L, over the events of the report.

    Attributes:
        day: The day of `today_*`, in New York.
        today_fair: Today's P&L at fair; `null` while a position cannot be valued.
        today_worst: Today's P&L, were the worst outcome of every event to come true.
        week: The event that the next two are of: that of the running week or, while none is
            listed, the latest; empty without any.
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
        mode: paper, demo or live.
        session: The id of the session; every client order id of it contains this.
        since: When the session began.
        process: The daemon's process id.
        exchange: The exchange's address.
        directory: The state directory.
        series: The series that is traded.
        streaming: Whether everything on the stream is subscribed.
        reconciled: Whether the account has been read since the stream came up.
        ages: How old what is known is.
        quoting: Whether at least one quote stands, or is being placed, that is to stay.
        gate: What keeps everything off. While nothing of the service is shut and yet no market is
            quoted: the gate that most markets have. `null` while it is quoting.
        gates: How many of the markets each gate shuts.
        halt: The halt in force.
        paused: The markets that the operator has paused, open or not.
        stopping: Whether the daemon was told to stop.
        problems: What a person should see to, in sentences.
        live_orders: How many own orders may be live.
        cash: The account's cash as if no open event had been traded; `null` until it was read.
        balances: Each shard's balance, fills since its reading included.
        pnl: P&L over all events.
        limits: What the limits have left.
        events: The events that are open, and those closed in the last two weeks, the earliest
            first; without a daemon those not settled for good.
        unreadable: What of the listing cannot be read, by event or market.
        unknown_words: How often the exchange used each word that mmbot does not know.
        log_dropped: Lines of the log that nobody read in time.
    """

    running: bool
    at: Milliseconds
    calendar: dt.datetime
    mode: str
    pnl: PnlStatus
    session: str = ""
    since: Milliseconds | None = None
    process: int | None = None
    exchange: str = ""
    directory: str = ""
    series: str = ""
    streaming: bool = False
    reconciled: bool = False
    ages: Ages = Ages()
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


class Surroundings(msgspec.Struct, frozen=True):
    """What a status shows that the trading state does not have.

    Attributes:
        session: The id of the session.
        since: When it began.
        process: The process id.
        exchange: The exchange's address.
        directory: The state directory.
        stream_age_ms: As in `Ages`.
        orders_age_ms: As in `Ages`.
        page_age_ms: As in `Ages`.
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
    problems: tuple[str, ...] = ()
    unknown_words: dict[str, int] = {}
    log_dropped: int = 0
