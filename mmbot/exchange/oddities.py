"""Odd rows in lists and messages: foreign ones, and ones that a client may be unable to read.

Rows are JSON as sent. Those of orders and positions are returned to every member.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from mmbot.units import Milliseconds

Json: TypeAlias = dict[str, Any]


class Oddities:
    """Additional rows of lists, and changes to rendered rows.

    Attributes:
        orders: Additional rows of resting orders.
        positions: Additional rows of positions.
        events: Additional rows of events.
        changes: By the ticker of an event or market, the changed keys of its row.
        changed_at: By the same ticker, since when they are changed.
    """

    def __init__(self) -> None:
        self.orders: list[Json] = []
        self.positions: list[Json] = []
        self.events: list[Json] = []
        self.changes: dict[str, Json] = {}
        self.changed_at: dict[str, Milliseconds] = {}

    def changed(self, ticker: str, row: Json) -> Json:
        """Return the row of an event or market with its changes."""
        return row | self.changes.get(ticker, {})
