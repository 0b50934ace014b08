"""One container for all tests of the service, and the shipped unit within it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.daemon.processes import Start
from tests.systemd.container import INSTALLED, PROJECT, CannotBoot, Container, booted, why_not
from tests.systemd.wire import Wire, wire

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.05
LIFETIME_SECONDS = int(os.environ.get("MMBOT_LIFETIME_SECONDS", "10"))
WATCHDOG_SECONDS = 15
VENUE = "/etc/simulated-exchange.json"
DROP_IN = "/etc/systemd/system/mmbot.service.d/venue.conf"
# As the unit's own comment has it.
ROOT_FINDS = ("CREDENTIALS_DIRECTORY=/etc/mmbot", "STATE_DIRECTORY=/var/lib/mmbot")

Line = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need the container where it cannot be booted."""
    reason = why_not()
    for item in items:
        here = item.path.parent == Path(__file__).parent
        if reason and here and "container" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=f"no systemd can be booted here: {reason}"))


@pytest.fixture(scope="session")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Boot a systemd that knows the shipped unit."""
    boot = booted(tmp_path_factory.mktemp("systemd"))
    try:
        running = boot.__enter__()
    except CannotBoot as error:
        pytest.skip(f"no systemd can be booted here: {error}")
    try:
        shipped = (PROJECT / "systemd" / "mmbot.service").read_text(encoding="utf-8")
        running.write("/etc/systemd/system/mmbot.service", shipped)
        running.write(DROP_IN, with_venue(shipped))
        assert running.run("systemctl", "daemon-reload").returncode == 0
        yield running
    finally:
        boot.__exit__(None, None, None)


def with_venue(unit: str, program: str = f"{INSTALLED}/.venv/bin/mmbot") -> str:
    """Return a drop-in that gives the unit's commands a venue, and less time to hang."""
    lines = ["[Service]", f"WatchdogSec={WATCHDOG_SECONDS}"]
    for line in unit.splitlines():
        key, _, command = line.partition("=")
        if program in command:
            lines += [f"{key}=", f"{line} --venue {VENUE}"]
    assert len(lines) == 6
    return "\n".join(lines) + "\n"


