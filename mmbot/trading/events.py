"""The input events: everything that can happen to the engine.

Times are milliseconds since the Unix epoch, and both sides of a book are YES prices; see `values`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.fees import FREE_TERMS, FeeChange, FeeTerms
from mmbot.trading.losses import PnlMark
from mmbot.trading.operator_events import OperatorEvent
from mmbot.trading.values import (
    Fill,
    GroupChange,
    Level,
    ListedEvent,
    OrderReport,
    ReadingKind,
    Refusal,
    Side,
    Unreadable,
    Write,
)
from mmbot.units import Count, Milliseconds, Money, Price, PriceGrid

# How far the bot's time may be from another clock. The exchange accepts some signatures that are
# ten seconds off and refuses others; the age of the stream's frames is judged by seconds.
CLOCK_TOLERANCE_MS: Final[Milliseconds] = 2_000


class ListingRead(msgspec.Struct, frozen=True, tag=True):
    """The state of the exchange, and its open events.

    `shut` is the value of the gate that the exchange's state shuts, or empty; see
    `gates.exchange_gate`. `unreadable` are the events and markets of the series that are listed and
    cannot be read. `fee` is the series' fee, and `fee_changes` are its scheduled changes.
    """

    shut: str
    events: tuple[ListedEvent, ...]
    unreadable: tuple[Unreadable, ...] = ()
    fee: FeeTerms = FREE_TERMS
    fee_changes: tuple[FeeChange, ...] = ()


class FeeTypeRead(msgspec.Struct, frozen=True, tag=True):
    """The series' fee, read between two readings of the listing."""

    fee: FeeTerms


class EventFeeChanged(msgspec.Struct, frozen=True, tag=True):
    """An event's own fee changed, or was removed, with effect from now."""

    ticker: str
    fee: FeeTerms


class MarketClosing(msgspec.Struct, frozen=True, tag=True):
    """A market's closing time was moved."""

    ticker: str
    closes: Milliseconds


class MarketActivity(msgspec.Struct, frozen=True, tag=True):
    """A market was paused or resumed; either cancels whatever rested in it."""

    ticker: str
    active: bool


class PriceGridChanged(msgspec.Struct, frozen=True, tag=True):
    """A market's price grid changed, with effect from now."""

    ticker: str
    grid: PriceGrid


class ListingStale(msgspec.Struct, frozen=True, tag=True):
    """Something changed that only a new reading of the listing shows."""


class MarketSettled(msgspec.Struct, frozen=True, tag=True):
    """A market is decided: YES pays `value`, from nothing to a dollar.

    `value` is `None` if the result cannot be read. Until the result is `final` it may be disputed
    and amended. One that was `read` by REST may be older than the stream's.
    """

    ticker: str
    value: Price | None
    final: bool = False
    read: bool = False


class BookReplaced(msgspec.Struct, frozen=True, tag=True):
    """A snapshot: the whole book of one market; its levels may be in any order."""

    ticker: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookChanged(msgspec.Struct, frozen=True, tag=True, gc=False):
    """One level of one book changed by `delta` contracts.

    `client_id` is that of the own order whose write changed it, if the exchange says so.
    """

    ticker: str
    side: Side
    price: Price
    delta: Count
    client_id: str = ""


class BooksDistrusted(msgspec.Struct, frozen=True, tag=True):
    """The books of these markets may be wrong until each has been replaced."""

    tickers: tuple[str, ...]
    reason: str


class StreamUp(msgspec.Struct, frozen=True, tag=True):
    """The stream is connected; what happened before must be read by REST."""


class FeedLagged(msgspec.Struct, frozen=True, tag=True):
    """Frames began to arrive late, or arrive in time again; `age` is that of the latest.

    A negative age is a frame from the future, which is as bad: one of the clocks is wrong.
    """

    age: Milliseconds
    late: bool


class ClockCompared(msgspec.Struct, frozen=True, tag=True):
    """The bot's time was compared with the dates of the `exchange`, or with the `machine`'s clock.

    It is ahead of that clock by at least `least` and at most `most`; negative values mean behind.
    """

    against: Literal["exchange", "machine"]
    least: Milliseconds
    most: Milliseconds

    @classmethod
    def with_date(
        cls, date: Milliseconds, sent: Milliseconds, received: Milliseconds
    ) -> ClockCompared:
        """Compare with the exchange's `date`, in whole seconds, of its answer to a request."""
        return cls("exchange", sent - date - 1_000, received - date)

    @property
    def off(self) -> bool:
        """Whether the two differ by more than the tolerance for certain."""
        return self.least > CLOCK_TOLERANCE_MS or self.most < -CLOCK_TOLERANCE_MS


class StreamLost(msgspec.Struct, frozen=True, tag=True):
    """The stream was lost; what happens until it is up again is not received."""


