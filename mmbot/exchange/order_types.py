"""The matching engine's orders, the requests for them, and refusals."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.exchange.accounts import Account
from mmbot.trading.values import Side
from mmbot.units import Count, Milliseconds, Money, Price

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
    """A refusal: its error code, details, and the status if not the code's usual one."""

    def __init__(self, code: str, details: str = "", *, status: int | None = None) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details
        self.status = status


class NewOrder(msgspec.Struct, frozen=True):
    """A request for a new order; prices are YES prices, `expires_ms` is wall time."""

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
    expires_ms: Milliseconds | None = None
    group_id: str | None = None


class OrderAmendment(msgspec.Struct, frozen=True):
    """A request to change a resting order; `total` includes the contracts already filled.

    `expires_ms` of `None` removes the expiry; the order's own value keeps it.
    """

    price: Price
    total: Count
    expires_ms: Milliseconds | None
    client_order_id: str


class ExchangeOrder:
    """One order and its state; `remaining` is zero once it no longer rests."""

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

    def __init__(
        self, order_id: str, account: Account, request: NewOrder, now: Milliseconds
    ) -> None:
        self.order_id = order_id
        self.account = account
        self.client_order_id = request.client_order_id
        self.ticker = request.ticker
        self.side: Side = request.side
        self.price = request.price
        self.initial = self.remaining = request.count
        self.filled = Count(0)
        self.self_trade_prevention: SelfTradePrevention = request.self_trade_prevention
        self.post_only = request.post_only
        self.cancel_on_pause = request.cancel_on_pause
        self.expires_ms = request.expires_ms
        self.group_id = request.group_id
        self.status: ExchangeOrderStatus = "resting"
        self.created_ms = self.updated_ms = now
        # Indexed by is_taker: an order may fill as taker and as maker.
        self.fill_cost = [Money(0), Money(0)]
        self.fees = [Money(0), Money(0)]
        self.raw_fees = [0, 0]

    def snapshot(self) -> ExchangeOrder:
        """Return a copy that later changes do not affect."""
        twin = ExchangeOrder.__new__(ExchangeOrder)
        for name in self.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.fill_cost, twin.fees = self.fill_cost.copy(), self.fees.copy()
        return twin


class ClientOrderIds:
    """The client order ids that members have used; the newest million are kept."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], None] = {}

    def check(self, account: Account, client_order_id: str) -> None:
        """Refuse an id that the member has used before."""
        if (account.user_id, client_order_id) in self._used:
            raise RequestRefused("order_already_exists", "client_order_id was used before")

    def spend(self, account: Account, client_order_id: str) -> None:
        """Record the id of an accepted order, if it has one."""
        if client_order_id:
            self._used[account.user_id, client_order_id] = None
        if len(self._used) > _MOST_CLIENT_IDS:
            del self._used[next(iter(self._used))]
