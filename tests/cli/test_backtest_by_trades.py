"""`mmbot backtest` over a directory of history that was fetched from the simulated exchange."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mmbot.cli import main
from mmbot.exchange.assembly import synthetic_counts
from mmbot.history.rows import Sighting
from mmbot.history.store import HistoryStore
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import to_milliseconds
from tests.history.builders import EVENT, EVENT_BEFORE, WEEK, PastExchange


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = HistoryStore(tmp_path_factory.mktemp("history"))
    PastExchange().fetch(store)
    counts = synthetic_counts(WEEK, 1).first
    first = WEEK.monday - dt.timedelta(days=1_200)
    store.put_sightings(
        Sighting(day, count, to_milliseconds(assumed_release(day)), None, False, "tsa.gov")
        for day, count in counts.items()
        if first <= day <= WEEK.sunday
    )
    return store.directory


def run(monkeypatch: pytest.MonkeyPatch, command: str, history: Path, *more: str | Path) -> int:
    config = history.parent / "config.toml"
    config.write_text('[forecast]\nmethod = "seed"\n[quoting]\nlowest_bid_cents = 1.0\n')
    given = ["--counts", history, "--history", history, "--config", config]
    cache = ["--cache", history.parent / "cache"]
    monkeypatch.setattr(sys, "argv", ["mmbot", command, *map(str, [*given, *cache, *more])])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def backtest(monkeypatch: pytest.MonkeyPatch, history: Path, *more: str | Path) -> int:
    return run(monkeypatch, "backtest", history, *more)


def test_weeks_with_trades_are_traded_again(
    history: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "figures.json"
    report = tmp_path / "report.html"
    assert backtest(monkeypatch, history, "--json", path, "--report", report) == 0
    # P&L by week with the calibration, and each week.
    assert report.read_text().count("<svg") == 3
    found: dict[str, Any] = json.loads(path.read_text())
    assert found["filled_by"] == {EVENT_BEFORE: "trades", EVENT: "trades"}
    assert found["without_fees"] == []
    # The bot that trades never rests through a release, so that baseline has no result.
    assert set(found["strategies"]) == {"mmbot", "seed"}
    assert found["strategies"]["mmbot"]["fills"] > 0
    assert set(found["yardstick"]) == {"mmbot", "seed"}
    measure = found["yardstick"]["mmbot"]
    assert measure["total"]["fills"] == found["strategies"]["mmbot"]["fills"]
    assert measure["total"]["pnl"] == pytest.approx(found["strategies"]["mmbot"]["pnl"])
    assert measure["markouts"]["1h"]["fills"] > 0
    assert "2 by trades" in capfd.readouterr().out


def test_what_rests_through_releases_is_refused_by_trades(
    history: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert backtest(monkeypatch, history, "--strategy", "seed-resting-always") == 2
    assert "by daily candles only" in capfd.readouterr().err


def test_where_nothing_is_there_it_says_what_gets_it(
    history: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert backtest(monkeypatch, history, "--history", tmp_path) == 2
    assert "mmbot history fetch" in capfd.readouterr().err
    assert backtest(monkeypatch, history, "--markets", "m.csv") == 2
    assert "belong together" in capfd.readouterr().err


def test_a_sweep_over_weeks_with_trades_makes_what_the_backtest_of_each_setting_makes(
    history: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Six pieces of work are done by other processes.
    path, margins = tmp_path / "sweep.json", ("--set", "quoting.margin=[0.1, 0.2, 0.9]")
    report = tmp_path / "report.html"
    assert run(monkeypatch, "sweep", history, *margins, "--json", path, "--report", report) == 0
    assert report.read_text().count("<svg") == 1
    said = " ".join(capfd.readouterr().out.split())
    assert "3 settings were tried on 2 weeks" in said
    assert "2 by trades" in said
    found: dict[str, Any] = json.loads(path.read_text())
    assert found["filled_by"] == {EVENT_BEFORE: "trades", EVENT: "trades"}
    assert found["without_fees"] == []
    by_margin = {each["changes"]["quoting.margin"]: each for each in found["settings"]}
    assert by_margin[0.9]["fills"] == 0
    figures = tmp_path / "figures.json"
    assert backtest(monkeypatch, history, "--strategy", "mmbot", "--json", figures) == 0
    shipped = json.loads(figures.read_text())["yardstick"]["mmbot"]["total"]
    assert by_margin[0.1]["pnl"] == pytest.approx(shipped["pnl"])
    assert by_margin[0.1]["at_risk"] == pytest.approx(shipped["at_risk"])