class Reconciled(msgspec.Struct, frozen=True, tag=True):
    """The account as the exchange has it, read while the stream was up.

    Attributes:
        orders: The account's resting orders.
        fills: Every fill in the requested markets.
        balances: One for each shard in use; `None` if they could not be read.
        positions: Those in the requested undecided markets, zero included.
        requested_at: When the reading was requested; it began no earlier.
        unreadable: The markets with a fill or a position that cannot be read.
        unreadable_orders: Own orders that cannot be read.
    """

    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    balances: dict[int, Money] | None
    positions: dict[str, Count] = {}
    requested_at: Milliseconds = 0
    unreadable: tuple[Unreadable, ...] = ()
    unreadable_orders: tuple[OrderUnreadable, ...] = ()


class OrdersListed(msgspec.Struct, frozen=True, tag=True):
    """The account's resting orders, from a reading of which the rest failed."""

    orders: tuple[OrderReport, ...]
    unreadable_orders: tuple[OrderUnreadable, ...] = ()


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
    """A shard has an order group with this fill cap."""

    shard: int
    group: str
    contracts: Count


class GroupUnavailable(msgspec.Struct, frozen=True, tag=True):
    """A shard's order group could not be found, created or reset."""

    shard: int
    reason: str


class GroupChanged(msgspec.Struct, frozen=True, tag=True):
    """An order group was triggered or deleted, which cancels its orders, or was reset."""

    group: str
    news: GroupChange


class OrderPlaced(msgspec.Struct, frozen=True, tag=True):
    """A place was applied."""

    client_id: str
    order_id: str
    filled: Count


class OrderCancelled(msgspec.Struct, frozen=True, tag=True):
    """A cancel was applied; it took `remaining` off the book, so the rest had filled."""

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


class OrderUnreadable(msgspec.Struct, frozen=True, tag=True):
    """The exchange sent something about an order with our client id that cannot be read.

    Of `order_id`, `ticker` and `shard`, those that cannot be read either are empty, or 0.
    """

    client_id: str
    order_id: str
    ticker: str
    shard: int
    reason: str


class OrderAbsent(msgspec.Struct, frozen=True, tag=True):
    """The exchange was queried for an order and knows none by that id."""

    client_id: str


class OrderQueryFailed(msgspec.Struct, frozen=True, tag=True):
    """A query for an order got no usable answer, or was refused for lack of tokens."""

    client_id: str
    detail: str
    rate_limited: bool = False


class Filled(msgspec.Struct, frozen=True, tag=True):
    """A fill of ours was reported."""

    fill: Fill


class FillUnreadable(msgspec.Struct, frozen=True, tag=True):
    """A fill in one of our markets was reported and cannot be read."""

    ticker: str
    reason: str


class BeliefFormed(msgspec.Struct, frozen=True, tag=True):
    """A belief about a week was formed."""

    belief: Belief


class SessionStarted(msgspec.Struct, frozen=True, tag=True):
    """This session began at `at`; `marks` are the latest P&L marks of earlier sessions."""

    at: Milliseconds
    marks: tuple[PnlMark, ...] = ()


class TasksDown(msgspec.Struct, frozen=True, tag=True):
    """The daemon's tasks that are down; see `gates.task_gate`."""

    names: tuple[str, ...]


class LedgerBehind(msgspec.Struct, frozen=True, tag=True):
    """The ledger's commits began to be overdue, or all is committed again."""

    behind: bool


class Woken(msgspec.Struct, frozen=True, tag=True):
    """The time requested by the last `WakeAt` was reached."""


BookEvent: TypeAlias = BookChanged | BookReplaced
StreamEvent: TypeAlias = BooksDistrusted | StreamUp | StreamLost | FeedLagged
# The answers to writes.
WriteAnswer: TypeAlias = (
    OrderPlaced | OrderCancelled | OrderRenewed | OrderDecreased | WriteRefused | WriteUnknown
)
OrderEvent: TypeAlias = (
    WriteAnswer | OrderReported | OrderUnreadable | OrderAbsent | OrderQueryFailed | Filled
)
MarketEvent: TypeAlias = MarketClosing | MarketActivity | PriceGridChanged | MarketSettled
ListingEvent: TypeAlias = ListingRead | FeeTypeRead | EventFeeChanged | ListingStale
GroupEvent: TypeAlias = GroupReady | GroupUnavailable | GroupChanged
AccountEvent: TypeAlias = Reconciled | OrdersListed | FillUnreadable | ReadingFailed | LimitsRead
ProcessEvent: TypeAlias = SessionStarted | TasksDown | LedgerBehind | ClockCompared | Woken
# All but book changes, which are nearly all events.
OtherEvent: TypeAlias = (
    BookReplaced
    | StreamEvent
    | OrderEvent
    | ListingEvent
    | MarketEvent
    | GroupEvent
    | AccountEvent
    | BeliefFormed
    | OperatorEvent
    | ProcessEvent
)
InputEvent: TypeAlias = BookChanged | OtherEvent
