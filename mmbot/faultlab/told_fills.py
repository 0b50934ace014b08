"""Fills that the stream tells otherwise than they are: under other ids, or never happened."""

from __future__ import annotations

from typing import TypeAlias

from mmbot.faultlab.agreement import InvariantBroken
from mmbot.trading.values import Fill

FillKey: TypeAlias = tuple[str, str]


class ToldFills:
    """The fills of one world that were renamed or invented."""

    def __init__(self) -> None:
        """Begin with every fill told as it is."""
        self._true: dict[FillKey, FillKey] = {}
        self._invented: set[FillKey] = set()

    def rename(self, other: FillKey, true: FillKey) -> None:
        """Follow a fill that is told under another id."""
        self._true[other] = true

    def invent(self, order_id: str) -> str:
        """Return the id of a fill of an order that never happened."""
        trade_id = f"invented-{len(self._invented)}"
        self._invented.add((trade_id, order_id))
        return trade_id

    def true_key(self, fill: Fill) -> FillKey | None:
        """Return the key of a fill at the exchange; `None` if it is an invented one."""
        return None if fill.key in self._invented else self._true.get(fill.key, fill.key)

    def check_voided(self, fill: Fill) -> None:
        """Check that a fill that is voided never happened."""
        if fill.key not in self._invented:
            raise InvariantBroken("voided", f"the fill {fill.trade_id} happened and was voided")
