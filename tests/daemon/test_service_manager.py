"""What a service manager hears, on a socket of its kind."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmbot.daemon.service_manager import LONGEST_STATUS, ServiceManager


class Listener:
    """A socket like systemd's."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(65_536).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    name = f"mmbot-test-{secrets.token_hex(8)}"
    heard = Listener(f"@{name}" if request.param == "abstract" else str(tmp_path / "notify"))
    yield heard
    heard.close()


def test_every_message_is_systemds_own_word(listener: Listener) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": listener.address})
    manager.starting(1.5)
    manager.ready()
    manager.alive()
    manager.stopping()
    assert listener.heard() == [
        "EXTEND_TIMEOUT_USEC=1500000",
        "READY=1",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_reload_says_when_it_began_and_that_it_is_over(listener: Listener) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": listener.address})
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    with pytest.raises(ValueError, match="bad file"), manager.reloading():
        raise ValueError("bad file")
    began, ended = listener.heard()
    word, _, microseconds = began.partition("\nMONOTONIC_USEC=")
    assert (word, ended) == ("RELOADING=1", "READY=1")
    assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000


def test_a_status_is_one_line_within_bounds_and_said_once(listener: Listener) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": listener.address})
    manager.tell_status("waits: there is\nno exchange \udcff")
    manager.tell_status("waits: there is\nno exchange \udcff")
    manager.tell_status("x" * 10_000)
    first, second = listener.heard()
    assert first == "STATUS=waits: there is no exchange ?"
    assert len(second) == len("STATUS=") + LONGEST_STATUS


def test_a_status_that_was_not_taken_is_said_again(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.tell_status("starts")
    listener = Listener(address)
    manager.tell_status("starts")
    assert listener.heard() == ["STATUS=starts"]
    listener.close()


def test_a_manager_that_reads_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "notify"))
    manager = ServiceManager({"NOTIFY_SOCKET": listener.address})
    for _ in range(10_000):
        manager.alive()
    assert 0 < len(listener.heard()) < 10_000
    listener.close()


def test_without_a_manager_nothing_is_said() -> None:
    manager = ServiceManager({})
    manager.ready()
    assert manager.watchdog_seconds is None


def test_no_child_speaks_in_its_place() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    ServiceManager(environment)
    assert environment == {"HOME": "/"}


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_time_is_this_processs_own(
    told: dict[str, str], seconds: float | None
) -> None:
    assert ServiceManager(told).watchdog_seconds == seconds
