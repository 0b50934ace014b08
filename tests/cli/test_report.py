"""`mmbot report` on a small ledger."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmbot.cli import main
from mmbot.daemon.bank_file import bank_path, store_memory
from mmbot.daemon.ledger import Ledger
from mmbot.forecast.model import Hindcasts
from mmbot.forecast.pool import TrackRecord
from mmbot.trading.commands import RecordFill, RecordViews
from tests.daemon.builders import EVENT, TICKER, fill
from tests.research.records import (
    FILLS,
    FIRST,
    MARKOUTS,
    SAMPLES,
    SECOND,
    SETTLEMENTS,
)

Report = Callable[..., int]


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Return a function that runs the command on the ledger in `tmp_path`."""
    config = tmp_path / "config.toml"
    config.write_text(f'[state]\ndirectory = "{tmp_path / "state"}"\n')

    def run(*arguments: str | Path) -> int:
        given = ["mmbot", "report", "--config", str(config), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return run


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    """Keep a ledger open, as the daemon does."""
    ledger = Ledger(tmp_path / "state")
    for record in FILLS:
        ledger.add_fill(record)
    ledger.add_views(RecordViews(SAMPLES, MARKOUTS))
    for settlement in SETTLEMENTS:
        ledger.add_settlement(settlement)
    yield ledger
    ledger.close()


def found(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_event_is_reported_while_the_daemon_has_the_ledger_open(
    ledger: Ledger, report: Report, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    assert report("--all", "--json", path) == 0
    ours = sum(ledger.totals(event).pnl for event in (FIRST, SECOND))
    assert found(path)["total"]["pnl"] == ours / 1e6 == -6.8
    said = " ".join(capfd.readouterr().out.split())
    assert f"Settled up: {FIRST}, {SECOND}" in said
    assert "P&L by known days" in said
    assert "too few to change anything" in said


def test_the_last_settled_event_is_reported_unless_another_is_named(
    ledger: Ledger, report: Report, tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    assert report("--json", path) == 0
    assert set(found(path)["events"]) == {SECOND}
    assert report("--event", FIRST, "--json", path) == 0
    assert set(found(path)["events"]) == {FIRST}
    assert found(path)["total"]["pnl"] == 7.2


def test_the_statements_hold_a_row_for_each_fill_and_settlement(
    ledger: Ledger, report: Report, tmp_path: Path
) -> None:
    assert report("--all", "--csv", tmp_path / "taxes/2026") == 0
    tables = {}
    for name in ("fills", "settlements"):
        with (tmp_path / f"taxes/2026/{name}.csv").open(encoding="utf-8") as file:
            tables[name] = list(csv.DictReader(file))
    assert [len(rows) for rows in tables.values()] == [3, 3]
    cash = sum(Decimal(row["cash"]) for rows in tables.values() for row in rows)
    assert cash == Decimal("-6.8")


def test_the_page_draws_calibration(ledger: Ledger, report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.html"
    assert report("--all", "--html", path) == 0
    assert "<svg" in path.read_text()


def test_the_page_has_no_pictures_without_matplotlib(
    ledger: Ledger, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mmbot.cli.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    path = tmp_path / "report.html"
    assert report("--all", "--html", path) == 0
    page = path.read_text()
    assert "<svg" not in page
    assert "Brier scores" in page


def test_an_empty_ledger_is_reported_as_such(
    report: Report, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Ledger(tmp_path / "state").close()
    assert report() == 0
    assert "No event in this ledger is decided yet" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--event", "KXTSAW-26JAN04"), f"the ledger knows {FIRST}, {SECOND}"),
        (("--event", FIRST, "--all"), "contradict each other"),
        (("--venue", "venue.json"), "there is no ledger in"),
        (("--csv", "/dev/null/taxes"), "/dev/null/taxes"),
    ],
)
def test_an_unusable_argument_is_explained_in_a_sentence(
    ledger: Ledger,
    report: Report,
    arguments: tuple[str, ...],
    said: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert report(*arguments) == 2
    assert said in capfd.readouterr().err


def test_the_calibration_of_the_daemons_forecasts_is_reported(
    ledger: Ledger, report: Report, tmp_path: Path
) -> None:
    weeks = 30
    pits = np.full((weeks, 7), 0.5)
    record = TrackRecord(("seed",), 738_000, np.zeros((weeks + 1, 7, 1)), pits, ("",) * weeks)
    store_memory(bank_path(tmp_path / "state", "pool"), Hindcasts({}, record))
    path = tmp_path / "figures.json"
    assert report("--all", "--json", path) == 0
    lately = found(path)["forecast_calibration"]
    assert {k: (each["weeks"], each["coverage80"]) for k, each in lately.items()} == {
        str(k): (26, 1.0) for k in range(7)
    }


def test_in_mid_week_what_is_open_is_shown(
    report: Report, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(tmp_path / "state")
    ledger.add_fill(RecordFill(fill(), 1, confirmed=True))
    ledger.close()
    assert report() == 0
    said = " ".join(capfd.readouterr().out.split())
    assert f"Open: {EVENT}, cash -5.60, at worst -5.60 dollars" in said
    assert f"{TICKER} +10 -5.60 open -5.60" in said


def test_a_page_to_publish_is_of_every_settled_week(
    ledger: Ledger, report: Report, tmp_path: Path
) -> None:
    page = tmp_path / "public.html"
    assert report("--event", FIRST, "--public", page) == 0
    text = page.read_text(encoding="utf-8")
    assert f"Predictions of {FIRST}" in text
    assert f"Predictions of {SECOND}" in text
