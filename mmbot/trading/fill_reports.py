"""Each fill once, whoever reports it: the stream, the account's list, or the ledger.

A fill has one id, but not every source need name it alike. Two sources mean the same fill where
order, market, side, price, count and time agree; one source means two by two ids. Which sources
have reported a fill tells whether the exchange stands by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from mmbot.trading.values import Fill
from mmbot.units import Count, Milliseconds

FillSource: TypeAlias = Literal["stream", "list", "ledger"]

# The sources state the same instant, in milliseconds or in whole seconds.
_SAME_TIME_MS = 2_000
# So many fills of an event may wait for a list, far more than happen between two readings.
MOST_UNDECIDED = 200


class ReportedFill(msgspec.Struct):
    """A fill, when it was first reported, and by which id each source reports it."""

    fill: Fill
    reported_at: Milliseconds
    ids: dict[FillSource, str]


class FillReports:
    """The fills of one event."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], ReportedFill] = {}
        self._by_order: dict[str, list[ReportedFill]] = {}
        self._unconfirmed: list[ReportedFill] = []
        # What the stream has told and no live order can have had: only a list has it booked.
        self._doubted: dict[tuple[str, str], Fill] = {}
        # How much of an order was filled when the exchange was asked, and of when that is.
        self._stated: dict[str, tuple[Count, Milliseconds]] = {}

    def __iter__(self) -> Iterator[ReportedFill]:
        return (reported for fills in self._by_order.values() for reported in fills)

    def find(self, fill: Fill) -> ReportedFill | None:
        """Return what was reported under a fill's id."""
        return self._by_key.get(fill.key)

    def is_known(self, fill: Fill, source: FillSource) -> bool:
        """Return whether a source's report is of a fill that was reported before, by any id."""
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
        """The fills that only the stream has told so far: these may not have happened."""
        return tuple(each.fill for each in self._unconfirmed)

    @property
    def doubted(self) -> tuple[Fill, ...]:
        """The fills that are in doubt and not booked: these may have happened."""
        return tuple(self._doubted.values())

    @property
    def is_full(self) -> bool:
        """Whether no more fills may wait for a list: those of the stream are not to be trusted."""
        return len(self._unconfirmed) + len(self._doubted) >= MOST_UNDECIDED

    def doubt(self, fill: Fill) -> bool:
        """Note a fill that only a list may have booked; return whether there was a place for it."""
        if fill.key not in self._doubted and self.is_full:
            return False
        self._doubted[fill.key] = fill
        return True

    def doubt_no_more(self, ticker: str) -> None:
        """Drop the fills of a market that a list should have by now."""
        self._doubted = {k: fill for k, fill in self._doubted.items() if fill.ticker != ticker}

    def is_told(self, key: tuple[str, str]) -> bool:
        """Return whether the stream has told a fill, or there is none by this id."""
        reported = self._by_key.get(key)
        return reported is None or "stream" in reported.ids

    def add(self, fill: Fill, source: FillSource, now: Milliseconds) -> bool:
        """Note a report; return whether the fill is new."""
        known = self._by_key.get(fill.key) or self._twin(fill, source)
        sources = {source: fill.trade_id}
        if self._doubted.pop(fill.key, None):
            sources["stream"] = fill.trade_id
        if known is not None:
            if known.ids.setdefault(source, fill.trade_id) == fill.trade_id:
                self._by_key[fill.key] = known
                return False
            # Its source has two ids where another's report was taken for a twin: they are two.
            sources |= {s: name for s, name in known.ids.items() if name == fill.trade_id}
            for each in sources.keys() - {source}:
                del known.ids[each]
        self._note(ReportedFill(fill, now, sources))
        return True

    def restore(self, fill: Fill, *, confirmed: bool) -> bool:
        """Note a fill of the ledger, which has none twice; return whether it is new.

        One that no list has confirmed is still no more than what the stream told.
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
        """Note how much of an order with fills the exchange states as filled when it is asked."""
        if order_id in self._by_order:
            self._stated[order_id] = filled, as_of

    def is_disproved(self, reported: ReportedFill) -> bool:
        """Return whether less of its order is filled, by a statement from after its report."""
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
        """Return the same fill by another id, reported by other sources only."""
        for reported in self._by_order.get(fill.order_id, ()):
            if source not in reported.ids and _same(reported.fill, fill):
                return reported
        return None


def agree(one: Fill, other: Fill) -> bool:
    """Return whether two reports of a fill mean the same trade, their fees and times apart."""
    return (one.ticker, one.side, one.price, one.count) == (
        other.ticker,
        other.side,
        other.price,
        other.count,
    )


def _same(one: Fill, other: Fill) -> bool:
    timed = one.at and other.at
    return agree(one, other) and not (timed and abs(one.at - other.at) > _SAME_TIME_MS)
