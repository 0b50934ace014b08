"""Stream messages that do not depend on the connection's state, as events."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_messages import GroupUpdate
from mmbot.kalshi.fees import fee_terms
from mmbot.trading.events import (
    EventFeeChanged,
    GroupChanged,
    ListingStale,
    MarketActivity,
    MarketClosing,
    MarketSettled,
    PriceGridChanged,
)
from mmbot.trading.values import GroupChange

MarketChange: TypeAlias = (
    MarketClosing | PriceGridChanged | MarketActivity | MarketSettled | ListingStale
)

_GROUP_NEWS: dict[str, GroupChange] = {
    "triggered": "triggered",
    "reset": "reset",
    "deleted": "deleted",
}
# Updates that do not affect the orders in a group.
_NO_GROUP_NEWS = frozenset({"created", "limit_updated"})


def group_change(raw: msgspec.Raw) -> GroupChanged | None:
    """Read an `order_group_updates` message; `None` if it does not affect the group's orders.

    An update of unknown kind counts as a trigger: the group accepts no orders until it is reset.
    """
    update = wire.decode(raw, GroupUpdate)
    kind = wire.word(update.event_type)
    if kind in _NO_GROUP_NEWS:
        return None
    return GroupChanged(wire.word(update.order_group_id), _GROUP_NEWS.get(kind, "triggered"))


def fee_change(raw: msgspec.Raw, prefix: str) -> EventFeeChanged | None:
    """Read an `event_fee_update`; `None` unless its event's ticker starts with `prefix`."""
    try:
        update = wire.decode(raw, wire.EventFeeUpdate)
    except wire.Malformed:
        return None
    if not wire.is_ours(update.event_ticker, prefix):
        return None
    terms = fee_terms(update.fee_type_override, update.fee_multiplier_override)
    return EventFeeChanged(update.event_ticker, terms)


def market_change(raw: msgspec.Raw, prefix: str) -> MarketChange | None:
    """Read a `market_lifecycle_v2` message.

    Returns:
        `None` if the market's ticker does not start with `prefix`, or nothing changes;
        `ListingStale` if only a new reading of the listing can show what changed.
    """
    # The channel covers every market of the exchange; only ours must be readable.
    ticker = wire.subject(raw).market_ticker
    if not wire.is_ours(ticker, prefix):
        return None
    try:
        return _change(wire.word(ticker), wire.decode(raw, wire.MarketLifecycle))
    except wire.Malformed:
        return ListingStale()


def _change(ticker: str, change: wire.MarketLifecycle) -> MarketChange | None:
    match change.event_type:
        case "close_date_updated" if change.close_ts is not None:
            return MarketClosing(ticker, change.close_ts * 1000)
        case "price_level_structure_updated" if change.price_ranges:
            return PriceGridChanged(ticker, wire.price_grid(ticker, change.price_ranges))
        case "activated" | "deactivated":
            return MarketActivity(ticker, active=change.event_type == "activated")
        case "determined" | "settled":
            final = change.event_type == "settled"
            if final and change.result in (None, ""):
                # It paid the value stated before, which the listing will confirm.
                return None
            value = wire.settlement_value(change.result, change.settlement_value)
            return MarketSettled(ticker, value, final)
        case _:
            return ListingStale()
