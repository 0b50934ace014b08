"""What lies between the bot's process and the venue: a stream and calls, and all their faults."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from mmbot.exchange.stream_session import StreamSession
from mmbot.faultlab.faults import Fate, Faults
from mmbot.faultlab.invariants import Auditor
from mmbot.faultlab.manual_trades import hit
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.scheduler import Scheduler
from mmbot.faultlab.traffic import created, kind_of
from mmbot.kalshi.http import HttpAnswer, HttpRequest

# Milliseconds: how soon a dead connection is noticed, and how long closing one takes.
_NOTICED: Final = (10_000, 20_000)
_CLOSE: Final = 50
# After so long, a life knows its write bucket.
_SETTLED_IN: Final = 5_000


class NetworkListener(Protocol):
    """Who hears of the stream: the process."""

    def stream_opened(self) -> None:
        """Hear that the stream is open."""

    def stream_failed(self) -> None:
        """Hear that the stream could not be opened."""

    def stream_closed(self) -> None:
        """Hear that the stream is gone."""

    def received(self, frame: bytes) -> None:
        """Hear a frame."""


class Link:
    """One stream between the process and the venue; frames in order never overtake each other."""

    def __init__(self) -> None:
        self.session: StreamSession | None = None
        self.up = False
        self.deaf = False
        self.latest = 0


class Network:
    """Carries bytes between one process and one venue; `host` is whoever lives at the moment."""

    def __init__(
        self,
        agenda: Scheduler,
        scene: Scenario,
        faults: Faults,
        auditor: Auditor,
        rng: random.Random,
    ) -> None:
        """Begin unconnected."""
        self.link: Link | None = None
        self.host: NetworkListener | None = None
        self.born = agenda.now
        self._agenda = agenda
        self._scene = scene
        self._venue = scene.venue
        self._faults = faults
        self._auditor = auditor
        self._rng = rng
        self._timeout = round(scene.settings.orders.answer_timeout_seconds * 1000)
        self._waiting = self._flying = 0

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._waiting or self._flying)

    def welcome(self, host: NetworkListener) -> None:
        """Serve a new life of the process."""
        self.host, self.link, self.born = host, None, self._agenda.now

    def drop(self) -> None:
        """Forget a process that is gone; its sockets are closed for it."""
        if self.link is not None and self.link.session is not None:
            self._venue.close_session(self.link.session)
        self.host = self.link = None

    # The stream

    def connect(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Open a stream."""
        link = self.link = Link()
        self._agenda.after(self._faults.latency(), partial(self._open, link, headers))

    def _open(self, link: Link, headers: tuple[tuple[str, str], ...]) -> None:
        if link is not self.link:
            return
        opened = self._venue.open_session(headers, self._agenda.now)
        if isinstance(opened, StreamSession):
            link.session = opened
        self._agenda.after(self._faults.latency(), partial(self._opened, link))

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
        self._agenda.trace("up", frame)
        link = self.link
        if link is None or not link.up:
            return
        link.latest = max(link.latest, self._agenda.now + self._faults.latency())
        self._agenda.at(link.latest, partial(self._transmitted, link, frame))

    def _transmitted(self, link: Link, frame: bytes) -> None:
        if link.session is not None and not link.session.closed and not link.deaf:
            self._venue.receive(link.session, frame, self._agenda.now)
            self.pump()

    def pump(self) -> None:
        """Send on what the venue has said."""
        link = self.link
        if link is None or link.session is None:
            return
        outbox = link.session.outbox
        while outbox:
            self._send_down(link, outbox.popleft())

    def _send_down(self, link: Link, frame: bytes) -> None:
        kind = kind_of(frame)
        if link.deaf:
            return
        if self._faults.strikes("disconnect_in_burst"):
            self.break_link()
            return
        for arrival in self._faults.frame(kind, self._agenda.now):
            at = self._agenda.now + arrival.delay
            if arrival.in_order:
                at = link.latest = max(at, link.latest)
            self._flying += 1
            self._agenda.at(at, partial(self._arrive, link, frame))

    def _arrive(self, link: Link, frame: bytes) -> None:
        self._flying -= 1
        if link is self.link and link.up and self.host is not None:
            self._agenda.trace("down", frame)
            self.host.received(frame)

    def break_link(self) -> None:
        """Cut the stream; the process notices at once."""
        if self.link is not None and self.link.session is not None:
            self._venue.close_session(self.link.session)
            self._agenda.after(1, partial(self._closed, self.link))
            self.link.deaf = True

    def disconnect(self) -> None:
        """Close the stream for the process."""
        if self.link is not None:
            if self.link.session is not None:
                self._venue.close_session(self.link.session)
            self.link.deaf = True
            self._agenda.after(_CLOSE, partial(self._closed, self.link))

    def go_deaf(self) -> None:
        """Leave the stream half open: nothing passes, and nobody is told for a while."""
        if self.link is not None and self.link.up:
            self.link.deaf = True
            delay = self._rng.randint(*_NOTICED)
            self._agenda.after(delay, partial(self._closed, self.link))

    def _closed(self, link: Link) -> None:
        if link is not self.link or not link.up:
            return
        if link.session is not None:
            self._venue.close_session(link.session)
        self.link = None
        if self.host is not None:
            self.host.stream_closed()

    def hang_up(self) -> None:
        """Close the stream while the machine sleeps; the process hears of it when awake."""
        link = self.link
        if link is not None and link.session is not None:
            self._venue.close_session(link.session)
            link.deaf = True
            self._agenda.after(1, partial(self._closed, link))

    # Calls

    def call(self, request: HttpRequest, answered: Callable[[HttpAnswer | None], None]) -> None:
        """Send a request on its way."""
        self._agenda.trace("call", request.method, request.path, request.query, request.body)
        fate = self._faults.call(request, self._agenda.now)
        exchange = _Exchange(answered)
        self._waiting += 1
        self._agenda.after(self._timeout, partial(self._time_out, exchange))
        if fate.instead is not None and fate.back is not None:
            self._agenda.after(fate.back, partial(self._answer, exchange, fate.instead))
        if fate.there is None:
            self._auditor.never_arrived(request)
        else:
            self._agenda.after(fate.there, partial(self._serve, exchange, request, fate))

    def _serve(self, exchange: _Exchange, request: HttpRequest, fate: Fate) -> None:
        answer = self._venue.handle(request, self._agenda.now)
        settled_in = self._agenda.now > self.born + _SETTLED_IN and not self._faults.bunches
        self._auditor.arrived(request, answer, tokens_known=settled_in)
        if fate.fill_first and answer.status == 201:
            for wish in created(request):
                hit(self._scene, wish.ticker, wish.side, wish.price, self._agenda.now)
        self.pump()
        if fate.instead is None and fate.back is not None:
            self._agenda.after(fate.back, partial(self._answer, exchange, answer))

    def _answer(self, exchange: _Exchange, answer: HttpAnswer) -> None:
        if not exchange.over:
            exchange.over = True
            self._waiting -= 1
            self._agenda.trace("answer", answer.status, answer.body)
            exchange.answered(answer)

    def _time_out(self, exchange: _Exchange) -> None:
        if not exchange.over:
            exchange.over = True
            self._waiting -= 1
            exchange.answered(None)


class _Exchange:
    """A call that waits for its answer."""

    def __init__(self, answered: Callable[[HttpAnswer | None], None]) -> None:
        self.answered = answered
        self.over = False
