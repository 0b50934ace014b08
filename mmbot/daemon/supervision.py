"""Keeping the helpers at work, and ending the process where going on would be worse.

A helper is a task that should never end: the stream, the poller, the heartbeat. One that does is
first reported missing, so that the quotes come off, then logged with its traceback, and started
again after a pause. When that has happened too often within a while, and as soon as something
vital fails (the bot itself, whose state may be half changed then), the supervisor gives up.

This is the one place that catches whatever is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

_FIRST_PAUSE = 1.0
_RESTARTS = 3
_WITHIN_SECONDS = 600.0


class Restarts:
    """How often something was started again lately: a bounded memory of instants."""

    def __init__(self, most: int = _RESTARTS, within: float = _WITHIN_SECONDS) -> None:
        """Allow `most` restarts within so many seconds."""
        self._most = most
        self._within = within
        self._at: deque[float] = deque(maxlen=most)

    def pause(self, now: float) -> float | None:
        """Return the seconds to wait before the next restart, `None` if there were too many.

        The first is waited for a second, each further one of the same while twice as long.
        """
        while self._at and self._at[0] <= now - self._within:
            self._at.popleft()
        if len(self._at) >= self._most:
            return None
        self._at.append(now)
        return _FIRST_PAUSE * 2.0 ** (len(self._at) - 1)


class Supervisor:
    """Watches over one process's helpers; they share its patience."""

    def __init__(
        self,
        missing: Callable[[tuple[str, ...]], None],
        given_up: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with nothing missing.

        Args:
            missing: Told, whenever that changes, which helpers are not at work.
            given_up: Told, once, that the process has to end.
            clock: Seconds, from any origin.
            sleep: Waits for so many seconds.
        """
        self._tell_missing = missing
        self._tell_given_up = given_up
        self._clock = clock
        self._sleep = sleep
        self._restarts = Restarts()
        self._missing: dict[str, None] = {}
        self._log = structlog.get_logger()
        self.given_up = False

    async def keep(self, name: str, helper: Callable[[], Awaitable[None]]) -> None:
        """Run a helper until cancelled, again whenever it ends, as long as there is patience."""
        while not self.given_up:
            try:
                await helper()
            except Exception as error:  # noqa: BLE001 (whatever it is, it must not end the bot)
                died: Exception | None = error
            else:
                died = None
            self._miss(name, died)
            pause = self._restarts.pause(self._clock())
            if pause is None:
                self._give_up()
                return
            await self._sleep(pause)
            self._log.info("helper.restarted", helper=name)
            del self._missing[name]
            self._tell_missing(tuple(self._missing))

    @contextmanager
    def vital(self) -> Iterator[None]:
        """Give up if what is done in this context fails: it cannot be done again."""
        try:
            yield
        except Exception:  # noqa: BLE001 (the same)
            self._log.exception("bot.failed")
            self._give_up()

    def _miss(self, name: str, died: Exception | None) -> None:
        self._missing[name] = None
        self._tell_missing(tuple(self._missing))
        self._log.error("helper.died", helper=name, exc_info=died)

    def _give_up(self) -> None:
        if not self.given_up:
            self.given_up = True
            self._log.error("given_up")
            self._tell_given_up()
