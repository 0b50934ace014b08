"""The day's loss so far: each event's P&L against its P&L at the start of the day.

P&L counts fills and marks positions to fair value, so it includes manual trades but not deposits
and withdrawals. Marks are recorded in the ledger as they change and restored from it at the start,
so that a restart does not erase a loss.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from mmbot.units import MONEY_PER_CENT, Money, total

# A mark is recorded again when it has moved by this much.
_RECORDED_STEP = Money(10 * MONEY_PER_CENT)


class PnlMark(msgspec.Struct, frozen=True):
    """One event's P&L at the start of a day, and its latest on that day."""

    day: dt.date
    event: str
    start: Money
    latest: Money


class DailyLosses:
    """The latest mark of each event."""

    def __init__(self) -> None:
        self._marks: dict[str, PnlMark] = {}
        self._recorded: dict[str, PnlMark] = {}

    def restore(self, marks: Iterable[PnlMark]) -> None:
        """Restore the marks of earlier sessions, but keep those of this one, which are newer."""
        for mark in marks:
            self._marks.setdefault(mark.event, mark)
            self._recorded.setdefault(mark.event, mark)

    def start(self, day: dt.date, event: str) -> Money:
        """Return an event's P&L at the start of `day`; zero if it has no mark."""
        mark = self._marks.get(event)
        if mark is None:
            return Money(0)
        return mark.start if mark.day == day else mark.latest

    def mark(self, day: dt.date, event: str, pnl: Money) -> PnlMark | None:
        """Update an event's P&L; return its mark if it has to be recorded."""
        mark = self._marks[event] = PnlMark(day, event, self.start(day, event), pnl)
        recorded = self._recorded.get(event)
        if recorded and recorded.day == day and abs(recorded.latest - pnl) < _RECORDED_STEP:
            return None
        self._recorded[event] = mark
        return mark

    def forget(self, event: str) -> None:
        """Drop an event."""
        self._marks.pop(event, None)
        self._recorded.pop(event, None)

    def loss(self, day: dt.date) -> Money:
        """Return the loss of `day` over all events; a profit is negative."""
        return total(
            Money(mark.start - mark.latest) for mark in self._marks.values() if mark.day == day
        )
