"""The facts: what the matching engine has done, as values in order of time."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from mmbot.exchange.accounts import Account
from mmbot.exchange.order_types import ExchangeOrder, Reason
from mmbot.trading.values import Side
from mmbot.units import Count, Milliseconds, Money, Price


class BookLevelChanged(msgspec.Struct, frozen=True):
    """The quantity resting at one price changed by `delta`, through an order of `account`."""

    ticker: str
    side: Side
    price: Price
    delta: Count
    clock: int
    at: Milliseconds
    account: Account
    client_order_id: str


class Traded(msgspec.Struct, frozen=True):
    """Two orders met at the resting one's price; `side` is the taker's."""

    trade_id: str
    ticker: str
    side: Side
    price: Price
    count: Count
    at: Milliseconds


class AccountFilled(msgspec.Struct, frozen=True):
    """One account's half of a trade."""

    trade_id: str
    account: Account
    order_id: str
    client_order_id: str
    ticker: str
    side: Side
    price: Price
    count: Count
    is_taker: bool
    fee: Money
    post_position: Count
    at: Milliseconds


class OrderChanged(msgspec.Struct, frozen=True):
    """An audited account's order as it stood after a change."""

    order: ExchangeOrder
    reason: Reason
    at: Milliseconds


class GroupUpdated(msgspec.Struct, frozen=True):
    """An order group was created, triggered, reset, deleted, or its limit was updated."""

    account: Account
    group_id: str
    event_type: Literal["created", "triggered", "reset", "deleted", "limit_updated"]
    limit: Count | None
    at: Milliseconds


LifecycleStep: TypeAlias = Literal[
    "created",
    "activated",
    "deactivated",
    "close_date_updated",
    "price_level_structure_updated",
    "determined",
    "settled",
]


class MarketChanged(msgspec.Struct, frozen=True):
    """A market's state changed; `event_type` is the lifecycle channel's."""

    ticker: str
    event_type: LifecycleStep
    at: Milliseconds


class Settled(msgspec.Struct, frozen=True):
    """An account's holding was paid out."""

    account: Account
    ticker: str
    net: Count
    cost: Money
    fees: Money
    payout: Money
    yes_value: Price
    at: Milliseconds


Fact: TypeAlias = (
    BookLevelChanged
    | Traded
    | AccountFilled
    | OrderChanged
    | GroupUpdated
    | MarketChanged
    | Settled
)
