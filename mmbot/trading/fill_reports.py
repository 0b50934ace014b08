"""Fills without duplicates, whoever reports them: the stream, the account's list or the ledger.

Sources may give the same fill different ids. Reports of two sources mean the same fill if order,
market, side, price, count and time agree; two ids from one source mean two fills. The sources of a
fill show whether the exchange confirms it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from mmbot.trading.values import Fill
from mmbot.units import Count, Milliseconds

FillSource: TypeAlias = Literal["stream", "list", "ledger"]

# Sources state the same time either in milliseconds or in whole seconds.
_SAME_TIME_MS = 2_000
# The most fills of an event that may wait for a list: far more than happen between readings.
MOST_UNDECIDED = 200


class ReportedFill(msgspec.Struct):
    """A fill, when it was first reported, and the id that each source gives it."""

    fill: Fill
    reported_at: Milliseconds
    ids: dict[FillSource, str]


class FillReports:
    """The fills of one event."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], ReportedFill] = {}
        self._by_order: dict[str, list[ReportedFill]] = {}
        self._unconfirmed: list[ReportedFill] = []
        # Fills on the stream that fit no live order: they are booked only if a list has them.
        self._doubted: dict[tuple[str, str], Fill] = {}
        # By order: how much of it the exchange stated as filled, and as of when.
        self._stated: dict[str, tuple[Count, Milliseconds]] = {}

    def __iter__(self) -> Iterator[ReportedFill]:
        return (reported for fills in self._by_order.values() for reported in fills)

    def find(self, fill: Fill) -> ReportedFill | None:
        """Return the report with a fill's id."""
        return self._by_key.get(fill.key)

    def is_known(self, fill: Fill, source: FillSource) -> bool:
        """Return whether a fill was reported before, under any id."""
        return fill.key in self._by_key or self._twin(fill, source) is not None

    def take_confirmed(self) -> list[Fill]:
        """Return the fills that the account's list has confirmed since the last call."""
        waiting, self._unconfirmed = self._unconfirmed, []
        for each in waiting:
            if "list" not in each.ids:
                self._unconfirmed.append(each)
        return [each.fill for each in waiting if "list" in each.ids]

    @property
    def unconfirmed(self) -> tuple[Fill, ...]:
        """The booked fills that only the stream has reported so far: they may not have happened."""
        return tuple(each.fill for each in self._unconfirmed)

    @property
    def doubted(self) -> tuple[Fill, ...]:
        """The doubted fills, which are not booked: they may have happened."""
        return tuple(self._doubted.values())

    @property
    def is_full(self) -> bool:
        """Whether no more fills may wait for a list; then the stream's are not to be trusted."""
        return len(self._unconfirmed) + len(self._doubted) >= MOST_UNDECIDED

    def doubt(self, fill: Fill) -> bool:
        """Keep a fill that only a list can confirm; return whether there was room for it."""
        if fill.key not in self._doubted and self.is_full:
            return False
        self._doubted[fill.key] = fill
        return True

    def doubt_no_more(self, ticker: str) -> None:
        """Drop a market's doubted fills: a list would have them by now."""
        self._doubted = {k: fill for k, fill in self._doubted.items() if fill.ticker != ticker}

    def is_told(self, key: tuple[str, str]) -> bool:
        """Return whether the stream has reported a fill, or no fill has this id."""
        reported = self._by_key.get(key)
        return reported is None or "stream" in reported.ids

    def add(self, fill: Fill, source: FillSource, now: Milliseconds) -> bool:
        """Add a report; return whether the fill is new."""
        known = self._by_key.get(fill.key) or self._twin(fill, source)
        sources = {source: fill.trade_id}
        if self._doubted.pop(fill.key, None):
            sources["stream"] = fill.trade_id
        if known is not None:
            if known.ids.setdefault(source, fill.trade_id) == fill.trade_id:
                self._by_key[fill.key] = known
                return False
            # This source has a second id, so a report matched by its terms was of another fill.
            sources |= {s: name for s, name in known.ids.items() if name == fill.trade_id}
            for each in sources.keys() - {source}:
                del known.ids[each]
        self._note(ReportedFill(fill, now, sources))
        return True

    def restore(self, fill: Fill, *, confirmed: bool) -> bool:
        """Add a fill of the ledger, which has no duplicates; return whether it is new.

        One that no list has confirmed counts as reported by the stream only.
        """
        if fill.key in self._by_key:
            return False
        source: FillSource = "ledger" if confirmed else "stream"
        self._note(ReportedFill(fill, fill.at, {source: fill.trade_id}))
        return True

    def _note(self, reported: ReportedFill) -> None:
        fill = reported.fill
        if reported.ids.keys() == {"stream"}:
            self._unconfirmed.append(reported)
        self._by_key[fill.key] = reported
        self._by_order.setdefault(fill.order_id, []).append(reported)

    def order_stated(self, order_id: str, filled: Count, as_of: Milliseconds) -> None:
        """Keep how much of an order with fills the exchange stated as filled, as of `as_of`."""
        if order_id in self._by_order:
            self._stated[order_id] = filled, as_of

    def is_disproved(self, reported: ReportedFill) -> bool:
        """Return whether the exchange has since stated that less of the fill's order is filled."""
        order_id = reported.fill.order_id
        filled, as_of = self._stated.get(order_id, (Count(0), 0))
        told = sum(each.fill.count for each in self._by_order[order_id])
        return as_of > reported.reported_at and filled < told

    def remove(self, reported: ReportedFill) -> None:
        """Drop a fill that never happened."""
        self._by_order[reported.fill.order_id].remove(reported)
        self._unconfirmed = [each for each in self._unconfirmed if each is not reported]
        self._by_key = {key: each for key, each in self._by_key.items() if each is not reported}

    def _twin(self, fill: Fill, source: FillSource) -> ReportedFill | None:
        """Return the same fill under another id, reported by other sources only."""
        for reported in self._by_order.get(fill.order_id, ()):
            if source not in reported.ids and _same(reported.fill, fill):
                return reported
        return None


def agree(one: Fill, other: Fill) -> bool:
    """Return whether two reports have the same terms; fees and times may differ."""
    return (one.ticker, one.side, one.price, one.count) == (
        other.ticker,
        other.side,
        other.price,
        other.count,
    )


def _same(one: Fill, other: Fill) -> bool:
    timed = one.at and other.at
    return agree(one, other) and not (timed and abs(one.at - other.at) > _SAME_TIME_MS)
