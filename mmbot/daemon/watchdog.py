"""The watchdog: tells systemd whether this process is healthy.

It looks at the whole process several times within the interval that systemd allows. A look feeds
the watchdog if the event loop was in time and no quote is unattended: none rests, or stream,
account, ledger, books and beliefs are in order. A closed exchange, a halt, a count that is due or a
cut network keep the quotes off and are no reason for a restart. An order that is being cancelled,
or has expired, is attended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext

import msgspec
import structlog

from mmbot.daemon.service_manager import ServiceManager
from mmbot.trading.gate_checks import belief_gate, service_gate
from mmbot.trading.gates import Gate
from mmbot.trading.order import Order, OrderState
from mmbot.trading.state import TradingState
from mmbot.units import Milliseconds

# Looks within the interval that systemd allows, and the longest time between two.
_LOOKS = 4
_LONGEST_PAUSE_SECONDS = 5.0
# Before it is ready, looks are more frequent, and each asks systemd for more time.
_STARTING_PAUSE_SECONDS, START_EXTENSION_SECONDS = 0.25, 60.0
# A loop that is this late counts as hanging.
MOST_LATE_SECONDS = 5.0
# Longer than the engine waits for a frame, a pong or the answer to a cancel.
MOST_SILENT_MS: Milliseconds = 30_000
_LEEWAY_MS: Milliseconds = 2_000


def unattended(state: TradingState, feed_age_ms: Milliseconds | None, now: Milliseconds) -> str:
    """Return what an unattended quote lacks; "" if no quote is unattended.

    Args:
        state: The engine's state.
        feed_age_ms: The time since the exchange sent the last frame; `None` before the first.
        now: The bot's time.
    """
    standing = [order for order in state.orders if _stands(state, order, now)]
    if not standing:
        return ""
    gate = service_gate(state.service)
    if gate is None and (feed_age_ms is None or feed_age_ms > MOST_SILENT_MS):
        gate = Gate.NO_STREAM
    for order in standing:
        gate = gate or _shut(state, order, now)
    return "" if gate is None else f"{len(standing)} quotes stand, but {gate.meaning}"


def _stands(state: TradingState, order: Order, now: Milliseconds) -> bool:
    """Return whether an order rests at the exchange and is not being cancelled."""
    market = state.find_market(order.ticker)
    if market is not None and now >= market.terms.closes:
        # It has ended with its market.
        return False
    attended_until = max(order.cancel_after + _LEEWAY_MS, order.spared_until)
    rests = order.state is OrderState.RESTING and order.remaining > 0
    return rests and attended_until <= now < order.expires + _LEEWAY_MS


def _shut(state: TradingState, order: Order, now: Milliseconds) -> Gate | None:
    if order.ticker in state.paused:
        return Gate.PAUSED_BY_OPERATOR
    event = state.event_of_market.get(order.ticker)
    if event is None or event.markets[order.ticker].book is None:
        return Gate.NO_BOOK
    if event.markets[order.ticker].contradiction:
        return Gate.POSITION_CONTRADICTS
    return belief_gate(event.belief, event.releases, event.windows, now)


class Condition(msgspec.Struct, frozen=True):
    """The result of a look at the process.

    Attributes:
        line: What is quoted, or why nothing is, in words.
        ready: Whether the account has been read, and the bot trades or knows why not.
        unattended: What an unattended quote lacks; "" if all is well.
    """

    line: str
    ready: bool = False
    unattended: str = ""


class Watchdog:
    """Looks at one process while it runs, and reports to the service manager.

    Attributes:
        lag_seconds: How late the event loop was at the latest look.
    """

    def __init__(
        self,
        manager: ServiceManager,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin before anything is open."""
        self.manager = manager
        self.lag_seconds = 0.0
        self._clock = clock
        self._sleep = sleep
        self._examine: Callable[[], Condition] = lambda: Condition("starts")
        self._is_ready = False
        self._is_stopping = False
        self._told = ""
        self._log = structlog.get_logger()
        allowed = manager.watchdog_seconds
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, (allowed or 3600.0) / _LOOKS)

    def examine(self, look: Callable[[], Condition]) -> None:
        """Use `look` from now on, unless the process is ending."""
        if not self._is_stopping:
            self._examine = look
            self.look()

    def waits_for(self, what: str) -> None:
        """Report what the start waits for."""
        self.examine(lambda: Condition(f"waits: {what}"))

    def stops(self) -> None:
        """Report that the process is ending; later changes of the status are ignored."""
        self.manager.stopping()
        self.examine(lambda: Condition("stopping: cancelling every order"))
        self._is_stopping = True

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Report a reload, once the process is ready, for as long as the context lasts."""
        with self.manager.reloading() if self._is_ready else nullcontext():
            yield

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            pause = self._pause_seconds if self._is_ready else _STARTING_PAUSE_SECONDS
            due = self._clock() + pause
            await self._sleep(pause)
            self.lag_seconds = max(0.0, self._clock() - due)
            self.look(self.lag_seconds)

    def look(self, late_seconds: float = 0.0) -> None:
        """Look once, `late_seconds` after the look was due."""
        condition = self._examine()
        self.manager.tell_status(condition.line)
        if condition.ready and not self._is_ready:
            self._is_ready = True
            self.manager.ready()
        if not self._is_ready:
            self.manager.starting(START_EXTENSION_SECONDS)
        trouble = condition.unattended
        if late_seconds > MOST_LATE_SECONDS:
            trouble = f"the event loop is {late_seconds:.1f} s late"
        if not trouble:
            self.manager.alive()
        elif trouble != self._told:
            self._log.error("watchdog.not_fed", reason=trouble)
        self._told = trouble
