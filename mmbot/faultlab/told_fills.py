"""Fills that are reported wrongly: with other ids or numbers, or though they never happened.

An invented fill may equal one that did happen. Nobody can tell the two apart: it is right to void
either, and to keep the invented one if only that was reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TypeAlias

from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.agreement import InvariantBroken
from mmbot.trading.values import Fill, Side
from mmbot.units import Count, Price

FillKey: TypeAlias = tuple[str, str]


class ToldFills:
    """The renamed, misstated and invented fills of one world."""

    def __init__(self) -> None:
        """Begin with every fill reported correctly."""
        self._true: dict[FillKey, FillKey] = {}
        self._misstated: set[FillKey] = set()
        # Side, price and count of each invented fill, until it is voided.
        self._invented: dict[FillKey, tuple[Side, Price, Count] | None] = {}

    def rename(self, other: FillKey, true: FillKey) -> None:
        """Follow a fill that is reported under another id."""
        self._true[other] = true

    def misstate(self, key: FillKey) -> None:
        """Follow a fill that is reported with other numbers."""
        self._misstated.add(key)

    def is_misstated(self, fill: Fill) -> bool:
        """Return whether a fill was reported with wrong numbers."""
        return fill.key in self._misstated

    def invent(self, order: ExchangeOrder, count: Count) -> str:
        """Return the id of a fill of an order that never happened."""
        trade_id = f"invented-{len(self._invented)}"
        self._invented[trade_id, order.order_id] = order.side, order.price, count
        return trade_id

    def true_key(self, fill: Fill) -> FillKey | None:
        """Return the exchange's key of a fill; `None` if it is invented."""
        return None if fill.key in self._invented else self._true.get(fill.key, fill.key)

    def taken_for_equal(
        self, key: FillKey, filled: Mapping[FillKey, AccountFilled], booked: Set[FillKey]
    ) -> FillKey:
        """Return which fill was really booked, if one with this key is booked already.

        A renamed fill may be taken for an equal one of its order, which is then booked.
        """
        name = next((name for name, true in self._true.items() if true == key), None)
        if name is None:
            return key
        equals = _equals(_essence(filled[key]), filled.keys() - booked, filled)
        self._true[name] = next(equals, key)
        return self._true[name]

    def voided(self, fill: Fill) -> None:
        """Check that a voided fill never happened, or that an equal one did not."""
        if fill.key not in self._invented:
            self._exchange_for_equal(fill)
        self._invented[fill.key] = None

    def pair_equals(self, booked: Iterable[Fill], filled: Mapping[FillKey, AccountFilled]) -> None:
        """Pair each booked invented fill with an equal one that happened and is not booked.

        Args:
            booked: The fills in the ledger.
            filled: The fills that happened.
        """
        kept = list(booked)
        untold = filled.keys() - {self.true_key(fill) for fill in kept}
        for fill in kept:
            if self._invented.get(fill.key) is None:
                continue
            essence = fill.order_id, fill.side, fill.price, fill.count
            if (key := next(_equals(essence, untold, filled), None)) is not None:
                untold.discard(key)
                self._true[fill.key] = key
                del self._invented[fill.key]

    def _exchange_for_equal(self, fill: Fill) -> None:
        """Exchange a voided fill that happened for an equal invented one."""
        essence = fill.side, fill.price, fill.count
        for key, invented in self._invented.items():
            if key[1] == fill.order_id and invented == essence:
                self._true[key] = self._true.get(fill.key, fill.key)
                del self._invented[key]
                return
        raise InvariantBroken("voided", f"the fill {fill.trade_id} happened and was voided")


def _equals(
    essence: tuple[str, Side, Price, Count],
    keys: Iterable[FillKey],
    filled: Mapping[FillKey, AccountFilled],
) -> Iterator[FillKey]:
    return (key for key in sorted(keys) if _essence(filled[key]) == essence)


def _essence(fact: AccountFilled) -> tuple[str, Side, Price, Count]:
    return fact.order_id, fact.side, fact.price, fact.count
