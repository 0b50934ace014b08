"""Fills that the stream tells otherwise than they are: under other ids, or never happened."""

from __future__ import annotations

from typing import Final, TypeAlias

from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.agreement import InvariantBroken
from mmbot.trading.values import Fill
from mmbot.units import Milliseconds

FillKey: TypeAlias = tuple[str, str]

# How long the bot may believe in a fill that never happened: it is looked for once the account's
# lists have it, and once more after that, and readings may fail.
_BELIEVED_MS: Final = 90_000
# What was sent in that belief is taken back within this time of its end.
_TAKEN_BACK_MS: Final = 20_000


class ToldFills:
    """The fills of one world that were renamed or invented."""

    def __init__(self) -> None:
        """Begin with every fill told as it is."""
        self._true: dict[FillKey, FillKey] = {}
        # The event of each invented fill, and until when the bot may act on it.
        self._invented: dict[FillKey, tuple[str, Milliseconds]] = {}

    def rename(self, other: FillKey, true: FillKey) -> None:
        """Follow a fill that is told under another id."""
        self._true[other] = true

    def invent(self, order: ExchangeOrder, now: Milliseconds) -> str:
        """Return the id of a fill of an order that never happened."""
        trade_id = f"invented-{len(self._invented)}"
        until = now + _BELIEVED_MS
        self._invented[trade_id, order.order_id] = order.ticker.rpartition("-")[0], until
        return trade_id

    def true_key(self, fill: Fill) -> FillKey | None:
        """Return the key of a fill at the exchange; `None` if it is an invented one."""
        return None if fill.key in self._invented else self._true.get(fill.key, fill.key)

    def voided(self, fill: Fill, now: Milliseconds) -> None:
        """Check that a fill that is voided never happened."""
        if fill.key not in self._invented:
            raise InvariantBroken("voided", f"the fill {fill.trade_id} happened and was voided")
        event, _ = self._invented[fill.key]
        self._invented[fill.key] = event, now + _TAKEN_BACK_MS

    def misleads(self, event: str, now: Milliseconds) -> bool:
        """Return whether the bot may believe in a fill of an event that never happened."""
        return any(each == event and now < until for each, until in self._invented.values())
