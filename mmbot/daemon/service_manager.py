"""Notifications to systemd about this process (sd_notify(3)).

They are sent only if a service manager listens, and never wait: a message that cannot be sent at
once is dropped, because the next look sends another. The variables that systemd sets are removed
from the environment, so that no child process can notify in its place.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

from mmbot.texts import encodable

# The longest status, in characters: `systemctl status` shows one line.
LONGEST_STATUS = 400
_MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that has started this process, if there is one and it listens.

    Attributes:
        watchdog_seconds: The watchdog interval; `None` without a watchdog.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Find the socket that the environment names, and remove the variables from it.

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
        """Whether a service manager listens."""
        return bool(self._address)

    def tell_status(self, sentence: str) -> None:
        """Set the line of `systemctl status`; cut if it is too long."""
        line = " ".join(encodable(sentence).split())
        if len(line) > LONGEST_STATUS:
            line = f"{line[: LONGEST_STATUS - 3]}..."
        if line != self._status and self._send(f"STATUS={line}"):
            self._status = line

    def starting(self, seconds: float) -> None:
        """Ask for more time until the process is ready."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}")

    def ready(self) -> None:
        """Report that the start is complete."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the process is ending."""
        self._send("STOPPING=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Report a reload for as long as the context lasts."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}")
        try:
            yield
        finally:
            self.ready()

    def _send(self, message: str) -> bool:
        """Send a message without waiting; return whether it was sent or nobody listens."""
        if not self._address:
            return True
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.sendto(message.encode(), name)
            return True
        return False
