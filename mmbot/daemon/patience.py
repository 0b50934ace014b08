"""Decides which failures are waited out because time heals them, and which need a person.

Before it trades, the daemon repeats an attempt that raises `Unavailable`, at growing intervals, for
as long as it takes. The log says what it waits for when that changes, and repeats it now and then.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import structlog

from mmbot.errors import BadInput, Unavailable
from mmbot.kalshi.http import HttpAnswer, is_passing
from mmbot.kalshi.messages import Malformed, error_body, tree
from mmbot.kalshi.selfcheck import Finding

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10.0
_PAUSE_GROWTH = 1.5
# The same reason is logged again after the first of these, another one not before the second.
_REMIND_SECONDS, _LEAST_SECONDS = 600.0, 30.0

_T = TypeVar("_T")

_PASSING_ERRNOS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EDQUOT,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
_PASSING_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# Extended result codes have the primary one in their lowest byte.
_PRIMARY = 0xFF
_TOO_EARLY_OR_LATE = "header_timestamp_expired"


# Which is which


def refusal(error: OSError | sqlite3.Error, sentence: str, path: Path) -> BadInput | Unavailable:
    """Return the error for an unusable file: `Unavailable` if time heals it, such as a full disk.

    Args:
        error: The failure.
        sentence: The message: what is wrong, where, and what to do.
        path: The file.
    """
    return Unavailable(sentence) if _passes(error, path) else BadInput(sentence)


def _passes(error: OSError | sqlite3.Error, path: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in _PASSING_ERRNOS
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code == sqlite3.SQLITE_CANTOPEN:
        # SQLite reports this also if a full disk or too many open files kept it from opening one.
        return os.access(path.parent, os.W_OK | os.X_OK) and not path.is_dir()
    return code in _PASSING_SQLITE


def of_exchange(answer: HttpAnswer | None) -> HttpAnswer | None:
    """Return the answer if the exchange itself gave it; `None` if a proxy in front of it did.

    The proxy of an exchange in trouble answers with pages and empty bodies, and with any status.
    """
    if answer is None or is_passing(answer.status):
        return answer
    try:
        body = tree(answer.body)
    except Malformed:
        return None
    return answer if isinstance(body, dict) else None


def is_clock_refused(answer: HttpAnswer | None) -> bool:
    """Return whether the exchange refuses a request for this machine's time, not for its key."""
    return (
        answer is not None
        and answer.status in {401, 403}
        and error_body(answer.body).code == _TOO_EARLY_OR_LATE
    )


def passing_findings(findings: tuple[Finding, ...], *, clock_refused: bool) -> tuple[Finding, ...]:
    """Return the findings, with those that mean nothing yet marked as unknown.

    While this machine's clock is off, which time heals (at boot it is not set yet), the exchange
    refuses signatures, and no failure of another check means anything.
    """
    off = any(each.name == "clock" and each.state == "fail" for each in findings)
    if not (off or clock_refused):
        return findings
    return tuple(
        Finding(each.name, each.state, each.detail, known=each.state != "fail" and each.known)
        for each in findings
    )


# Waiting


def pauses() -> Iterator[float]:
    """Yield the seconds between attempts, without end."""
    seconds = _FIRST_PAUSE_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)


class Reminder:
    """Decides when a warning about a wait is due: at first, and then rarely."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin before the first warning."""
        self._clock = clock
        self._said: object = None
        self._said_at = 0.0

    def is_due(self, what: object) -> bool:
        """Return whether a warning is due; if so, it counts as given."""
        age = self._clock() - self._said_at
        rest = _REMIND_SECONDS if what == self._said else _LEAST_SECONDS
        if self._said is not None and age < rest:
            return False
        self._said, self._said_at = what, self._clock()
        return True


class Patience:
    """Makes attempts until they succeed."""

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tell: Callable[[str], None] = lambda _what: None,
    ) -> None:
        """Wait with `sleep`; `tell` is called with the reason at every attempt."""
        self._sleep = sleep
        self._tell = tell
        # The reason of the present wait; "" without one.
        self.waits_for = ""
        self._log = structlog.get_logger()

    async def until_available(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Return the result of the first attempt that is not `Unavailable`, whenever that is."""
        reminder, began, waited = Reminder(), time.monotonic(), False
        for seconds in pauses():
            try:
                result = await attempt()
            except Unavailable as error:
                waited = True
                self.waits_for = str(error)
                self._tell(str(error))
                if reminder.is_due(str(error)):
                    self._log.warning("start.waits", waits_for=str(error))
                await self._sleep(seconds)
            else:
                break
        self.waits_for = ""
        if waited:
            self._log.info("start.goes_on", seconds=round(time.monotonic() - began, 1))
        return result
