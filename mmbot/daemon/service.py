"""The daemon's process: checks the account, starts the bot and its tasks, and stops them.

On SIGTERM or SIGINT the quotes are cancelled, the exchange is asked whether any is left, and the
exit code reports its answer. While a task is down the quotes are off, and it is restarted; after
too many restarts, and when the bot itself or the ledger fails, the own orders are cancelled without
the bot, and the process ends, for systemd to start it again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from mmbot.bot.inputs import (
    EventOccurred,
    EventsHeld,
    HistoryLoaded,
)
from mmbot.config import Settings
from mmbot.daemon import control, transport
from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient, wall_clock
from mmbot.daemon.bot_runner import BotRunner
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.operations import Observer, Operations
from mmbot.daemon.supervision import Supervisor
from mmbot.errors import NotReady
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.order_cancellation import CancellationResult
from mmbot.kalshi.readings import ReadingError
from mmbot.kalshi.selfcheck import failures
from mmbot.trading.events import SessionStarted, Stopping, TasksDown
from mmbot.trading.values import Fill
from mmbot.tsa.counts import Counts, load_counts

# 4 takes precedence over 5: that an order may be left matters most.
EXIT_CLEAN, EXIT_NOT_KNOWN, EXIT_BROKEN = 0, 4, 5

_T = TypeVar("_T")


class Service:
    """One process from its start to its exit code."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        ledger: LedgerWriter,
        state: Path,
        interceptor: Interceptor,
        observer: Observer,
    ) -> None:
        """Begin with nothing open.

        Args:
            settings: What to trade, and how.
            venue: Where.
            signer: Signs requests.
            ledger: Stores what must survive a restart.
            state: The directory of the ledger, the capture and the operator's socket.
            interceptor: Sees every request, answer and frame between the bot and the exchange.
            observer: Shows the bot's state to people.
        """
        self._settings = settings
        self._venue = venue
        self._ledger = ledger
        self._state = state
        self._observer = observer
        self._log = structlog.get_logger()
        self._began = wall_clock()
        self._stop = asyncio.Event()
        self._supervisor = Supervisor(self._tasks_down, self._given_up)
        self._rest = transport.RestClient(venue.origin, settings.orders.answer_timeout_seconds)
        self._account = AccountClient(settings, venue, signer, self._rest, interceptor)
        self._runner = BotRunner(
            settings,
            venue,
            signer,
            ledger,
            state,
            interceptor,
            self._rest,
            self._supervisor,
            self._began,
        )
        self._operations = Operations(
            settings, self._runner.bot, ledger, self._runner.handle, wall_clock, observer
        )

    async def run(self) -> int:
        """Trade until SIGTERM or SIGINT; return the exit code.

        Raises:
            BadInput: The exchange, the key or the counts cannot be used; nothing was traded.
            NotReady: A check failed, and failed again when it was repeated.
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
            # A stop during the checks, which are repeated while one is unknown, still has to
            # cancel: orders of an earlier session may be left.
            held = await self._unless_stopped(self._refuse_unready()) or ()
            history = await self._history()
            with self._runner.capture:
                code = await self._run_bot(held, history)
                code = await self._commit(code)
        if self._runner.refusal is not None:
            raise self._runner.refusal
        self._log.info("stopped", exit_code=code)
        return code

    async def _unless_stopped(self, work: Coroutine[None, None, _T]) -> _T | None:
        """Return the result of `work`, or cancel it and return `None` on a signal."""
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
        held = await self._ledger.submit(Ledger.unsettled_events)
        examination, findings = await self._account.examine(held, await self._fills_of(held))
        for finding in findings:
            level = {"ok": "info", "warn": "warning", "wait": "warning", "fail": "error"}
            say = getattr(self._log, level[finding.state])
            say("check", name=finding.name, state=finding.state, detail=finding.detail)
        reasons = failures(findings)
        if reasons:
            raise NotReady("not ready to trade: " + "; ".join(reasons))
        return examination.held

    async def _fills_of(self, events: tuple[str, ...]) -> tuple[Fill, ...]:
        """Return the fills of these events that the ledger has."""
        return await self._ledger.submit(lambda ledger: ledger.fills_of(events))

    async def _history(self) -> Counts:
        """Return the counts of the history file and the ledger."""
        path = self._settings.counts.history_file
        counts = load_counts(Path(path)) if path else Counts()
        for day, count, seen, archived in await self._ledger.submit(Ledger.counts):
            counts, _ = counts.observe(day, count, seen, archived=archived)
        return counts

    async def _run_bot(self, held: tuple[str, ...], history: Counts) -> int:
        code = EXIT_CLEAN
        async with asyncio.TaskGroup() as tasks:
            self._runner.begin(tasks)
            running = [tasks.create_task(self._supervisor.keep("poller", self._runner.worker.run))]
            self._runner.handle(EventsHeld(held, await self._fills_of(held)))
            self._runner.handle(HistoryLoaded(history))
            await self._runner.prepared.wait()
            if self._runner.refusal is None:
                running += await self._start_trading(tasks)
                await self._stop.wait()
                code = await self._sweep()
            self._runner.end()
            for task in running:
                task.cancel()
        if self._supervisor.given_up:
            code = await self._cancel_without_bot()
        return code

    async def _start_trading(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        marks = await self._ledger.submit(Ledger.latest_marks)
        started = SessionStarted(self._began, marks)
        self._runner.handle(EventOccurred(started))
        await self._operations.recall()
        helpers: dict[str, Callable[[], Awaitable[None]]] = {
            "stream": self._runner.stream.run,
            "heartbeat": self._heartbeat,
            "tick": self._runner.tick,
        }
        keep = self._supervisor.keep
        return [tasks.create_task(keep(name, helper)) for name, helper in helpers.items()]

    async def _sweep(self) -> int:
        """Cancel the quotes and have the exchange confirm that none is left."""
        self._runner.handle(EventOccurred(Stopping()))
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._runner.finished.wait()
        except TimeoutError:
            self._log.error("sweep.unconfirmed", seconds=CANCEL_SECONDS)
            return EXIT_NOT_KNOWN
        if self._supervisor.given_up:
            return EXIT_NOT_KNOWN
        self._log.info("sweep.clean")
        return EXIT_CLEAN

    async def _cancel_without_bot(self) -> int:
        """Cancel every own order that is listed, as the bot's own state may be wrong."""
        try:
            result = await self._account.cancel_own_orders()
        except ReadingError as error:
            result = CancellationResult(0, None, 0, str(error))
        self._log.info("swept", **msgspec.structs.asdict(result))
        return EXIT_BROKEN if result.clean else EXIT_NOT_KNOWN

    async def _commit(self, code: int) -> int:
        """Wait for the ledger; what it has not committed is lost."""
        if not await self._ledger.drain():
            self._log.error("ledger.not_kept")
        elif not self._supervisor.given_up:
            return code
        return code or EXIT_BROKEN

    def _stop_asked(self) -> None:
        self._stop.set()
        self._runner.prepared.set()

    def _tasks_down(self, names: tuple[str, ...]) -> None:
        self._runner.handle(EventOccurred(TasksDown(names)))

    def _given_up(self) -> None:
        self._runner.finished.set()
        self._stop_asked()

    async def _heartbeat(self) -> None:
        # By the calendar, but once a second at most when that runs fast.
        pause = max(1.0, self._settings.log.heartbeat_seconds / self._venue.clock.speed)
        while True:
            await asyncio.sleep(pause)
            words = self._runner.bot.unknown_words
            self._log.info(
                "heartbeat",
                feed_age_ms=self._runner.bot.feed_age(wall_clock()),
                streaming=self._runner.bot.streaming,
                calendar=self._venue.clock.at(wall_clock()).isoformat(timespec="seconds"),
                **({"unknown_words": words} if words else {}),
                **self._observer.status(self._runner.bot.engine.state),
            )
