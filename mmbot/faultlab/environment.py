"""What surrounds a simulated process: its clock, its network, the page, its ledger.

The process uses them, the fault injector injects faults into them, and the world owns them; none
of the three needs to know the others.
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
from mmbot.units import Milliseconds


class LocalClock:
    """The clock of the process's machine: it may be wrong, and may drift."""

    def __init__(self, scheduler: Scheduler) -> None:
        """Show the true time."""
        self._scheduler = scheduler
        self._skew_ms = self._drift_ppm = self._drift_since_ms = 0

    def now(self) -> Milliseconds:
        """Return the time that it shows."""
        true = self._scheduler.now
        drift = (true - self._drift_since_ms) * self._drift_ppm // 1_000_000
        return true + self._skew_ms + drift

    def step(self, by: Milliseconds) -> None:
        """Set how far ahead of the true time it is, the drift apart."""
        self._skew_ms = by

    def drift(self, ppm: int) -> None:
        """Run so many millionths too fast from now on."""
        self._drift_since_ms, self._drift_ppm = self._scheduler.now, ppm

    def show_true_time(self) -> None:
        """Show the true time again."""
        self._skew_ms = self._drift_ppm = 0


class Environment(msgspec.Struct, frozen=True):
    """Everything that outlives one session of the process."""

    scheduler: Scheduler
    scenario: Scenario
    faults: Faults
    auditor: Auditor
    network: Network
    pages: FaultyPages
    ledger: InMemoryLedger
    clock: LocalClock
