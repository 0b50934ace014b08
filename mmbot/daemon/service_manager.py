"""systemd's notification socket: what this process tells of itself (sd_notify(3)).

Nothing is told where no service manager listens, and nothing waits for one: a message that cannot
be sent at once is dropped, as the next look sends another. The variables that systemd sets are
taken out of the environment, so that no child of this process speaks in its place.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

from mmbot.texts import encodable

# Of a status, in characters: `systemctl status` shows one line.
LONGEST_STATUS = 400
_MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that has started this process, if there is one and it listens.

    Attributes:
        watchdog_seconds: How long it lets this process be silent; `None` if it does not mind.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Find the socket that the environment names, and take it out of there.

        Args:
            environment: Has `NOTIFY_SOCKET`, a path or, after `@`, an abstract name; and
                `WATCHDOG_USEC`, which holds for the process `WATCHDOG_PID` alone.
        """
        self._address = environment.pop("NOTIFY_SOCKET", "")
        for_process = environment.pop("WATCHDOG_PID", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        self.watchdog_seconds: float | None = None
        if microseconds.isdecimal() and for_process in {"", str(os.getpid())}:
            self.watchdog_seconds = int(microseconds) / _MICROSECONDS
        self._status = ""

    @property
    def listens(self) -> bool:
        """Whether there is one to be told."""
        return bool(self._address)

    def tell_status(self, sentence: str) -> None:
        """Have `systemctl status` show a sentence from now on; cut where it is too long."""
        line = " ".join(encodable(sentence).split())
        if len(line) > LONGEST_STATUS:
            line = f"{line[: LONGEST_STATUS - 3]}..."
        if line != self._status and self._send(f"STATUS={line}"):
            self._status = line

    def starting(self, seconds: float) -> None:
        """Ask for so much more time until it is ready."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}")

    def ready(self) -> None:
        """Tell that the start is complete."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that it ends by itself."""
        self._send("STOPPING=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the settings are read anew for as long as the context lasts."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}")
        try:
            yield
        finally:
            self.ready()

    def _send(self, message: str) -> bool:
        """Send a message without waiting; return whether it was taken, or nobody wants any."""
        if not self._address:
            return True
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.sendto(message.encode(), name)
            return True
        return False
