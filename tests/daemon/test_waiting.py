"""What time heals is waited for with no quote out; once it is there, the daemon quotes again."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mmbot.daemon import control_client
from mmbot.daemon.account_client import CANCEL_SECONDS
from mmbot.daemon.ledger import Ledger
from mmbot.daemon_api import Status
from mmbot.status_report import StatusReport
from tests.daemon.outage import front
from tests.daemon.processes import PATIENCE_SECONDS, Session, Start, daemon, read_until, session

BASE = "/trade-api/v2"
EXPIRED = {"error": {"code": "header_timestamp_expired", "message": "header timestamp expired"}}

Answer = Callable[[], web.Response]

OUTAGES: dict[str, Answer | None] = {
    "rate limited": lambda: web.Response(status=429),
    "unavailable": lambda: web.Response(status=503, text="<html>Service Unavailable</html>"),
    "a front's page": lambda: web.Response(text="<html>Back soon</html>"),
    "a front's refusal": lambda: web.Response(status=403, text="<html>Forbidden</html>"),
    "cut off": lambda: web.Response(text='{"orders": ['),
    "empty": web.Response,
    "clock": lambda: web.json_response(EXPIRED, status=401),
}


def origin_of(exchange: Any) -> str:
    origin: str = exchange.venue["rest_url"].removesuffix(BASE)
    return origin


async def assert_waits_then_quotes(running: Session, heal: Callable[[], Any]) -> None:
    await running.until_any("start.waits", "check.unknown")
    assert "order.place" not in running.names
    heal()
    healed = time.monotonic()
    await running.until("order.place")
    print(f"{time.monotonic() - healed:.1f} s from the end of the outage to the first order")
    running.process.terminate()
    assert await running.ended() == 0
    waiting = [name for name in running.names if name in {"start.waits", "check.unknown"}]
    assert len(waiting) <= 2


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_exchange_in_trouble_is_waited_for(
    start_exchange: Start, quick_config: str, tmp_path: Path, outage: str
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    async with asyncio.timeout(PATIENCE_SECONDS), front(origin_of(exchange)) as rest:
        rest.fail(OUTAGES[outage])
        venue = exchange.changed_venue("front.json", rest_url=rest.url + BASE)
        async with session(quick_config, venue, tmp_path / "state") as running:
            await assert_waits_then_quotes(running, rest.heal)


async def test_a_stop_while_no_exchange_is_there_ends_at_once_and_admits_it(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")
    nowhere = "http://127.0.0.1:9/trade-api/v2"
    venue = exchange.changed_venue("nowhere.json", rest_url=nowhere)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        session(quick_config, venue, tmp_path / "state") as running,
    ):
        await running.until("start.waits")
        (line,) = (line for line in running.log if line["event"] == "start.waits")
        assert line["level"] == "warning"
        assert f"there is no exchange at {nowhere}" in line["waits_for"]
        directory = tmp_path / "state" / "demo" / "simulated"
        shown = await asyncio.to_thread(control_client.ask, directory, Status())
        assert isinstance(shown, StatusReport)
        assert any(nowhere in problem for problem in shown.problems)
        running.process.terminate()
        started = time.monotonic()
        assert await running.ended() == 4
        assert time.monotonic() - started < CANCEL_SECONDS
    assert "order.place" not in running.names


SITES: dict[str, Answer | None] = {
    "forbidden": lambda: web.Response(status=403, text="<html>Access Denied</html>"),
    "unavailable": lambda: web.Response(status=503),
    "maintenance": lambda: web.Response(text="<html><body>Down for maintenance</body></html>"),
}


@pytest.mark.parametrize("outage", SITES)
async def test_a_site_in_trouble_is_waited_for(
    start_exchange: Start, quick_config: str, tmp_path: Path, outage: str
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    async with asyncio.timeout(PATIENCE_SECONDS), front(exchange.venue["counts_url"]) as site:
        site.fail(SITES[outage])
        venue = exchange.changed_venue("front.json", counts_url=site.url)
        async with session(quick_config, venue, tmp_path / "state") as running:
            await assert_waits_then_quotes(running, site.heal)


def make_ledger(state: Path) -> Path:
    directory = state / "demo" / "simulated"
    Ledger(directory).close()
    return directory


async def test_a_ledger_that_a_backup_has_locked_is_waited_for(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    path = make_ledger(tmp_path / "state") / "ledger.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as backup:
        backup.execute("BEGIN EXCLUSIVE")
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            session(quick_config, exchange.venue_file, tmp_path / "state") as running,
        ):
            await assert_waits_then_quotes(running, lambda: backup.execute("ROLLBACK"))


async def test_a_ledger_that_a_dying_predecessor_holds_is_waited_for(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    predecessor = Ledger(make_ledger(tmp_path / "state"))
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        session(quick_config, exchange.venue_file, tmp_path / "state") as running,
    ):
        await assert_waits_then_quotes(running, predecessor.close)


FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
"""


def test_a_full_disk_is_waited_for(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state", FULL_DISK) as process:
        lines = read_until(process, "start.waits")
        assert "ledger.sqlite" in lines[-1]["waits_for"]
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        healed = time.monotonic()
        read_until(process, "order.place")
        print(f"{time.monotonic() - healed:.1f} s from the end of the outage to the first order")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0


async def test_a_directory_that_cannot_be_used_is_refused(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")
    (tmp_path / "state").write_bytes(b"no directory")
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        session(quick_config, exchange.venue_file, tmp_path / "state") as running,
    ):
        assert await running.ended() == 2
    assert "cannot use the state directory" in running.last_words


START_FAILS = """
from mmbot.daemon.account_client import AccountClient
async def examine(self, *_, **__):
    raise LookupError("a bug of the start's")
AccountClient.examine = examine
"""


def test_a_bug_in_the_start_ends_with_a_code_that_systemd_restarts(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state", START_FAILS) as process:
        lines = read_until(process, "session.failed")
        assert "a bug of the start's" in lines[-1]["exception"]
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 5
