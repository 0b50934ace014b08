"""The ledger of a simulated process: what survives its death, and when it cannot be written."""

from __future__ import annotations

import datetime as dt

from mmbot.faultlab.faults import Faults
from mmbot.trading.commands import RecordSettlement, RecordViews
from mmbot.trading.events import Halted
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill
from mmbot.units import Money


class ProcessDied(Exception):
    """The process is gone."""


class InMemoryLedger:
    """What the process has committed. While `broken_until`, nothing can be written."""

    def __init__(self, faults: Faults) -> None:
        """Begin empty."""
        self.fills: dict[tuple[str, str], Fill] = {}
        self.settlements: dict[str, RecordSettlement] = {}
        self.views: list[RecordViews] = []
        self.marks: dict[str, PnlMark] = {}
        self.counts: list[tuple[dt.date, int, dt.datetime]] = []
        self.halt: Halted | None = None
        self.broken_until = 0
        self._faults = faults

    def unsettled_events(self) -> tuple[str, ...]:
        """Return the events that have fills in markets whose settlement is not final."""
        settled = {ticker for ticker, booked in self.settlements.items() if booked.final}
        unsettled = {fill.ticker for fill in self.fills.values()} - settled
        return tuple(sorted({ticker.rpartition("-")[0] for ticker in unsettled}))

    def earned(self) -> Money:
        """Return what all fills and settlements have added to the cash."""
        bought = sum(fill.cash for fill in self.fills.values())
        return bought + sum(settlement.payout for settlement in self.settlements.values())

    def check(self, now: int) -> None:
        """Fail as the database does: the daemon cannot go on, and ends."""
        if now < self.broken_until and not self._faults.calm:
            raise ProcessDied
