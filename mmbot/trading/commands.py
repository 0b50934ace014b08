"""The commands: everything the engine can ask for. Times are milliseconds since the epoch."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill, Side
from mmbot.underlying.calendar import Week
from mmbot.units import Count, Milliseconds, Money, Price

NoteLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
# How long after a fill its markout is taken: a second, a minute, an hour, or once the belief has
# one more day's count.
Horizon: TypeAlias = Literal["1s", "1min", "1h", "release"]
# When a market is sampled at each number of published days: as soon as both sides of its book are
# quoted, and shortly before the next count may be out.
SampleMoment: TypeAlias = Literal["first", "last"]


class MarketView(msgspec.Struct, frozen=True):
    """Belief, mid and fair value of a market at one instant, as prices of YES in dollars.

    Attributes:
        belief: The forecast's probability, if there was a belief.
        mid: The market mid, if the book showed one.
        fair: The fair value, if the event had been priced.
    """

    belief: float | None = None
    mid: float | None = None
    fair: float | None = None


class Markout(msgspec.Struct, frozen=True):
    """The view of a fill's market at a horizon after the fill."""

    trade_id: str
    order_id: str
    horizon: Horizon
    at: Milliseconds
    view: MarketView


class MarketSample(msgspec.Struct, frozen=True):
    """The view of a market at `days_published` published days, whether it filled or not."""

    ticker: str
    days_published: int
    moment: SampleMoment
    at: Milliseconds
    view: MarketView


class Place(msgspec.Struct, frozen=True, tag=True):
    """Place a post-only limit order."""

    client_id: str
    ticker: str
    shard: int
    side: Side
    price: Price
    count: Count
    expires: Milliseconds
    group: str = ""


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Cancel an order."""

    client_id: str
    order_id: str
    ticker: str
    shard: int


class Renew(msgspec.Struct, frozen=True, tag=True):
    """Extend an order's expiry; `count` is its whole count, so it keeps its queue position."""

    client_id: str
    order_id: str
    ticker: str
    shard: int
    side: Side
    price: Price
    count: Count
    expires: Milliseconds


class Decrease(msgspec.Struct, frozen=True, tag=True):
    """Decrease an order to `remaining`; it keeps its queue position."""

    client_id: str
    order_id: str
    ticker: str
    shard: int
    remaining: Count


class QueryOrder(msgspec.Struct, frozen=True, tag=True):
    """Query the exchange for an order; `order_id` is empty while it is not known."""

    client_id: str
    order_id: str
    ticker: str
    since: Milliseconds


class ReadAccount(msgspec.Struct, frozen=True, tag=True):
    """Read the bot's orders, the fills of these markets, and the balance of these shards.

    The position in each of `tickers` should be the sum of its fills; those in the `decided`
    markets have been paid out. The reading was requested at `at`.
    """

    tickers: tuple[str, ...]
    decided: tuple[str, ...] = ()
    shards: tuple[int, ...] = ()
    at: Milliseconds = 0


class ReadListing(msgspec.Struct, frozen=True, tag=True):
    """Read the exchange's state and its open events, and the results of the events in `held`."""

    held: tuple[str, ...]


class ReadFeeType(msgspec.Struct, frozen=True, tag=True):
    """Read only the series' fee."""


class EnsureGroup(msgspec.Struct, frozen=True, tag=True):
    """Find or create a shard's order group with this cap on contracts filled in 15 seconds."""

    shard: int
    contracts: Count


class ResetGroup(msgspec.Struct, frozen=True, tag=True):
    """Reset a triggered order group."""

    shard: int
    group: str


class RepairBooks(msgspec.Struct, frozen=True, tag=True):
    """Get new snapshots of books that are, or may be, wrong."""

    tickers: tuple[str, ...]


class RenewStream(msgspec.Struct, frozen=True, tag=True):
    """Replace the connection to the stream, because a channel on it is silent or wrong."""

    reason: str


class RequestBelief(msgspec.Struct, frozen=True, tag=True):
    """Form a belief about a week at these strikes, now and whenever counts arrive."""

    week: Week
    strikes: tuple[int, ...]


class RecordFill(msgspec.Struct, frozen=True, tag=True):
    """Record a fill in the ledger, with the days published and the view at its time.

    The view of a fill that was reported too late is empty. `confirmed` says that the account's list
    has the fill.
    """

    fill: Fill
    days_published: int
    view: MarketView = MarketView()
    confirmed: bool = False


class ConfirmFills(msgspec.Struct, frozen=True, tag=True):
    """Record that the account's list has these fills, which only the stream had reported."""

    fills: tuple[Fill, ...]


class VoidFill(msgspec.Struct, frozen=True, tag=True):
    """Remove a fill from the ledger that the exchange does not confirm; `reason` says why."""

    fill: Fill
    reason: str


class RecordViews(msgspec.Struct, frozen=True, tag=True):
    """Record samples and markouts in the ledger."""

    samples: tuple[MarketSample, ...] = ()
    markouts: tuple[Markout, ...] = ()


class RecordSettlement(msgspec.Struct, frozen=True, tag=True):
    """Record a market's settlement in the ledger: the position at its end and what it paid.

    Until it is `final` the exchange may amend it; the latest record counts.
    """

    ticker: str
    value: Price
    position: Count
    payout: Money
    at: Milliseconds
    final: bool = False


class RecordPnlMark(msgspec.Struct, frozen=True, tag=True):
    """Record an event's P&L of the day in the ledger, replacing the day's last mark."""

    mark: PnlMark


class WakeAt(msgspec.Struct, frozen=True, tag=True):
    """Wake the engine at `at`; each request replaces the one before."""

    at: Milliseconds


class StopConfirmed(msgspec.Struct, frozen=True, tag=True):
    """The account was read after the last cancel and holds no order of the bot."""


class Note(msgspec.Struct, frozen=True, tag=True):
    """A line for the log."""

    name: str
    fields: dict[str, Any]
    level: NoteLevel = "info"


Command: TypeAlias = (
    Place
    | Cancel
    | Renew
    | Decrease
    | QueryOrder
    | ReadAccount
    | ReadListing
    | ReadFeeType
    | EnsureGroup
    | ResetGroup
    | RepairBooks
    | RenewStream
    | RequestBelief
    | RecordFill
    | ConfirmFills
    | VoidFill
    | RecordViews
    | RecordSettlement
    | RecordPnlMark
    | WakeAt
    | StopConfirmed
    | Note
)
