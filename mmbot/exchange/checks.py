"""Checks that refuse an order before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mmbot.exchange.accounts import collateral
from mmbot.exchange.fees import FeeSchedule, rounded_fee
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import (
    ExchangeOrder,
    NewOrder,
    OrderAmendment,
    RequestRefused,
    TimeInForce,
)
from mmbot.trading.values import Side, opposite
from mmbot.units import Count, Milliseconds, Money, Price

FOK_MISS: Final = (
    "fill_or_kill order would not be filled immediately due to insufficient resting volume"
)


def check_new_order(market: ExchangeMarket, request: NewOrder, now: Milliseconds) -> None:
    """Refuse an order that contradicts itself or the market's terms."""
    if request.count <= 0:
        raise RequestRefused("invalid_parameters", "count must be positive")
    _check_price(market, request.price)
    _check_expiry(request.expires_ms, now)
    immediate = request.time_in_force != "good_till_canceled"
    if immediate and request.expires_ms is not None:
        raise RequestRefused("invalid_parameters", "expiration_time needs good_till_canceled")
    if immediate and request.post_only:
        raise RequestRefused("invalid_parameters", "post_only needs good_till_canceled")
    if request.reduce_only and request.time_in_force != "immediate_or_cancel":
        raise RequestRefused("invalid_parameters", "reduce_only needs immediate_or_cancel")


def check_amendment(
    market: ExchangeMarket, order: ExchangeOrder, change: OrderAmendment, now: Milliseconds
) -> None:
    """Refuse an amendment that changes nothing, or that the market's terms do not allow."""
    if change.total <= order.filled:
        raise RequestRefused("invalid_parameters", "count must exceed what is filled already")
    _check_price(market, change.price)
    if change.expires_ms != order.expires_ms:
        _check_expiry(change.expires_ms, now)
    if (
        change.price == order.price
        and change.total == order.filled + order.remaining
        and change.expires_ms == order.expires_ms
        and change.client_order_id == order.client_order_id
    ):
        raise RequestRefused("AMEND_ORDER_NO_OP", "the amendment changes nothing")


def _check_price(market: ExchangeMarket, price: Price) -> None:
    if not market.grid.accepts(price):
        raise RequestRefused("invalid_order", "invalid price")


def _check_expiry(expires_ms: Milliseconds | None, now: Milliseconds) -> None:
    if expires_ms is not None and expires_ms <= now:
        raise RequestRefused("invalid_parameters", "expiration_time must be in the future")


def reducible(net: Count, request: NewOrder) -> Count:
    """Return how much of a reduce-only order would reduce the holding `net`."""
    closing = max(-net if request.side == "bid" else net, 0)
    if not closing:
        raise RequestRefused("invalid_order", "reduce only order would not reduce the position")
    return Count(min(request.count, closing))


def preview(
    market: ExchangeMarket, order: ExchangeOrder, price: Price, count: Count
) -> list[tuple[Price, Count]]:
    """Return the prices and counts that an order would trade immediately.

    It never trades with its own member's orders, but a post-only order must not reach these either.
    """
    crossing: list[tuple[Price, Count]] = []
    for other in market.sides[opposite(order.side)].crossed_by(price):
        if not count:
            break
        if other.account.user_id == order.account.user_id and not order.post_only:
            if order.self_trade_prevention == "taker_at_cross":
                break
            continue
        part = min(count, other.remaining)
        crossing.append((other.price, part))
        count = Count(count - part)
    return crossing


def check_crossing(
    order: ExchangeOrder,
    crossing: list[tuple[Price, Count]],
    count: Count,
    time_in_force: TimeInForce,
) -> None:
    """Refuse a post-only order that would trade, or a fill-or-kill one that would not fill."""
    if order.post_only and crossing:
        raise RequestRefused("invalid_order", "post only cross")
    if time_in_force == "fill_or_kill" and sum(c for _, c in crossing) < count:
        raise RequestRefused("invalid_order", FOK_MISS, status=409)


def cash_held(fees: FeeSchedule, net: Count, resting: Iterable[tuple[Side, Price, Count]]) -> Money:
    """Return the cash that one account's resting orders in a market may need, with fees."""
    orders = list(resting)
    held = collateral(net, orders)
    if not fees.charges_makers:
        return held
    charged = sum(rounded_fee(fees.raw(p, c, is_taker=False)) for _, p, c in orders)
    return Money(held + charged)
