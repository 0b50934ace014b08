"""Everything that can happen to the engine.

Times are milliseconds since the Unix epoch, and the whole book is spoken in YES; see `values`.
"""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import (
    Fill,
    GroupNews,
    Level,
    ListedEvent,
    OrderReport,
    ReadingName,
    Refusal,
    Side,
    Write,
)
from mmbot.units import Count, Money, Price, PriceGrid


class ListingRead(msgspec.Struct, frozen=True, tag=True):
    """The exchange's own state and the events that are open.

    `shut` is the reason why nothing may be quoted, or empty.
    """

    shut: str
    events: tuple[ListedEvent, ...]


class MarketClosing(msgspec.Struct, frozen=True, tag=True):
    """A market's closing time was moved."""

    ticker: str
    closes: int


class MarketActivity(msgspec.Struct, frozen=True, tag=True):
    """A market was paused, or taken up again, which cancels whatever rested in it."""

    ticker: str
    active: bool


class PriceGridChanged(msgspec.Struct, frozen=True, tag=True):
    """A market takes orders at other prices from now on."""

    ticker: str
    grid: PriceGrid


class ListingStale(msgspec.Struct, frozen=True, tag=True):
    """Something changed that only a new reading of the listing can tell."""


class MarketSettled(msgspec.Struct, frozen=True, tag=True):
    """A market is decided: YES pays `value` (a dollar, or nothing).

    Until that is `final` it may be disputed and amended. What was `read` may be older than what the
    stream has told.
    """

    ticker: str
    value: Price
    final: bool = False
    read: bool = False


class BookReplaced(msgspec.Struct, frozen=True, tag=True):
    """A snapshot: the whole book of one market, in any order of levels."""

    ticker: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookChanged(msgspec.Struct, frozen=True, tag=True):
    """One level of one book gained or lost `delta`."""

    ticker: str
    side: Side
    price: Price
    delta: Count


class BooksDistrusted(msgspec.Struct, frozen=True, tag=True):
    """The books of these markets may be wrong until each has been replaced."""

    tickers: tuple[str, ...]
    reason: str


class StreamUp(msgspec.Struct, frozen=True, tag=True):
    """There is a connection; what happened before it has to be read."""


class FeedLagged(msgspec.Struct, frozen=True, tag=True):
    """Frames began to come late, or come in time again; `age` is in milliseconds."""

    age: int
    late: bool


class StreamLost(msgspec.Struct, frozen=True, tag=True):
    """The connection is gone, and with it whatever would have been said on it."""


class Reconciled(msgspec.Struct, frozen=True, tag=True):
    """The account as the exchange has it, read while the stream was up.

    `orders` are the bot's own resting orders, `fills` every fill of the listed markets; the
    reader has checked that the positions are the sums of the fills. `balances`, one for each shard
    in use, are not always had.
    """

    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    balances: dict[int, Money] | None


class ReadingFailed(msgspec.Struct, frozen=True, tag=True):
    """The account or the listing could not be read, or contradicts itself."""

    what: ReadingName
    reason: str


class LimitsRead(msgspec.Struct, frozen=True, tag=True):
    """The buckets of the account: tokens a second, their capacities, and what calls cost."""

    refill: float
    capacity: float
    place_cost: float
    cancel_cost: float
    renew_cost: float
    decrease_cost: float = 10.0
    read_refill: float = 200.0
    read_capacity: float = 200.0


class GroupReady(msgspec.Struct, frozen=True, tag=True):
    """There is an order group on a shard, with this fill cap."""

    shard: int
    group: str
    contracts: Count


class GroupUnavailable(msgspec.Struct, frozen=True, tag=True):
    """A shard's order group could not be had, or not be reset."""

    shard: int
    reason: str


class GroupChanged(msgspec.Struct, frozen=True, tag=True):
    """A group was triggered or deleted, which cancels its orders, or takes orders again."""

    group: str
    news: GroupNews


