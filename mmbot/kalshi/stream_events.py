"""Messages of the stream whose meaning does not depend on the connection's state, as events."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_messages import GroupUpdate
from mmbot.trading.events import (
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


def group_change(raw: msgspec.Raw) -> GroupChanged | None:
    """Read an `order_group_updates` message; `None` if it does not affect the group's orders."""
    update = wire.decode(raw, GroupUpdate)
    news = _GROUP_NEWS.get(update.event_type)
    return None if news is None else GroupChanged(update.order_group_id, news)


def market_change(raw: msgspec.Raw, prefix: str) -> MarketChange | None:
    """Read a `market_lifecycle_v2` message.

    Returns:
        `None` if it is about a market whose ticker does not start with `prefix`, or changes
        nothing; `ListingStale` if only a new reading of the listing can tell what changed.

    Raises:
        Malformed: It is about one of our markets and cannot be read.
    """
    # The channel carries every market of the exchange; only ours has to be readable.
    ticker = wire.decode(raw, wire.LifecycleSubject).market_ticker
    if not ticker.startswith(prefix):
        return None
    change = wire.decode(raw, wire.MarketLifecycle)
    match change.event_type:
        case "close_date_updated" if change.close_ts is not None:
            return MarketClosing(ticker, change.close_ts * 1000)
        case "price_level_structure_updated" if change.price_ranges:
            return PriceGridChanged(ticker, wire.price_grid(ticker, change.price_ranges))
        case "activated" | "deactivated":
            return MarketActivity(ticker, active=change.event_type == "activated")
        case "determined" | "settled":
            value = wire.settlement_value(change.result)
            final = change.event_type == "settled"
            return None if value is None else MarketSettled(ticker, value, final)
        case _:
            return ListingStale()
