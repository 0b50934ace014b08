"""Positions, P&L, orders and fills where no daemon runs, and pauses for the one that comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from mmbot.daemon.ledger import Ledger
from mmbot.trading.commands import MarketView, Markout, RecordFill, RecordViews
from mmbot.units import Money, Price
from tests.cli.conftest import Mmbot
from tests.daemon.builders import EVENT, TICKER, fill

CONFIG = ("--config", "config/demo.toml")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with two fills, the latter with a markout."""
    directory = tmp_path / "state" / "demo"
    made = Ledger(directory)
    made.add_fill(RecordFill(fill(), 1, MarketView(), confirmed=True))
    made.add_fill(RecordFill(fill("t2", count=500, at=1_776_000_001_000), 1, MarketView(fair=0.6)))
    view = MarketView(0.5, 0.6, 0.7)
    made.add_views(RecordViews((), (Markout("t2", "o1", "1min", 1_776_000_061_000, view),)))
    made.close()
    return directory


def json_of(invoke: Mmbot, *command: str) -> dict[str, Any]:
    done = invoke(*command, *CONFIG, "--json")
    assert done.returncode == 3, done.stderr
    assert "no mmbot is running" in done.stderr
    document: dict[str, Any] = orjson.loads(done.stdout)
    assert document["running"] is False
    return document


def test_positions_are_those_of_the_ledger(ledger: Path, invoke: Mmbot) -> None:
    (held,) = json_of(invoke, "positions")["positions"]
    assert (held["market"], held["position"]) == (TICKER, "15.00")
    assert held["pnl_worst"] == "-8.402600"


def test_the_same_keys_mean_the_same_in_every_document(ledger: Path, invoke: Mmbot) -> None:
    status = json_of(invoke, "status")
    pnl = json_of(invoke, "pnl")
    assert pnl["pnl"] == status["pnl"]
    (event,) = status["events"]
    (shown,) = pnl["events"]
    assert shown == {key: event[key] for key in shown}
    (market,) = event["markets"]
    for document, name in (("pnl", "markets"), ("positions", "positions")):
        (row,) = json_of(invoke, document)[name]
        assert row == {key: market[key] for key in row}


def test_without_a_daemon_no_order_is_known(ledger: Path, invoke: Mmbot) -> None:
    assert json_of(invoke, "orders")["orders"] == []
    assert "No order is live." in invoke("orders", *CONFIG).stdout


def test_fills_come_with_their_markouts_and_say_what_is_left_out(
    ledger: Path, invoke: Mmbot
) -> None:
    document = json_of(invoke, "fills", "--most", "1", "--event", EVENT)
    (latest,) = document["fills"]
    assert document["left_out"] == 1
    shown = invoke("fills", "--most", "1", *CONFIG).stdout
    assert "1 fill; 1 older ones are left out" in shown
    assert (latest["trade_id"], latest["count"], latest["fair"]) == ("t2", "5.00", 0.6)
    assert latest["markouts"]["1min"]["fair"] == 0.7
    assert json_of(invoke, "fills", "--event", "KXTSAW-26APR26")["fills"] == []
    assert json_of(invoke, "fills", "--event", EVENT.lower())["left_out"] == 0


@pytest.mark.parametrize("text", ["26APR19", "A2.45", "KXTSAW-26APR19-A2.45", "KXTSAW-26APR18"])
def test_what_names_no_event_is_refused(ledger: Path, invoke: Mmbot, text: str) -> None:
    done = invoke("fills", "--event", text, *CONFIG)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--event: '{text}' is not an event ticker" in done.stderr


@pytest.mark.parametrize("command", ["positions", "pnl", "fills"])
def test_a_person_reads_them_in_eighty_columns(ledger: Path, invoke: Mmbot, command: str) -> None:
    shown = invoke(command, *CONFIG).stdout
    assert "A2.45" in shown
    assert "from the ledger" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_widest_fill_stands_whole_in_eighty_columns(tmp_path: Path, invoke: Mmbot) -> None:
    made = Ledger(tmp_path / "state" / "demo")
    sold = msgspec.structs.replace(
        fill(count=123_456), side="ask", price=Price(9_905), fee=Money(12_345_678)
    )
    made.add_fill(RecordFill(sold, 1, MarketView(fair=0.6), confirmed=True))
    view = MarketView(0.5, 0.6, 0.7)
    later = [Markout(sold.trade_id, "o1", at, sold.at + 1, view) for at in ("1min", "1h")]
    made.add_views(RecordViews((), tuple(later)))
    made.close()
    lines = invoke("fills", *CONFIG).stdout.splitlines()
    headings, row = lines[1].split(), lines[3].split()
    assert headings == ["time", "market", "side", "count", "price", "fee", "fair", "1min", "1h"]
    figures = ["sell", "1234.56", ".9905", "12.35", "0.600", "0.700", "0.700"]
    assert row[2:] == ["26APR19-A2.45", *figures]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", ["positions", "pnl", "orders", "fills"])
def test_where_nothing_has_ever_run_there_is_nothing_to_show(invoke: Mmbot, command: str) -> None:
    done = invoke(command, *CONFIG)
    assert (done.returncode, done.stdout) == (3, "")


# Pauses


def test_a_pause_is_kept_for_the_next_daemon_until_it_is_ended(ledger: Path, invoke: Mmbot) -> None:
    paused = invoke("pause", TICKER.lower(), *CONFIG, "--json")
    assert paused.returncode == 0, paused.stderr
    report = orjson.loads(paused.stdout)
    assert (report["market"], report["changed"], report["running"]) == (TICKER, True, False)
    assert json_of(invoke, "status")["paused"] == [TICKER]
    assert "was paused already" in invoke("pause", TICKER, *CONFIG).stdout
    assert "is no longer paused" in invoke("unpause", TICKER, *CONFIG).stdout
    assert "was not paused" in invoke("unpause", TICKER, *CONFIG).stdout


def test_without_a_daemon_a_part_of_a_ticker_is_refused(ledger: Path, invoke: Mmbot) -> None:
    refused = invoke("pause", "A2.45", *CONFIG)
    assert refused.returncode == 2
    assert "write the whole ticker instead of 'A2.45'" in refused.stderr


def test_every_command_says_what_its_exit_codes_mean(invoke: Mmbot) -> None:
    for command in (("pause",), ("counts", "none"), ("run",), ("history", "fetch")):
        shown = " ".join(invoke(*command, "--help").stdout.split())
        assert "Exit codes of every command: 0 done;" in shown
