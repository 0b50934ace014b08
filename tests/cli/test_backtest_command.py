from __future__ import annotations

import csv
import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from mmbot.cli import main
from mmbot.daemon.bank_file import bank_path, load_memory
from mmbot.forecast.model import Hindcasts
from mmbot.underlying.calendar import EASTERN, Week

FIRST = dt.date(2021, 6, 7)
WEEKDAY = (2.3, 1.9, 2.1, 2.6, 2.7, 2.1, 2.6)
WEEKS = (Week(dt.date(2023, 12, 3)), Week(dt.date(2023, 12, 10)))
STRIKES = (2_000_000, 2_100_000, 2_200_000)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Counts of two and a half years, and two weeks whose markets trade far and wide."""
    directory = tmp_path_factory.mktemp("inputs")
    noise = np.random.default_rng(4).normal(0, 0.03, 7 * 131)
    days = [FIRST + dt.timedelta(days=i) for i in range(len(noise))]
    counts = [round(0.9e6 * WEEKDAY[i % 7] * np.exp(noise[i])) for i in range(len(noise))]
    by_day = dict(zip(days, counts, strict=True))
    _write(
        directory / "counts.csv",
        ["date", "as_published", "archived"],
        [[day, count, ""] for day, count in by_day.items()],
    )
    markets: list[list[object]] = []
    candles: list[list[object]] = []
    for week in WEEKS:
        event = week.event_ticker("KXTSAW")
        average = sum(by_day[day] for day in week.days) / 7
        for strike in STRIKES:
            ticker = f"{event}-A{strike / 1e6:.2f}"
            markets.append([event, ticker, strike, "yes" if average > strike else "no"])
            for day in week.days:
                end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(0), EASTERN)
                book = [0.47, 0.47, 0.53, 0.53]
                trades = [0.02, 0.98, 0.02, 1000]
                candles.append([ticker, int(end.timestamp()), *book, *trades])
    _write(directory / "markets.csv", ["event_ticker", "ticker", "floor_strike", "result"], markets)
    _write(
        directory / "candles.csv",
        [
            "ticker",
            "end_period_ts",
            "yes_bid_open",
            "yes_bid_close",
            "yes_ask_open",
            "yes_ask_close",
            "price_low",
            "price_high",
            "price_close",
            "volume_fp",
        ],
        candles,
    )
    return {name: directory / f"{name}.csv" for name in ("counts", "markets", "candles")}


def _write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def backtest(
    monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Path], cache: Path, *more: str | Path
) -> int:
    given = [part for name, path in inputs.items() for part in (f"--{name}", str(path))]
    monkeypatch.setattr(
        sys, "argv", ["mmbot", "backtest", *given, "--cache", str(cache), *map(str, more)]
    )
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_figures_are_json_of_a_fixed_shape(
    inputs: dict[str, Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figures.json"
    assert backtest(monkeypatch, inputs, cache, "--json", path) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    assert set(found) == {
        "strategies", "brier", "yardstick", "filled_by", "without_fees", "left_out"
    }  # fmt: skip
    assert set(found["filled_by"].values()) == {"daily candles"}
    # Files of candles do not say what was charged.
    assert found["without_fees"] == list(found["filled_by"])
    assert set(found["yardstick"]) == {"mmbot", "seed", "seed-resting-always"}
    for measure in found["yardstick"].values():
        assert measure["total"]["pnl"] == pytest.approx(
            sum(session["pnl"] for session in measure["sessions"].values())
        )
    assert set(found["strategies"]) == {"mmbot", "seed", "seed-resting-always"}
    for figures in found["strategies"].values():
        assert set(figures) == {
            "weeks", "fills", "contracts", "pnl", "pnl_per_contract", "interval95"
        }  # fmt: skip
        assert figures["weeks"] == 2
        assert figures["fills"] > 0
        assert figures["pnl_per_contract"] == pytest.approx(figures["pnl"] / figures["contracts"])
        low, high = figures["interval95"]
        assert low <= figures["pnl_per_contract"] <= high
    assert set(found["brier"]) == {"0", "1", "2", "3", "4"}
    for score in found["brier"].values():
        assert set(score) == {"n", "belief", "mid", "pooled"}
    # A midpoint of one half is off by a half whatever comes.
    assert found["brier"]["4"]["mid"] == pytest.approx(0.25)
    assert found["brier"]["4"]["n"] == 2 * 3 * 3


def test_what_a_history_too_short_for_the_pool_has_taught_is_cached(
    inputs: dict[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backtest(monkeypatch, inputs, cache, "--strategy", "mmbot") == 0
    held = load_memory(bank_path(cache, "pool"), Hindcasts.decode)
    assert held is not None
    assert len(held.banks) > 1


def test_one_strategy_may_be_backtested_alone_and_reported_with_pictures(
    inputs: dict[str, Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.html"
    assert backtest(monkeypatch, inputs, cache, "--strategy", "seed", "--report", path) == 0
    page = path.read_text()
    assert "<svg" in page
    assert "seed by week" in page
    assert "mmbot by week" not in page
    assert "strictly through" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategy", "sed"), "choose from mmbot, seed"),
        (("--candles", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_an_unusable_argument_is_explained_in_a_sentence(
    inputs: dict[str, Path],
    cache: Path,
    arguments: tuple[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert backtest(monkeypatch, inputs, cache, *arguments) == 2
    assert said in capfd.readouterr().err


def test_on_the_real_weeks_the_pool_scores_no_worse_than_the_market(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if "MMBOT_DATA" not in os.environ:
        pytest.skip("MMBOT_DATA does not name a directory with the real weeks")
    data = Path(os.environ["MMBOT_DATA"])
    # Three years are enough to fit the pool; all seven take three times as long.
    header, *days = (data / "tsa/daily_counts.csv").read_text().splitlines()
    counts = tmp_path / "counts.csv"
    counts.write_text("\n".join([header, *(day for day in days if day >= "2023")]))
    real = {
        "counts": counts,
        "markets": data / "kalshi/markets.csv",
        "candles": data / "kalshi/daily_candles.csv",
    }
    path = tmp_path / "figures.json"
    assert backtest(monkeypatch, real, cache, "--json", path) == 0
    found = json.loads(path.read_text())
    assert all(each["weeks"] == 5 for each in found["strategies"].values())
    scored = [score for score in found["brier"].values() if score["n"]]
    assert len(scored) >= 4
    assert all(score["pooled"] <= score["mid"] for score in scored)
    earned = found["strategies"]["mmbot"]
    assert earned["pnl_per_contract"] > 0
    readme = " ".join(Path("README.md").read_text(encoding="utf-8").split())
    assert f"made {earned['pnl']:.2f} dollars in {earned['fills']} fills" in readme

    margins = tmp_path / "margins.csv"
    ends = ("--set", "quoting.margin=[0.03,0.25]", "--output", margins)
    assert sweep(monkeypatch, real, cache, *ends) == 0
    with margins.open() as file:
        rows = {row["quoting.margin"]: row for row in csv.DictReader(file)}
    low, high = (
        100 * float(rows[end]["pnl"]) / float(rows[end]["contracts"]) for end in ("0.03", "0.25")
    )
    page = " ".join(Path("docs/config.md").read_text(encoding="utf-8").split())
    fills = f"in {rows['0.03']['fills']} to {rows['0.25']['fills']} fills"
    assert f"made {low:.1f} to {high:.1f} cents a contract {fills}" in page


def sweep(
    monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Path], cache: Path, *more: str | Path
) -> int:
    given = [part for name, path in inputs.items() for part in (f"--{name}", str(path))]
    monkeypatch.setattr(
        sys, "argv", ["mmbot", "sweep", *given, "--cache", str(cache), *map(str, more)]
    )
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_sweep_says_how_many_settings_were_tried_and_what_the_best_is_worth(
    inputs: dict[str, Path],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "settings.csv"
    margins = ("--set", "quoting.margin=[0.05, 0.2]")
    sides = ("--set", 'quoting.sides=["both", "likelier"]')
    assert sweep(monkeypatch, inputs, cache, *margins, *sides, "--output", path) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "4 settings were tried on 2 weeks." in said
    assert "in the weeks left out" in said
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["quoting.margin"], row["quoting.sides"]) for row in rows} == {
        ("0.05", "both"), ("0.05", "likelier"), ("0.2", "both"), ("0.2", "likelier")
    }  # fmt: skip
    pnl = [float(row["pnl"]) for row in rows]
    assert pnl == sorted(pnl, reverse=True)
    # Files of candles do not say what was charged.
    assert {row["weeks_without_fees"] for row in rows} == {"2"}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("quoting.margin", "is not a key and a list"),
        ("quoting.margin=[]", "is not a key and a list"),
        ("quoting.margin=[2.0]", "quoting.margin: expected a number < 1.0"),
        ("quoting.margni=[0.1]", "did you mean `margin`?"),
    ],
)
def test_an_invalid_choice_is_refused(
    inputs: dict[str, Path],
    cache: Path,
    choice: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert sweep(monkeypatch, inputs, cache, "--set", choice) == 2
    assert said in " ".join(capfd.readouterr().err.split())


def test_a_result_can_be_parquet(
    inputs: dict[str, Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.parquet"
    margins = ("--set", "quoting.margin=[0.05, [0.1, 0.1, 0.1, 0.1, 0.1]]")
    assert sweep(monkeypatch, inputs, cache, *margins, "--output", path) == 0
    found = duckdb.read_parquet(str(path)).fetchall()
    assert {row[0] for row in found} == {"0.05", "[0.1, 0.1, 0.1, 0.1, 0.1]"}
    assert all(fills > 0 for _, fills, *_ in found)


def test_an_unknown_format_of_the_result_is_refused_at_once(
    inputs: dict[str, Path],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    choice = ("--set", "quoting.margin=[0.1]", "--output", "settings.xlsx")
    assert sweep(monkeypatch, inputs, cache, *choice) == 2
    assert "ends in .csv or .parquet" in " ".join(capfd.readouterr().err.split())
