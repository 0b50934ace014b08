"""What a simulated process finds around itself: its clock, its network, the page, its ledger.

The process uses them, mishaps spoil them, and the world owns them; none of the three needs to
know the others.
"""

from __future__ import annotations

import msgspec

from mmbot.faultlab.faults import Faults
from mmbot.faultlab.faulty_pages import FaultyPages
from mmbot.faultlab.in_memory_ledger import InMemoryLedger
from mmbot.faultlab.invariants import Auditor
from mmbot.faultlab.network import Network
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.scheduler import Scheduler


class LocalClock:
    """The clock of the process's machine, in milliseconds: it may be wrong, and may drift."""

    def __init__(self, agenda: Scheduler) -> None:
        """Show the true time."""
        self._agenda = agenda
        self._skew = self._drift_ppm = self._drift_since = 0

    def now(self) -> int:
        """Return what it shows."""
        true = self._agenda.now
        return true + self._skew + (true - self._drift_since) * self._drift_ppm // 1_000_000

    def step(self, by: int) -> None:
        """Be wrong by so much."""
        self._skew = by

    def drift(self, ppm: int) -> None:
        """Run so many millionths too fast from now on."""
        self._drift_since, self._drift_ppm = self._agenda.now, ppm

    def set_right(self) -> None:
        """Show the true time again."""
        self._skew = self._drift_ppm = 0


class Environment(msgspec.Struct, frozen=True):
    """Everything that outlives one life of the process."""

    agenda: Scheduler
    scene: Scenario
    faults: Faults
    auditor: Auditor
    network: Network
    pages: FaultyPages
    memory: InMemoryLedger
    clock: LocalClock
