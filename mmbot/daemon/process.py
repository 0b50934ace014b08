"""The daemon's process, from its first signal to its exit code.

It waits for the ledger and the account, has a session trade, and ends with one of the documented
codes whatever happens, within a promised time of being told to stop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TypeVar

import structlog

from mmbot.config import Settings
from mmbot.daemon import transport
from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient
from mmbot.daemon.account_lock import AccountTaken, address_of, claim
from mmbot.daemon.bystanders import Bystanders
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.ledger import Ledger, LedgerTaken
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.operations import Observer
from mmbot.daemon.patience import Patience, Reminder
from mmbot.daemon.reloading import ConfigFile, Reloader
from mmbot.daemon.service import Service
from mmbot.daemon.signals import SignalThread
from mmbot.daemon.stop import Stop
from mmbot.daemon.sweep import sweep
from mmbot.errors import BadInput, ExitCode, NotReady, Unavailable
from mmbot.kalshi.auth import Signer
from mmbot.trading.values import Fill

# A stop ends within the time for the cancelling and this, whatever hangs.
STOP_SECONDS = CANCEL_SECONDS + 5.0
# A predecessor that is about to end lets go of ledger and account by then; another daemon does not.
_PREDECESSOR_ATTEMPTS, _PREDECESSOR_PAUSE_SECONDS = 60, 0.5
_T = TypeVar("_T")
_HOW = {
    ExitCode.CLEAN: "no order is left",
    ExitCode.BAD_INPUT: "something given cannot be used",
    ExitCode.NOT_READY: "it is not ready to trade",
    ExitCode.NOT_KNOWN: "it is not known whether an order is left",
    ExitCode.BROKEN: "a part failed, and no order is left",
}

InterceptorFor = Callable[[Settings, Iterable[Fill]], Interceptor]


class Process:
    """What one process of the daemon is given."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        state: Path,
        interceptor_for: InterceptorFor,
        observer: Observer,
        bystanders: Bystanders,
        *,
        only_records: bool = False,
        config_file: ConfigFile | None = None,
    ) -> None:
        """Begin with nothing open.

        Args:
            settings: What to trade, and how.
            venue: Where.
            signer: Signs requests.
            state: The directory of the ledger, the capture and the operator's socket.
            interceptor_for: Returns what stands between the bot and the exchange, from settings and
                the fills so far.
            observer: Shows the bot's state to people.
            bystanders: Are told what happens.
            only_records: Whether the market is recorded and nothing is quoted, not even on paper.
            config_file: Where other settings may come from while it trades.
        """
        self._config_file = config_file
        self._reloader: Reloader | None = None
        self._only_records = only_records
        self._settings = settings
        self._venue = venue
        self._signer = signer
        self._state = state
        self._interceptor_for = interceptor_for
        self._observer = observer
        self._bystanders = bystanders
        self._patience = Patience(tell=bystanders.waits_for)
        self._reminder = Reminder()
        self._log = structlog.get_logger()

    async def run(self) -> ExitCode:
        """Trade until a stop is asked for; return the exit code.

        Raises:
            BadInput: Something given cannot be used; nothing was traded.
            NotReady: A person must mend something; nothing was traded.
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
            await self._bystanders.ended("Stopped, and a person must mend it", str(error))
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
        """Run one session; where the market is only recorded, one after another."""
        while True:
            code = await self._run_session(stop)
            if not self._only_records or code is not ExitCode.CLEAN or stop.asked.is_set():
                return code

    async def _run_session(self, stop: Stop) -> ExitCode:
        with ExitStack() as held:
            opened = await stop.unless_asked(self._open(held))
            if opened is None:
                return await self._cancel(stop, most_unanswered=1)
            ledger, fills, account_lock = opened
            service = Service(
                self._settings,
                self._venue,
                self._signer,
                ledger,
                self._state,
                self._interceptor_for(self._settings, fills),
                self._observer,
                self._bystanders,
                only_records=self._only_records,
                config_file=self._config_file,
            )
            self._reloader = service.reloader
            return await service.run(stop, account_lock)

    async def _open(self, held: ExitStack) -> tuple[LedgerWriter, list[Fill], socket.socket]:
        """Take the ledger and the account, which are let go of when `held` is closed.

        Return them, and the fills in markets that are not settled.
        """
        ledger = await self._taken(lambda: Ledger(self._state))
        fills = ledger.unsettled_fills()
        writer = held.enter_context(closing(LedgerWriter(ledger)))
        key_id, only_records = self._signer.key_id, self._only_records
        address = address_of(self._settings, self._venue, key_id, only_records)
        return writer, fills, held.enter_context(closing(await self._taken(lambda: claim(address))))

    async def _taken(self, take: Callable[[], _T]) -> _T:
        """Take what one process alone may have, once a predecessor that is ending lets go of it."""

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
        timeout_seconds = self._settings.orders.answer_timeout_seconds
        async with transport.RestClient(self._venue.origin, timeout_seconds) as rest:
            inside = self._interceptor_for(self._settings, ())
            account = AccountClient(self._settings, self._venue, self._signer, rest, inside)
            return await sweep(account, stop, most_unanswered=most_unanswered)
