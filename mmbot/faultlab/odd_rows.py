"""Rows for the exchange's lists that are not ours or cannot be read."""

from __future__ import annotations

from typing import Final

from mmbot.exchange.render import Json

# Rows of other series and clients, for orders, fills and positions; some lack fields of ours.
FOREIGN_ROWS: Final[tuple[Json, ...]] = (
    {"ticker": "KXBTCD-1", "market_ticker": "KXBTCD-1", "status": "resting"},
    {
        "ticker": "KXBTCD-2",
        "market_ticker": "KXBTCD-2",
        "client_order_id": "by-hand",
        "status": "resting",
        "book_side": "ask",
        "yes_price_dollars": "0.004550",
        "count_fp": "1.00",
        "remaining_count_fp": "1.00",
        "fill_count_fp": "0.00",
        "position_fp": "0.005",
    },
    {"ticker": None, "market_ticker": 3, "client_order_id": None, "status": 7},
)
UNREADABLE_EVENTS: Final[tuple[Json, ...]] = (
    {"event_ticker": "KXTSAW-SPECIAL", "markets": [{"ticker": "KXTSAW-SPECIAL-A1"}]},
    {"event_ticker": None},
    {"event_ticker": "KXTSAW-26DEC27", "markets": [{"ticker": "KXTSAW-26DEC27-A1", "status": 3}]},
)
UNREADABLE_MARKETS: Final[tuple[Json, ...]] = (
    {"strike_type": "between"},
    {"floor_strike": None},
    {"floor_strike": 2.0},
    {"floor_strike": 9_000_000},
    {"market_type": "scalar"},
    {"price_ranges": [{"start": "0.0000"}]},
    {"open_time": "soon"},
    {"markets": "none that can be read"},
)
