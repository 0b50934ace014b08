"""One daemon per account: whoever comes second refuses, and the operator finds the first."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import orjson

from tests.daemon.processes import (
    PATIENCE_SECONDS,
    Account,
    Mmbot,
    Start,
    await_resting,
    daemon,
    read_until,
    rest_of_log,
    terminate,
    their_ledger,
)


def test_a_second_daemon_with_another_state_directory_is_refused_and_touches_nothing(
    start_exchange: Start, quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    account = Account(exchange.venue)
    with daemon(quick_config, exchange.venue_file, tmp_path / "first") as process:
        read_until(process, "order.place", 4)
        second = mmbot("run", "--config", quick_config, "--venue", str(exchange.venue_file))
        assert second.returncode == 3
        assert "another mmbot on this machine trades this account" in second.stderr
        assert "order.cancel" not in second.stderr
        assert account.resting
        assert terminate(process) == 0


def test_a_halt_that_looks_at_another_state_directory_finds_the_daemon(
    start_exchange: Start, quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    where = ("--config", quick_config, "--venue", str(exchange.venue_file))
    with daemon(quick_config, exchange.venue_file, tmp_path / "first") as process:
        read_until(process, "order.place", 4)
        done = mmbot("halt", *where, "--reason", "caf\udce9", "--json")
        assert done.returncode == 0, done.stderr
        report = orjson.loads(done.stdout)
        assert report["reason"] == "caf?"
        assert (report["running"], report["left"]) == (True, 0)
        print(f"no quote {report['seconds']:.2f} s after the halt was received")
        read_until(process, "halted")
        assert their_ledger(exchange)["resting_orders"] == 0
        assert mmbot("resume", *where).returncode == 0
        assert terminate(process) == 0


def test_a_halt_without_a_daemon_admits_that_orders_rest(
    start_exchange: Start, quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    where = ("--config", quick_config, "--venue", str(exchange.venue_file))
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "order.place", 4)
        await_resting(exchange, some=True)
        process.kill()
        process.wait(timeout=10)
    done = mmbot("halt", *where, "--json")
    assert done.returncode == 4
    assert orjson.loads(done.stdout)["left"] > 0


def test_a_state_directory_that_is_deleted_stops_the_daemon(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "order.place", 4)
        shutil.rmtree(tmp_path / "state")
        off = await_resting(exchange, some=False)
        rest_of_log(process)
        print(f"no quote {off:.1f} s after the directory was deleted")
        assert process.returncode == 5
    assert their_ledger(exchange)["resting_orders"] == 0


# As on another machine, where the account's address is free.
ELSEWHERE = """
import os
import mmbot.daemon.process as process
process.address_of = lambda *_, **__: f"\\0mmbot-elsewhere-{os.getpid()}"
"""


def test_the_younger_of_two_daemons_on_two_machines_refuses(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "200")
    with daemon(quick_config, exchange.venue_file, tmp_path / "first") as first:
        read_until(first, "order.place", 4)
        began = time.monotonic()
        with daemon(quick_config, exchange.venue_file, tmp_path / "second", ELSEWHERE) as second:
            _, words = second.communicate(timeout=PATIENCE_SECONDS)
            print(f"refused {time.monotonic() - began:.1f} s after its start")
            assert second.returncode == 3
        assert b"another mmbot, which started earlier" in words
        assert first.poll() is None
        assert terminate(first) == 0
    assert their_ledger(exchange)["resting_orders"] == 0
