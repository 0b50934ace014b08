"""The values that events and commands are made of: a market, a trade, what is said of an order.

Times are milliseconds since the Unix epoch. The whole book is spoken in YES: a NO bid at p is an
ask at one dollar minus p, and positions are signed (+ YES, - NO).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from mmbot.tsa.calendar import Week
from mmbot.units import Count, Money, Price, PriceGrid

Side: TypeAlias = Literal["bid", "ask"]
Write: TypeAlias = Literal["place", "cancel", "renew", "decrease"]
ReadingName: TypeAlias = Literal["account", "listing"]
OrderStatus: TypeAlias = Literal["resting", "ended"]
GroupNews: TypeAlias = Literal["triggered", "reset", "deleted"]
Level: TypeAlias = tuple[Price, Count]

# The client id of every order of the bot begins with it: all other orders are left alone.
CLIENT_ID_PREFIX = "mmbot-"

# Why a write was refused, as far as the engine has to tell one reason from another.
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


class Market(msgspec.Struct, frozen=True):
    """One listed market: YES pays a dollar if the week's average is above `strike` passengers."""

    ticker: str
    strike: int
    grid: PriceGrid
    opens: int
    closes: int
    shard: int = 0
    active: bool = True


class Fill(msgspec.Struct, frozen=True):
    """A trade of ours. `(trade_id, order_id)` tells it from every other."""

    trade_id: str
    order_id: str
    ticker: str
    side: Side
    price: Price
    count: Count
    fee: Money
    at: int
    # Only the stream says it; with it, a fill that beats its place's answer finds its order.
    client_id: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same fill when it is reported twice."""
        return self.trade_id, self.order_id

    @property
    def signed_count(self) -> Count:
        """What it adds to the position."""
        return self.count if self.side == "bid" else -self.count

    @property
    def cash(self) -> Money:
        """What it adds to the cash, its fee paid; selling YES counts as cash and a debt."""
        return -self.price * self.signed_count - self.fee


class OrderReport(msgspec.Struct, frozen=True):
    """What the exchange says of one order of the account."""

    client_id: str
    order_id: str
    ticker: str
    side: Side
    price: Price
    filled: Count
    remaining: Count
    status: OrderStatus
    expires: int
    shard: int = 0
    # The order group that it is in, where the exchange says so.
    group: str = ""


class ListedEvent(msgspec.Struct, frozen=True):
    """An event of the series, with its markets in ascending order of strike."""

    ticker: str
    week: Week
    markets: tuple[Market, ...]
