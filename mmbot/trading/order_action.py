"""What to do about a resting order, given the wanted quote on its side."""

from __future__ import annotations

from typing import Literal, TypeAlias

from mmbot.config import OrderSettings, QuotingSettings
from mmbot.trading.order import Order
from mmbot.trading.quoting import Quote
from mmbot.units import Milliseconds

OrderAction: TypeAlias = Literal["keep", "renew", "decrease", "cancel"]


def order_action(
    order: Order,
    wanted: Quote | None,
    now: Milliseconds,
    quoting: QuotingSettings,
    renewal: Milliseconds,
) -> OrderAction:
    """Return what to do about a resting order when `wanted` is the quote for its side.

    `renewal` is when it is due to be renewed.
    """
    if wanted is None or not wanted.allows(order.price):
        return "cancel"
    remaining = order.remaining
    rested = now >= order.placed_at + quoting.minimum_rest
    off_price = abs(order.price - wanted.price) > quoting.reprice_tolerance
    if rested and (off_price or 2 * remaining < wanted.count):
        return "cancel"
    if remaining > wanted.most or (rested and remaining > 2 * wanted.count):
        # A decrease keeps the queue position. If no size is wanted, or a decrease was just refused,
        # the whole order is cancelled.
        smaller = wanted.count and now >= order.change_after
        return "decrease" if smaller else "cancel"
    return "renew" if now >= renewal else "keep"


def renewal_due(order: Order, lifetimes: OrderSettings, last_expiry: Milliseconds) -> Milliseconds:
    """Return when half of an order's lifetime is over.

    An order that has the last expiry its market allows cannot be extended: its renewal is due only
    at its expiry.
    """
    if order.expires >= last_expiry:
        return order.expires
    return order.expires - lifetimes.lifetime // 2
