"""The input events: everything that can happen to the engine.

Times are milliseconds since the Unix epoch, and both sides of a book are YES prices; see `values`.
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
    GroupChange,
    Level,
    ListedEvent,
    OrderReport,
    ReadingKind,
    Refusal,
    Side,
    Write,
)
from mmbot.units import Count, Milliseconds, Money, Price, PriceGrid


class ListingRead(msgspec.Struct, frozen=True, tag=True):
    """The state of the exchange, and its open events.

    `shut` is the value of the gate that the exchange shuts, or empty; see `gates.exchange_gate`.
    """

    shut: str
    events: tuple[ListedEvent, ...]


class MarketClosing(msgspec.Struct, frozen=True, tag=True):
    """A market's closing time was moved."""

    ticker: str
    closes: Milliseconds


class MarketActivity(msgspec.Struct, frozen=True, tag=True):
    """A market was paused, or resumed; either cancels whatever rested in it."""

    ticker: str
    active: bool


class PriceGridChanged(msgspec.Struct, frozen=True, tag=True):
    """A market has another price grid from now on."""

    ticker: str
    grid: PriceGrid


class ListingStale(msgspec.Struct, frozen=True, tag=True):
    """Something changed that only a new reading of the listing shows."""


class MarketSettled(msgspec.Struct, frozen=True, tag=True):
    """A market is decided: YES pays `value` (a dollar, or nothing).

    Until that is `final` it may be disputed and amended. One that was `read` by REST may be older
    than the stream's.
    """

    ticker: str
    value: Price
    final: bool = False
    read: bool = False


class BookReplaced(msgspec.Struct, frozen=True, tag=True):
    """A snapshot: the whole book of one market; its levels may be in any order."""

    ticker: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookChanged(msgspec.Struct, frozen=True, tag=True):
    """One level of one book changed by `delta` contracts."""

    ticker: str
    side: Side
    price: Price
    delta: Count


class BooksDistrusted(msgspec.Struct, frozen=True, tag=True):
    """The books of these markets may be wrong until each has been replaced."""

    tickers: tuple[str, ...]
    reason: str


class StreamUp(msgspec.Struct, frozen=True, tag=True):
    """The stream is connected; what happened before has to be read by REST."""


class FeedLagged(msgspec.Struct, frozen=True, tag=True):
    """Frames began to arrive late, or arrive in time again; `age` is that of the latest."""

    age: Milliseconds
    late: bool


class StreamLost(msgspec.Struct, frozen=True, tag=True):
    """The stream was lost; what happens until it is up again is not received."""


class Reconciled(msgspec.Struct, frozen=True, tag=True):
    """The account as the exchange has it, read while the stream was up.

    `orders` are the account's resting orders, `fills` every fill of the listed markets; the reader
    has checked that the positions are the sums of the fills. `balances`, one for each shard in use,
    are `None` where they could not be read.
    """

    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    balances: dict[int, Money] | None


class ReadingFailed(msgspec.Struct, frozen=True, tag=True):
    """The account or the listing could not be read, or contradicts itself."""

    what: ReadingKind
    reason: str


class LimitsRead(msgspec.Struct, frozen=True, tag=True):
    """The account's token buckets: tokens a second, capacities, and the costs of calls."""

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
    """A shard's order group could not be found, created or reset."""

    shard: int
    reason: str


class GroupChanged(msgspec.Struct, frozen=True, tag=True):
    """A group was triggered or deleted, which cancels its orders, or was reset."""

    group: str
    news: GroupChange


class OrderPlaced(msgspec.Struct, frozen=True, tag=True):
    """A place was applied."""

    client_id: str
    order_id: str
    filled: Count


class OrderCancelled(msgspec.Struct, frozen=True, tag=True):
    """A cancel was applied; `remaining` is what it took off, so the rest had filled."""

    client_id: str
    remaining: Count


class OrderRenewed(msgspec.Struct, frozen=True, tag=True):
    """A renewal was applied: the order rests until `expires`."""

    client_id: str
    expires: Milliseconds


