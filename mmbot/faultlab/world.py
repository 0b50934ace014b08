"""Weeks in virtual time: the bot as it trades, the exchange, and whatever breaks between them.

A discrete-event loop on one seed: bytes take their time between the bot's process and the venue,
faults happen to them, and after everything that happens the auditor checks what must hold. One
account and one ledger live through all weeks, one process after another. The same seed and faults
give the same world, byte for byte.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

import msgspec

from mmbot.bot.bot import Bot
from mmbot.faultlab.environment import Environment, LocalClock
from mmbot.faultlab.fault_injector import FaultInjector
from mmbot.faultlab.faults import Faults
from mmbot.faultlab.faulty_pages import FaultyPages
from mmbot.faultlab.hours import Hours, PlayedSession
from mmbot.faultlab.in_memory_ledger import InMemoryLedger, ProcessDied
from mmbot.faultlab.invariants import Auditor, InvariantBroken
from mmbot.faultlab.network import Network
from mmbot.faultlab.pnl_by_window import PnlByWindow, pnl_by_window
from mmbot.faultlab.process import Process
from mmbot.faultlab.scenario import Scenario, SleepingCrowd, build
from mmbot.faultlab.scheduler import Scheduler
from mmbot.trading.events import Halted, Resumed
from mmbot.trading.values import CLIENT_ID_PREFIX
from mmbot.tsa.calendar import Week
from mmbot.units import ONE_DOLLAR

# Milliseconds: how long the crowd is still before the books are compared, how long a start takes,
# how long a sweep may take, and what is under way at the end.
_STILL: Final = 4_000
_START: Final = (2_000, 10_000)
_SWEEP: Final = 20_000
_PATIENCE: Final = 50
_DRAINED: Final = 10_000


class WorldResult(msgspec.Struct, frozen=True):
    """What a world came to."""

    orders: int
    fills: int
    restarts: int
    faults: Counter[str]
    digest: str
    earned: PnlByWindow = PnlByWindow()
    invariant: str = ""
    what: str = ""


class World:
    """Everything that happens to one seed."""

    def __init__(
        self,
        seed: str,
        weeks: tuple[Week, ...],
        names: Iterable[str],
        hours: Hours = "eventful",
        unjudged: Collection[str] = (),
        begin: Callable[..., Bot] = Bot,
    ) -> None:
        """Set the stage.

        Args:
            seed: What everything is drawn from.
            weeks: The weeks played, one after another.
            names: The faults that may happen.
            hours: Which hours are played.
            unjudged: Invariants that may be broken.
            begin: Begins a life of the bot.
        """
        self.scene: Scenario = build(seed, weeks, hours)
        self._begin = begin
        self.faults = Faults(seed, names)
        self.auditor = Auditor(self.scene, unjudged)
        self.venue = self.scene.venue
        self.venue.watchers.append(self.auditor.facts)
        self.host: Process | None = None
        self.agenda = Scheduler(self.scene.clock.wall)
        self._rng = random.Random(f"world {seed}")
        self.network = Network(self.agenda, self.scene, self.faults, self.auditor, self._rng)
        self.memory = InMemoryLedger(self.faults)
        self._around = Environment(
            agenda=self.agenda,
            scene=self.scene,
            faults=self.faults,
            auditor=self.auditor,
            network=self.network,
            pages=FaultyPages(self.scene, self.faults),
            memory=self.memory,
            clock=LocalClock(self.agenda),
        )
        self.mishaps = FaultInjector(self._around, self)
        self._lives = 0

    # The loop

    def run(self) -> WorldResult:
        """Play the weeks through; an invariant that breaks ends them."""
        broken, earned = InvariantBroken("", ""), PnlByWindow()
        try:
            for number, window in enumerate(self.scene.windows):
                self._play(window, last=number == len(self.scene.windows) - 1)
            self._check_money()
            earned = self._tally()
        except InvariantBroken as found:
            broken = found
        return WorldResult(
            orders=self.auditor.orders_placed,
            fills=len(self.auditor.fills),
            restarts=max(0, self._lives - 1),
            faults=self.faults.injected,
            digest=self.agenda.digest,
            earned=earned,
            invariant=broken.invariant,
            what=broken.what,
        )

    def _play(self, window: PlayedSession, *, last: bool) -> None:
        """Play one session: a start or a waking, trouble, calm, and an end of some kind."""
        self._freeze(window.start)
        self._sleepers.skip_to(window)
        if self.host is None:
            self._survive(self._begin_life)
        self.faults.calm = False
        for at, name in self.faults.occasions(window.start, window.calm):
            self.agenda.at(at, partial(self.mishaps.happen, name))
        self._run(window.calm)
        self.faults.calm = True
        self.mishaps.end()
        self._run(window.end - _STILL)
        self._sleepers.frozen = True
        self._run(window.end - _STILL // 2)
        self.auditor.be_still(still=True)
        self._run(window.end)
        self.auditor.be_still(still=False)
        self._drain()
        self._check()
        self._end(last=last)

    def _end(self, *, last: bool) -> None:
        """End a session as processes do: asked to, killed, or left sleeping with its machine."""
        manner = "stop" if last else self._rng.choice(("stop", "kill", "sleep"))
        if manner == "stop" and self.host is not None:
            self.host.stop()
            self._run(self.agenda.now + _SWEEP)
            if self.host is None or not self.host.finished:
                raise InvariantBroken("stopped", "the sweep has not ended within 20 s")
            self.auditor.check_stopped()
        since = self.agenda.now
        if manner != "sleep":
            self._kill()
        else:
            self.network.hang_up()
        self._freeze(since + 2 * 60_000)
        self.auditor.check_dead(since, self.agenda.now)

    def _freeze(self, until: int) -> None:
        """Let time pass for the exchange alone; whatever the process meant to do is overdue."""
        self.venue.advance(until)
        self.agenda.pass_to(until)

    def _drain(self) -> None:
        """Wait until nothing is under way between bot and exchange."""
        for _ in range(_DRAINED // _PATIENCE):
            if not self.network.busy:
                return
            self._run(self.agenda.now + _PATIENCE)
        raise InvariantBroken("recovery", "calls or frames are under way without end")

    def _run(self, until: int) -> None:
        """Let everything happen up to a true time, in order."""
        while True:
            mine, theirs = self.agenda.next_due, self.venue.next_event_at()
            due = min((at for at in (mine, theirs) if at is not None), default=until + 1)
            if due > until:
                break
            if due == theirs:
                self.agenda.pass_to(due)
                self.venue.advance(due)
                self.network.pump()
            else:
                self._survive(self.agenda.take())
        self.agenda.pass_to(until)

    def _survive(self, action: Callable[[], None]) -> None:
        try:
            action()
        except ProcessDied:
            self.die()

    @property
    def _sleepers(self) -> SleepingCrowd:
        traders = self.venue.traders
        if not isinstance(traders, SleepingCrowd):
            raise TypeError("the crowd of a world sleeps between sessions")
        return traders

    def surprise(self, by: int) -> None:
        """Let the forecast move all at once, by so many passengers."""
        if self.host is not None:
            self.host.surprised(by)

    # The operator

    def halt(self) -> None:
        """Have no quote shown until `resume`, whatever becomes of the process."""
        halted = self.memory.halt = Halted(self._around.clock.now())
        self.auditor.halted_at = self.agenda.now
        if self.host is not None:
            self.host.obey(halted)

    def resume(self) -> None:
        """Let quotes be shown again."""
        self.memory.halt = self.auditor.halted_at = None
        if self.host is not None:
            self.host.obey(Resumed())

    # Lives

    def _begin_life(self) -> None:
        self._lives += 1
        self.agenda.trace("life", self._lives)
        life, scene = f"{self._lives}", self.scene
        bot = self._begin(scene.settings, scene.clock, scene.signer, life, random.Random(life))
        self.host = Process(self._around, bot, life)
        self.network.welcome(self.host)
        self.host.start()

    def die(self) -> None:
        """Kill the process; it is started again after a while."""
        if self.host is not None:
            self._kill()
            self.agenda.after(self._rng.randint(*_START), self._revive)

    def _revive(self) -> None:
        if self.host is None:
            self._begin_life()

    def _kill(self) -> None:
        if self.host is not None:
            self.host.die()
            self.host = None
        self.network.drop()

    # Checks

    def _check(self) -> None:
        if self.host is None:
            raise InvariantBroken("recovery", "after the calm the process has not come back")
        self.auditor.check_agreement(self.host.bot, self.memory.fills.values())
        if self.memory.halt is not None:
            self.auditor.check_halted()

    def _check_money(self) -> None:
        """Compare what the ledger says that all weeks came to with the exchange's account."""
        ours = self.memory.earned()
        theirs = self.scene.account.cash - self.scene.account.deposited
        if ours != theirs:
            raise InvariantBroken(
                "cash", f"the ledger's weeks are {ours} where the exchange's are {theirs}"
            )

    def _tally(self) -> PnlByWindow:
        markets = self.venue.exchange.engine.markets.values()
        values = {market.ticker: ONE_DOLLAR * (market.result == "yes") for market in markets}
        own = [
            fill
            for fill in self.auditor.fills.values()
            if fill.client_order_id.startswith(CLIENT_ID_PREFIX)
        ]
        gate = self.scene.settings.counts.earliest_release
        return pnl_by_window(own, values, self.scene.releases, gate)
