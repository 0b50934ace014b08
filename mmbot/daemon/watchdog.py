"""The watchdog: whether systemd may take this process for a healthy one.

A look at the whole process is taken some times within the time that systemd allows. It feeds the
watchdog where the loop came to it in time and no quote stands unattended: either none stands, or
stream, account, ledger, books and beliefs are what quotes may stand on. What keeps quotes off (an
exchange that is closed, a halt, a count that is due, a network that is cut) is no reason to start
again, and an order that is being taken off, or has expired, is attended.
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
from mmbot.trading.orders import Order, OrderState
from mmbot.trading.state import TradingState
from mmbot.units import Milliseconds

# Looks within the time that systemd allows, and how far apart they are at the most.
_LOOKS = 4
_LONGEST_PAUSE_SECONDS = 5.0
# Until it is ready it is looked more often; and each look asks for so much more time.
_STARTING_PAUSE_SECONDS, START_EXTENSION_SECONDS = 0.25, 60.0
# A loop that comes so much later than it was to is a loop that hangs.
MOST_LATE_SECONDS = 5.0
# Longer than the engine waits for a frame, a pong or the answer to a cancel.
MOST_SILENT_MS: Milliseconds = 30_000
_LEEWAY_MS: Milliseconds = 2_000


def unattended(state: TradingState, feed_age_ms: Milliseconds | None, now: Milliseconds) -> str:
    """Return what a quote stands without that it may not stand without; empty if none does.

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
    """Return whether an order rests at the exchange and nothing is under way to take it off."""
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
    """What a look at the process shows.

    Attributes:
        line: In words, what is quoted, or why nothing is.
        ready: Whether the account has been read, and the bot trades or knows why not.
        unattended: What a quote stands without; empty where all is well.
    """

    line: str
    ready: bool = False
    unattended: str = ""


class Watchdog:
    """Looks at one process for as long as it runs, and tells the service manager.

    Attributes:
        lag_seconds: How much later than it was to be the loop came to the latest look.
    """

    def __init__(
        self,
        manager: ServiceManager,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin while nothing is open yet."""
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
        """Look at the process by `look` from now on, unless it is about to end."""
        if not self._is_stopping:
            self._examine = look
            self.look()

    def waits_for(self, what: str) -> None:
        """Tell that it trades not before there is what it waits for."""
        self.examine(lambda: Condition(f"waits: {what}"))

    def stops(self) -> None:
        """Tell that it ends; what is said from now on is how far that is."""
        self.manager.stopping()
        self.examine(lambda: Condition("stops: takes every order off"))
        self._is_stopping = True

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell, once it is ready, that the settings are read anew for as long as this lasts."""
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
        """Look once, so much later than it was to be."""
        condition = self._examine()
        self.manager.tell_status(condition.line)
        if condition.ready and not self._is_ready:
            self._is_ready = True
            self.manager.ready()
        if not self._is_ready:
            self.manager.starting(START_EXTENSION_SECONDS)
        trouble = condition.unattended
        if late_seconds > MOST_LATE_SECONDS:
            trouble = f"the loop came {late_seconds:.1f} s late"
        if not trouble:
            self.manager.alive()
        elif trouble != self._told:
            self._log.error("watchdog.not_fed", reason=trouble)
        self._told = trouble
