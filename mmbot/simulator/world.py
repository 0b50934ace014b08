"""One week in virtual time: the bot as it trades, the exchange, and whatever breaks between them.

A discrete-event loop on one seed: bytes take their time between the bot's process and the venue,
faults happen to them, and after everything that happens the auditor checks what must hold. The
same seed and faults give the same world, byte for byte.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappop, heappush
from typing import Final

import msgspec

from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.simulator.faults import Fate, Faults
from mmbot.simulator.host import Died, Host, Memory, payout
from mmbot.simulator.invariants import Auditor, Broken, created
from mmbot.simulator.mishaps import Mishaps
from mmbot.simulator.pages import Pages
from mmbot.simulator.scene import Scene, Sleepers, Window, build
from mmbot.simulator.stream import Session
from mmbot.tsa.calendar import Week

# Milliseconds: how long the crowd is still before the books are compared, how long a start takes,
# how soon a dead connection is noticed, and how long a sweep may take.
_STILL: Final = 4_000
_START: Final = (2_000, 10_000)
_NOTICED: Final = (10_000, 20_000)
_SWEEP: Final = 20_000
_CLOSE: Final = 50
_DRAINED: Final = 10_000
# After so long, a life knows its write bucket.
_SETTLED_IN: Final = 5_000


class Outcome(msgspec.Struct, frozen=True):
    """What a world came to."""

    orders: int
    fills: int
    restarts: int
    faults: Counter[str]
    digest: str
    invariant: str = ""
    what: str = ""


class Link:
    """One stream between the process and the venue; frames in order never overtake each other."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.up = False
        self.deaf = False
        self.latest = 0


