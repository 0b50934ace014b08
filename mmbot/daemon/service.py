"""The daemon: starts, reconciles, runs and stops the bot, and owns every task that helps.

Everything that happens is told to the bot on the event loop, through one door, and what the bot
returns is carried out in order. On SIGTERM or SIGINT the quotes come off, the exchange is asked
whether any is left, and the exit code says what it answered. A helper that dies is missed (the
quotes come off) and restarted; where that does not help, and where the bot itself or the ledger
fails, the own orders are swept without the bot, and the process ends so as to be started anew.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TypeVar, assert_never

import msgspec
import structlog

from mmbot.bot.driver import Driver, Record, execute
from mmbot.bot.inputs import (
    BotInput,
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
from mmbot.config import Settings
from mmbot.daemon import control, transport
from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient, wall_clock
from mmbot.daemon.capture import Capture
from mmbot.daemon.counts_worker import CountsWorker
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.operations import Observer, Operations
from mmbot.daemon.stream_client import StreamClient
from mmbot.daemon.supervision import Supervisor
from mmbot.errors import BadInput, NotReady
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.order_cancellation import CancellationResult
from mmbot.kalshi.readings import ReadingError
from mmbot.kalshi.selfcheck import failures
from mmbot.recording.recorder import RecordedBot
from mmbot.trading.commands import (
    Note,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
)
from mmbot.trading.events import SessionStarted, Stopping, TasksDown
from mmbot.tsa.counts import Counts, load_counts
from mmbot.units import Milliseconds, format_money, format_price
from mmbot.versions import versions

# 4 whatever else happened: that an order may be left is the news that matters most.
EXIT_CLEAN, EXIT_NOT_KNOWN, EXIT_BROKEN = 0, 4, 5

# How often whatever stands between bot and exchange is told the time.
_TICK_SECONDS = 1.0

_T = TypeVar("_T")


class Service:
    """One bot and the sockets, files and signals around it; it executes what the bot asks for."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        ledger: Ledger,
        state: Path,
        interceptor: Interceptor,
        observer: Observer,
    ) -> None:
        """Begin with nothing open.

        Args:
            settings: What to trade, and how.
            venue: Where.
            signer: Signs requests.
            ledger: Keeps what must survive.
            state: The directory of the ledger, the capture and the operator's socket.
            interceptor: Every byte between the bot and the exchange goes through it.
            observer: Shows the bot's state to people.
        """
        self._settings = settings
        self._venue = venue
        self._interceptor = interceptor
        self._ledger = ledger
        self._state = state
        self._observer = observer
        self._log = structlog.get_logger()
        self._began = wall_clock()
        session = format(self._began, "x")
        self._capture = Capture(state / "capture", session, settings.state.capture_megabytes)
        self._bot = RecordedBot(
            settings,
            venue.clock,
            signer,
            session,
            random.Random(session),  # noqa: S311 (jitter, not secrecy)
            keep=self._capture.keep,
            versions=versions(),
        )
        self._driver = Driver(self._bot, wall_clock, self._execute)
        self._worker = CountsWorker(venue.counts_url, state, self._worker_done)
        self._operations = Operations(
            settings, self._bot, ledger, self._handle, wall_clock, observer
        )
        self._rest = transport.RestClient(venue.origin, settings.orders.answer_timeout_seconds)
        self._account = AccountClient(settings, venue, signer, self._rest, interceptor)
        rng = random.Random(f"stream {session}")  # noqa: S311 (jitter, not secrecy)
        self._stream = StreamClient(venue.ws_url, self, rng)
        self._supervisor = Supervisor(self._tasks_down, self._given_up)
        self._tasks: asyncio.TaskGroup | None = None
        # A signal, a fit that is finished, counts that cannot be had: whatever ends the start.
        self._stop, self._prepared = asyncio.Event(), asyncio.Event()
        self._refusal: BadInput | None = None
        self._finished = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> int:
        """Trade until a signal says stop; return the exit code.

        Raises:
            BadInput: The exchange, the key or the counts cannot be used; nothing was traded.
            NotReady: The self-check found a reason that waiting does not heal.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked)
        self._log.info(
            "starting",
            mode=self._settings.mode,
            exchange=self._venue.rest_url,
            counts=self._venue.counts_url,
            calendar=self._venue.clock.at(wall_clock()).isoformat(),
            margin=self._settings.quoting.margin,
            sides=self._settings.quoting.sides,
        )
        async with self._rest, control.listening(self._state, self._operations.answer):
            # A stop during the checks, which may take as long as one is unknown, goes on to the
            # sweep: orders of an earlier session may be left.
            held = await self._unless_stopped(self._refuse_unready()) or ()
            history = self._history()
            with self._capture:
                code = await self._run_bot(held, history)
        if self._refusal is not None:
            raise self._refusal
        self._log.info("stopped", exit_code=code)
        return code

    async def _unless_stopped(self, work: Coroutine[None, None, _T]) -> _T | None:
        """Return the result of `work`, or cancel it and return `None` when a signal comes."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return None

    async def _refuse_unready(self) -> tuple[str, ...]:
        """Check the account; return the events that hold positions."""
        await self._account.refuse_bad_key()
        examination, findings = await self._account.examine(self._ledger.unsettled_events())
        for finding in findings:
            level = {"ok": "info", "warn": "warning", "wait": "warning", "fail": "error"}
            say = getattr(self._log, level[finding.state])
            say("check", name=finding.name, state=finding.state, detail=finding.detail)
        reasons = failures(findings)
        if reasons:
            raise NotReady("not ready to trade: " + "; ".join(reasons))
        return examination.held

    def _history(self) -> Counts:
        """Return the counts of the history file and the ledger."""
        path = self._settings.counts.history_file
        counts = load_counts(Path(path)) if path else Counts()
        for day, count, seen, archived in self._ledger.counts():
            counts, _ = counts.observe(day, count, seen, archived=archived)
        return counts

    async def _run_bot(self, held: tuple[str, ...], history: Counts) -> int:
        code = EXIT_CLEAN
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            running = [tasks.create_task(self._supervisor.keep("poller", self._worker.run))]
            self._handle(EventsHeld(held))
            self._handle(HistoryLoaded(history))
            await self._prepared.wait()
            if self._refusal is None:
                running += self._start_trading(tasks)
                await self._stop.wait()
                code = await self._sweep()
            self._worker.give_up()
            for task in running:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
        if self._supervisor.given_up:
            code = await self._cancel_without_bot()
        return code

    def _start_trading(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        started = SessionStarted(self._began, self._ledger.latest_marks())
        self._handle(EventOccurred(started))
        self._operations.recall()
        helpers: dict[str, Callable[[], Awaitable[None]]] = {
            "stream": self._stream.run,
            "heartbeat": self._heartbeat,
            "tick": self._tick,
        }
        keep = self._supervisor.keep
        return [tasks.create_task(keep(name, helper)) for name, helper in helpers.items()]

    async def _sweep(self) -> int:
        """Take the quotes off and have the exchange confirm that none is left."""
        self._handle(EventOccurred(Stopping()))
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._finished.wait()
        except TimeoutError:
            self._log.error("sweep.unconfirmed", seconds=CANCEL_SECONDS)
            return EXIT_NOT_KNOWN
        if self._supervisor.given_up:
            return EXIT_NOT_KNOWN
        self._log.info("sweep.clean")
        return EXIT_CLEAN

    async def _cancel_without_bot(self) -> int:
        """Do the same on the account alone, as what the bot knows may be wrong."""
        try:
            result = await self._account.cancel_own_orders()
        except ReadingError as error:
            result = CancellationResult(0, None, 0, str(error))
        self._log.info("swept", **msgspec.structs.asdict(result))
        return EXIT_BROKEN if result.clean else EXIT_NOT_KNOWN

    def _stop_asked(self) -> None:
        self._stop.set()
        self._prepared.set()

    def _tasks_down(self, names: tuple[str, ...]) -> None:
        self._handle(EventOccurred(TasksDown(names)))

    def _given_up(self) -> None:
        self._finished.set()
        self._stop_asked()

    # The one door to the bot

    def _handle(self, *happened: BotInput) -> None:
        if self._supervisor.given_up:
            return
        with self._supervisor.vital():
            for each in happened:
                self._driver.handle(each)

    # What the stream brings

    def stream_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers to open a stream with now."""
        return self._bot.stream_headers(wall_clock())

    def connected(self) -> None:
        """Tell the bot and the interceptor of a new connection."""
        self._interceptor.connected()
        self._handle(StreamOpened())

    def received(self, frame: bytes | str) -> bool:
        """Hand a frame to the bot; return whether everything is subscribed."""
        self._handle(*map(FrameReceived, self._interceptor.incoming(frame, wall_clock())))
        return self._bot.streaming

    def disconnected(self) -> None:
        """Tell the bot and the interceptor that the connection is gone."""
        self._interceptor.disconnected()
        self._handle(StreamClosed())

    # The other tasks

    def _worker_done(self, result: PageFetched | ForecastFitted) -> None:
        self._handle(result)
        if isinstance(result, ForecastFitted):
            self._prepared.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._interceptor.advance(wall_clock())
            self._handle(*map(FrameReceived, self._interceptor.take()))

    async def _heartbeat(self) -> None:
        # By the calendar, but not faster than anybody could read.
        pause = max(1.0, self._settings.log.heartbeat_seconds / self._venue.clock.speed)
        while True:
            await asyncio.sleep(pause)
            words = self._bot.unknown_words
            self._log.info(
                "heartbeat",
                feed_age_ms=self._bot.feed_age,
                calendar=self._venue.clock.at(wall_clock()).isoformat(timespec="seconds"),
                **({"unknown_words": words} if words else {}),
                **self._observer.status(self._bot.engine.state),
            )

    # What the bot asks for

    def _execute(self, output: Output) -> None:
        execute(output, self)

    def send_call(self, call: Call) -> None:
        """Send a request in a task of its own."""
        if self._tasks is None:
            raise RuntimeError("nothing is sent before the bot runs")
        self._tasks.create_task(self._call(call))

    async def _call(self, call: Call) -> None:
        with self._supervisor.vital():
            answer = self._interceptor.answer(call.request, wall_clock())
            if answer is None:
                answer = await self._rest.try_call(call.request)
                self._interceptor.observe_answer(call.request, answer, wall_clock())
            self._handle(CallAnswered(call.id, answer))
            self._handle(*map(FrameReceived, self._interceptor.take()))

    def transmit(self, frame: bytes) -> None:
        """Send a frame on the stream."""
        for sent in self._interceptor.outgoing(frame, wall_clock()):
            self._stream.send(sent)
        self._handle(*map(FrameReceived, self._interceptor.take()))

    def reconnect(self) -> None:
        """Open another stream."""
        self._stream.reconnect()

    def set_timer(self, at: Milliseconds) -> None:
        """Fire the one timer at `at`."""
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, at - wall_clock()) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._fire_timer)

    def _fire_timer(self) -> None:
        self._timer = None
        self._handle(TimerFired())

    def fetch_page(self, page: FetchPage) -> None:
        """Have a page read."""
        self._worker.submit(page)

    def fit_forecast(self, fit: FitForecast) -> None:
        """Have a forecaster fitted."""
        self._worker.submit(fit)

    def record(self, record: Record) -> None:
        """Write into the ledger."""
        match record:
            case RecordFill():
                self._ledger.add_fill(record)
            case RecordViews():
                self._ledger.add_views(record)
            case RecordSettlement():
                self._record_settlement(record)
            case RecordPnlMark(mark):
                self._ledger.put_mark(mark)
            case RecordCounts(counts):
                self._ledger.add_counts(counts)
            case _:
                assert_never(record)

    def _record_settlement(self, command: RecordSettlement) -> None:
        before = self._ledger.add_settlement(command)
        if before is not None:
            self._log.warning(
                "settlement.amended",
                market=command.ticker,
                value=format_price(command.value),
                payout=format_money(command.payout),
                before=format_money(before),
            )

    def log(self, note: Note) -> None:
        """Write a line into the log."""
        getattr(self._log, note.level)(note.name, **note.fields)

    def counts_unavailable(self, reason: str) -> None:
        """End the start: there is nothing to forecast from."""
        self._refusal = BadInput(f"{self._venue.counts_url}{reason}")
        self._prepared.set()

    def sweep_confirmed(self) -> None:
        """End the sweep."""
        self._finished.set()
