"""The markets that the operator has paused; stored like a halt, and in force over restarts.

Like a halt, a pause takes effect even if it cannot be stored, and its report says so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from mmbot.bot.inputs import BotInput, EventOccurred
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon_api import PauseReport
from mmbot.trading.market_names import named_market
from mmbot.trading.operator_events import MarketsPaused
from mmbot.trading.state import TradingState
from mmbot.trading.values import event_of
from mmbot.underlying.calendar import Week
from mmbot.units import Milliseconds

# How long the answer to a pause waits for the last order to be off.
_PAUSE_SECONDS = 20.0
# The time between two checks of the orders.
LOOK_SECONDS = 0.02
# How long a halt or a pause waits for the ledger before it takes effect all the same.
STORE_SECONDS = 0.5
# How long after its week the pause of a market is still restored at a start.
_KEPT = dt.timedelta(days=14)


class MarketPauses:
    """Pauses and unpauses markets, and restores the pauses at the start of a session."""

    def __init__(
        self,
        state: TradingState,
        ledger: LedgerWriter,
        handle: Callable[[BotInput], None],
        wall_clock: Callable[[], Milliseconds],
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._handle = handle
        self._wall_clock = wall_clock
        self._log = structlog.get_logger()

    async def recall(self) -> None:
        """Restore the pauses of markets that may still be open."""
        today = self._state.clock.at(self._wall_clock()).date()
        paused = await self._ledger.submit(Ledger.paused_markets)
        self._set(ticker for ticker in paused if not _is_past(ticker, today))

    async def pause(self, text: str) -> PauseReport:
        """Pause the market that a text names, and wait until its orders are cancelled.

        Raises:
            BadInput: It names none, or several.
        """
        started, now = time.monotonic(), self._wall_clock()
        ticker = self._named(text)
        changed = ticker not in self._state.paused
        storing = self._ledger.submit(lambda ledger: ledger.add_pause(ticker, now))
        await asyncio.wait({storing}, timeout=STORE_SECONDS)
        live = self._live(ticker)
        self._set({*self._state.paused, ticker})
        await self._wait_until_off(ticker, started + _PAUSE_SECONDS)
        not_kept = await why_not_kept(storing, started + _PAUSE_SECONDS)
        if not_kept:
            self._log.error("pause.not_kept", market=ticker, reason=not_kept)
        return PauseReport(
            market=ticker,
            changed=changed,
            paused=tuple(sorted(self._state.paused)),
            running=True,
            live=live,
            left=self._live(ticker),
            seconds=round(time.monotonic() - started, 3),
            not_kept=not_kept,
        )

    async def unpause(self, text: str) -> PauseReport:
        """End the pause of the market that a text names.

        Raises:
            BadInput: It names none, or several.
        """
        ticker, now = self._named(text), self._wall_clock()
        await self._ledger.submit(lambda ledger: ledger.end_pause(ticker, now))
        changed = ticker in self._state.paused
        self._set(self._state.paused - {ticker})
        return PauseReport(ticker, changed, tuple(sorted(self._state.paused)), running=True)

    def _named(self, text: str) -> str:
        return named_market(text, {*self._state.event_of_market, *self._state.paused})

    def _live(self, ticker: str) -> int:
        return sum(order.remaining > 0 for order in self._state.orders.of(ticker))

    def _set(self, tickers: Iterable[str]) -> None:
        paused = frozenset(tickers)
        if paused != self._state.paused:
            self._handle(EventOccurred(MarketsPaused(tuple(sorted(paused)))))

    async def _wait_until_off(self, ticker: str, deadline: float) -> None:
        while self._live(ticker):
            if time.monotonic() >= deadline or ticker not in self._state.paused:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def why_not_kept(storing: asyncio.Future[Any], deadline: float) -> str:
    """Return why the ledger could not store something in time; empty if it has."""
    await asyncio.wait({storing}, timeout=max(0.0, deadline - time.monotonic()))
    if not storing.done():
        return "the disk has not confirmed it yet"
    try:
        storing.result()
    except sqlite3.Error as error:
        return str(error)
    return ""


def _is_past(ticker: str, today: dt.date) -> bool:
    """Return whether a market's week ended long ago."""
    try:
        week = Week.from_event_ticker(event_of(ticker))
    except ValueError:
        return False
    return week.sunday + _KEPT < today