class World:
    """Everything that happens in one week of one seed."""

    def __init__(self, seed: str, week: Week, names: Iterable[str]) -> None:
        self.scene: Scene = build(seed, week)
        self.faults = Faults(seed, names)
        self.auditor = Auditor(self.scene)
        self.venue = self.scene.venue
        self.venue.watchers.append(self.auditor.facts)
        self.memory = Memory(self.faults)
        self.pages = Pages(self.scene, self.faults)
        self.skew = self.drift_ppm = self.drift_since = 0
        self.link: Link | None = None
        self.host: Host | None = None
        self._rng = random.Random(f"world {seed}")
        self._mishaps = Mishaps(self)
        self._now = self.scene.clock.wall
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._planned = 0
        self._born = self._now
        self._lives = self._waiting = self._flying = 0
        self._hash = hashlib.sha256()

    # The loop

    def run(self) -> Outcome:
        """Play the week through; an invariant that breaks ends it."""
        broken = Broken("", "")
        try:
            for number, window in enumerate(self.scene.windows):
                self._play(window, last=number == len(self.scene.windows) - 1)
        except Broken as found:
            broken = found
        return Outcome(
            orders=self.auditor.orders_placed,
            fills=len(self.auditor.fills),
            restarts=max(0, self._lives - 1),
            faults=self.faults.injected,
            digest=self._hash.hexdigest(),
            invariant=broken.invariant,
            what=broken.what,
        )

    def _play(self, window: Window, *, last: bool) -> None:
        """Play one session: a start or a waking, trouble, calm, and an end of some kind."""
        self._freeze(window.start)
        self._sleepers.skip_to(window)
        if self.host is None:
            self._survive(self._begin_life)
        self.faults.calm = False
        for at, name in self.faults.occasions(window.start, window.calm):
            self.at(at, partial(self._mishaps.happen, name, window))
        self._run(window.calm)
        self.faults.calm = True
        self._mishaps.end()
        self._run(window.end - _STILL)
        self._sleepers.frozen = True
        self._run(window.end - _STILL // 2)
        self.auditor.still = True
        self._run(window.end)
        self.auditor.still = False
        self._drain()
        self._check()
        self._end(last=last)

    def _end(self, *, last: bool) -> None:
        """End a session as processes do: asked to, killed, or left sleeping with its machine."""
        manner = "stop" if last else self._rng.choice(("stop", "kill", "sleep"))
        if manner == "stop" and self.host is not None:
            self.host.stop()
            self._run(self._now + _SWEEP)
            if self.host is None or not self.host.finished:
                raise Broken("stopped", "the sweep has not ended within 20 s")
            self.auditor.check_stopped()
        since = self._now
        if manner != "sleep":
            self._kill()
        else:
            self._hang_up()
        self._freeze(since + 2 * 60_000)
        self.auditor.check_dead(since, self._now)

    def _freeze(self, until: int) -> None:
        """Let time pass for the exchange alone; whatever the process meant to do is overdue."""
        self.venue.advance(until)
        self._now = max(self._now, until)

    def _drain(self) -> None:
        """Wait until nothing is under way between bot and exchange."""
        for _ in range(_DRAINED // _CLOSE):
            if not (self._waiting or self._flying):
                return
            self._run(self._now + _CLOSE)
        raise Broken("recovery", "calls or frames are under way without end")

    def _run(self, until: int) -> None:
        """Let everything happen up to a true time, in order."""
        while True:
            mine = self._agenda[0][0] if self._agenda else until + 1
            theirs = self.venue.next_event_at()
            if min(mine, until + 1 if theirs is None else theirs) > until:
                break
            if theirs is not None and theirs <= mine:
                self._now = max(self._now, theirs)
                self.venue.advance(theirs)
                self._pump()
            else:
                at, _, action = heappop(self._agenda)
                self._now = max(self._now, at)
                self._survive(action)
        self._now = max(self._now, until)

    def _survive(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Died:
            self.die()

    @property
    def _sleepers(self) -> Sleepers:
        traders = self.venue.traders
        if not isinstance(traders, Sleepers):
            raise TypeError("the crowd of a world sleeps between sessions")
        return traders

    # What the process needs

    def at(self, due: int, action: Callable[[], None]) -> None:
        """Put an action on the agenda."""
        self._planned += 1
        heappush(self._agenda, (due, self._planned, action))

    def now(self) -> int:
        """Return the true time."""
        return self._now

    def local(self) -> int:
        """Return what the process's clock shows."""
        drifted = (self._now - self.drift_since) * self.drift_ppm // 1_000_000
        return self._now + self.skew + drifted

    def trace(self, *what: object) -> None:
        """Make something part of the digest."""
        self._hash.update(repr((self._now, *what)).encode())

    def page(self, request: HttpRequest) -> HttpAnswer:
        """Fetch a page of counts."""
        return self.pages.answer(request, self._now)

    # Lives

    def _begin_life(self) -> None:
        self._lives += 1
        self._born = self._now
        self.trace("life", self._lives)
        self.link = None
        self.host = Host(self.scene, self, self.faults, self.auditor, self.memory, f"{self._lives}")
        self.host.start()

    def die(self) -> None:
        """Kill the process; it is started again after a while."""
        if self.host is not None:
            self._kill()
            self.at(self._now + self._rng.randint(*_START), self._revive)

    def _revive(self) -> None:
        if self.host is None:
            self._begin_life()

    def _kill(self) -> None:
        if self.host is not None:
            self.host.die()
            self.host = None
        if self.link is not None and self.link.session is not None:
            self.venue.close_session(self.link.session)
        self.link = None

    # The stream

    def connect(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Open a stream."""
        link = self.link = Link()
        self.at(self._now + self.faults.latency(), partial(self._open, link, headers))

    def _open(self, link: Link, headers: tuple[tuple[str, str], ...]) -> None:
        if link is not self.link:
            return
        opened = self.venue.open_session(headers, self._now)
        if isinstance(opened, Session):
            link.session = opened
        self.at(self._now + self.faults.latency(), partial(self._opened, link))

    def _opened(self, link: Link) -> None:
        if link is not self.link or self.host is None:
            return
        if link.session is None:
            self.host.stream_failed()
        else:
            link.up = True
            self.host.stream_opened()

    def transmit(self, frame: bytes) -> None:
        """Send a frame to the venue."""
        self.trace("up", frame)
        link = self.link
        if link is None or not link.up:
            return
        link.latest = max(link.latest, self._now + self.faults.latency())
        self.at(link.latest, partial(self._transmitted, link, frame))

    def _transmitted(self, link: Link, frame: bytes) -> None:
        if link.session is not None and not link.session.closed and not link.deaf:
            self.venue.receive(link.session, frame, self._now)
            self._pump()

    def _pump(self) -> None:
        """Send on what the venue has said."""
        link = self.link
        if link is None or link.session is None:
            return
        outbox = link.session.outbox
        while outbox:
            self._send_down(link, outbox.popleft())

    def _send_down(self, link: Link, frame: bytes) -> None:
        kind = _kind(frame)
        if link.deaf:
            return
        if self.faults.strikes("disconnect_in_burst"):
            self.break_link()
            return
        for arrival in self.faults.frame(kind, self._now):
            at = self._now + arrival.delay
            if arrival.in_order:
                at = link.latest = max(at, link.latest)
            self._flying += 1
            self.at(at, partial(self._arrive, link, frame))

    def _arrive(self, link: Link, frame: bytes) -> None:
        self._flying -= 1
        if link is self.link and link.up and self.host is not None:
            self.trace("down", frame)
            self.host.received(frame)

    def break_link(self) -> None:
        """Cut the stream; the process notices at once."""
        if self.link is not None and self.link.session is not None:
            self.venue.close_session(self.link.session)
            self.at(self._now + 1, partial(self._closed, self.link))
            self.link.deaf = True

    def disconnect(self) -> None:
        """Close the stream for the process."""
        if self.link is not None:
            if self.link.session is not None:
                self.venue.close_session(self.link.session)
            self.link.deaf = True
            self.at(self._now + _CLOSE, partial(self._closed, self.link))

    def go_deaf(self) -> None:
        """Leave the stream half open: nothing passes, and nobody is told for a while."""
        if self.link is not None and self.link.up:
            self.link.deaf = True
            delay = self._rng.randint(*_NOTICED)
            self.at(self._now + delay, partial(self._closed, self.link))

    def _closed(self, link: Link) -> None:
        if link is not self.link or not link.up:
            return
        if link.session is not None:
            self.venue.close_session(link.session)
        self.link = None
        if self.host is not None:
            self.host.stream_closed()

    def _hang_up(self) -> None:
        """The machine sleeps: the exchange closes the stream, and the process hears when awake."""
        link = self.link
        if link is not None and link.session is not None:
            self.venue.close_session(link.session)
            link.deaf = True
            self.at(self._now + 1, partial(self._closed, link))

    # Calls

    def call(self, request: HttpRequest, answered: Callable[[HttpAnswer | None], None]) -> None:
        """Send a request on its way."""
        self.trace("call", request.method, request.path, request.query, request.body)
        fate = self.faults.call(request, self._now)
        timeout = round(self.scene.settings.orders.answer_timeout_seconds * 1000)
        exchange = _Exchange(answered)
        self._waiting += 1
        self.at(self._now + timeout, partial(self._time_out, exchange))
        if fate.instead is not None and fate.back is not None:
            self.at(self._now + fate.back, partial(self._answer, exchange, fate.instead))
        if fate.there is None:
            self.auditor.never_arrived(request)
        else:
            self.at(self._now + fate.there, partial(self._serve, exchange, request, fate))

    def _serve(self, exchange: _Exchange, request: HttpRequest, fate: Fate) -> None:
        answer = self.venue.handle(request, self._now)
        settled_in = self._now > self._born + _SETTLED_IN and not self.faults.bunches
        self.auditor.arrived(request, answer, tokens_known=settled_in)
        if fate.fill_first and answer.status == 201:
            for wish in created(request):
                self._mishaps.hit(wish.ticker, wish.side, wish.price)
        self._pump()
        if fate.instead is None and fate.back is not None:
            self.at(self._now + fate.back, partial(self._answer, exchange, answer))

    def _answer(self, exchange: _Exchange, answer: HttpAnswer) -> None:
        if not exchange.over:
            exchange.over = True
            self._waiting -= 1
            self.trace("answer", answer.status, answer.body)
            exchange.answered(answer)

    def _time_out(self, exchange: _Exchange) -> None:
        if not exchange.over:
            exchange.over = True
            self._waiting -= 1
            exchange.answered(None)

    # Checks

    def _check(self) -> None:
        if self.host is None:
            raise Broken("recovery", "after the calm the process has not come back")
        bot = self.host.bot
        self.auditor.check_agreement(bot, self.memory.fills.values())
        markets = self.venue.exchange.engine.markets.values()
        # A life that began after the close never heard of the event, and cannot settle it.
        if bot.engine.desk.ladders and all(market.status == "finalized" for market in markets):
            self._check_money()

    def _check_money(self) -> None:
        """Compare what the ledger says that the week came to with the exchange's account."""
        ours = sum(fill.cash for fill in self.memory.fills.values())
        ours += payout(self.memory.settlements.values())
        theirs = self.scene.account.cash - self.scene.account.deposited
        if ours != theirs:
            raise Broken("cash", f"the ledger's week is {ours} where the exchange's is {theirs}")


class _Exchange:
    """A call that waits for its answer."""

    def __init__(self, answered: Callable[[HttpAnswer | None], None]) -> None:
        self.answered = answered
        self.over = False


def _kind(frame: bytes) -> str:
    return msgspec.json.decode(frame, type=_Typed).type


class _Typed(msgspec.Struct, frozen=True):
    type: str = ""
