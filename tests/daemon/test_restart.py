"""A daemon that is killed in mid-week and started again, against the simulated exchange."""

from __future__ import annotations

import datetime as dt
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

from mmbot.daemon.ledger import Ledger
from mmbot.trading.gates import NOT_LEARNT_YET
from mmbot.tsa.calendar import CalendarClock, Week
from tests.daemon.processes import Account, Start, daemon, kill, log_until

EVENT_LOSS = 500.0


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
        kill(process)
    before, held = account.resting, account.positions
    assert before
    assert held

    with daemon(quick_config, exchange.venue_file, state) as process:
        lines = log_until(process, lambda line: line["event"] == "quotes.open")
        after = account.resting
        beats = log_until(
            process, lambda line: "events" in line and held_by(line) == account.positions
        )
    assert any(line["event"] == "order.adopted" for line in lines)
    # The crowd fills some and moves the market under others; those that are still wanted stay.
    assert before & after
    cancelled = [line for line in lines + beats if line["event"] == "order.cancel"]
    assert not NOT_LEARNT_YET & {line["reason"] for line in cancelled}
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
        kill(process)
    closes = msgspec.convert(exchange.venue["clock"], CalendarClock).wall_time(week.closes)
    while time.time_ns() // 1_000_000 <= closes:
        urllib.request.urlopen(exchange.venue["ledger_url"], timeout=10).close()
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, lambda line: line["event"] == "event.settled")
        kill(process)
    ledger = Ledger(state / "demo" / "simulated")
    assert ledger.unsettled_fills() == []
    assert ledger.fills(week.event_ticker("KXTSAW"))
    ledger.close()
