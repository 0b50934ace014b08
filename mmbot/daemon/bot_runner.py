"""Runs the bot: passes inputs from sockets and timers to its driver, and executes its outputs.

Every input passes through `BotRunner.handle`. When a step fails, the supervisor gives up and no
further input is handled, as the bot's state may be half changed.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

import structlog

from mmbot.bot.driver import Driver, Record, execute
from mmbot.bot.inputs import (
    BotInput,
    CallAnswered,
    EventOccurred,
    ForecastFitted,
    FrameReceived,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.latency import Latency
from mmbot.bot.outputs import FetchPage, FitForecast, Output, RecordCounts
from mmbot.daemon import garbage
from mmbot.daemon.account_client import CLOCK, wall_clock
from mmbot.daemon.capture import Capture
from mmbot.daemon.counts_worker import CountsWorker
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.recorded_interceptor import RecordedInterceptor
from mmbot.daemon.setup import Setup
from mmbot.daemon.stream_client import StreamClient
from mmbot.daemon.supervision import Supervisor
from mmbot.daemon.transport import RestClient, Sending
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest, date_of
from mmbot.recording.late_records import LateRecords
from mmbot.recording.recorder import RecordedBot
from mmbot.trading.commands import (
    ConfirmFills,
    Note,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    VoidFill,
)
from mmbot.trading.events import LedgerBehind
from mmbot.underlyings.registry import known
from mmbot.units import Milliseconds, Money, format_money, format_price
from mmbot.versions import versions

# How often the lateness of the loop is measured.
_SAMPLE_SECONDS = 0.01
# How often `Interceptor.advance` is called.
_TICK_SECONDS = 1.0


class BotRunner:
    """One bot with its driver, its stream and its worker.

    Attributes:
        bot: The bot; read-only for others.
        capture: Its capture, a context to be entered before the first input.
        interceptor: The interceptor, which is recorded.
        worker: Reads pages and fits forecasters.
        stream: The connection to the exchange.
        reacted: Called with the seconds from a frame to a write that follows from it.
        heard: Called with name and fields of each line that the bot logs, at whatever log level.
        prepared: Set once a forecaster is fitted, or cannot be as there are no counts.
        latency: The latencies of the session.
        no_counts: Why no forecaster can be fitted: the counts cannot be read. Empty otherwise.
        finished: Set once the exchange lists no order of the bot, or the supervisor has given up.
    """

    def __init__(
        self,
        setup: Setup,
        ledger: LedgerWriter,
        interceptor: Interceptor,
        rest: RestClient,
        supervisor: Supervisor,
        began: Milliseconds,
    ) -> None:
        """Begin unconnected; `began` names the session."""
        settings, venue, directory = setup.settings, setup.venue, setup.state
        self._venue = venue
        self._ledger = ledger
        ledger.tell(self._ledger_behind)
        self._rest = rest
        self._supervisor = supervisor
        self._log = structlog.get_logger()
        session = format(began, "x")
        self.capture = Capture(directory / "capture", session, settings.state.capture_megabytes)
        # The step that sent something is recorded after it was sent.
        records = LateRecords(self.capture.keep, asyncio.get_running_loop().call_soon)
        self.interceptor = RecordedInterceptor(interceptor, records)
        jitter = random.Random(session)  # noqa: S311 (no secrecy)
        self.bot = RecordedBot(
            settings, venue.clock, setup.signer, session, jitter, keep=records, versions=versions()
        )
        self._driver = Driver(self.bot.handle, wall_clock, self._execute)
        forecasters = known(settings).forecasters
        self.worker = CountsWorker(
            self._venue.counts_url, directory, forecasters, self._worker_done
        )
        rng = random.Random(f"stream {session}")  # noqa: S311 (jitter, not secrecy)
        self.stream = StreamClient(venue.ws_url, self, rng)
        self.heard: Callable[[str, Mapping[str, Any]], None] = lambda _name, _fields: None
        self.reacted: Callable[[float], None] = lambda _seconds: None
        # When the frames that are being handled were read; 0 while there are none.
        self._frame_at = 0.0
        self.prepared, self.finished = asyncio.Event(), asyncio.Event()
        self.latency = Latency()
        self.no_counts: str = ""
        self._ended = self._clock_set = False
        self._tasks: asyncio.TaskGroup | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: Milliseconds = 0
        # Lines of the log that wait until everything is sent.
        self._notes: list[Note] = []

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to record, and to send requests in tasks of this group."""
        self._tasks = tasks
        self.interceptor.begin(wall_clock())
        self._watch_loop()

    def settle(self) -> None:
        """Freeze the objects that exist once all is prepared for trading; see `garbage`."""
        garbage.freeze()

    def end(self) -> None:
        """Stop handling inputs and sending; cancel everything in flight."""
        self._ended = True
        for call in self._calls:
            call.cancel()
        self.worker.give_up()
        self._write_notes()
        if self._timer is not None:
            self._timer.cancel()

    def handle(self, *happened: BotInput) -> None:
        """Give inputs to the bot, in order, and execute their outputs."""
        if self._ended or self._supervisor.given_up:
            return
        with self._supervisor.vital:
            for each in happened:
                self._driver.handle(each)

    async def tick(self) -> None:
        """Watch the machine's clock, and advance the interceptor's time, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._watch_clock()
            self.interceptor.advance(wall_clock())
            self._handle_intercepted()

    def _watch_loop(self, due: float = math.inf) -> None:
        """Measure how late the loop is, repeatedly, and let the bot prepare in between."""
        if self._ended:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= due:
            self.latency.lag_ms.add((now - due) * 1000)
        self.bot.prepare(wall_clock())
        again = now + _SAMPLE_SECONDS
        loop.call_at(again, self._watch_loop, again)

    def _watch_clock(self) -> None:
        """Report when the machine's clock was set, and when it agrees again."""
        compared = CLOCK.compared()
        if compared.off != self._clock_set:
            self._clock_set = compared.off
            self.handle(EventOccurred(compared))
        if self._timer is not None:
            # The loop's time does not count a suspension, and anchoring moves the due time.
            self._start_timer()

    def _correct_clock(self, call: Call, answer: HttpAnswer | None, sent: Milliseconds) -> None:
        date = date_of(call.request, answer)
        if date is None:
            return
        ahead = CLOCK.ahead
        match CLOCK.correct(date, sent, wall_clock()):
            case "none":
                pass
            case "anchored":
                self._log.warning("clock.anchored", ahead_ms=ahead)
                self._watch_clock()
            case "refused":
                raise RuntimeError(
                    f"the session's time is {ahead / 1000:.0f} s ahead: a new session is needed"
                )

    # Stream

    def stream_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers to open a stream with now."""
        return self.bot.stream_headers(wall_clock())

    def connected(self) -> None:
        """Handle a new connection in the interceptor and the bot."""
        self.interceptor.connected()
        self.handle(StreamOpened())

    def received(self, frames: Sequence[bytes | str]) -> bool:
        """Pass frames through the interceptor to the bot; return whether all is subscribed."""
        if self._ended or self._supervisor.given_up:
            return False
        self._frame_at = time.perf_counter()
        with self._supervisor.vital:
            for frame in frames:
                for each in self.interceptor.incoming(frame, wall_clock()):
                    self._driver.handle(FrameReceived(each))
        self._frame_at = 0.0
        self.latency.frames += len(frames)
        age = self.bot.feed_age(wall_clock())
        if age is not None:
            self.latency.age_ms.add(age)
        return self.bot.streaming

    def disconnected(self) -> None:
        """Handle the loss of the connection in the interceptor and the bot."""
        self.interceptor.disconnected()
        self.handle(StreamClosed())

    def _worker_done(self, result: PageFetched | ForecastFitted) -> None:
        self.handle(result)
        if isinstance(result, ForecastFitted):
            self.prepared.set()

    def _handle_intercepted(self) -> None:
        self.handle(*map(FrameReceived, self.interceptor.take()))

    # Outputs

    def _execute(self, output: Output) -> None:
        execute(output, self)

    def send_call(self, call: Call) -> None:
        """Send a request at once, and await its answer in a task of its own."""
        if self._tasks is None:
            raise RuntimeError("nothing is sent before the bot runs")
        sending = None if self.interceptor.answers else self._begin(call.request)
        task = self._tasks.create_task(self._call(call, sending, wall_clock()))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _begin(self, request: HttpRequest) -> Sending:
        sending = self._rest.begin(request)
        if self._frame_at and request.method != "GET":
            seconds = time.perf_counter() - self._frame_at
            self.latency.order_us.add(seconds * 1e6)
            self.reacted(seconds)
        return sending

    async def _call(self, call: Call, sending: Sending | None, sent: Milliseconds) -> None:
        with self._supervisor.vital:
            answer = None
            if sending is None:
                answer = self.interceptor.answer(call.request, wall_clock())
            if answer is None:
                answer = await self._rest.try_finish(sending or self._begin(call.request))
                self._correct_clock(call, answer, sent)
                self.interceptor.observe_answer(call.request, answer, wall_clock())
            self.handle(CallAnswered(call.id, answer))
            self._handle_intercepted()

    def transmit(self, frame: bytes) -> None:
        """Send a frame on the stream."""
        for sent in self.interceptor.outgoing(frame, wall_clock()):
            self.stream.send(sent)
        self._handle_intercepted()

    def reconnect(self) -> None:
        """Open another stream."""
        self.stream.reconnect()

    def set_timer(self, at: Milliseconds) -> None:
        """Fire the one timer at `at`."""
        if self._timer is None or at != self._timer_due:
            self._timer_due = at
            self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, self._timer_due - wall_clock()) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._fire_timer)

    def _fire_timer(self) -> None:
        self._timer = None
        self.handle(TimerFired())

    def fetch_page(self, page: FetchPage) -> None:
        """Submit a page to the worker."""
        self.worker.submit(page)

    def fit_forecast(self, fit: FitForecast) -> None:
        """Submit a fit to the worker."""
        self.worker.submit(fit)

    def record(self, record: Record) -> None:
        """Have the ledger's thread write it; where that fails, the bot cannot go on."""
        with self._supervisor.vital:
            self._ledger.submit(lambda ledger: write_record(ledger, record)).add_done_callback(
                lambda done: self._recorded(record, done)
            )

    def _recorded(self, record: Record, done: asyncio.Future[Money | None]) -> None:
        with self._supervisor.vital:
            before = done.result()
            if isinstance(record, RecordSettlement) and before is not None:
                self._log.warning(
                    "settlement.amended",
                    market=record.ticker,
                    value=format_price(record.value),
                    payout=format_money(record.payout),
                    before=format_money(before),
                )

    def _ledger_behind(self, behind: bool) -> None:
        if not behind:
            self._log.info("ledger.caught_up")
        self.handle(EventOccurred(LedgerBehind(behind)))
        if behind:
            self._log.warning("ledger.behind")

    def log(self, note: Note) -> None:
        """Write a line to the log; one that follows from a frame waits until orders are sent."""
        self._notes.append(note)
        if not self._frame_at:
            self._write_notes()
        elif len(self._notes) == 1:
            asyncio.get_running_loop().call_soon(self._write_notes)

    def _write_notes(self) -> None:
        notes, self._notes = self._notes, []
        for note in notes:
            if note.name == "belief.exposure":
                self.latency.risk_cent_seconds.add(note.fields["cent_seconds"])
            getattr(self._log, note.level)(note.name, **note.fields)
            self.heard(note.name, note.fields)

    def counts_unavailable(self, reason: str) -> None:
        """Report that there are no counts to forecast from."""
        self.no_counts = f"{self._venue.counts_url}{reason}"
        self.prepared.set()

    def sweep_confirmed(self) -> None:
        """Complete the stop: no order of the bot is left."""
        self.finished.set()


def write_record(ledger: Ledger, record: Record) -> Money | None:
    """Write a record; return the payout that it amends, if it amends one."""
    match record:
        case RecordFill():
            ledger.add_fill(record)
        case ConfirmFills(fills):
            ledger.confirm_fills(fills)
        case VoidFill():
            ledger.void_fill(record)
        case RecordViews():
            ledger.add_views(record)
        case RecordSettlement():
            return ledger.add_settlement(record)
        case RecordPnlMark(mark):
            ledger.put_mark(mark)
        case RecordCounts(counts):
            ledger.add_counts(counts)
        case _:
            assert_never(record)
    return None
