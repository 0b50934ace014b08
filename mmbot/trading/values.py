"""The values that events and commands are made of: markets, fills, order reports.

Times are milliseconds since the Unix epoch. Both sides of a book are YES prices: a NO bid at p
is an ask at one dollar minus p, and positions are signed (+ YES, - NO).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.trading.fees import FeeChange, FeeTerms
from mmbot.underlying.calendar import Week
from mmbot.units import Count, Milliseconds, Money, Price, PriceGrid, value_of

Side: TypeAlias = Literal["bid", "ask"]
Write: TypeAlias = Literal["place", "cancel", "renew", "decrease"]
ReadingKind: TypeAlias = Literal["account", "listing"]
# A status that the protocol does not define is `unknown`: the order may rest, or be over.
OrderStatus: TypeAlias = Literal["resting", "ended", "unknown"]
GroupChange: TypeAlias = Literal["triggered", "reset", "deleted"]
Level: TypeAlias = tuple[Price, Count]

# Every client order id of the bot begins with this; orders with any other id are left alone.
CLIENT_ID_PREFIX = "mmbot-"

# Why a write was refused, as far as the engine distinguishes reasons. Each is the value of the gate
# that it shuts.
Refusal: TypeAlias = Literal[
    "post_only_cross",
    "already_exists",
    "insufficient_balance",
    "paused",
    "inactive",
    "group_triggered",
    "not_found",
    "no_change",
    "rate_limited",
    "clock",
    "unauthorised",
    "forbidden",
    "other",
]


def opposite(side: Side) -> Side:
    """Return the other side of the book."""
    return "ask" if side == "bid" else "bid"


class Unreadable(msgspec.Struct, frozen=True):
    """Something that the exchange states about our markets and that cannot be read.

    Attributes:
        ticker: The event or market concerned; the series, if it is the listing itself.
        reason: What cannot be read, in a few words.
    """

    ticker: str
    reason: str


class Market(msgspec.Struct, frozen=True):
    """One listed market: YES pays a dollar if the week's value is above `strike`.

    A `decided` market has a result, readable or not. `unreadable` says why a market is not quoted
    although its strike is known.
    """

    ticker: str
    strike: int
    grid: PriceGrid
    opens: Milliseconds
    closes: Milliseconds
    shard: int = 0
    active: bool = True
    decided: bool = False
    unreadable: str = ""


class Fill(msgspec.Struct, frozen=True):
    """A fill of one of our orders; `(trade_id, order_id)` identifies it."""

    trade_id: str
    order_id: str
    ticker: str
    side: Side
    price: Price
    count: Count
    fee: Money
    at: Milliseconds
    # Only the stream has it; it matches a fill that arrives before the answer to its place.
    client_id: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the fill, however often it is reported."""
        return self.trade_id, self.order_id

    @property
    def signed_count(self) -> Count:
        """What it adds to the position."""
        return self.count if self.side == "bid" else Count(-self.count)

    @property
    def cash(self) -> Money:
        """What it adds to the cash, after its fee; selling YES counts as cash and a debt."""
        return Money(-value_of(self.signed_count, self.price) - self.fee)


class OrderReport(msgspec.Struct, frozen=True):
    """The exchange's statement about one order of the account."""

    client_id: str
    order_id: str
    ticker: str
    side: Side
    price: Price
    filled: Count
    remaining: Count
    status: OrderStatus
    expires: Milliseconds
    shard: int = 0
    # Its order group, if the exchange names it.
    group: str = ""


def event_of(ticker: str) -> str:
    """Return the event that a market belongs to, by their tickers."""
    return ticker.rpartition("-")[0]


class ListedEvent(msgspec.Struct, frozen=True):
    """An event of the series, with its markets in ascending order of strike.

    `fee` has the stated terms of its own fee, and `fee_changes` their scheduled changes.
    """

    ticker: str
    week: Week
    markets: tuple[Market, ...]
    fee: FeeTerms = FeeTerms()
    fee_changes: tuple[FeeChange, ...] = ()


class Intervals(msgspec.Struct, frozen=True):
    """How often things are checked without a message.

    Longer intervals do where no message is ever lost, as when a past week is traded again.

    Attributes:
        books_silent_ms: How long the books may be silent before their channel is doubted.
        account_ms: Between readings of the account.
        listing_ms: Between readings of the listing.
        fees_ms: Between readings of only the series' fee, whose changes no message announces.
        no_room_ms: From the end or fill of an order to the next attempt to place what had no room
        within the limits.
    """

    books_silent_ms: Milliseconds = 2_000
    account_ms: Milliseconds = 60_000
    listing_ms: Milliseconds = 300_000
    fees_ms: Milliseconds = 60_000
    no_room_ms: Milliseconds = 1_000


USUAL_INTERVALS: Final = Intervals()
