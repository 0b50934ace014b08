"""A part of the daemon fails while it trades: the quotes are cancelled first of all."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mmbot.daemon.ledger import Ledger
from mmbot.errors import ExitCode
from mmbot.units import format_count
from tests.daemon.processes import (
    Line,
    Start,
    await_resting,
    daemon,
    log_until,
    read_until,
    rest_of_log,
    seconds_between,
    terminate,
    their_ledger,
)

# The heartbeat fails so many times, as soon as there are orders.
HEARTBEAT_FAILS = """
import mmbot.observe.heartbeat as module
whole, left = module.heartbeat, {times}
def heartbeat(report):
    global left
    markets = [market for event in report.events for market in event.markets]
    if left and any(order.state == "resting" for market in markets for order in market.quotes):
        left -= 1
        raise LookupError("the heart stops")
    return whole(report)
module.heartbeat = heartbeat
"""

# The bot itself fails in the middle of an input, once orders rest.
BOT_FAILS = """
from mmbot.trading.engine import Engine
from mmbot.trading.events import Woken
whole = Engine.handle
def handle(self, event, now):
    commands = whole(self, event, now)
    if isinstance(event, Woken) and sum(o.state == "resting" for o in self.state.orders) > 3:
        raise LookupError("half done")
    return commands
Engine.handle = handle
"""


@pytest.fixture
def config(quick_config: str) -> str:
    path = Path(quick_config)
    text = path.read_text().replace("heartbeat_seconds = 60.0", "heartbeat_seconds = 1.0")
    path.write_text(text)
    return quick_config


def names(lines: list[Line]) -> list[str]:
    return [line["event"] for line in lines]


def test_a_helper_that_fails_once_costs_the_quotes_only_for_a_while(
    start_exchange: Start, config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    sabotage = HEARTBEAT_FAILS.format(times=1)
    with daemon(config, exchange.venue_file, tmp_path / "state", sabotage) as process:
        lines = read_until(process, "helper.died")
        assert lines[-1]["helper"] == "heartbeat"
        assert "LookupError: the heart stops" in lines[-1]["exception"]
        # Cancelled first, and logged afterwards.
        cancelled = [line for line in lines if line["event"] == "order.cancel"]
        assert {line["reason"] for line in cancelled} == {"no_heartbeat"}
        off = await_resting(exchange, some=False)
        on = off + await_resting(exchange, some=True)
        print(f"no quote after {off:.1f} s, quotes again after {on:.1f} s")
        lines = read_until(process, "helper.restarted")
        assert "order.place" not in names(lines)
        read_until(process, "order.place")
        assert terminate(process) == 0
    assert their_ledger(exchange)["resting_orders"] == 0


def test_a_helper_that_keeps_failing_ends_the_process_with_no_order_left(
    start_exchange: Start, config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    sabotage = HEARTBEAT_FAILS.format(times=1000)
    with daemon(config, exchange.venue_file, tmp_path / "state", sabotage) as process:
        lines = rest_of_log(process)
        assert process.returncode == ExitCode.BROKEN
    seconds = seconds_between(lines, "given_up", "swept")
    print(f"swept {seconds:.2f} s after it was given up")
    assert names(lines).count("helper.restarted") == 3
    assert names(lines)[-3:] == ["given_up", "swept", "stopped"]
    assert their_ledger(exchange)["resting_orders"] == 0


def test_a_bot_that_fails_in_the_middle_of_an_input_is_not_used_again(
    start_exchange: Start, config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    with daemon(config, exchange.venue_file, tmp_path / "state", BOT_FAILS) as process:
        lines = rest_of_log(process)
        assert process.returncode == ExitCode.BROKEN
    print(f"swept {seconds_between(lines, 'bot.failed', 'swept'):.2f} s after the failure")
    failed = names(lines).index("bot.failed")
    assert "LookupError: half done" in lines[failed]["exception"]
    assert "KALSHI-ACCESS" not in str(lines)
    assert set(names(lines)[failed + 1 :]) <= {"given_up", "swept", "stopped", "heartbeat"}
    assert lines[-2]["found"] > 0
    assert their_ledger(exchange)["resting_orders"] == 0


def assert_books_agree(exchange: object, state: Path) -> None:
    """Every fill that the exchange knows is booked, once, and no other."""
    theirs = their_ledger(exchange)
    ledger = Ledger(state / "demo" / "simulated")
    ours = ledger.unsettled_fills()
    ledger.close()
    assert sorted((f.trade_id, f.order_id, format_count(f.count)) for f in ours) == sorted(
        (f["trade_id"], f["order_id"], f["count"]) for f in theirs["fills"]
    )


@pytest.mark.parametrize("failure", ["full", "locked"])
def test_a_fill_that_cannot_be_booked_ends_the_process_and_is_booked_once_by_the_next(
    start_exchange: Start, config: str, tmp_path: Path, failure: str
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1000")
    state = tmp_path / "state"
    with daemon(config, exchange.venue_file, state) as process:
        read_until(process, "fill")
        with closing(sqlite3.connect(state / "demo" / "simulated" / "ledger.sqlite")) as other:
            if failure == "full":
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
            else:
                other.execute("BEGIN IMMEDIATE")
            lines = rest_of_log(process)
        assert process.returncode == ExitCode.BROKEN
    print(f"swept {seconds_between(lines, 'bot.failed', 'swept'):.2f} s after the failure")
    failed = next(line for line in lines if line["event"] == "bot.failed")
    assert "sqlite3." in failed["exception"]
    assert "order.place" not in names(lines[lines.index(failed) :])
    assert their_ledger(exchange)["resting_orders"] == 0

    with daemon(config, exchange.venue_file, state) as process:
        log_until(process, lambda line: bool(line["event"] == "account.reconciled"))
        assert terminate(process) == 0
    assert_books_agree(exchange, state)
