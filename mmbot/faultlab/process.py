"""The process in which the bot runs, in virtual time: it executes the bot's outputs.

What the daemon does with sockets, timers, threads and SQLite happens here on one scheduler, through
the daemon's own driver. The process can be killed between any two of the bot's outputs; its ledger
survives.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import assert_never

import msgspec

from mmbot.bot.backoff import Backoff
from mmbot.bot.bot import Bot
from mmbot.bot.driver import COMMIT_OVERDUE_MS, Driver, Record, execute
from mmbot.bot.inputs import (
    CallAnswered,
    EventOccurred,
    EventsHeld,
    ForecastFitted,
    FrameReceived,
    HistoryLoaded,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import FetchPage, FitForecast, Output, RecordCounts
from mmbot.bot.steady_clock import SteadyClock
from mmbot.faultlab.environment import Environment
from mmbot.faultlab.in_memory_ledger import ProcessDied
from mmbot.faultlab.invariants import POSITIONS_PATH
from mmbot.faultlab.traffic import DeliveredStream
from mmbot.forecast.belief import Belief
from mmbot.forecast.fitting import Predictor
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest, date_of
from mmbot.trading.commands import (
    ConfirmFills,
    Note,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    VoidFill,
    WakeAt,
)
from mmbot.trading.events import LedgerBehind, SessionStarted
from mmbot.trading.operator_events import Halted, Resumed, Stopping
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds

# How long a page and a fit take.
_PAGE_MS: Milliseconds = 40
_TICK_MS: Milliseconds = 1_000
_FIT_MS: Milliseconds = 40


class SimulatedProcess:
    """One session of the bot, from its start to its end."""

    def __init__(self, environment: Environment, bot: Bot, session: str) -> None:
        """Begin with nothing loaded and nothing sent."""
        self.alive = True
        self.finished = False
        self.bot = bot
        # By how many counts a fault has shifted the forecast.
        self.forecast_shift = 0
        self._scenario = environment.scenario
        self._scheduler = environment.scheduler
        self._machine = environment.clock
        # When the account was last read, in true milliseconds.
        self.read_at = self._scheduler.now
        # A session that begins while the machine's clock is wrong uses the wrong time at first.
        self._clock = SteadyClock(environment.clock.wall, environment.clock.elapsed)
        self._clock_set = False
        self._faults = environment.faults
        self._network = environment.network
        self._pages = environment.pages
        self._auditor = environment.auditor
        self._ledger = environment.ledger
        self._driver = Driver(bot.handle, self._clock.now, self._execute, self._decided)
        self._timer_due: Milliseconds | None = None
        self._timer_at: Milliseconds | None = None
        self._backoff = Backoff(lambda: 0.5)
        self._connecting = self._streaming = False
        # Since when the connection is up or being opened, and whether it has delivered data.
        self._connected_at = self._scheduler.now
        self._subscribed = self._served = self._given_up = False
        self._fit = self._scenario.fit
        self._fitted_for: Week | None = self._scenario.weeks[0]
        self._trading = False
        self._uncommitted: list[Record] = []
        self._auditor.session_started(session)
        self._auditor.places.watch(bot.engine)

    # Control of the process

    def start(self) -> None:
        """Load the history and the ledger; trading begins once a forecaster is fitted."""
        self._driver.handle(HistoryLoaded(self._ledger.known_counts(self._scenario.history)))

    def kill(self) -> None:
        """End at once; requests in flight still reach the exchange, their answers are dropped."""
        self.alive = False
        self._auditor.stream = None

    def stop(self) -> None:
        """Receive SIGTERM."""
        self._auditor.stopping = True
        self._driver.handle(EventOccurred(Stopping()))

    def handle_operator(self, word: Halted | Resumed) -> None:
        """Receive a command of the operator."""
        self._driver.handle(EventOccurred(word))

    def shift_forecast(self, by: int) -> None:
        """Shift the forecast by `by` counts, at once."""
        self.forecast_shift = by
        if self._trading:
            self._handle_forecast()

    def _begin_trading(self) -> None:
        self._trading = True
        held = self._ledger.unsettled_events()
        recorded, unconfirmed = self._ledger.fills_of(held)
        self._auditor.fills_restored((*recorded, *unconfirmed))
        self._driver.handle(EventsHeld(held, recorded, unconfirmed))
        marks = tuple(self._ledger.marks.values())
        self._driver.handle(EventOccurred(SessionStarted(self._clock.now(), marks)))
        if self._ledger.halt is not None:
            self.handle_operator(self._ledger.halt)
        self._connect()
        self._later(_TICK_MS, self._tick)

    def _tick(self) -> None:
        """Watch the machine's clock, as the daemon does every second."""
        self._watch_clock()
        self._later(_TICK_MS, self._tick)

    def _watch_clock(self) -> None:
        compared = self._clock.compared()
        if compared.off != self._clock_set:
            self._clock_set = compared.off
            self._driver.handle(EventOccurred(compared))

    def _correct_clock(
        self, request: HttpRequest, answer: HttpAnswer | None, sent: Milliseconds
    ) -> None:
        date = date_of(request, answer)
        if date is None:
            return
        match self._clock.correct(date, sent, self._clock.now()):
            case "none":
                pass
            case "anchored":
                self._watch_clock()
            case "refused":
                raise ProcessDied("the session's time is ahead: a new session is needed")
        if self._timer_at is not None:
            self.set_timer(self._timer_at)

    # The stream

    def stream_opened(self) -> None:
        """Handle the opening of the stream."""
        self._connecting, self._streaming = False, True
        self._auditor.stream = DeliveredStream()
        self._driver.handle(StreamOpened())

    def stream_failed(self) -> None:
        """Handle a failure to open the stream."""
        self._connecting = False
        self._connect_again()

    def stream_closed(self) -> None:
        """Handle the loss of the stream."""
        self._streaming = False
        self._auditor.stream = None
        self._driver.handle(StreamClosed())
        self._connect_again()

    def received(self, frame: bytes) -> None:
        """Receive a frame."""
        truth = self._auditor.stream
        if truth is not None:
            truth.follow(frame)
            # Frames that arrive once all is subscribed are data.
            self._served |= self._subscribed
            self._driver.handle(FrameReceived(frame))
            self._subscribed = self.bot.streaming

    def _connect_again(self) -> None:
        lasted = self._scheduler.now - self._connected_at
        wait = self._backoff.after(lasted, served=self._served, given_up=self._given_up)
        self._later(wait, self._connect)

    def _connect(self) -> None:
        if not (self._connecting or self._streaming):
            self._connecting = True
            self._connected_at = self._scheduler.now
            self._subscribed = self._served = self._given_up = False
            self._network.connect(self.bot.stream_headers(self._clock.now()))

    def _later(self, delay: Milliseconds, action: Callable[[], None]) -> None:
        self._scheduler.after(delay, lambda: action() if self.alive else None)

    # The bot's outputs

    def _decided(self, outputs: Sequence[Output], now: Milliseconds) -> None:
        self._auditor.check_outputs(outputs, self.bot, now)
        set_wrong_for = self._machine.set_wrong_for
        self._auditor.check_clock(outputs, now - self._scheduler.now, set_wrong_for)

    def _execute(self, output: Output) -> None:
        execute(output, self)
        if not isinstance(output, WakeAt) and self._faults.occurs("killed"):
            raise ProcessDied

    def send_call(self, call: Call) -> None:
        """Send a request; the network delivers its answer."""
        stream, sent = self._auditor.stream, self._clock.now()
        unreported = stream is not None and stream.reports_silent

        def answered(answer: HttpAnswer | None) -> None:
            if self.alive:
                self._auditor.answer_delivered(
                    call.request, answer, stream, unreported=unreported, now=self._scheduler.now
                )
                if call.request.path == POSITIONS_PATH and answer is not None:
                    self.read_at = self._scheduler.now
                self._correct_clock(call.request, answer, sent)
                self._driver.handle(CallAnswered(call.id, answer))

        self._network.call(call.request, answered)

    def transmit(self, frame: bytes) -> None:
        """Send a frame."""
        self._network.transmit(frame)

    def reconnect(self) -> None:
        """Close the stream; a new one is opened once it is closed."""
        self._given_up = True
        self._network.disconnect()

    def set_timer(self, at: Milliseconds) -> None:
        """Set the timer to `at`, by the session's clock."""
        self._timer_at = at
        due = self._scheduler.now + max(0, at - self._clock.now())
        if due != self._timer_due:
            self._timer_due = due
            self._scheduler.at(due, lambda: self._fire_timer(due))

    def _fire_timer(self, due: Milliseconds) -> None:
        if self.alive and due == self._timer_due:
            self._timer_due = self._timer_at = None
            self._driver.handle(TimerFired())

    def fetch_page(self, page: FetchPage) -> None:
        """Read the page as it is served now."""
        request = HttpRequest("GET", page.path, headers=page.headers)
        answer = self._pages.answer(request, self._scheduler.now)
        judged = self._trading and page.path == self._scenario.underlying.pages.path(None)
        readable = self._pages.readable(self._scheduler.now) if judged else {}

        def read() -> None:
            self._driver.handle(PageFetched(page.id, answer))
            self._auditor.page_read(readable, self.bot.counts)

        self._later(_PAGE_MS, read)

    def fit_forecast(self, fit: FitForecast) -> None:
        """Fit a forecaster, unless the present one is of the same week."""
        if fit.week != self._fitted_for:
            memory = self._fit.memory
            self._fit = self._scenario.forecasters.fit(fit.counts, fit.method, memory)
            self._fitted_for = fit.week
        self._later(_FIT_MS, self._handle_forecast)

    def _handle_forecast(self) -> None:
        predictor = _MovedPredictor(self._fit.predictor, self.forecast_shift, self._formed)
        self._driver.handle(ForecastFitted(predictor, self._fitted_for))
        if not self._trading:
            self._begin_trading()

    def _formed(self, belief: Belief) -> None:
        self._scheduler.trace("belief", belief.digest)
        self._auditor.set_quiet(still=False)

    def record(self, record: Record) -> None:
        """Write to the ledger, or die as the daemon does if that fails."""
        self._ledger.require_writable(self._scheduler.now)
        if not (self._ledger.stalled or self._uncommitted):
            self._commit(record)
            return
        if not self._uncommitted:
            self._later(COMMIT_OVERDUE_MS, self._check_commits)
        self._uncommitted.append(record)

    def commit(self) -> None:
        """Commit the pending writes."""
        waiting, self._uncommitted = self._uncommitted, []
        for record in waiting:
            self._commit(record)
        if self._auditor.ledger_behind:
            self._auditor.ledger_behind = False
            self._driver.handle(EventOccurred(LedgerBehind(behind=False)))

    def _check_commits(self) -> None:
        if self._uncommitted and not self._auditor.ledger_behind:
            self._auditor.ledger_behind = True
            self._driver.handle(EventOccurred(LedgerBehind(behind=True)))

    def _commit(self, record: Record) -> None:
        match record:
            case RecordFill(fill):
                self._ledger.fills.setdefault(fill.key, fill)
                if not record.confirmed:
                    self._ledger.unconfirmed.add(fill.key)
            case ConfirmFills(fills):
                self._ledger.unconfirmed -= {fill.key for fill in fills}
            case VoidFill(fill):
                self._ledger.fills.pop(fill.key, None)
            case RecordSettlement():
                self._ledger.settlements[record.ticker] = record
            case RecordViews():
                self._ledger.views.append(record)
            case RecordPnlMark(mark):
                self._ledger.marks[mark.event] = mark
            case RecordCounts(counts):
                for each in counts:
                    self._ledger.counts.setdefault(each.key, each)
            case _:
                assert_never(record)

    def log(self, note: Note) -> None:
        """Drop the line: no log is kept."""

    def counts_unavailable(self, reason: str) -> None:
        """End the process, as the daemon does."""
        raise ProcessDied(reason)

    def sweep_confirmed(self) -> None:
        """Record that the exchange confirmed that no own order rests."""
        self.finished = True
        self._auditor.check_stopped()


class _MovedPredictor:
    """A forecaster whose beliefs are shifted by some counts."""

    def __init__(self, forecaster: Predictor, by: int, formed: Callable[[Belief], None]) -> None:
        self._forecaster = forecaster
        self._by = by
        self._formed = formed

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        """Return the belief as if the strikes were higher by that many counts."""
        moved = tuple(strike + self._by for strike in strikes)
        belief = self._forecaster.belief(counts, week, moved)
        belief = msgspec.structs.replace(belief, strikes=tuple(strikes))
        self._formed(belief)
        return belief

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return the distance of a count from its forecast, in standard deviations."""
        return self._forecaster.deviations(counts, day, count)
