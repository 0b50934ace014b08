"""The environment of a simulated process: its clock, network, pages and ledger.

The process uses them, the fault injector injects faults into them, and the world owns them; none of
the three needs to know the others.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mmbot.faultlab.faults import Faults
from mmbot.faultlab.faulty_pages import FaultyPages
from mmbot.faultlab.in_memory_ledger import InMemoryLedger
from mmbot.faultlab.invariants import Auditor
from mmbot.faultlab.network import Network
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.scheduler import Scheduler
from mmbot.units import Milliseconds

# A clock that is set this far from the true time is noticed, whatever its drift.
_CLEARLY_WRONG_MS: Final = 4_000


class LocalClock:
    """The machine's clocks: elapsed time, which may drift, and wall time, which is also set."""

    def __init__(self, scheduler: Scheduler) -> None:
        """Show the true time."""
        self._scheduler = scheduler
        self._skew_ms = self._drift_ppm = self._drift_since_ms = self._drifted_ms = 0
        self._set_by_ms = self._set_at_ms = 0

    def elapsed(self) -> Milliseconds:
        """Return the elapsed time; it cannot be set."""
        true = self._scheduler.now
        drift = (true - self._drift_since_ms) * self._drift_ppm // 1_000_000
        return true + self._drifted_ms + drift

    def wall(self) -> Milliseconds:
        """Return the wall time."""
        return self.elapsed() + self._skew_ms

    def step(self, by: Milliseconds) -> None:
        """Set the wall time to this far ahead of the true time; drift then adds to it."""
        self._skew_ms = by - (self.elapsed() - self._scheduler.now)
        self._set_by_ms, self._set_at_ms = by, self._scheduler.now

    @property
    def set_wrong_for(self) -> Milliseconds:
        """For how long the wall time has been set clearly wrong; 0 if it is not."""
        wrong = abs(self._set_by_ms) > _CLEARLY_WRONG_MS
        return self._scheduler.now - self._set_at_ms if wrong else 0

    def drift(self, ppm: int) -> None:
        """Run `ppm` millionths too fast from now on."""
        self._drifted_ms = self.elapsed() - self._scheduler.now
        self._drift_since_ms, self._drift_ppm = self._scheduler.now, ppm

    def show_true_time(self) -> None:
        """Show the true wall time again, without drift; the elapsed time is not corrected."""
        self.drift(0)
        self._skew_ms = -self._drifted_ms
        self._set_by_ms = 0


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