class Service:
    """The unit, the exchange it trades at, and the wires to that and to tsa.gov."""

    def __init__(self, container: Container, exchange: Any, to_exchange: Wire, site: Wire) -> None:
        self.container = container
        self.exchange = exchange
        self.to_exchange = to_exchange
        self.site = site
        self.key = Path(exchange.venue["private_key_path"]).read_bytes()
        self._cursor = ""
        self._client: aiohttp.ClientSession | None = None

    async def install(self, config: str) -> None:
        """Lay out what the unit expects, with nothing left of a service before."""
        venue = self.exchange.venue
        told = {
            "rest_url": self.to_exchange.through(venue["rest_url"]),
            "ws_url": self.to_exchange.through(venue["ws_url"]),
            "counts_url": self.site.through(venue["counts_url"]),
            "clock": venue["clock"],
        }
        write = self.container.write
        write(VENUE, orjson.dumps(told))
        write("/etc/mmbot/config.toml", config)
        write("/etc/mmbot/key_id", venue["key_id"] + "\n", 0o600)
        write("/etc/mmbot/private_key", self.key, 0o600)
        write("/etc/mmbot/alert_urls", "", 0o600)
        _, printed = await self.container.ask("journalctl", "--lines=0", "--show-cursor")
        self._cursor = printed.strip().rpartition("cursor: ")[2]

    async def remove(self) -> None:
        """End the unit, whatever it is at, and take away its state; say what it had logged."""
        for line in (await self.journal())[-60:]:
            print(line)
        unit = self.container
        for _ in range(3):  # its end starts the command that cancels
            await unit.ask("systemctl", "kill", "--signal=KILL", "mmbot")
            await unit.ask("systemctl", "stop", "--no-block", "mmbot")
        await unit.ask("systemctl", "stop", "mmbot")
        await unit.ask("systemctl", "reset-failed", "mmbot")
        await unit.systemctl("clean", "--what=state", "mmbot")

    # The unit

    async def start(self, *, until_ready: bool = False) -> None:
        """Start it; without waiting, as what it waits for may be the test's to give."""
        await self.container.systemctl("start", *([] if until_ready else ["--no-block"]), "mmbot")

    async def stop(self) -> float:
        """Stop it; return the seconds that took."""
        began = time.monotonic()
        await self.container.systemctl("stop", "mmbot")
        return time.monotonic() - began

    async def send(self, signal: str) -> None:
        await self.container.systemctl("kill", "--kill-whom=main", f"--signal={signal}", "mmbot")

    async def shown(self, name: str) -> str:
        return (await self.container.systemctl("show", "--value", "-p", name, "mmbot")).strip()

    async def mmbot(self, *arguments: str) -> tuple[int, str]:
        """Run a command as the operator does: as root, with what the unit says at its top."""
        command = (f"{INSTALLED}/.venv/bin/mmbot", *arguments)
        where = ("--config", "/etc/mmbot/config.toml", "--venue", VENUE)
        return await self.container.ask("env", *ROOT_FINDS, *command, *where)

    async def journal(self) -> list[str]:
        _, printed = await self.container.ask(
            *("journalctl", "--unit=mmbot", "--output=cat", f"--after-cursor={self._cursor}")
        )
        return printed.splitlines()

    async def log(self) -> list[Line]:
        """Return the daemon's own lines."""
        return [orjson.loads(line) for line in await self.journal() if line.startswith("{")]

    async def until_logged(self, event: str, times: int = 1) -> Line:
        """Wait until the daemon has logged that so many times; return the last line of those."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            lines = [line for line in await self.log() if line["event"] == event]
            if len(lines) >= times:
                return lines[times - 1]
            await asyncio.sleep(0.2)
        raise AssertionError(f"{event} was not logged {times} times")

    async def until_failed(self) -> None:
        """Wait until systemd has given it up."""
        await self.until_shown("ActiveState", lambda state: state == "failed")

    async def until_shown(self, name: str, wanted: Callable[[str], bool]) -> None:
        """Wait until systemd shows such a value of a property."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not wanted(value := await self.shown(name)):
            assert time.monotonic() < deadline, f"{name} is {value}"
            await asyncio.sleep(0.2)

    # The exchange's own ledger

    async def ledger(self) -> dict[str, Any]:
        if self._client is None:
            self._client = aiohttp.ClientSession()
        async with self._client.get(self.exchange.venue["ledger_url"]) as answer:
            ledger: dict[str, Any] = orjson.loads(await answer.read())
        return ledger

    async def orders(self) -> set[str]:
        """Return the ids of the orders that rest."""
        return {order["order_id"] for order in (await self.ledger())["orders"]}

    async def longest_life(self) -> float:
        """Return in how many seconds the last of the resting orders expires by itself."""
        ledger = await self.ledger()
        lives = (order["expires_ms"] - ledger["ts_ms"] for order in ledger["orders"])
        return max(lives, default=0) / 1000

    async def until_orders(self, wanted: Callable[[set[str]], bool], what: str) -> float:
        """Wait until the resting orders are as wanted; return the seconds that took."""
        began = time.monotonic()
        while not wanted(await self.orders()):
            assert time.monotonic() - began < PATIENCE_SECONDS, what
            await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    async def until_quotes(self) -> float:
        return await self.until_orders(bool, "there is no quote")

    async def until_no_quote(self) -> float:
        return await self.until_orders(lambda ids: not ids, "quotes stand")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


@pytest.fixture
def settings(quick_config: str) -> str:
    """Return the shipped settings with a forecast that needs no fit and orders that expire soon."""
    text = Path(quick_config).read_text(encoding="utf-8")
    assert "lifetime_seconds = 60" in text
    return text.replace("lifetime_seconds = 60", f"lifetime_seconds = {LIFETIME_SECONDS}")


@pytest.fixture
async def service(
    container: Container, start_exchange: Start, settings: str
) -> AsyncIterator[Service]:
    """Install the unit beside an exchange of its own; it is not started yet."""
    exchange = start_exchange("--seed", "3", "--speed", "1")
    async with AsyncExitStack() as stack:
        to_exchange = await stack.enter_async_context(wire(exchange.venue["rest_url"]))
        site = await stack.enter_async_context(wire(exchange.venue["counts_url"]))
        installed = Service(container, exchange, to_exchange, site)
        stack.push_async_callback(installed.close)
        await installed.install(settings)
        try:
            yield installed
        finally:
            to_exchange.mend()
            site.mend()
            await installed.remove()
