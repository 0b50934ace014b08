"""The process that the bot lives in, in virtual time: it carries out what the bot asks for.

What the daemon does with sockets, timers, a poller and SQLite happens here on one agenda. The
process can die between any two of the bot's outputs; its ledger survives it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from mmbot.bot.bot import Bot, Output, Reconnect, Transmit
from mmbot.errors import BadInput
from mmbot.faultlab.environment import Environment
from mmbot.faultlab.in_memory_ledger import ProcessDied
from mmbot.faultlab.traffic import StreamTruth
from mmbot.forecast.model import Forecaster
from mmbot.forecast.plausibility import Doubts
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.trading.commands import (
    Note,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    RequestBelief,
    SweepConfirmed,
    WakeAt,
)
from mmbot.trading.events import BeliefFormed, Halted, Resumed, SessionStarted, Stopping
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import CountChange
from mmbot.tsa.pages import page_path, parse_page

_THINKING = 40
_FIRST_BACKOFF, _LONGEST_BACKOFF = 500, 30_000
_AGENT = (("User-Agent", "Mozilla/5.0"),)


class Process:
    """One life of the process, from its start to its death."""

    def __init__(self, around: Environment, bot: Bot, life: str) -> None:
        """Be a process that has not done anything yet."""
        self.alive = True
        self.finished = False
        # Passengers by which the forecast has moved for reasons of its own.
        self.surprise = 0
        self._scene = scene = around.scene
        self.bot = bot
        self._agenda = around.agenda
        self._clock = around.clock
        self._faults = around.faults
        self._network = network = around.network
        self._pages = around.pages
        self._auditor = around.auditor
        self._memory = around.memory
        self._wake_due: int | None = None
        self._backoff = _FIRST_BACKOFF
        self._connecting = self._streaming = False
        self._wishes: dict[tuple[Week, tuple[int, ...]], None] = {}
        self._counts = scene.history
        self._forecaster = scene.forecaster
        self._fitted_for = scene.weeks[0]
        self._doubts = Doubts()
        self._page = b""
        self._every = round(scene.settings.counts.poll_seconds * 1000)
        self._carriers: dict[type, Callable[[Any], None]] = {
            Call: self._send_call,
            Transmit: lambda output: network.transmit(output.frame),
            Reconnect: lambda _: network.disconnect(),
            WakeAt: self._set_timer,
            RequestBelief: self._want,
            RecordFill: self._book_fill,
            RecordViews: self._book_views,
            RecordSettlement: self._book_settlement,
            RecordPnlMark: self._book_mark,
            SweepConfirmed: lambda _: self._finish(),
            Note: lambda _: None,
        }
        self._auditor.born(life)

    def start(self) -> None:
        """Read the history and the ledger, then connect."""
        for day, count, seen in self._memory.counts:
            self._counts, _ = self._counts.observe(day, count, seen)
        self._fit()
        self.bot.hold(self._memory.unsettled_events())
        marks = tuple(self._memory.marks.values())
        self._step(lambda now: self.bot.told(SessionStarted(now, marks), now))
        if self._memory.halt is not None:
            self.obey(self._memory.halt)
        self._connect()
        self._poll()

    def later(self, delay: int, action: Callable[[], None]) -> None:
        """Do something after a while, if the process still lives."""
        self._agenda.after(delay, lambda: self._guard(action))

    def _guard(self, action: Callable[[], None]) -> None:
        if self.alive:
            action()

    def die(self) -> None:
        """Be gone at once; whatever is under way goes on without anybody to hear of it."""
        self.alive = False
        self._auditor.stream = None

    def stop(self) -> None:
        """Hear SIGTERM."""
        self._auditor.stopping = True
        self._step(lambda now: self.bot.told(Stopping(), now))

    def obey(self, word: Halted | Resumed) -> None:
        """Hear the operator."""
        self._step(lambda now: self.bot.told(word, now))

    def _finish(self) -> None:
        self.finished = True
        self._auditor.check_stopped()

    # Inputs of the bot

    def _step(self, tell: Callable[[int], list[Output]]) -> None:
        """Give the bot an input and carry out what it asks for, in order."""
        now = self._clock.now()
        outputs = tell(now)
        self._auditor.outputs(outputs, self.bot, now)
        for output in outputs:
            self._carriers[type(output)](output)
            if not isinstance(output, WakeAt) and self._faults.strikes("killed"):
                raise ProcessDied

    def stream_opened(self) -> None:
        """Hear that the stream is open."""
        self._connecting, self._streaming = False, True
        self._backoff = _FIRST_BACKOFF
        self._auditor.stream = StreamTruth()
        self._step(self.bot.connected)

    def stream_failed(self) -> None:
        """Hear that the stream could not be opened."""
        self._connecting = False
        self._connect_again()

    def stream_closed(self) -> None:
        """Hear that the stream is gone."""
        self._streaming = False
        self._auditor.stream = None
        self._step(self.bot.disconnected)
        self._connect_again()

    def received(self, frame: bytes) -> None:
        """Hear a frame."""
        truth = self._auditor.stream
        if truth is not None:
            truth.delivered(frame)
            self._step(lambda now: self.bot.received(frame, now))

    def _connect_again(self) -> None:
        self.later(self._backoff, self._connect)
        self._backoff = min(2 * self._backoff, _LONGEST_BACKOFF)

    def _connect(self) -> None:
        if not (self._connecting or self._streaming):
            self._connecting = True
            self._network.connect(self.bot.stream_headers(self._clock.now()))

    # Outputs of the bot

    def _send_call(self, call: Call) -> None:
        stream = self._auditor.stream

        def answered(answer: HttpAnswer | None) -> None:
            if self.alive:
                self._auditor.answered(call.request, answer, stream)
                self._step(lambda now: self.bot.answered(call.id, answer, now))

        self._network.call(call.request, answered)

    def _set_timer(self, wish: WakeAt) -> None:
        due = self._agenda.now + max(0, wish.at - self._clock.now())
        if due != self._wake_due:
            self._wake_due = due
            self._agenda.at(due, lambda: self._wake(due))

    def _wake(self, due: int) -> None:
        if self.alive and due == self._wake_due:
            self._wake_due = None
            self._step(self.bot.woken)

    def _book_fill(self, command: RecordFill) -> None:
        self._memory.check(self._agenda.now)
        self._memory.fills.setdefault(command.fill.key, command.fill)

    def _book_settlement(self, command: RecordSettlement) -> None:
        self._memory.check(self._agenda.now)
        self._memory.settlements[command.ticker] = command

    def _book_views(self, command: RecordViews) -> None:
        self._memory.check(self._agenda.now)
        self._memory.views.append(command)

    def _book_mark(self, command: RecordPnlMark) -> None:
        self._memory.check(self._agenda.now)
        self._memory.marks[command.mark.event] = command.mark

    # Counts and beliefs

    def _want(self, command: RequestBelief) -> None:
        wish = command.week, command.strikes
        self._wishes[wish] = None
        self.later(_THINKING, lambda: self._form(*wish))

    def _form(self, week: Week, strikes: tuple[int, ...]) -> None:
        seen = tuple(strike + self.surprise for strike in strikes)
        belief = self._forecaster.belief(self._counts, week, seen)
        belief = msgspec.structs.replace(belief, strikes=strikes)
        self._agenda.trace("belief", belief.digest)
        self._auditor.be_still(still=False)
        self._step(lambda now: self.bot.told(BeliefFormed(belief), now))

    def _poll(self) -> None:
        """Read the page, keep what is news, and believe accordingly."""
        self.later(self._every, self._poll)
        before = self._counts
        # Where nothing can be read, the next reading may be better.
        with contextlib.suppress(BadInput):
            request = HttpRequest("GET", page_path(), headers=_AGENT)
            answer = self._pages.answer(request, self._agenda.now)
            # As with a 304: what has not changed is read again only where a count is in doubt.
            if answer.body != self._page or self._doubts.held:
                self._read(answer)
                self._page = answer.body
        if self._counts is not before:
            self._fit()
            self._form_all()

    def _fit(self) -> None:
        """Fit the forecaster again when a week has ended."""
        last = self._counts.last_day
        running = Week.of(last + dt.timedelta(days=1)) if last else self._fitted_for
        if running != self._fitted_for:
            method, bank = self._scene.settings.forecast.method, self._forecaster.bank
            self._forecaster = Forecaster.fit(self._counts, method, bank)
            self._fitted_for = running

    def surprised(self, by: int) -> None:
        """Let the forecast move all at once."""
        self.surprise = by
        self._form_all()

    def _form_all(self) -> None:
        for week, strikes in tuple(self._wishes):
            self._form(week, strikes)

    def _read(self, answer: HttpAnswer) -> None:
        if answer.status != 200:
            raise BadInput(f"the page answered {answer.status}")
        seen = self._scene.clock.at(self._clock.now())
        for day, count in parse_page(answer.body):
            if not (day in self._counts or self._believable(day, count, seen)):
                continue
            self._counts, change = self._counts.observe(day, count, seen)
            if change is not CountChange.NOTHING:
                self._memory.check(self._agenda.now)
                self._memory.counts.append((day, count, seen))

    def _believable(self, day: dt.date, count: int, seen: dt.datetime) -> bool:
        deviations = self._forecaster.deviations(self._counts, day, count)
        self._doubts, believable = self._doubts.read(day, count, seen, deviations)
        return believable
