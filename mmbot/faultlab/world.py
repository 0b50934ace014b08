"""Weeks in virtual time: the bot as it trades, the exchange, and faults between the two.

A discrete-event loop on one seed: bytes travel between the bot's process and the venue with
latency, faults are injected, and the auditor checks the invariants after every step. One account
and one ledger last through all weeks and all sessions of the process. The same seed and faults give
the same world, byte for byte.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec

from mmbot.bot.bot import Bot
from mmbot.exchange.fees import FeeSchedule
from mmbot.faultlab.agreement import check_recorded_counts
from mmbot.faultlab.environment import Environment, LocalClock
from mmbot.faultlab.fault_injector import FaultInjector
from mmbot.faultlab.faults import Faults
from mmbot.faultlab.faulty_pages import FaultyPages
from mmbot.faultlab.hours import Hours, PlayedWindow
from mmbot.faultlab.in_memory_ledger import InMemoryLedger, ProcessDied
from mmbot.faultlab.invariants import Auditor, InvariantBroken
from mmbot.faultlab.network import Network
from mmbot.faultlab.pnl_by_window import PnlByWindow, pnl_by_window
from mmbot.faultlab.process import SimulatedProcess
from mmbot.faultlab.scenario import FREE_FOR_MAKERS, Tables, WindowedCrowd, build
from mmbot.faultlab.scheduler import Scheduler
from mmbot.trading.operator_events import Halted, Resumed
from mmbot.trading.values import CLIENT_ID_PREFIX
from mmbot.underlying.calendar import Week
from mmbot.units import Milliseconds

# The fees of a series whose fees may change: two in three weeks are free for makers at first.
_FEES: Final = (
    *(4 * (FREE_FOR_MAKERS,)),
    FeeSchedule("quadratic_with_maker_fees"),
    FeeSchedule("quadratic_with_combo_maker_fees"),
)
# How long before the end of a window the crowd pauses, and by when the bot must stop requoting.
_PAUSED_MS: Final = 4_000
_UNDISTURBED_MS: Final = 2_000
# How long a process is down between a kill and its restart, and between two windows at least.
_RESTART_MS: Final = (2_000, 10_000)
_DOWN_MS: Final = 2 * 60_000
# How long a stop may take, and calls and frames that are in flight at the end of a window.
_STOP_MS: Final = 20_000
_DRAIN_MS: Final = 10_000
_DRAIN_STEP_MS: Final = 50


class WorldResult(msgspec.Struct, frozen=True):
    """The result of a world; `what` says how an invariant was broken, if one was."""

    orders: int
    fills: int
    restarts: int
    faults: Counter[str]
    digest: str
    earned: PnlByWindow = PnlByWindow()
    invariant: str = ""
    what: str = ""


class World:
    """The simulation of one seed."""

    def __init__(
        self,
        seed: str,
        weeks: tuple[Week, ...],
        names: Iterable[str],
        hours: Hours = "eventful",
        unjudged: Collection[str] = (),
        begin: Callable[..., Bot] = Bot,
        fees: FeeSchedule | None = None,
        tables: Tables = MappingProxyType({}),
    ) -> None:
        """Build the scenario and the environment of the process.

        Args:
            seed: The seed of everything that is drawn.
            weeks: The weeks played, one after another.
            names: The faults that may be injected.
            hours: Which hours are played.
            unjudged: The invariants that are not checked.
            begin: Creates the bot of a session.
            fees: The series' fees; if `None` and fees may change, they are drawn.
            tables: Tables of a config, which override drawn settings.
        """
        names = tuple(names)
        self.faults = Faults(seed, names)
        fees = fees or (_drawn_fees(seed) if "fees_changed" in names else FREE_FOR_MAKERS)
        scenario = self.scenario = build(seed, weeks, hours, fees, tables)
        self._begin = begin
        self.auditor = Auditor(scenario, unjudged)
        self.venue = scenario.venue
        self.venue.fact_listeners.append(self.auditor.follow_facts)
        self.process: SimulatedProcess | None = None
        self.scheduler = Scheduler(scenario.clock.wall)
        self._rng = random.Random(f"world {seed}")
        self.network = Network(self.scheduler, scenario, self.faults, self.auditor, self._rng)
        self.ledger = InMemoryLedger(self.faults)
        self._environment = Environment(
            scheduler=self.scheduler,
            scenario=scenario,
            faults=self.faults,
            auditor=self.auditor,
            network=self.network,
            pages=FaultyPages(scenario),
            ledger=self.ledger,
            clock=LocalClock(self.scheduler),
        )
        self.injector = FaultInjector(self._environment, self)
        self._sessions = 0

    # The loop

    def run(self) -> WorldResult:
        """Simulate the weeks, up to the first broken invariant."""
        broken, earned = InvariantBroken("", ""), PnlByWindow()
        try:
            for number, window in enumerate(self.scenario.windows, 1):
                self._play(window, last=number == len(self.scenario.windows))
            self._check_money()
            earned = self._pnl()
        except InvariantBroken as found:
            broken = found
        return WorldResult(
            orders=self.auditor.orders.placed,
            fills=len(self.auditor.fills),
            restarts=max(0, self._sessions - 1),
            faults=self.faults.injected,
            digest=self.scheduler.digest,
            earned=earned,
            invariant=broken.invariant,
            what=broken.what,
        )

    def _play(self, window: PlayedWindow, *, last: bool) -> None:
        """Play a window: start or wake the process, inject faults, recover, check, and end it."""
        self._skip_to(window.start)
        self._crowd.enter(window)
        if self.process is None:
            self._perform(self._start_session)
        self.faults.calm = False
        for at, name in self.faults.occasions(window.start, window.faults_end):
            self.scheduler.at(at, partial(self.injector.inject, name))
        self._run(window.faults_end)
        self.faults.calm = True
        self.injector.end_all()
        self._run(window.end - _PAUSED_MS)
        self._crowd.paused = True
        self._run(window.end - _UNDISTURBED_MS)
        self.auditor.set_quiet(still=True)
        self._run(window.end)
        self.auditor.set_quiet(still=False)
        self._drain()
        self._check()
        self._end(last=last)

    def _end(self, *, last: bool) -> None:
        """End a window: stop the process, kill it, or suspend it with its machine."""
        manner = "stop" if last else self._rng.choice(("stop", "kill", "sleep"))
        if manner == "stop" and self.process is not None:
            self.process.stop()
            self._run(self.scheduler.now + _STOP_MS)
            if self.process is None or not self.process.finished:
                raise InvariantBroken("stopped", "the sweep has not ended within 20 s")
            self.auditor.check_stopped()
        since = self.scheduler.now
        if manner == "sleep":
            self.network.cut()
        else:
            self._kill()
        self._skip_to(since + _DOWN_MS)
        self.auditor.check_outlived(since, self.scheduler.now)

    def _skip_to(self, now: Milliseconds) -> None:
        """Advance the exchange alone; what the process has scheduled is then overdue."""
        self.venue.advance(now)
        self.scheduler.advance_to(now)

    def _drain(self) -> None:
        """Wait until nothing is in flight between bot and exchange."""
        for _ in range(_DRAIN_MS // _DRAIN_STEP_MS):
            if not self.network.busy:
                return
            self._run(self.scheduler.now + _DRAIN_STEP_MS)
        raise InvariantBroken("recovery", "calls or frames are under way without end")

    def _run(self, until: Milliseconds) -> None:
        """Perform everything that is due up to a true time, in order."""
        scheduler, venue = self.scheduler, self.venue
        while True:
            ours, theirs = scheduler.next_due, venue.next_event_at()
            if theirs is not None and (ours is None or theirs <= ours):
                if theirs > until:
                    break
                scheduler.advance_to(theirs)
                venue.advance(theirs)
                self.network.pump()
            elif ours is not None and ours <= until:
                self._perform(scheduler.pop_next())
            else:
                break
        scheduler.advance_to(until)

    def _perform(self, action: Callable[[], None]) -> None:
        try:
            action()
        except ProcessDied:
            self.kill_and_restart()

    @property
    def _crowd(self) -> WindowedCrowd:
        traders = self.venue.participants
        if not isinstance(traders, WindowedCrowd):
            raise TypeError("the crowd of a world acts within the played windows only")
        return traders

    # Faults of the process

    def shift_forecast(self, by: int) -> None:
        """Shift the forecast by `by` counts, at once."""
        if self.process is not None:
            self.process.shift_forecast(by)

    def halt(self) -> None:
        """Halt quoting as the operator does, over restarts, until `resume`."""
        halted = self.ledger.halt = Halted(self._environment.clock.wall())
        self.auditor.orders.halted_at = self.scheduler.now
        if self.process is not None:
            self.process.handle_operator(halted)

    def resume(self) -> None:
        """Resume quoting as the operator does."""
        self.ledger.halt = self.auditor.orders.halted_at = None
        if self.process is not None:
            self.process.handle_operator(Resumed())

    def commit(self) -> None:
        """Commit the process's pending writes."""
        if self.process is not None:
            self.process.commit()

    # Sessions

    def _start_session(self) -> None:
        self._sessions += 1
        self.scheduler.trace("life", self._sessions)
        session, scenario = f"{self._sessions}", self.scenario
        rng = random.Random(session)
        bot = self._begin(scenario.settings, scenario.clock, scenario.signer, session, rng)
        self.process = SimulatedProcess(self._environment, bot, session)
        self.network.attach(self.process)
        self.process.start()

    def kill_and_restart(self) -> None:
        """Kill the process and restart it after a while."""
        if self.process is not None:
            self._kill()
            self.scheduler.after(self._rng.randint(*_RESTART_MS), self._restart)

    def _restart(self) -> None:
        if self.process is None:
            self._start_session()

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None
        self.network.detach()

    # Checks

    def _check(self) -> None:
        if self.process is None:
            raise InvariantBroken("recovery", "after the calm the process has not come back")
        bot = self.process.bot
        self.auditor.check_awake(self.process.read_at, self.scheduler.now)
        self.auditor.check_agreement(bot, self.ledger.fills.values())
        check_recorded_counts(bot.counts, self.ledger.known_counts(self.scenario.history))
        if self.ledger.halt is not None:
            self.auditor.check_halted()

    def _check_money(self) -> None:
        """Compare the ledger's cash flow over all weeks with the exchange's account."""
        ours = self.ledger.cash_change()
        theirs = self.scenario.account.cash - self.scenario.account.deposited
        if ours != theirs:
            raise InvariantBroken(
                "cash", f"the ledger's weeks are {ours} where the exchange's are {theirs}"
            )

    def _pnl(self) -> PnlByWindow:
        markets = self.venue.exchange.engine.markets.values()
        values = {market.ticker: market.yes_value for market in markets}
        own = [
            fill
            for fill in self.auditor.fills.values()
            if fill.client_order_id.startswith(CLIENT_ID_PREFIX)
        ]
        gate = self.scenario.settings.counts.earliest_release
        return pnl_by_window(own, values, self.scenario.releases, gate)


def _drawn_fees(seed: str) -> FeeSchedule:
    return random.Random(f"fees {seed}").choice(_FEES)