class OrderDecreased(msgspec.Struct, frozen=True, tag=True):
    """A decrease was applied: `remaining` of the order rests."""

    client_id: str
    remaining: Count


class WriteRefused(msgspec.Struct, frozen=True, tag=True):
    """A write was not applied, and will not be."""

    client_id: str
    write: Write
    refusal: Refusal
    detail: str


class WriteUnknown(msgspec.Struct, frozen=True, tag=True):
    """It is not known whether a write was applied."""

    client_id: str
    write: Write
    detail: str


class OrderReported(msgspec.Struct, frozen=True, tag=True):
    """The exchange reported an order: on the stream, or in answer to a query (`queried`)."""

    report: OrderReport
    queried: bool = False


class OrderAbsent(msgspec.Struct, frozen=True, tag=True):
    """The exchange was queried for an order and knows none by that id."""

    client_id: str


class OrderQueryFailed(msgspec.Struct, frozen=True, tag=True):
    """The exchange was queried for an order and gave no usable answer."""

    client_id: str
    detail: str


class Filled(msgspec.Struct, frozen=True, tag=True):
    """A fill of ours was reported."""

    fill: Fill


class BeliefFormed(msgspec.Struct, frozen=True, tag=True):
    """A belief about a week was formed."""

    belief: Belief


class SettingsChanged(msgspec.Struct, frozen=True, tag=True):
    """The operator put other settings in force."""

    settings: Settings


class SessionStarted(msgspec.Struct, frozen=True, tag=True):
    """This session began at `at`; `marks` are the latest that earlier ones recorded."""

    at: Milliseconds
    marks: tuple[PnlMark, ...] = ()


class Halted(msgspec.Struct, frozen=True, tag=True):
    """The operator halted quoting at `since`: no quotes until `Resumed`."""

    since: Milliseconds
    reason: str = ""


class Resumed(msgspec.Struct, frozen=True, tag=True):
    """The operator resumed quoting."""


class CountsMissing(msgspec.Struct, frozen=True, tag=True):
    """The days that the operator declared to get no count, and for which none has come."""

    days: tuple[dt.date, ...]


class TasksDown(msgspec.Struct, frozen=True, tag=True):
    """The daemon's tasks that are down; see `gates.task_gate`."""

    names: tuple[str, ...]


class LedgerBehind(msgspec.Struct, frozen=True, tag=True):
    """The ledger's commits began to be overdue, or all is committed again."""

    behind: bool


class Stopping(msgspec.Struct, frozen=True, tag=True):
    """The bot has to cancel its orders and end."""


class Woken(msgspec.Struct, frozen=True, tag=True):
    """The time requested by the last `WakeAt` was reached."""


BookEvent: TypeAlias = BookChanged | BookReplaced
StreamEvent: TypeAlias = BooksDistrusted | StreamUp | StreamLost | FeedLagged
# The answers to writes.
WriteAnswer: TypeAlias = (
    OrderPlaced | OrderCancelled | OrderRenewed | OrderDecreased | WriteRefused | WriteUnknown
)
OrderEvent: TypeAlias = WriteAnswer | OrderReported | OrderAbsent | OrderQueryFailed | Filled
MarketEvent: TypeAlias = MarketClosing | MarketActivity | PriceGridChanged | MarketSettled
ListingEvent: TypeAlias = ListingRead | ListingStale | MarketEvent
GroupEvent: TypeAlias = GroupReady | GroupUnavailable | GroupChanged
AccountEvent: TypeAlias = Reconciled | ReadingFailed | LimitsRead
OperatorEvent: TypeAlias = SettingsChanged | CountsMissing | Halted | Resumed | Stopping
ProcessEvent: TypeAlias = SessionStarted | TasksDown | LedgerBehind | Woken
InputEvent: TypeAlias = (
    BookEvent
    | StreamEvent
    | OrderEvent
    | ListingEvent
    | GroupEvent
    | AccountEvent
    | BeliefFormed
    | OperatorEvent
    | ProcessEvent
)
