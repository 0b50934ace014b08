"""Everything the engine can ask for. Times are milliseconds since the Unix epoch."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill, Side
from mmbot.tsa.calendar import Week
from mmbot.units import Count, Money, Price

NoteLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
# How long after a fill its market is looked at again: a second, a minute, or until the belief
# knows one more day's count.
Horizon: TypeAlias = Literal["1s", "1min", "release"]
# When a market is looked at for each number of known days: as soon as both sides of its book are
# quoted, and shortly before the next count may be out.
SampleMoment: TypeAlias = Literal["first", "last"]


class MarketView(msgspec.Struct, frozen=True):
    """What was thought of a market at an instant, as prices of YES in dollars.

    Attributes:
        belief: The forecast's probability, if there was one.
        mid: The midpoint that the book showed without our orders, if it showed one.
        fair: The pool of both, if the market had been priced.
    """

    belief: float | None = None
    mid: float | None = None
    fair: float | None = None


class Markout(msgspec.Struct, frozen=True):
    """What was thought of a fill's market some time after the fill."""

    trade_id: str
    order_id: str
    horizon: Horizon
    at: int
    view: MarketView


class MarketSample(msgspec.Struct, frozen=True):
    """What was thought of a market while so many days were known, whether it filled or not."""

    ticker: str
    days_published: int
    moment: SampleMoment
    at: int
    view: MarketView


class Place(msgspec.Struct, frozen=True, tag=True):
    """Put a post-only limit order into a market's book."""

    client_id: str
    ticker: str
    shard: int
    side: Side
    price: Price
    count: Count
    expires: int
    group: str = ""


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Take an order off."""

    client_id: str
    order_id: str
    ticker: str
    shard: int


class Renew(msgspec.Struct, frozen=True, tag=True):
    """Let an order live longer; `count` is what it was placed for, so its place is kept."""

    client_id: str
    order_id: str
    ticker: str
    shard: int
    side: Side
    price: Price
    count: Count
    expires: int


class Decrease(msgspec.Struct, frozen=True, tag=True):
    """Let only `remaining` of an order rest; it keeps its place."""

    client_id: str
    order_id: str
    ticker: str
    shard: int
    remaining: Count


class QueryOrder(msgspec.Struct, frozen=True, tag=True):
    """Ask what became of an order; `order_id` is empty while the exchange's id is not known."""

    client_id: str
    order_id: str
    ticker: str
    since: int


class ReadAccount(msgspec.Struct, frozen=True, tag=True):
    """Read the bot's orders, the fills of these markets, and the balance of these shards.

    The positions in `tickers` must be the sums of their fills; those in the `decided` markets are
    paid out and gone.
    """

    tickers: tuple[str, ...]
    decided: tuple[str, ...] = ()
    shards: tuple[int, ...] = ()


class ReadListing(msgspec.Struct, frozen=True, tag=True):
    """Read the exchange's state and its open events; of those in `held`, also the results."""

    held: tuple[str, ...]


class EnsureGroup(msgspec.Struct, frozen=True, tag=True):
    """Find or open a shard's order group with this cap on what fills in fifteen seconds."""

    shard: int
    contracts: Count


class ResetGroup(msgspec.Struct, frozen=True, tag=True):
    """Let a triggered order group take orders again."""

    shard: int
    group: str


class RepairBooks(msgspec.Struct, frozen=True, tag=True):
    """Get new snapshots of books that are not, or may not be, right."""

    tickers: tuple[str, ...]


class RequestBelief(msgspec.Struct, frozen=True, tag=True):
    """Say what is thought of a week, at these strikes, and go on saying it as counts arrive."""

    week: Week
    strikes: tuple[int, ...]


class RecordFill(msgspec.Struct, frozen=True, tag=True):
    """Write a fill into the ledger, with what was known and thought when it happened.

    A fill that was heard of too late for that has an empty view.
    """

    fill: Fill
    days_published: int
    view: MarketView = MarketView()


class RecordViews(msgspec.Struct, frozen=True, tag=True):
    """Write into the ledger what was thought of markets, to judge the quotes by afterwards."""

    samples: tuple[MarketSample, ...] = ()
    markouts: tuple[Markout, ...] = ()


class RecordSettlement(msgspec.Struct, frozen=True, tag=True):
    """Write a market's settlement into the ledger: the position at its end and what it paid.

    Until it is `final` the exchange may amend it; whatever is booked last is right.
    """

    ticker: str
    value: Price
    position: Count
    payout: Money
    at: int
    final: bool = False


class RecordPnlMark(msgspec.Struct, frozen=True, tag=True):
    """Write an event's P&L of the day into the ledger, in place of what was known of that day."""

    mark: PnlMark


class WakeAt(msgspec.Struct, frozen=True, tag=True):
    """Wake the engine at `at`; the latest wish replaces the one before."""

    at: int


class SweepConfirmed(msgspec.Struct, frozen=True, tag=True):
    """The account was read after the last cancel and holds no order of the bot."""


class Note(msgspec.Struct, frozen=True, tag=True):
    """Something worth a line in the log."""

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
    | EnsureGroup
    | ResetGroup
    | RepairBooks
    | RequestBelief
    | RecordFill
    | RecordViews
    | RecordSettlement
    | RecordPnlMark
    | WakeAt
    | SweepConfirmed
    | Note
)
