"""The ledger of a simulated process: it outlives the process, and can be made unwritable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from mmbot.bot.outputs import ShownCount
from mmbot.faultlab.faults import Faults
from mmbot.trading.commands import RecordSettlement, RecordViews
from mmbot.trading.losses import PnlMark
from mmbot.trading.operator_events import Halted
from mmbot.trading.values import Fill
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds, Money, total


class ProcessDied(Exception):
    """The process has been killed or has crashed."""


class InMemoryLedger:
    """The records that the process has committed; unwritable before `unwritable_until`."""

    def __init__(self, faults: Faults) -> None:
        """Begin empty."""
        self.fills: dict[tuple[str, str], Fill] = {}
        self.unconfirmed: set[tuple[str, str]] = set()
        self.settlements: dict[str, RecordSettlement] = {}
        self.views: list[RecordViews] = []
        self.marks: dict[str, PnlMark] = {}
        self.counts: dict[tuple[object, ...], ShownCount] = {}
        self.halt: Halted | None = None
        # Whether commits are stalled at present.
        self.stalled = False
        self.unwritable_until: Milliseconds = 0
        self._faults = faults

    def known_counts(self, history: Counts) -> Counts:
        """Return the counts with which a session begins: the file's and the recorded ones."""
        counts = history
        for shown in self.counts.values():
            counts, _ = counts.observe(shown.day, shown.count, shown.seen, archived=shown.archived)
        return counts

    def unsettled_events(self) -> tuple[str, ...]:
        """Return the events with fills in markets whose settlement is not final."""
        held = Counter[str]()
        for fill in self.fills.values():
            held[fill.ticker] += fill.signed_count
        settled = {
            ticker
            for ticker, booked in self.settlements.items()
            if booked.final and booked.position == held[ticker]
        }
        unsettled = held.keys() - settled
        return tuple(sorted({ticker.rpartition("-")[0] for ticker in unsettled}))

    def fills_of(self, events: Collection[str]) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
        """Return the fills of these events: the confirmed ones, and the others."""
        fills = [f for f in self.fills.values() if f.ticker.rpartition("-")[0] in events]
        return (
            tuple(fill for fill in fills if fill.key not in self.unconfirmed),
            tuple(fill for fill in fills if fill.key in self.unconfirmed),
        )

    def cash_change(self) -> Money:
        """Return what all fills and settlements have added to the cash."""
        bought = total(fill.cash for fill in self.fills.values())
        paid = total(settlement.payout for settlement in self.settlements.values())
        return total((bought, paid))

    def require_writable(self, now: Milliseconds) -> None:
        """Refuse a write while the database fails.

        Raises:
            ProcessDied: The ledger cannot be written, so the daemon ends.
        """
        if now < self.unwritable_until and not self._faults.calm:
            raise ProcessDied
