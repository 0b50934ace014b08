"""A daemon that is killed in mid-week and restarted, against the simulated exchange."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mmbot.daemon.ledger import Ledger
from mmbot.trading.gates import NOT_LEARNT_YET
from mmbot.underlying.calendar import CalendarClock, Week
from tests.daemon.processes import (
    Account,
    Start,
    await_resting,
    daemon,
    kill,
    log_until,
    read_until,
    terminate,
)

WEEK = Week(dt.date(2026, 4, 19))
EVENT_LOSS = 500.0
# The shortest that the settings allow beside an answer's timeout of five seconds.
LIFETIME = 10
# A machine that is too slow to trade in the last hours of a week gets a slower calendar.
SPEEDS = (5_000, 1_500, 400)


class Told:
    """The positions that the log has told, without those that are zero."""

    def __init__(self) -> None:
        self.positions: dict[str, str] = {}

    def read(self, line: dict[str, Any]) -> bool:
        """Read a line; return whether it told of a market."""
        if line["event"] != "market.status":
            return False
        self.positions.pop(line["market"], None)
        if line["position"] != "0.00":
            self.positions[line["market"]] = line["position"]
        return True


def is_quoted_with_a_position(line: dict[str, Any]) -> bool:
    told = line["event"] == "market.status" and line["position"] != "0.00"
    return told and bool(line["bid"] or line["ask"])


def test_a_killed_daemon_goes_on_where_it_was_with_its_orders_in_their_places(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    config = Path(quick_config)
    config.write_text(
        config.read_text().replace("heartbeat_seconds = 60.0", "heartbeat_seconds = 1.0")
    )
    exchange = start_exchange("--seed", "3", "--speed", "300")
    account = Account(exchange.venue)
    state = tmp_path / "state"
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, is_quoted_with_a_position)
        kill(process)
    before = account.resting
    assert before

    with daemon(quick_config, exchange.venue_file, state) as process:
        began = time.monotonic()
        lines = log_until(process, lambda line: line["event"] == "quotes.open")
        print(f"quotes open {time.monotonic() - began:.1f} s after the start")
        after = account.resting
        told = Told()
        for line in lines:
            told.read(line)
        beats = log_until(
            process, lambda line: told.read(line) and told.positions == account.positions
        )
        beats += read_until(process, "heartbeat")
    assert any(line["event"] == "order.adopted" for line in lines)
    # The crowd fills some and moves the market under others; those that are still wanted stay.
    assert before & after
    cancelled = [line for line in lines + beats if line["event"] == "order.cancel"]
    assert not NOT_LEARNT_YET & {line["reason"] for line in cancelled}
    assert float(beats[-1]["pnl_week_worst"]) >= -EVENT_LOSS


def test_the_orders_of_a_killed_daemon_that_nobody_restarts_expire(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    config = Path(quick_config)
    text = config.read_text().replace("lifetime_seconds = 60", f"lifetime_seconds = {LIFETIME}")
    config.write_text(text)
    exchange = start_exchange("--seed", "3", "--speed", "1")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        await_resting(exchange, some=True)
        kill(process)
    seconds = await_resting(exchange, some=False)
    print(f"no order {seconds:.1f} s after the kill, where it lives for {LIFETIME} s")
    assert seconds < LIFETIME + 1


def test_an_event_that_closed_while_the_daemon_was_down_is_settled_in_its_ledger(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange, state = next(filter(None, trade_until_killed(start_exchange, quick_config, tmp_path)))
    time.sleep(max(0.0, closing_time(exchange) - time.time()))
    with daemon(quick_config, exchange.venue_file, state) as process:
        log_until(process, lambda line: line["event"] == "event.settled")
        terminate(process)
    ledger = Ledger(state / "demo" / "simulated")
    assert ledger.unsettled_fills() == []
    assert ledger.fills(WEEK.event_ticker("KXTSAW"))
    ledger.close()


def trade_until_killed(
    start_exchange: Start, config: str, directory: Path
) -> Iterator[tuple[Any, Path] | None]:
    """Kill a daemon after its first fill of a week that is about to close, at each speed.

    Yields the exchange and the daemon's state, or `None` if the week closed too soon.
    """
    beginning = ("--week", str(WEEK.sunday), "--at", f"{WEEK.sunday}T12:00", "--seed", "3")
    for speed in SPEEDS:
        exchange = start_exchange(*beginning, "--speed", str(speed))
        state = directory / str(speed)
        closes = closing_time(exchange)
        with daemon(config, exchange.venue_file, state) as process:
            log_until(process, partial(is_fill_or_past, closes))
            kill(process)
        yield (exchange, state) if time.time() < closes else None


def is_fill_or_past(deadline: float, line: dict[str, Any]) -> bool:
    return bool(line["event"] == "fill" or time.time() > deadline)


def closing_time(exchange: Any) -> float:
    """Return when the event closes, in seconds of the wall clock."""
    return msgspec.convert(exchange.venue["clock"], CalendarClock).wall_time(WEEK.closes) / 1000
