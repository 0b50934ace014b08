"""The thread that uses the ledger, so that the event loop never waits for a disk.

Submitted work is done in order, so that a read sees every write that was submitted before it. The
`behind` callback is called when a commit is overdue, because the disk takes seconds for it, and
again when everything is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from mmbot.bot.driver import COMMIT_OVERDUE_MS
from mmbot.daemon.ledger import Ledger

# The most work that may wait; quotes are off meanwhile, so that little is added.
MOST_WAITING = 10_000
# How long the end of the process waits for the disk.
CLOSE_SECONDS = 8.0

_T = TypeVar("_T")
_Job = tuple[Callable[[Ledger], Any], "Future[Any]"]


class LedgerWriter:
    """One ledger and the thread that uses it."""

    def __init__(self, ledger: Ledger) -> None:
        """Take over an open ledger; nothing else may use it from now on."""
        self._ledger = ledger
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # When each waiting piece of work was submitted, by the loop's clock.
        self._waiting: deque[float] = deque()
        self._is_behind = False
        self._check_due: asyncio.TimerHandle | None = None
        self._tell: Callable[[bool], None] = lambda _behind: None
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def tell(self, behind: Callable[[bool], None]) -> None:
        """Set the callback, called on the loop, for commits that become overdue or are done."""
        self._tell = behind

    def submit(self, work: Callable[[Ledger], _T]) -> asyncio.Future[_T]:
        """Run `work` in the thread; the future has its result.

        Raises:
            sqlite3.OperationalError: Too much work is waiting.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise sqlite3.OperationalError(f"{MOST_WAITING:,} writes wait for the disk")
        loop = asyncio.get_running_loop()
        job: Future[_T] = Future()
        done = asyncio.wrap_future(job, loop=loop)
        self._waiting.append(loop.time())
        self._idle.clear()
        done.add_done_callback(self._finished)
        self._jobs.put((work, job))
        self._watch(loop)
        return done

    async def drain(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until everything is committed, for a limited time; return whether it is."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self._idle.is_set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Close the ledger once everything is committed; after some time leave it to the exit."""
        self._jobs.put(None)
        self._thread.join(seconds)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._check_due is None and self._waiting and not self._is_behind:
            due = self._waiting[0] + COMMIT_OVERDUE_MS / 1000
            self._check_due = loop.call_at(due, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._check_due = None
        if self._waiting and loop.time() - self._waiting[0] >= COMMIT_OVERDUE_MS / 1000:
            self._is_behind = True
            self._tell(True)
        self._watch(loop)

    def _finished(self, _done: asyncio.Future[Any]) -> None:
        self._waiting.popleft()
        if self._waiting:
            return
        self._idle.set()
        if self._is_behind:
            self._is_behind = False
            self._tell(False)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            try:
                result = work(self._ledger)
            except BaseException as error:  # noqa: BLE001 (raised where the result is awaited)
                future.set_exception(error)
            else:
                future.set_result(result)
        self._ledger.close()
