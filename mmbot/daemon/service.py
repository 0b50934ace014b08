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
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from mmbot.bot.bot import Output, Reconnect, Transmit
from mmbot.config import Settings
from mmbot.daemon import control, transport
from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient, wall_clock
from mmbot.daemon.beliefs import Beliefs
from mmbot.daemon.capture import Capture
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.operations import Operations
from mmbot.daemon.poller import CountsPoller
from mmbot.daemon.stream_client import StreamClient
from mmbot.daemon.supervision import Supervisor
from mmbot.errors import NotReady
from mmbot.forecast.belief import Belief
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.order_cancellation import CancellationResult
from mmbot.kalshi.readings import ReadingError
from mmbot.kalshi.selfcheck import failures
from mmbot.observe.status import status
from mmbot.recording.recorder import RecordedBot
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
from mmbot.trading.events import BeliefFormed, InputEvent, SessionStarted, Stopping, TasksDown
from mmbot.tsa.counts import Counts
from mmbot.units import format_money, format_price

# 4 whatever else happened: that an order may be left is the news that matters most.
EXIT_CLEAN, EXIT_NOT_KNOWN, EXIT_BROKEN = 0, 4, 5

# How often whatever stands between bot and exchange is told the time.
_TICK_SECONDS = 1.0


class Service:
    """One bot and the sockets, files and signals around it."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        ledger: Ledger,
        state: Path,
        between: Interceptor,
    ) -> None:
        """Begin with nothing open; every byte of the bot's goes through `between`."""
        self._settings = settings
        self._venue = venue
        self._between = between
        self._signer = signer
        self._ledger = ledger
        self._state = state
        self._log = structlog.get_logger()
        self._began = wall_clock()
        life = format(self._began, "x")
        self._capture = Capture(state / "capture", life, settings.state.capture_megabytes)
        self._bot = RecordedBot(settings, venue.clock, signer, life, keep=self._capture.keep)
        self._beliefs = Beliefs(settings.forecast.method, state, self._believe)
        self._rng = random.Random(life)  # noqa: S311 (jitter, not secrecy)
        self._poller = CountsPoller(
            settings.counts,
            venue.counts_url,
            venue.clock,
            ledger,
            self._rng,
            wall_clock,
            self._beliefs.deviations,
        )
        self._operations = Operations(
            settings, self._bot.engine, ledger, lambda: self._poller.counts, self._told, wall_clock
        )
        self._rest = transport.RestClient(venue.origin, settings.orders.answer_timeout_seconds)
        self._account = AccountClient(settings, venue, signer, self._rest, between)
        self._stream = StreamClient(venue.ws_url, self, self._rng)
        self._supervisor = Supervisor(self._helpers_missing, self._given_up)
        self._tasks: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()
        self._finished = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._carriers: dict[type, Callable[[Any], None]] = {
            Call: self._send_call,
            Transmit: self._transmit,
            Reconnect: lambda _: self._stream.reconnect(),
            WakeAt: self._set_timer,
            RequestBelief: lambda command: self._beliefs.want(command.week, command.strikes),
            RecordFill: ledger.add_fill,
            RecordViews: ledger.add_views,
            RecordSettlement: self._book_settlement,
            RecordPnlMark: lambda command: ledger.put_mark(command.mark),
            SweepConfirmed: lambda _: self._finished.set(),
            Note: self._write_note,
        }

    async def run(self) -> int:
        """Trade until a signal says stop; return the exit code.

        Raises:
            BadInput: The exchange, the key or the counts cannot be used; nothing was traded.
            NotReady: The self-check found a reason that waiting does not heal.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
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
            await self._refuse_unready()
            await self._prepare()
            with self._capture:
                return await self._trade()

    async def _prepare(self) -> None:
        """Gather the counts and fit the forecaster, unless a signal says stop meanwhile."""
        preparing = asyncio.create_task(self._gather_counts())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if preparing.done():
            preparing.result()
            return
        self._beliefs.give_up()
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)

    async def _gather_counts(self) -> None:
        await self._poller.read_history()
        await self._beliefs.fit(self._poller.counts)

    async def _refuse_unready(self) -> None:
        await self._account.refuse_bad_key()
        examination, findings = await self._account.examine(self._ledger.unsettled_events())
        for finding in findings:
            level = {"ok": "info", "warn": "warning", "wait": "warning", "fail": "error"}
            say = getattr(self._log, level[finding.state])
            say("check", name=finding.name, state=finding.state, detail=finding.detail)
        reasons = failures(findings)
        if reasons:
            raise NotReady("not ready to trade: " + "; ".join(reasons))
        self._bot.hold(examination.held)

    async def _trade(self) -> int:
        self._told(SessionStarted(self._began, self._ledger.latest_marks()))
        self._operations.recall()
        helpers: dict[str, Callable[[], Awaitable[None]]] = {
            "stream": self._stream.run,
            "poller": self._poll,
            "heartbeat": self._heartbeat,
            "tick": self._tick,
        }
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            keep = self._supervisor.keep
            running = [tasks.create_task(keep(name, helper)) for name, helper in helpers.items()]
            await self._stop.wait()
            code = await self._sweep()
            for task in running:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
        if self._supervisor.given_up:
            code = await self._sweep_without_bot()
        self._beliefs.give_up()
        self._log.info("stopped", exit_code=code)
        return code

    async def _sweep(self) -> int:
        """Take the quotes off and have the exchange confirm that none is left."""
        self._told(Stopping())
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

    async def _sweep_without_bot(self) -> int:
        """Do the same on the account alone, as what the bot knows may be wrong."""
        try:
            swept = await self._account.cancel_own_orders()
        except ReadingError as error:
            swept = CancellationResult(0, None, 0, str(error))
        self._log.info("swept", **msgspec.structs.asdict(swept))
        return EXIT_BROKEN if swept.clean else EXIT_NOT_KNOWN

    def _helpers_missing(self, names: tuple[str, ...]) -> None:
        self._told(TasksDown(names))

    def _given_up(self) -> None:
        self._finished.set()
        self._stop.set()

    # What the stream brings

    def stream_headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers to open a stream with now."""
        return self._bot.stream_headers(wall_clock())

    def connected(self) -> None:
        """Tell the bot, and whatever is between."""
        self._between.connected()
        self._tell(self._bot.connected)

    def received(self, frame: bytes | str) -> bool:
        """Hand a frame to the bot; say whether everything is subscribed."""
        self._hand_over(self._between.incoming(frame, wall_clock()))
        return self._bot.streaming

    def disconnected(self) -> None:
        """Tell the bot, and whatever is between."""
        self._between.disconnected()
        self._tell(self._bot.disconnected)

    # What else helps

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._between.advance(wall_clock())
            self._hand_over(self._between.take())

    async def _poll(self) -> None:
        changes: asyncio.Queue[Counts] = asyncio.Queue(maxsize=1)
        # What a poller that died had read already is news as well.
        changes.put_nowait(self._poller.counts)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poller.run(lambda counts: _replace(changes, counts)))
            while True:
                counts = await changes.get()
                self._operations.heed_counts()
                await self._beliefs.update(counts)

    async def _heartbeat(self) -> None:
        # The heart beats by the calendar, but not faster than anybody could read.
        pause = max(1.0, self._settings.log.heartbeat_seconds / self._venue.clock.speed)
        while True:
            await asyncio.sleep(pause)
            now = wall_clock()
            self._log.info(
                "heartbeat",
                feed_age_ms=self._bot.feed_age,
                calendar=self._venue.clock.at(now).isoformat(timespec="seconds"),
                **({"unknown_words": self._bot.drift} if self._bot.drift else {}),
                **status(self._bot.engine.state),
            )

    # The one door to the bot

    def _tell(self, step: Callable[..., list[Output]], *what: object) -> None:
        """Have the bot take something in now, and carry out what it asks for, in order."""
        if self._supervisor.given_up:
            return
        with self._supervisor.vital():
            for output in step(*what, wall_clock()):
                self._carriers[type(output)](output)

    def _told(self, event: InputEvent) -> None:
        self._tell(self._bot.told, event)

    # What the bot asks for

    def _send_call(self, call: Call) -> None:
        if self._tasks is None:
            raise RuntimeError("nothing is sent before trading starts")
        self._tasks.create_task(self._call(call))

    async def _call(self, call: Call) -> None:
        with self._supervisor.vital():
            answer = self._between.answer(call.request, wall_clock())
            if answer is None:
                answer = await self._rest.try_call(call.request)
                self._between.learn(call.request, answer, wall_clock())
            self._tell(self._bot.answered, call.id, answer)
            self._hand_over(self._between.take())

    def _transmit(self, output: Transmit) -> None:
        for frame in self._between.outgoing(output.frame, wall_clock()):
            self._stream.send(frame)
        # The bot is in the middle of something: it hears of this when that is done.
        asyncio.get_running_loop().call_soon(self._hand_over_waiting)

    def _hand_over_waiting(self) -> None:
        with self._supervisor.vital():
            self._hand_over(self._between.take())

    def _hand_over(self, frames: Iterable[bytes | str]) -> None:
        for frame in frames:
            self._tell(self._bot.received, frame)

    def _set_timer(self, wish: WakeAt) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, wish.at - wall_clock()) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._tell(self._bot.woken)

    def _believe(self, belief: Belief) -> None:
        self._told(BeliefFormed(belief))

    def _book_settlement(self, command: RecordSettlement) -> None:
        before = self._ledger.add_settlement(command)
        if before is not None:
            self._log.warning(
                "settlement.amended",
                market=command.ticker,
                value=format_price(command.value),
                payout=format_money(command.payout),
                before=format_money(before),
            )

    def _write_note(self, note: Note) -> None:
        getattr(self._log, note.level)(note.name, **note.fields)


def _replace(queue: asyncio.Queue[Counts], counts: Counts) -> None:
    """Put the newest counts where the reader will find them; older ones are of no more use."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(counts)
