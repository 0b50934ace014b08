"""Signals, received by a thread of their own, so that a busy event loop cannot keep them away.

All signals that are handled are blocked in every thread from the first line of the program on: one
that comes before anything can be done about it waits. The first that asks for a stop sets a
deadline, by which the process ends whatever hangs; the second ends it at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
RELOADING = signal.SIGHUP
IGNORED = frozenset({signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE})
_RECEIVED = STOPPING | {RELOADING}

# From the second signal, or from the last word of the daemon, to the end of the process.
GRACE_SECONDS = 2.0
# How long one wait for a signal takes: no platform waits for ever.
_LONGEST_WAIT_SECONDS = 3600.0


def hold() -> None:
    """Keep every handled signal waiting, and ignore the others that would end the process."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _RECEIVED)


def stop_asked_within(seconds: float) -> bool:
    """Wait for a held signal that asks for a stop; return whether one came."""
    return signal.sigtimedwait(STOPPING, seconds) is not None


class SignalThread:
    """Receives the signals of this process, which `hold` has held so far."""

    def __init__(
        self,
        stop: Callable[[str], None],
        end: Callable[[], None],
        reload: Callable[[], None],
        within_seconds: float,
        code: int,
    ) -> None:
        """Prepare a thread; the callbacks are called in it.

        Args:
            stop: Called with the name of the first signal that asks for a stop.
            end: Called at the second: nothing is to be waited for any more.
            reload: Called at SIGHUP.
            within_seconds: How long a stop may take; after that the process is ended.
            code: The exit code then.
        """
        self._stop = stop
        self._end = end
        self._reload = reload
        self._within_seconds = within_seconds
        self._code = code
        self._deadline: float | None = None
        self._asked = 0
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)

    def start(self) -> None:
        """Receive signals from now on."""
        self._thread.start()

    def ending(self, code: int) -> None:
        """Have the process ended with `code`, should it not end by itself in a moment."""
        self._code, self._ending = code, True
        self._hasten()
        # The thread learns the deadline by another of the signals that it waits for.
        signal.pthread_kill(self._thread.ident or 0, RELOADING)

    def _hasten(self) -> None:
        soon = time.monotonic() + GRACE_SECONDS
        self._deadline = soon if self._deadline is None else min(soon, self._deadline)

    def _run(self) -> None:
        while True:
            wait_seconds = _LONGEST_WAIT_SECONDS
            if self._deadline is not None:
                wait_seconds = self._deadline - time.monotonic()
                if wait_seconds <= 0:
                    os._exit(self._code)
            received = signal.sigtimedwait(_RECEIVED, wait_seconds)
            if received is not None:
                self._handle(signal.Signals(received.si_signo))

    def _handle(self, number: signal.Signals) -> None:
        if self._ending:
            return
        if number == RELOADING:
            self._reload()
            return
        self._asked += 1
        if self._asked == 1:
            self._deadline = time.monotonic() + self._within_seconds
            self._stop(number.name)
        else:
            self._hasten()
            self._end()
