"""What a day has cost so far: each event's P&L against what it was when the day began.

P&L counts fills and marks positions to fair value, so deposits and withdrawals do not enter it and
positions taken by hand do. The marks go to the ledger as they change and come back from there when
the bot starts, so that a restart does not wipe a loss out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from mmbot.units import MONEY_PER_CENT, Money

# A mark is worth writing down when it has moved by this much.
_NEWS: Money = 10 * MONEY_PER_CENT


class PnlMark(msgspec.Struct, frozen=True):
    """One event's P&L at the start of a day, and as it was seen last on that day."""

    day: dt.date
    event: str
    start: Money
    latest: Money


class DailyLosses:
    """The marks of every event that was traded lately."""

    def __init__(self) -> None:
        self._marks: dict[str, PnlMark] = {}
        self._told: dict[str, PnlMark] = {}

    def recall(self, marks: Iterable[PnlMark]) -> None:
        """Take up what an earlier life wrote down; what this one knows is newer."""
        for mark in marks:
            self._marks.setdefault(mark.event, mark)
            self._told.setdefault(mark.event, mark)

    def mark(self, day: dt.date, event: str, pnl: Money) -> PnlMark | None:
        """Take in an event's P&L; return its mark if that is worth writing down.

        An event that was never seen before began at nothing.
        """
        before = self._marks.get(event) or PnlMark(day, event, 0, 0)
        start = before.start if before.day == day else before.latest
        mark = self._marks[event] = PnlMark(day, event, start, pnl)
        told = self._told.get(event)
        if told and told.day == day and abs(told.latest - pnl) < _NEWS:
            return None
        self._told[event] = mark
        return mark

    def forget(self, event: str) -> None:
        """Drop an event that is over."""
        self._marks.pop(event, None)
        self._told.pop(event, None)

    def loss(self, day: dt.date) -> Money:
        """Return what `day` has cost, all events together; below zero if it was a good one."""
        return sum(mark.start - mark.latest for mark in self._marks.values() if mark.day == day)
