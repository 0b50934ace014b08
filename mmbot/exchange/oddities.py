"""What real lists and streams hold beside what a client trades, and what it may be unable to read.

Rows are JSON as they are sent. Those of orders and positions belong to every member that asks.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from mmbot.units import Milliseconds

Json: TypeAlias = dict[str, Any]


class Oddities:
    """Additional rows of lists, and changes of the rows that are rendered.

    Attributes:
        orders: Rows beside a member's resting orders.
        positions: Rows beside a member's positions.
        events: Rows beside the series' events.
        changes: By the ticker of an event or market, the keys that its row has otherwise.
        changed_at: By the same ticker, since when it has.
    """

    def __init__(self) -> None:
        self.orders: list[Json] = []
        self.positions: list[Json] = []
        self.events: list[Json] = []
        self.changes: dict[str, Json] = {}
        self.changed_at: dict[str, Milliseconds] = {}

    def changed(self, ticker: str, row: Json) -> Json:
        """Return the row of an event or market with the changes that it is to have."""
        return row | self.changes.get(ticker, {})
