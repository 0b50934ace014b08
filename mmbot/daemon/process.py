"""The daemon's process, from its first signal to its exit code.

It waits for the ledger and the account, runs a session, and always ends with a documented exit
code, within a fixed time after it was told to stop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import TypeVar

import structlog

from mmbot.daemon import transport
from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient
from mmbot.daemon.account_lock import AccountTaken, address_of, claim
from mmbot.daemon.ledger import Ledger, LedgerTaken
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.patience import Patience, Reminder
from mmbot.daemon.reloading import Reloader
from mmbot.daemon.service import Service
from mmbot.daemon.setup import Setup
from mmbot.daemon.signals import SignalThread
from mmbot.daemon.stop import Stop
from mmbot.daemon.sweep import sweep
from mmbot.errors import BadInput, ExitCode, NotReady, Unavailable
from mmbot.trading.values import Fill

# Whatever hangs, a stop takes at most this long: cancelling, and some seconds.
STOP_SECONDS = CANCEL_SECONDS + 5.0
# A predecessor that is ending releases ledger and account within these attempts.
_PREDECESSOR_ATTEMPTS, _PREDECESSOR_PAUSE_SECONDS = 60, 0.5
_T = TypeVar("_T")
_HOW = {
    ExitCode.CLEAN: "no order is left",
    ExitCode.BAD_INPUT: "an option, the config or the key is unusable",
    ExitCode.NOT_READY: "it is not ready to trade",
    ExitCode.NOT_KNOWN: "it is unknown whether an order is left",
    ExitCode.BROKEN: "a part failed, and no order is left",
}


class Process:
    """One process of the daemon."""

    def __init__(self, setup: Setup) -> None:
        """Begin with nothing open."""
        self._setup = setup
        self._bystanders = setup.bystanders
        self._reloader: Reloader | None = None
        self._patience = Patience(tell=self._bystanders.waits_for)
        self._reminder = Reminder()
        self._log = structlog.get_logger()

    async def run(self) -> ExitCode:
        """Trade until a stop is requested; return the exit code.

        Raises:
            BadInput: An option, the config or the key is unusable; nothing was traded.
            NotReady: A person must fix something; nothing was traded.
        """
        stop = Stop()
        loop = asyncio.get_running_loop()

        def on_loop(action: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # it is closed already
                loop.call_soon_threadsafe(action)

        def asked(name: str) -> None:
            on_loop(lambda: self._log.info("stop.asked", signal=name))
            on_loop(stop.asked.set)

        signals = SignalThread(
            asked,
            lambda: on_loop(stop.hurry),
            lambda: on_loop(self._ask_reload),
            STOP_SECONDS,
            ExitCode.NOT_KNOWN,
        )
        signals.start()
        code = ExitCode.NOT_KNOWN
        ending = asyncio.create_task(self._ends(stop))
        try:
            async with self._bystanders.running():
                code = await self._run(stop)
            await self._bystanders.ended(f"Stopped: {_HOW[code]}")
        except (BadInput, NotReady) as error:
            code = ExitCode(error.exit_code)
            await self._bystanders.ended("Stopped, and must be fixed by hand", str(error))
            raise
        finally:
            signals.ending(code)
            ending.cancel()
        return code

    def _ask_reload(self) -> None:
        if self._reloader is not None:
            self._reloader.asked.set()
            return
        with self._bystanders.watchdog.reloading():
            self._log.info("reload.ignored")

    async def _ends(self, stop: Stop) -> None:
        await stop.asked.wait()
        self._bystanders.watchdog.stops()

    async def _run(self, stop: Stop) -> ExitCode:
        try:
            return await self._run_sessions(stop)
        except (BadInput, NotReady) as error:
            if not isinstance(error, Unavailable):
                raise
            self._log.error("session.failed", reason=str(error))
        except Exception:  # noqa: BLE001 (whatever it is, the exit code must say what is left)
            self._log.exception("session.failed")
        code = await self._cancel(stop)
        return ExitCode.BROKEN if code is ExitCode.CLEAN else code

    async def _run_sessions(self, stop: Stop) -> ExitCode:
        """Run one session; if the market is only recorded, one after another."""
        while True:
            code = await self._run_session(stop)
            if not self._setup.only_records or code is not ExitCode.CLEAN or stop.asked.is_set():
                return code

    async def _run_session(self, stop: Stop) -> ExitCode:
        with ExitStack() as held:
            opened = await stop.unless_asked(self._open(held))
            if opened is None:
                return await self._cancel(stop, most_unanswered=1)
            ledger, fills, account_lock = opened
            interceptor = self._setup.interceptor_for(self._setup.settings, fills)
            service = Service(self._setup, ledger, interceptor)
            self._reloader = service.reloader
            return await service.run(stop, account_lock)

    async def _open(self, held: ExitStack) -> tuple[LedgerWriter, list[Fill], socket.socket]:
        """Take the ledger and the account, which are released when `held` is closed.

        Return them, and the fills in unsettled markets.
        """
        setup = self._setup
        ledger = await self._taken(lambda: Ledger(setup.state))
        fills = ledger.unsettled_fills()
        writer = held.enter_context(closing(LedgerWriter(ledger)))
        address = address_of(
            setup.settings, setup.venue, setup.signer.key_id, only_records=setup.only_records
        )
        return writer, fills, held.enter_context(closing(await self._taken(lambda: claim(address))))

    async def _taken(self, take: Callable[[], _T]) -> _T:
        """Take what only one process may hold, once an ending predecessor has released it."""

        async def attempt() -> _T:
            return take()

        for _ in range(_PREDECESSOR_ATTEMPTS):
            try:
                return await self._patience.until_available(attempt)
            except (LedgerTaken, AccountTaken) as error:
                if self._reminder.is_due(str(error)):
                    self._log.warning("start.waits", waits_for=str(error))
                await asyncio.sleep(_PREDECESSOR_PAUSE_SECONDS)
        return take()

    async def _cancel(self, stop: Stop, *, most_unanswered: int | None = None) -> ExitCode:
        """Cancel every own order that is listed."""
        setup, settings = self._setup, self._setup.settings
        timeout_seconds = settings.orders.answer_timeout_seconds
        async with transport.RestClient(setup.venue.origin, timeout_seconds) as rest:
            inside = setup.interceptor_for(settings, ())
            account = AccountClient(settings, setup.venue, setup.signer, rest, inside)
            return await sweep(account, stop, most_unanswered=most_unanswered)
