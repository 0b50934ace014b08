"""Restarts background tasks that fail, and ends the process after too many restarts.

A helper is a task that should never end: the stream, the counts worker ("poller" in the log), the
heartbeat, the interceptor's clock ("tick"). One that ends is first reported missing, so that the
quotes are cancelled, then logged with its traceback, and restarted after a pause. After too many
restarts within ten minutes, and as soon as something vital fails (the bot itself, whose state may
then be half changed), the supervisor gives up.

Apart from recording and replay, which record a failure of the bot as the result of its input, this
is the one place that catches every exception.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType

import structlog

_FIRST_PAUSE_SECONDS = 1.0
_MOST_RESTARTS = 3
_WITHIN_SECONDS = 600.0


class Restarts:
    """A limit on restarts within a sliding window of time."""

    def __init__(self, most: int = _MOST_RESTARTS, within_seconds: float = _WITHIN_SECONDS) -> None:
        """Allow `most` restarts within `within_seconds`."""
        self._most = most
        self._within_seconds = within_seconds
        self._at: deque[float] = deque(maxlen=most)

    def pause(self, now: float) -> float | None:
        """Return the seconds to wait before the next restart; `None` if there were too many.

        One second before the first restart in the window, twice as long before each further one.

        Args:
            now: Seconds, from any origin.
        """
        while self._at and self._at[0] <= now - self._within_seconds:
            self._at.popleft()
        if len(self._at) >= self._most:
            return None
        self._at.append(now)
        return _FIRST_PAUSE_SECONDS * 2.0 ** (len(self._at) - 1)


class Vital:
    """A context whose failure ends the process, as its body cannot be retried.

    It has no state, as it is entered for every frame.
    """

    def __init__(self, give_up: Callable[[], None]) -> None:
        """Call `give_up` after a failure."""
        self._give_up = give_up
        self._log = structlog.get_logger()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._log.error("bot.failed", exc_info=error)
        self._give_up()
        return True


class Supervisor:
    """Restarts one process's helpers, which share one limit on restarts.

    Attributes:
        given_up: Whether the process has to end.
        vital: A context in which whatever fails has it give up.
    """

    def __init__(
        self,
        missing: Callable[[tuple[str, ...]], None],
        given_up: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Start with no helper missing.

        Args:
            missing: Called with the names of the helpers that are down whenever they change.
            given_up: Called once, when the process has to end.
            clock: Seconds, from any origin.
            sleep: Waits for a number of seconds.
        """
        self._report_missing = missing
        self._report_given_up = given_up
        self._clock = clock
        self._sleep = sleep
        self._restarts = Restarts()
        self._missing: dict[str, None] = {}
        self._log = structlog.get_logger()
        self.given_up = False
        self.vital = Vital(self._give_up)

    async def keep(self, name: str, helper: Callable[[], Awaitable[None]]) -> None:
        """Run a helper until cancelled; restart it until there were too many restarts."""
        while not self.given_up:
            try:
                await helper()
            except Exception as error:  # noqa: BLE001 (whatever it is, it must not end the bot)
                failure: Exception | None = error
            else:
                failure = None
            self._miss(name, failure)
            pause = self._restarts.pause(self._clock())
            if pause is None:
                self._give_up()
                return
            await self._sleep(pause)
            self._log.info("helper.restarted", helper=name)
            del self._missing[name]
            self._report_missing(tuple(self._missing))

    def _miss(self, name: str, failure: Exception | None) -> None:
        self._missing[name] = None
        self._report_missing(tuple(self._missing))
        self._log.error("helper.died", helper=name, exc_info=failure)

    def _give_up(self) -> None:
        if not self.given_up:
            self.given_up = True
            self._log.error("given_up")
            self._report_given_up()
