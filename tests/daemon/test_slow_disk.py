"""A disk that takes seconds for a commit, and a reader of the log that stalls or goes away."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.daemon.processes import (
    Start,
    await_resting,
    daemon,
    log_until,
    read_until,
    terminate,
    their_ledger,
)

# From the third order on, the next commit takes eight seconds, once.
SLOW_COMMIT = """
import structlog, time
from mmbot.daemon.ledger import Ledger
from mmbot.trading.commands import RecordViews
whole, left = Ledger.add_views, [1]
def slow(self, command):
    if left and command == RecordViews((), ()):
        left.pop()
        structlog.get_logger().warning("library.said", library="test", detail="slow")
        time.sleep(8)
    whole(self, command)
Ledger.add_views = slow
import mmbot.daemon.bot_runner as runner
begin = runner.BotRunner.set_timer
seen = []
def set_timer(self, at):
    begin(self, at)
    if not seen and sum(o.state == "resting" for o in self.bot.engine.state.orders) > 3:
        seen.append(1)
        self.record(RecordViews((), ()))
runner.BotRunner.set_timer = set_timer
"""


def test_quotes_are_off_while_a_commit_is_overdue_and_come_back(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    state = tmp_path / "state"
    with daemon(quick_config, exchange.venue_file, state, SLOW_COMMIT) as process:
        read_until(process, "library.said")
        off = await_resting(exchange, some=False)
        on = off + await_resting(exchange, some=True)
        print(f"no quote after {off:.1f} s, quotes again after {on:.1f} s")
        lines = read_until(process, "ledger.behind")
        cancelled = [line["reason"] for line in lines if line["event"] == "order.cancel"]
        assert "ledger_behind" in cancelled
        lines = read_until(process, "ledger.caught_up")
        assert "order.place" not in [line["event"] for line in lines]
        read_until(process, "order.place")
        assert terminate(process) == 0
    assert their_ledger(exchange)["resting_orders"] == 0


@pytest.mark.parametrize("reader", ["stalls", "is gone"])
def test_a_daemon_without_a_reader_of_its_log_takes_its_orders_off(
    start_exchange: Start, quick_config: str, tmp_path: Path, reader: str
) -> None:
    exchange = start_exchange("--seed", "3")
    # So much is logged at once that a pipe cannot take it.
    flood = """
import structlog, mmbot.daemon.bot_runner as runner
from mmbot.trading.commands import Note
log = runner.BotRunner.log
def noisy(self, note):
    log(self, note)
    if note.name == "order.place":
        for _ in range(200):
            log(self, Note("library.said", {"library": "test", "detail": "x" * 2_000}, "warning"))
runner.BotRunner.log = noisy
"""
    with daemon(quick_config, exchange.venue_file, tmp_path / "state", flood) as process:
        log_until(process, lambda line: bool(line["event"] == "order.place"))
        assert process.stderr is not None
        if reader == "is gone":
            process.stderr.close()
            process.stderr = None
        # The daemon goes on: the orders are renewed, past the time at which they would expire.
        deadline = time.monotonic() + 60
        while not their_ledger(exchange)["resting_orders"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert their_ledger(exchange)["resting_orders"] == 0


def test_the_daemons_files_are_its_owners_alone_and_it_leaves_no_core_dump(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    directory = tmp_path / "state" / "demo" / "simulated"
    before = os.umask(0)
    try:
        directory.mkdir(parents=True, mode=0o700)
        (directory / "ledger.sqlite").touch(0o666)
        with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
            read_until(process, "order.place")
            assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0)
            open_to_others = [
                path.name
                for path in directory.rglob("*")
                if path.is_file() and path.stat().st_mode & 0o077
            ]
            assert not open_to_others
            assert terminate(process) == 0
    finally:
        os.umask(before)


def test_what_the_environment_says_of_proxies_is_not_used(
    start_exchange: Start, quick_config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = start_exchange("--seed", "3")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "order.place")
        assert terminate(process) == 0


@pytest.mark.parametrize("where", ["lock", "ledger.sqlite", "ledger.sqlite-wal"])
def test_no_file_is_opened_through_a_link(
    start_exchange: Start, mmbot: Start, quick_config: str, tmp_path: Path, where: str
) -> None:
    exchange = start_exchange("--seed", "3")
    directory = tmp_path / "state" / "demo" / "simulated"
    directory.mkdir(parents=True, mode=0o700)
    target = tmp_path / "precious"
    target.write_text(json.dumps(["mine"]))
    (directory / where).symlink_to(target)
    done = mmbot("run", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert done.returncode == 2
    assert where.removesuffix("-wal") in done.stderr
    assert target.read_text() == '["mine"]'


def test_a_state_directory_that_others_may_write_to_is_refused(
    start_exchange: Start, mmbot: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    directory = tmp_path / "state" / "demo" / "simulated"
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    done = mmbot("run", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert done.returncode == 2
    assert "chmod go-w" in done.stderr
