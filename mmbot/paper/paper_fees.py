"""What the real exchange would charge paper orders, from its answers and messages to the bot.

A kind of fee without a public rate is charged like `flat` on the simulated exchange; the bot quotes
nothing under it.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Collection
from typing import Any, Final

import msgspec

from mmbot.exchange.fees import FeeSchedule
from mmbot.kalshi import messages as wire
from mmbot.kalshi.fees import event_changes, fee_terms, series_changes, series_terms
from mmbot.paper.mirror import MirroredMarket
from mmbot.trading.fees import FREE_TERMS, ONE_TIME, FeeChange, FeeTerms
from mmbot.units import Milliseconds

_MOST_CHANGES: Final = 1_000
_NOT_PUBLIC: Final = FeeSchedule("flat")


class _Timeline:
    """Terms by the time from which they apply."""

    def __init__(self, first: FeeTerms) -> None:
        self._changes = [FeeChange(0, first)]

    def at(self, now: Milliseconds) -> FeeTerms:
        return next(each.terms for each in reversed(self._changes) if each.at <= now)

    def next_change(self, now: Milliseconds) -> Milliseconds | None:
        return next((each.at for each in self._changes if each.at > now), None)

    def add(self, change: FeeChange) -> bool:
        """Add a change unless it changes nothing; return whether it was added."""
        if change in self._changes or self.at(change.at) == change.terms:
            return False
        insort(self._changes, change, key=lambda each: each.at)
        # The first entry stays: it applies before all others.
        del self._changes[1:-_MOST_CHANGES]
        return True


class PaperFees:
    """The fees of one series and of its events."""

    def __init__(self, series: str) -> None:
        """Begin with a series that is free for makers."""
        self._series = series
        self._usual = _Timeline(FREE_TERMS)
        self._own: dict[str, _Timeline] = {}
        # For how many markets, and until when, the fees that were set apply.
        self._set_for = 0
        self._until: float = 0

    def read(self, path: str, body: bytes, now: Milliseconds) -> None:
        """Read an answer of the exchange; `Malformed` if it is not what the path promises."""
        if path == f"/series/{self._series}":
            stated = wire.decode(body, _SeriesAnswer).series
            self._add(
                self._usual, FeeChange(now, series_terms(stated.fee_type, stated.fee_multiplier))
            )
        elif path == "/series/fee_changes":
            rows = wire.decode(body, _Changes).series_fee_change_arr
            for change in series_changes(rows, self._series):
                self._add(self._usual, change)
        elif path == "/events/fee_changes":
            rows = wire.decode(body, _Changes).event_fee_changes
            for event, changes in event_changes(rows, self._series).items():
                for change in changes:
                    self._add(self._of(event), change)

    def list_event(self, event: wire.RestEvent, now: Milliseconds) -> None:
        """Read an event's row, which states a fee of its own or omits it."""
        terms = fee_terms(event.fee_type_override, event.fee_multiplier_override)
        if terms != FeeTerms():
            self.state(wire.word(event.event_ticker), terms, now)

    def state(self, event: str, terms: FeeTerms, now: Milliseconds) -> None:
        """Set an event's own fee from now on."""
        self._add(self._of(event), FeeChange(now, terms))

    def apply(self, markets: Collection[MirroredMarket], now: Milliseconds) -> None:
        """Set each market's fee as of now."""
        if len(markets) == self._set_for and now < self._until:
            return
        for market in markets:
            market.fees = self._schedule(market.terms.event_ticker, now)
        changes = (each.next_change(now) for each in (self._usual, *self._own.values()))
        self._set_for = len(markets)
        self._until = min((at for at in changes if at is not None), default=math.inf)

    def _of(self, event: str) -> _Timeline:
        return self._own.setdefault(event, _Timeline(FeeTerms()))

    def _add(self, timeline: _Timeline, change: FeeChange) -> None:
        if timeline.add(change):
            self._until = 0

    def _schedule(self, event: str, now: Milliseconds) -> FeeSchedule:
        own = self._own.get(event)
        usual = self._usual.at(now)
        fee = (own.at(now).over(usual) if own else usual).fee
        return FeeSchedule(fee.kind, fee.multiplier / ONE_TIME) if fee else _NOT_PUBLIC


class _Series(msgspec.Struct, frozen=True):
    fee_type: wire.Word = None
    fee_multiplier: wire.Word = None


class _SeriesAnswer(msgspec.Struct, frozen=True):
    series: _Series


class _Changes(msgspec.Struct, frozen=True):
    series_fee_change_arr: tuple[Any, ...] = ()
    event_fee_changes: tuple[Any, ...] = ()
