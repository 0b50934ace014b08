"""One session of the daemon: checks the account, starts the bot and its tasks, and stops them.

At a stop the bot takes its quotes off. Then it sends nothing more, and every own order that the
account still lists is cancelled without it, whichever session placed it; the exit code says what
the exchange confirmed. While a task is down, the quotes are off and it is restarted. After too many
restarts, and when the bot itself or the ledger fails, the process ends, and systemd restarts it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable

import structlog

from mmbot.bot.inputs import EventOccurred, EventsHeld, HistoryLoaded
from mmbot.config import DashboardSettings, Settings
from mmbot.daemon import control, transport
from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient, wall_clock
from mmbot.daemon.bot_runner import BotRunner
from mmbot.daemon.dashboard import Dashboard
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.ledger import FILE_NAME, Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.metrics import Measured
from mmbot.daemon.neighbours import Neighbours, OtherDaemon
from mmbot.daemon.operations import Operations
from mmbot.daemon.patience import Patience
from mmbot.daemon.preparation import Preparation
from mmbot.daemon.reloading import ConfigFile, Reloader
from mmbot.daemon.setup import Setup
from mmbot.daemon.status_line import status_line
from mmbot.daemon.stop import Stop
from mmbot.daemon.supervision import Supervisor
from mmbot.daemon.sweep import sweep
from mmbot.daemon.watchdog import Condition, unattended
from mmbot.daemon.web_pages import WebPages
from mmbot.errors import ExitCode, Unavailable
from mmbot.recording.outside import ONLY_RECORDS
from mmbot.status_report import LatencyStatus, Surroundings
from mmbot.trading.events import SessionStarted, TasksDown
from mmbot.trading.operator_events import Halted, SettingsChanged, Stopping
from mmbot.underlying.counts import Counts

# The bot's share of the time for cancelling; the rest is for cancelling without the bot.
_BOT_SECONDS = 12.0
# How often to check that the ledger is still in place, and whether a heartbeat is due.
_WATCH_SECONDS = 1.0
# A recording is split into at least this many sessions, because captures are deleted whole.
_RECORDED_SESSIONS = 8
# How long to wait before recording is tried again on a disk that accepts nothing.
_NOT_KEPT_SECONDS = 60.0


class Service:
    """One session, from its checks to its exit code."""

    # The daemon that started earlier on this account, once it is detected.
    _other_daemon: OtherDaemon | None = None

    def __init__(self, setup: Setup, ledger: LedgerWriter, interceptor: Interceptor) -> None:
        """Begin with nothing open.

        Args:
            setup: What the process was started with.
            ledger: Stores what must survive a restart.
            interceptor: Sees every request, answer and frame between the bot and the exchange.
        """
        settings, venue, signer = setup.settings, setup.venue, setup.signer
        self._only_records = setup.only_records
        self._settings = settings
        self._venue = venue
        self._ledger = ledger
        self._state = setup.state
        self._observer = setup.observer
        self._log = structlog.get_logger()
        self._began = wall_clock()
        self._stop = Stop()
        self._bystanders = bystanders = setup.bystanders
        self._patience = Patience(tell=bystanders.waits_for)
        self._supervisor = Supervisor(self._tasks_down, self._given_up)
        self._rest = transport.RestClient(venue.origin, settings.orders.answer_timeout_seconds)
        self._runner = self._make_runner(setup, interceptor)
        self._account = AccountClient(settings, venue, signer, self._rest, self._runner.interceptor)
        self._session = format(self._began, "x")
        self._neighbours = neighbours = Neighbours(self._session, self._account.own_orders)
        self._preparation = Preparation(settings, ledger, self._account, neighbours, self._patience)
        self.reloader = self._make_reloader(setup.config_file)
        self._operations = self._make_operations()
        self._web = WebPages(settings, self._make_dashboard, bystanders.metrics.page)

    def _make_runner(self, setup: Setup, interceptor: Interceptor) -> BotRunner:
        runner = BotRunner(
            setup, self._ledger, interceptor, self._rest, self._supervisor, self._began
        )
        runner.heard = self._bystanders.heard
        runner.reacted = self._bystanders.metrics.reacted
        return runner

    def _make_reloader(self, config_file: ConfigFile | None) -> Reloader | None:
        if config_file is None or self._only_records:
            return None
        told = self._bystanders.watchdog.reloading
        return Reloader(config_file, self._settings, self._put_in_force, told)

    def _make_operations(self) -> Operations:
        return Operations(
            self._settings,
            self._runner.bot,
            self._ledger,
            self._runner.handle,
            wall_clock,
            self._observer,
            self._around,
            self.reloader,
            dashboard=lambda: self._web.report(),  # noqa: PLW0108 (it comes after)
        )

    def _make_dashboard(self, settings: DashboardSettings) -> Dashboard:
        return Dashboard(
            settings,
            self._state,
            None if self._only_records else self._observer.dashboard,
            self._operations.status,
            self._operations.answer,
            self._rest.answer_ms,
        )

    async def run(self, stop: Stop, account_lock: socket.socket | None = None) -> ExitCode:
        """Trade until a stop is requested; return the exit code.

        Args:
            stop: The request to stop.
            account_lock: The socket at the account's address, where the operator is also answered.

        Raises:
            BadInput: The key or a file is unusable; nothing was traded.
            NotReady: A check failed, and failed again when it was repeated.
        """
        self._stop = stop
        self._log.info(
            "starting",
            mode=self._settings.mode,
            exchange=self._venue.rest_url,
            counts=self._venue.counts_url,
            calendar=self._venue.clock.at(wall_clock()).isoformat(),
            margin=self._settings.quoting.margin,
            sides=self._settings.quoting.sides,
        )
        self._bystanders.watch(self._measured, self._ledger.drain)
        async with (
            self._rest,
            control.listening(self._state, self._operations.answer, account_lock),
            self._bystanders.beside(self._web.run),
        ):
            ready = await stop.unless_asked(self._preparation.until_ready())
            if ready is None:
                # Nothing was placed; orders of an earlier session may still be left.
                code = await sweep(self._account, stop, most_unanswered=1)
            else:
                with self._runner.capture:
                    code = await self._commit(await self._run_bot(*ready))
        self._log.info("stopped", exit_code=code)
        return code

    async def _run_bot(self, held: tuple[str, ...], history: Counts) -> ExitCode:
        async with asyncio.TaskGroup() as tasks:
            self._runner.begin(tasks)
            running = [tasks.create_task(self._supervisor.keep("poller", self._runner.worker.run))]
            self._runner.handle(EventsHeld(held, *await self._preparation.fills_of(held)))
            if await self._stop.unless_asked(self._fitted(history)):
                running += await self._start_trading(tasks)
                await self._stop.unless_asked(self._recorded())
                deadline = time.monotonic() + CANCEL_SECONDS
                if self._other_daemon is None:
                    await self._stop.unless_hurried(self._quotes_off())
            else:
                deadline = time.monotonic() + CANCEL_SECONDS
            self._runner.end()
            for task in running:
                task.cancel()
        if self._other_daemon is not None:
            # The orders of the other daemon are left alone.
            await sweep(self._account, self._stop, session=self._session)
            raise self._other_daemon
        code = await sweep(self._account, self._stop, deadline - time.monotonic())
        if code is ExitCode.CLEAN and self._supervisor.given_up:
            return ExitCode.BROKEN
        return code

    async def _fitted(self, history: Counts) -> bool:
        """Wait until there are counts and a forecaster is fitted to them."""

        async def attempt() -> bool:
            self._runner.no_counts = ""
            self._runner.prepared.clear()
            self._runner.handle(HistoryLoaded(history))
            await self._runner.prepared.wait()
            if self._runner.no_counts:
                raise Unavailable(self._runner.no_counts)
            return True

        return await self._patience.until_available(attempt)

    async def _start_trading(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        marks = await self._ledger.submit(Ledger.latest_marks)
        started = SessionStarted(self._began, marks)
        self._runner.handle(EventOccurred(started))
        if self._only_records:
            self._log.info("recording", directory=str(self._state / "capture"))
            self._runner.handle(EventOccurred(Halted(self._began, ONLY_RECORDS)))
        await self._operations.recall()
        self._runner.settle()
        self._bystanders.watchdog.examine(self._condition)
        helpers: dict[str, Callable[[], Awaitable[None]]] = {
            "stream": self._runner.stream.run,
            "heartbeat": self._heartbeat,
            "state": self._watch_state,
            "neighbours": self._watch_neighbours,
            "tick": self._runner.tick,
        }
        if self.reloader is not None:
            helpers["config"] = self.reloader.watch
        keep = self._supervisor.keep
        return [tasks.create_task(keep(name, helper)) for name, helper in helpers.items()]

    def _measured(self) -> Measured:
        return Measured(
            self._operations.status(),
            self._bystanders.watchdog.lag_seconds,
            self._runner.capture.bytes_written,
            self._runner.latency,
        )

    def _condition(self) -> Condition:
        state, now = self._runner.bot.engine.state, wall_clock()
        # The line covers every market, so it costs the loop as much as a whole status.
        listens = self._bystanders.watchdog.manager.listens
        return Condition(
            status_line(self._operations.status()) if listens else "",
            state.service.reconciled,
            unattended(state, self._runner.bot.feed_age(now), now),
        )

    async def _recorded(self) -> None:
        """Wait until a session that only records has recorded enough; in other sessions, forever.

        Captures are deleted whole, so several of them have to share the disk.
        """
        if not self._only_records:
            await asyncio.Event().wait()
        capture = self._runner.capture
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if not capture.is_on or capture.share_filled >= 1 / _RECORDED_SESSIONS:
                break
        if not capture.is_on:
            await asyncio.sleep(_NOT_KEPT_SECONDS)
        self._log.info("recording.continues", session="another")

    async def _quotes_off(self) -> None:
        """Let the bot cancel its quotes and confirm that none is left."""
        self._runner.handle(EventOccurred(Stopping()))
        try:
            async with asyncio.timeout(_BOT_SECONDS):
                await self._runner.finished.wait()
        except TimeoutError:
            self._log.error("sweep.unconfirmed", seconds=_BOT_SECONDS)
            return
        if not self._supervisor.given_up:
            self._log.info("sweep.clean")

    async def _commit(self, code: ExitCode) -> ExitCode:
        """Wait for the ledger to commit everything; the code says if it could not."""
        if not await self._ledger.drain():
            self._log.error("ledger.not_kept")
        elif not self._supervisor.given_up:
            return code
        return ExitCode.BROKEN if code is ExitCode.CLEAN else code

    def _tasks_down(self, names: tuple[str, ...]) -> None:
        self._runner.handle(EventOccurred(TasksDown(names)))

    def _given_up(self) -> None:
        self._runner.finished.set()
        self._stop.asked.set()

    def _around(self) -> Surroundings:
        return Surroundings(
            self._session,
            self._began,
            os.getpid(),
            self._venue.rest_url,
            str(self._state),
            latency=LatencyStatus.of(self._runner.latency),
            problems=self._problems(),
        )

    def _problems(self) -> tuple[str, ...]:
        """Return the problems that a person should look at, in sentences."""
        problems = list(self._bystanders.problems)
        if self._patience.waits_for:
            problems.append(f"the start waits: {self._patience.waits_for}")
        if self.reloader is None:
            return tuple(problems)
        if self.reloader.problem:
            problems.append(f"the edited config is not in force: {self.reloader.problem}")
        if self.reloader.waits:
            waits = ", ".join(each.key for each in self.reloader.waits)
            problems.append(f"edited keys of the config wait for a restart: {waits}")
        return tuple(problems)

    def _put_in_force(self, settings: Settings) -> None:
        self._settings = settings
        self._runner.handle(EventOccurred(SettingsChanged(settings)))
        self._bystanders.change(settings)
        self._web.change(settings)

    async def _watch_neighbours(self) -> None:
        """Stop once another daemon that started earlier is found to trade the account."""
        try:
            await self._neighbours.watch()
        except OtherDaemon as error:
            self._other_daemon = error
            self._stop.asked.set()
            await asyncio.Event().wait()

    async def _watch_state(self) -> None:
        """Give up once the ledger on disk is not the one in use, as nothing would be stored."""
        path = self._state / FILE_NAME
        in_use = path.stat()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            with self._supervisor.vital:
                if not os.path.samestat(path.stat(), in_use):
                    raise FileNotFoundError(f"{path} was replaced under this process")

    async def _heartbeat(self) -> None:
        beaten = time.monotonic()
        while True:
            # In calendar time, but at most once a second when the calendar runs fast.
            pause = max(1.0, self._settings.log.heartbeat_seconds / self._venue.clock.speed)
            left = beaten + pause - time.monotonic()
            if left > 0:
                await asyncio.sleep(min(left, _WATCH_SECONDS))
                continue
            beaten = time.monotonic()
            for event, fields in self._observer.heartbeat(await self._operations.status_in_turns()):
                self._log.info(event, **fields)
            self._log.info("latency", **self._runner.latency.tell())
