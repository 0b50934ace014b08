"""`mmbot status` where no daemon runs: it says so, and shows what the ledger knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from mmbot.daemon.ledger import Ledger
from mmbot.trading.commands import MarketView, RecordFill
from mmbot.trading.operator_events import Halted
from tests.cli.conftest import Mmbot
from tests.daemon.builders import EVENT, TICKER, fill

CONFIG = ("--config", "config/demo.toml")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with a fill and a halt."""
    directory = tmp_path / "state" / "demo"
    made = Ledger(directory)
    made.add_fill(RecordFill(fill(), 1, MarketView(), confirmed=True))
    made.add_halt(Halted(1_776_000_000_000, "storm"))
    made.close()
    return directory


def test_it_shows_the_halt_and_the_positions_and_ends_with_3(ledger: Path, invoke: Mmbot) -> None:
    done = invoke("status", *CONFIG, "--json")
    assert done.returncode == 3
    assert "no mmbot is running" in done.stderr
    report = orjson.loads(done.stdout)
    assert report["running"] is False
    assert report["halt"] == {"since": 1_776_000_000_000, "reason": "storm"}
    (event,) = report["events"]
    (market,) = event["markets"]
    assert (event["event"], market["market"]) == (EVENT, TICKER)
    assert (market["position"], market["pnl_worst"]) == ("10.00", "-5.601300")
    assert market["pnl_fair"] is None


def test_a_person_is_told_the_same(ledger: Path, invoke: Mmbot) -> None:
    done = invoke("status", *CONFIG)
    assert done.returncode == 3
    assert "NOT RUNNING" in done.stdout
    assert "storm" in done.stdout
    assert "A2.45" in done.stdout


def test_a_narrow_terminal_costs_no_figure(
    ledger: Path, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = invoke("status", *CONFIG).stdout
    monkeypatch.setenv("COLUMNS", "40")
    narrow = invoke("status", *CONFIG).stdout
    assert "-5.60" in narrow
    assert narrow.splitlines()[1:] == wide.splitlines()[1:]  # the first has the time


def test_where_nothing_has_ever_run_there_is_nothing_to_show(invoke: Mmbot) -> None:
    done = invoke("status", *CONFIG)
    assert (done.returncode, done.stdout) == (3, "")


def test_watching_needs_a_terminal(ledger: Path, invoke: Mmbot) -> None:
    done = invoke("status", *CONFIG, "--watch")
    assert done.returncode == 2
    assert "--watch needs a terminal" in done.stderr


def imported_by(*modules: str) -> set[str]:
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_asking_waits_for_no_import_that_only_trading_needs() -> None:
    asking = ("status", "halt", "pause", "counts", "explain", "plan", "glance", "dashboard")
    heavy = {"aiohttp", "asyncio", "duckdb", "lightgbm", "numpy", "structlog", "uvloop"}
    assert heavy & imported_by(*(f"mmbot.cli.{name}" for name in asking)) == set()


def test_the_exchange_waits_for_no_import_that_only_a_forecast_needs() -> None:
    heavy = {"duckdb", "lightgbm", "numpy", "rich.progress", "structlog"}
    assert heavy & imported_by("mmbot.cli.exchange") == set()


def test_a_halt_waits_for_no_import_beside_those_of_any_question() -> None:
    any_question = ("mmbot.cli.place", "mmbot.cli.daemon_options")
    more = imported_by("mmbot.cli.halt") - imported_by(*any_question)
    assert more == {"mmbot.cli.halt"}
