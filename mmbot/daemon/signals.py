"""Receives signals in a thread of their own, so that a busy event loop cannot delay them.

The handled signals are blocked in every thread from the start of the program, so that an early
signal waits until it can be handled. The first stop signal sets a deadline by which the process
ends, whatever hangs; the second ends it at once.
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

# The time from the second signal, or from the end of the daemon, to the end of the process.
GRACE_SECONDS = 2.0
# The longest single wait for a signal, as not every platform can wait without a limit.
_LONGEST_WAIT_SECONDS = 3600.0


def hold() -> None:
    """Block every handled signal, and ignore the others that would end the process."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, _RECEIVED)


def stop_asked_within(seconds: float) -> bool:
    """Wait for a blocked stop signal; return whether one came."""
    return signal.sigtimedwait(STOPPING, seconds) is not None


class SignalThread:
    """Receives the signals of this process, which `hold` has blocked."""

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
            stop: Called with the name of the first stop signal.
            end: Called at the second stop signal: stop waiting for anything.
            reload: Called at SIGHUP.
            within_seconds: How long a stop may take before the process is ended.
            code: The exit code in that case.
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
        """End the process with `code`, unless it ends by itself in a moment."""
        self._code, self._ending = code, True
        self._hasten()
        # A further signal makes the thread notice the deadline.
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
