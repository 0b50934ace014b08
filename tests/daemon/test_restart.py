"""A daemon that is killed in mid-week and started again, against the simulated exchange."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson
from mmbot.daemon.ledger import Ledger
from mmbot.kalshi.auth import Signer, read_private_key
from mmbot.kalshi.http import BASE_PATH
from mmbot.trading.risk import NOT_KNOWN_YET
from mmbot.tsa.calendar import CalendarClock, Week

Start = Callable[..., Any]

PATIENCE_SECONDS = 60.0
EVENT_LOSS = 500.0
# What a start may take until the first quote stands again; measured: well below two seconds.
SECONDS_TO_QUOTE = 5.0


class Account:
    """The bot's account at the exchange, read without the bot."""

    def __init__(self, venue: dict[str, Any]) -> None:
        pem = Path(venue["private_key_path"]).read_bytes()
        self._signer = Signer(venue["key_id"], read_private_key(pem))
        self._origin = venue["rest_url"].removesuffix(BASE_PATH)

    def read(self, path: str, field: str) -> list[dict[str, Any]]:
        whole = f"{BASE_PATH}/portfolio/{path}"
        headers = self._signer.headers("GET", whole.partition("?")[0], time.time_ns() // 1_000_000)
        request = urllib.request.Request(self._origin + whole, headers=dict(headers))
        with urllib.request.urlopen(request, timeout=10) as answer:
            rows: list[dict[str, Any]] = orjson.loads(answer.read())[field]
        return rows

    @property
    def resting(self) -> set[str]:
        orders = self.read("orders?status=resting&limit=1000", "orders")
        return {order["order_id"] for order in orders}

    @property
    def positions(self) -> dict[str, str]:
        rows = self.read("positions?count_filter=position", "market_positions")
        return {row["ticker"]: row["position_fp"] for row in rows}


@contextmanager
def daemon(config: str, venue: Path, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mmbot", "run", "--config", config, "--venue", str(venue)],
        stderr=subprocess.PIPE,
        env={**os.environ, "STATE_DIRECTORY": str(state)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def log_until(
    process: subprocess.Popen[bytes], done: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        raw = process.stderr.readline()
        assert raw, "the daemon ended too early"
        lines.append(orjson.loads(raw))
        if done(lines[-1]):
            return lines
    raise AssertionError("that was not said")


def held_by(line: dict[str, Any]) -> dict[str, str]:
    """The positions that a heartbeat tells, without those that are nothing."""
    markets = [market for event in line["events"] for market in event["markets"]]
    return {m["market"]: m["position"] for m in markets if m["position"] != "0.00"}


def is_heartbeat_with_quotes(line: dict[str, Any]) -> bool:
    return bool(line["event"] == "heartbeat" and line["live_orders"] > 0)


def test_a_killed_daemon_goes_on_where_it_was_with_its_orders_in_their_places(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    config = Path(quick_config)
    config.write_text(
        config.read_text().replace("heartbeat_seconds = 60.0", "heartbeat_seconds = 1.0")
    )
    exchange = start_exchange("--seed", "3", "--speed", "100")
    account = Account(exchange.venue)
    state = tmp_path / "state"
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, lambda line: line["event"] == "fill")
        log_until(process, is_heartbeat_with_quotes)
        process.kill()
        process.wait(timeout=10)
    before, held = account.resting, account.positions
    assert before
    assert held

    started = time.monotonic()
    with daemon(quick_config, exchange.venue_file, state) as process:
        lines = log_until(process, lambda line: line["event"] == "quotes.open")
        took = time.monotonic() - started
        fitting = sum(line["seconds"] for line in lines if line["event"] == "forecast.fitted")
        after = account.resting
        beats = log_until(
            process, lambda line: "events" in line and held_by(line) == account.positions
        )
    assert any(line["event"] == "order.adopted" for line in lines)
    assert took - fitting < SECONDS_TO_QUOTE
    # The crowd fills some and moves the market under others; those that are still wanted stay.
    assert before & after
    cancelled = [line for line in lines + beats if line["event"] == "order.cancel"]
    assert not NOT_KNOWN_YET & {line["reason"] for line in cancelled}
    assert all(float(event["worst_case"]) >= -EVENT_LOSS for event in beats[-1]["events"])


def test_an_event_that_closed_while_the_daemon_was_down_is_settled_in_its_ledger(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    week = Week(dt.date(2026, 4, 19))
    beginning = ("--week", "2026-04-19", "--seed", "3")
    exchange = start_exchange(*beginning, "--speed", "5000", "--at", "2026-04-19T12:00")
    state = tmp_path / "state"
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, lambda line: line["event"] == "fill")
        process.kill()
        process.wait(timeout=10)
    closes = msgspec.convert(exchange.venue["clock"], CalendarClock).wall_time(week.closes)
    while time.time_ns() // 1_000_000 <= closes:
        urllib.request.urlopen(exchange.venue["ledger_url"], timeout=10).close()
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, lambda line: line["event"] == "event.settled")
        process.kill()
        process.wait(timeout=10)
    ledger = Ledger(state / "demo" / "simulated")
    assert ledger.unsettled_fills() == []
    assert ledger.fills(week.event_ticker("KXTSAW"))
    ledger.close()
