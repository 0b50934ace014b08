"""Orders as the matching engine knows them, what it is asked for, and why it may refuse."""

from __future__ import annotations

import copy
from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.exchange.accounts import Account, Side
from mmbot.units import Count, Money, Price

TimeInForce: TypeAlias = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
SelfTradePrevention: TypeAlias = Literal["taker_at_cross", "maker"]
ExchangeOrderStatus: TypeAlias = Literal["resting", "canceled", "executed"]
Reason: TypeAlias = Literal[
    "",
    "Decrease",
    "Amend",
    "SelfTradeCancel",
    "ExpiryCancel",
    "CloseCancel",
    "HaltCancel",
    "Trade",
    "ReduceOnlyCancel",
]

_MOST_CLIENT_IDS: Final = 1_000_000


class RequestRefused(Exception):
    """The exchange says no: its error code, and the details it adds."""

    def __init__(self, code: str, details: str = "", *, status: int | None = None) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details
        self.status = status


class NewOrder(msgspec.Struct, frozen=True):
    """A wish to trade; prices are the YES leg's, `expires_ms` is wall time."""

    ticker: str
    side: Side
    price: Price
    count: Count
    time_in_force: TimeInForce = "good_till_canceled"
    self_trade_prevention: SelfTradePrevention = "taker_at_cross"
    client_order_id: str = ""
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    expires_ms: int | None = None
    group_id: str | None = None


class OrderAmendment(msgspec.Struct, frozen=True):
    """A wish to change a resting order; `total` counts what is filled already.

    `expires_ms` of `None` removes the expiry; leave it at the order's own to keep it.
    """

    price: Price
    total: Count
    expires_ms: int | None
    client_order_id: str


class ExchangeOrder:
    """One order's life. `remaining` is zero once it no longer rests."""

    __slots__ = (
        "account",
        "cancel_on_pause",
        "client_order_id",
        "created_ms",
        "expires_ms",
        "fees",
        "fill_cost",
        "filled",
        "group_id",
        "initial",
        "order_id",
        "post_only",
        "price",
        "raw_fees",
        "remaining",
        "self_trade_prevention",
        "side",
        "status",
        "ticker",
        "updated_ms",
    )

    def __init__(self, order_id: str, account: Account, wish: NewOrder, now: int) -> None:
        self.order_id = order_id
        self.account = account
        self.client_order_id = wish.client_order_id
        self.ticker = wish.ticker
        self.side: Side = wish.side
        self.price = wish.price
        self.initial = self.remaining = wish.count
        self.filled: Count = 0
        self.self_trade_prevention: SelfTradePrevention = wish.self_trade_prevention
        self.post_only = wish.post_only
        self.cancel_on_pause = wish.cancel_on_pause
        self.expires_ms = wish.expires_ms
        self.group_id = wish.group_id
        self.status: ExchangeOrderStatus = "resting"
        self.created_ms = self.updated_ms = now
        # Indexed by is_taker: an order pays for what it took and for what others took from it.
        self.fill_cost: list[Money] = [0, 0]
        self.fees: list[Money] = [0, 0]
        self.raw_fees = [0, 0]

    def snapshot(self) -> ExchangeOrder:
        """Return a copy that later changes do not touch."""
        twin = copy.copy(self)
        twin.fill_cost, twin.fees = list(self.fill_cost), list(self.fees)
        return twin


class ClientOrderIds:
    """Which of their own names for orders the members have used; the newest million are kept."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], None] = {}

    def check(self, account: Account, client_order_id: str) -> None:
        """Refuse a name that its member has used before."""
        if (account.user_id, client_order_id) in self._used:
            raise RequestRefused("order_already_exists", "client_order_id was used before")

    def spend(self, account: Account, client_order_id: str) -> None:
        """Note the name of an order that was accepted, if it has one."""
        if client_order_id:
            self._used[account.user_id, client_order_id] = None
        if len(self._used) > _MOST_CLIENT_IDS:
            del self._used[next(iter(self._used))]