class OrderPlaced(msgspec.Struct, frozen=True, tag=True):
    """A place was applied."""

    client_id: str
    order_id: str
    filled: Count


class OrderCancelled(msgspec.Struct, frozen=True, tag=True):
    """A cancel was applied; `remaining` is what it took off, so the rest was filled."""

    client_id: str
    remaining: Count


class OrderRenewed(msgspec.Struct, frozen=True, tag=True):
    """A renewal was applied: the order lives until `expires`."""

    client_id: str
    expires: int


class OrderDecreased(msgspec.Struct, frozen=True, tag=True):
    """A decrease was applied: that much of the order rests."""

    client_id: str
    remaining: Count


class WriteRefused(msgspec.Struct, frozen=True, tag=True):
    """A write was not applied, and will not be."""

    client_id: str
    write: Write
    refusal: Refusal
    detail: str


class WriteUnknown(msgspec.Struct, frozen=True, tag=True):
    """Nobody can say whether a write was applied."""

    client_id: str
    write: Write
    detail: str


class OrderReported(msgspec.Struct, frozen=True, tag=True):
    """The exchange spoke of an order: on the stream, or because it was asked (`looked_up`)."""

    report: OrderReport
    looked_up: bool = False


class OrderAbsent(msgspec.Struct, frozen=True, tag=True):
    """The exchange was asked for an order and knows none by that id."""

    client_id: str


class OrderQueryFailed(msgspec.Struct, frozen=True, tag=True):
    """The exchange was asked for an order and gave no usable answer."""

    client_id: str
    detail: str


class Filled(msgspec.Struct, frozen=True, tag=True):
    """A trade of ours was reported."""

    fill: Fill


class BeliefFormed(msgspec.Struct, frozen=True, tag=True):
    """There is a belief about a week."""

    belief: Belief


class SettingsChanged(msgspec.Struct, frozen=True, tag=True):
    """The operator put other settings in force."""

    settings: Settings


class SessionStarted(msgspec.Struct, frozen=True, tag=True):
    """This life began `at` then; `marks` is what earlier ones noted of each event's latest day."""

    at: int
    marks: tuple[PnlMark, ...] = ()


class Halted(msgspec.Struct, frozen=True, tag=True):
    """The operator had every quote taken off, at `since`, until `Resumed`."""

    since: int
    reason: str = ""


class Resumed(msgspec.Struct, frozen=True, tag=True):
    """The operator lets quotes be shown again."""


class CountsMissing(msgspec.Struct, frozen=True, tag=True):
    """The days for which no count is waited for: the operator says so, and none has come."""

    days: tuple[dt.date, ...]


class TasksDown(msgspec.Struct, frozen=True, tag=True):
    """Which of the tasks that serve the bot are not at work; none: all are."""

    names: tuple[str, ...]


class Stopping(msgspec.Struct, frozen=True, tag=True):
    """The bot is asked to take its quotes off and end."""


class Woken(msgspec.Struct, frozen=True, tag=True):
    """The time that a `WakeAt` asked for has come."""


InputEvent: TypeAlias = (
    ListingRead
    | MarketClosing
    | MarketActivity
    | PriceGridChanged
    | MarketSettled
    | ListingStale
    | BookReplaced
    | BookChanged
    | BooksDistrusted
    | StreamUp
    | StreamLost
    | FeedLagged
    | Reconciled
    | ReadingFailed
    | LimitsRead
    | GroupReady
    | GroupUnavailable
    | GroupChanged
    | OrderPlaced
    | OrderCancelled
    | OrderRenewed
    | OrderDecreased
    | WriteRefused
    | WriteUnknown
    | OrderReported
    | OrderAbsent
    | OrderQueryFailed
    | Filled
    | BeliefFormed
    | SettingsChanged
    | SessionStarted
    | Halted
    | Resumed
    | CountsMissing
    | TasksDown
    | Stopping
    | Woken
)
