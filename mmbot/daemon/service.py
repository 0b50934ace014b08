"""The daemon: starts, reconciles, runs and stops the bot, and owns every task that helps.

Everything that happens is told to the bot on the event loop, and what the bot returns is carried
out in order. On SIGTERM or SIGINT the quotes come off, the exchange is asked whether any is left,
and the exit code says what it answered.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection

from mmbot.bot import Bot, Output, Reconnect, Transmit
from mmbot.config import Settings
from mmbot.daemon import transport
from mmbot.daemon.beliefs import Beliefs
from mmbot.daemon.between import Between
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.poller import CountsPoller
from mmbot.daemon.readiness import Account, wall_clock
from mmbot.daemon.venue import Venue
from mmbot.errors import NotReady
from mmbot.forecast.belief import Belief
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.selfcheck import failures
from mmbot.observe.status import status
from mmbot.trading.commands import (
    BookFill,
    BookMark,
    BookSettlement,
    BookViews,
    Finished,
    FormBelief,
    Note,
    WakeAt,
)
from mmbot.trading.events import BeliefFormed, MarksRecalled, Stopping
from mmbot.tsa.counts import Counts
from mmbot.units import format_money, format_price

EXIT_CLEAN, EXIT_NOT_KNOWN = 0, 4

# How long the sweep may take before the process ends without knowing.
SWEEP_SECONDS = 20.0
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0
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
        between: Between,
    ) -> None:
        """Begin with nothing open; every byte of the bot's goes through `between`."""
        self._settings = settings
        self._venue = venue
        self._between = between
        self._signer = signer
        self._ledger = ledger
        self._log = structlog.get_logger()
        life = format(wall_clock(), "x")
        self._bot = Bot(settings, venue.clock, signer, life)
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
        self._rest = transport.Rest(venue.origin, settings.orders.answer_timeout_seconds)
        self._tasks: asyncio.TaskGroup | None = None
        self._sender: transport.Sender | None = None
        self._reconnect = asyncio.Event()
        self._stream_served = False
        self._stop = asyncio.Event()
        self._finished = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._carriers: dict[type, Callable[[Any], None]] = {
            Call: self._send_call,
            Transmit: self._transmit,
            Reconnect: lambda _: self._reconnect.set(),
            WakeAt: self._set_timer,
            FormBelief: lambda command: self._beliefs.want(command.week, command.strikes),
            BookFill: ledger.add_fill,
            BookViews: ledger.add_views,
            BookSettlement: self._book_settlement,
            BookMark: lambda command: ledger.put_mark(command.mark),
            Finished: lambda _: self._finished.set(),
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
        async with self._rest:
            await self._refuse_unready()
            await self._prepare()
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
        account = Account(self._settings, self._venue, self._signer, self._rest, self._between)
        await account.refuse_bad_key()
        examination, findings = await account.examine(self._ledger.unsettled_events())
        for finding in findings:
            level = {"ok": "info", "warn": "warning", "wait": "warning", "fail": "error"}
            say = getattr(self._log, level[finding.state])
            say("check", name=finding.name, state=finding.state, detail=finding.detail)
        reasons = failures(findings)
        if reasons:
            raise NotReady("not ready to trade: " + "; ".join(reasons))
        self._bot.hold(examination.held)

    async def _trade(self) -> int:
        self._carry_out(self._bot.told(MarksRecalled(self._ledger.latest_marks()), wall_clock()))
        helpers = (self._stream(), self._poll(), self._heartbeat(), self._tick())
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            running = [tasks.create_task(helper) for helper in helpers]
            await self._stop.wait()
            code = await self._sweep()
            for task in running:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
        self._log.info("stopped", exit_code=code)
        return code

    async def _sweep(self) -> int:
        """Take the quotes off and have the exchange confirm that none is left."""
        self._carry_out(self._bot.told(Stopping(), wall_clock()))
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await self._finished.wait()
        except TimeoutError:
            self._log.error("sweep.unconfirmed", seconds=SWEEP_SECONDS)
            return EXIT_NOT_KNOWN
        self._log.info("sweep.clean")
        return EXIT_CLEAN

    # What helps

    async def _stream(self) -> None:
        backoff = _FIRST_BACKOFF
        while True:
            headers = self._bot.stream_headers(wall_clock())
            try:
                async with transport.open_stream(self._venue.ws_url, headers) as connection:
                    await self._serve(connection)
            except transport.StreamError as error:
                self._log.warning("stream.failed", reason=f"{type(error).__name__}: {error}"[:300])
            if self._stream_served:
                backoff = _FIRST_BACKOFF
            await asyncio.sleep(backoff * (0.5 + self._rng.random()))
            backoff = min(2 * backoff, _LONGEST_BACKOFF)

    async def _serve(self, connection: ClientConnection) -> None:
        """Hand frames to the bot until the connection ends or is given up."""
        self._sender = sender = transport.Sender(connection)
        self._reconnect.clear()
        self._stream_served = False
        sending = asyncio.create_task(sender.run())
        closing = asyncio.create_task(self._close_when_given_up(connection))
        try:
            self._between.connected()
            self._carry_out(self._bot.connected(wall_clock()))
            async for frame in connection:
                self._hand_over(self._between.incoming(frame, wall_clock()))
                # A connection that never came so far is no reason to connect again at once.
                self._stream_served |= self._bot.streaming
        finally:
            self._sender = None
            self._between.disconnected()
            sending.cancel()
            closing.cancel()
            await asyncio.gather(sending, closing, return_exceptions=True)
            self._carry_out(self._bot.disconnected(wall_clock()))

    async def _close_when_given_up(self, connection: ClientConnection) -> None:
        await self._reconnect.wait()
        await connection.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._between.advance(wall_clock())
            self._hand_over(self._between.take())

    async def _poll(self) -> None:
        changes: asyncio.Queue[Counts] = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poller.run(lambda counts: _replace(changes, counts)))
            while True:
                await self._beliefs.update(await changes.get())

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
                **status(self._bot.engine.desk),
            )

    # What the bot asks for

    def _carry_out(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self._carriers[type(output)](output)

    def _send_call(self, call: Call) -> None:
        if self._tasks is None:
            raise RuntimeError("nothing is sent before trading starts")
        self._tasks.create_task(self._call(call))

    async def _call(self, call: Call) -> None:
        answer = self._between.answer(call.request, wall_clock())
        if answer is None:
            answer = await self._rest.try_call(call.request)
            self._between.learn(call.request, answer, wall_clock())
        self._carry_out(self._bot.answered(call.id, answer, wall_clock()))
        self._hand_over(self._between.take())

    def _transmit(self, output: Transmit) -> None:
        if self._sender is None:
            return
        for frame in self._between.outgoing(output.frame, wall_clock()):
            if not self._sender.put(frame):
                self._reconnect.set()
        # The bot is in the middle of something: it hears of this when that is done.
        asyncio.get_running_loop().call_soon(lambda: self._hand_over(self._between.take()))

    def _hand_over(self, frames: Iterable[bytes | str]) -> None:
        for frame in frames:
            self._carry_out(self._bot.received(frame, wall_clock()))

    def _set_timer(self, wish: WakeAt) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, wish.at - wall_clock()) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._carry_out(self._bot.woken(wall_clock()))

    def _believe(self, belief: Belief) -> None:
        self._carry_out(self._bot.told(BeliefFormed(belief), wall_clock()))

    def _book_settlement(self, command: BookSettlement) -> None:
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
