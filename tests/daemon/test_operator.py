"""The operator's commands against a real daemon that trades on the simulated exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.daemon.processes import (
    Mmbot,
    Process,
    Start,
    daemon,
    is_off,
    kill,
    log_until,
    read_until,
    terminate,
    their_ledger,
)

ASKED_AT_MOST = 1_000


# The self-check takes until the daemon is halted, however slow the command is.
STARTS_LATE = """
import asyncio, os
from pathlib import Path
from mmbot.daemon.account_client import AccountClient
from mmbot.daemon.ledger import read_halt
state = Path(os.environ["STATE_DIRECTORY"]) / "demo" / "simulated"
whole = AccountClient.examine
async def examine(self, *arguments, **options):
    while read_halt(state) is None:
        await asyncio.sleep(0.05)
    return await whole(self, *arguments, **options)
AccountClient.examine = examine
"""


def wait_for_resting_orders(exchange: Any) -> bool:
    return any(their_ledger(exchange)["resting_orders"] for _ in range(ASKED_AT_MOST))


def answered(done: Any) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    decoded: dict[str, Any] = orjson.loads(done.stdout)
    return decoded


@pytest.fixture
def arguments(start_exchange: Start, quick_config: str) -> tuple[Any, tuple[str, ...]]:
    """An exchange in real time, and what every command is given to find the daemon there."""
    exchange = start_exchange("--seed", "3", "--speed", "1")
    return exchange, ("--config", quick_config, "--venue", str(exchange.venue_file))


def beat_often(config: str) -> None:
    """Have a heartbeat soon, but few enough that a log that nobody reads has room for them."""
    path = Path(config)
    text = path.read_text()
    path.write_text(text.replace("heartbeat_seconds = 60.0", "heartbeat_seconds = 5.0"))


def test_a_halt_cancels_every_order_and_survives_a_kill_until_resume(
    arguments: tuple[Any, tuple[str, ...]], quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange, where = arguments
    beat_often(quick_config)
    state = tmp_path / "state"
    with daemon(quick_config, exchange.venue_file, state) as process:
        read_until(process, "order.place", 4)
        assert wait_for_resting_orders(exchange)
        report = answered(mmbot("halt", *where, "--reason", "a storm", "--json"))
        assert their_ledger(exchange)["resting_orders"] == 0
        assert report["running"]
        assert report["left"] == 0
        assert report["account_read"]
        read_until(process, "halted")
        read_until(process, "heartbeat")
        kill(process)
        assert "order.place" not in logged_after_halt(process)
    again = answered(mmbot("halt", *where, "--json"))
    assert (again["reason"], again["running"]) == ("a storm", False)
    checked = mmbot("check", *where, "--json")
    (finding,) = (f for f in answered(checked)["findings"] if f["name"] == "halt")
    assert finding["state"] == "warn"
    assert "(a storm): nothing is quoted until `mmbot resume`" in finding["detail"]
    with daemon(quick_config, exchange.venue_file, state) as process:
        lines = log_until(process, is_off("halted"))
        lines += read_until(process, "heartbeat")
        assert lines[-1]["halted"]
        assert any(line["event"] == "halted" and line["reason"] == "a storm" for line in lines)
        assert not any(line["event"] == "order.place" for line in lines)
        assert their_ledger(exchange)["resting_orders"] == 0
        assert answered(mmbot("resume", *where, "--json"))["reason"] == "a storm"
        read_until(process, "order.place")
        assert wait_for_resting_orders(exchange)
        assert terminate(process) == 0


def logged_after_halt(process: Process) -> list[str]:
    """The names of the log lines that a killed daemon left unread, all from after its halt."""
    assert process.stderr is not None
    return [orjson.loads(line)["event"] for line in process.stderr]


def test_a_halt_is_obeyed_while_the_daemon_is_still_starting(
    arguments: tuple[Any, tuple[str, ...]], quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange, where = arguments
    beat_often(quick_config)
    with daemon(quick_config, exchange.venue_file, tmp_path / "state", STARTS_LATE) as process:
        read_until(process, "starting")
        assert answered(mmbot("halt", *where, "--json"))["running"]
        lines = log_until(process, is_off("halted"))
        lines += read_until(process, "heartbeat")
        assert not any(line["event"] == "order.place" for line in lines)
    assert their_ledger(exchange)["resting_orders"] == 0


def test_a_running_daemon_lists_counts_explains_and_plans(
    arguments: tuple[Any, tuple[str, ...]], quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange, where = arguments
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        ticker = read_until(process, "order.place", 4)[-1]["market"]
        assert wait_for_resting_orders(exchange)
        days = answered(mmbot("counts", *where, "--json"))["days"]
        assert len(days) == 14
        assert {day["state"] for day in days} <= {"published", "due", "expected"}
        explained = mmbot("explain", ticker, *where).stdout
        assert [
            word for word in ("counts", "forecast", "margin", "tick") if word not in explained
        ] == []
        glance = answered(mmbot("status", *where, "--json"))
        assert (glance["running"], glance["process"]) == (True, process.pid)
        assert glance["quoting"]
        assert glance["latency"]["lag_ms"]["n"] > 0
        assert {"stream_ms", "page_ms", "account_ms"} <= {
            name for name, age in glance["ages"].items() if age is not None
        }
        paused = answered(mmbot("pause", ticker, *where, "--json"))
        assert (paused["market"], paused["running"], paused["left"]) == (ticker, True, 0)
        assert ticker not in {each["ticker"] for each in their_ledger(exchange)["orders"]}
        assert answered(mmbot("unpause", ticker, *where, "--json"))["changed"]
        same = answered(mmbot("plan", *where, "--json"))["markets"]
        assert not any(market["differs"] for market in same)
        assert any(market["present"]["bid"] for market in same)
        assert all(market["present"]["yes_edge_cents"] >= 1.0 for market in same)
        edited = edit(quick_config, "margin = ", "margin = 0.5 # ")
        planned = mmbot("plan", "--config", edited, *where[2:])
        assert "would be quoted differently" in planned.stdout
        assert "* " in planned.stdout
        assert "edges" in planned.stdout
        edited = edit(quick_config, "poll_seconds = ", "poll_seconds = 9.5 # ")
        refused = mmbot("plan", "--config", edited, *where[2:])
        assert refused.returncode == 2
        assert "counts.poll_seconds differs from the daemon's" in refused.stderr
        assert terminate(process) == 0


def edit(config: str, old: str, new: str) -> str:
    path = Path(config).with_name("edited.toml")
    path.write_text(Path(config).read_text().replace(old, new))
    return str(path)


def test_quoting_goes_on_without_a_count_that_the_operator_gives_up(
    start_exchange: Start, quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    config = Path(quick_config)
    config.write_text(config.read_text().replace("= 06:55:00", "= 00:01:00"))
    exchange = start_exchange(
        "--seed", "3", "--speed", "1", "--week", "2026-04-19", "--at", "2026-04-15T00:30"
    )
    where = ("--config", quick_config, "--venue", str(exchange.venue_file))
    state = tmp_path / "state"
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, is_off("release_due"))
        refused = mmbot("counts", "none", "2026-04-15", *where)
        assert refused.returncode == 2
        assert "is not due before" in refused.stderr
        assert answered(mmbot("counts", "none", "2026-04-14", *where, "--json"))["days"] == [
            "2026-04-14"
        ]
        read_until(process, "order.place")
        kill(process)
    with daemon(quick_config, exchange.venue_file, state) as process:
        lines = read_until(process, "order.place")
        assert any(line["event"] == "counts.missing" for line in lines)
        assert "not waited for" in mmbot("counts", *where).stdout
        assert terminate(process) == 0
