from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mmbot.cli import main
from mmbot.forecast.model import Hindcasts

FIRST = dt.date(2021, 6, 7)
WEEKDAY = (2.3, 1.9, 2.1, 2.6, 2.7, 2.1, 2.6)
DAYS = 7 * 145


@pytest.fixture(scope="module")
def counts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    noise = np.random.default_rng(4).normal(0, 0.03, DAYS)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "as_published", "archived"])
        for i in range(DAYS):
            count = round(0.9e6 * WEEKDAY[i % 7] * np.exp(noise[i]))
            writer.writerow([FIRST + dt.timedelta(days=i), count, ""])
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["mmbot", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


# The Thursday before the last Sunday of the file: three days of its week are out.
AS_OF = "2024-03-14T09:00-04:00"


def test_the_forecast_is_json_for_programs(
    counts_file: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ask = ("forecast", "--counts", counts_file, "--as-of", AS_OF, "--cache", cache, "--json")
    assert run(monkeypatch, *ask) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["week"], found["known"], found["method"]) == ("2024-03-17", 3, "pool")
    assert [each["strike"] for each in found["strikes"]] == list(
        range(1_800_000, 2_800_001, 50_000)
    )
    fair = [each["fair"] for each in found["strikes"]]
    assert fair == sorted(fair, reverse=True)
    assert found["quantiles"]["0.05"] < found["mean"] < found["quantiles"]["0.95"]


def test_later_counts_in_the_file_change_no_forecast(
    counts_file: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines = counts_file.read_text().splitlines(keepends=True)
    # What is out on Thursday ends with Wednesday: four days before the last line.
    cut = tmp_path / "cut.csv"
    cut.write_text("".join(lines[:-4]))
    found = []
    for path in (counts_file, cut):
        run(monkeypatch, "forecast", "--counts", path, "--as-of", AS_OF, "--cache", cache, "--json")
        found.append(capfd.readouterr().out)
    assert found[0] == found[1]


def test_the_forecast_is_shown_as_tables_and_bars(
    counts_file: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    strikes = ("--strikes", "2_100_000,2000000", "--week", "2024-03-24")
    run(
        monkeypatch,
        "forecast",
        "--counts",
        counts_file,
        "--as-of",
        AS_OF,
        "--cache",
        cache,
        *strikes,
    )
    out = capfd.readouterr().out
    assert "Week to Sunday 2024-03-24: 0 of 7 days published" in out
    assert out.index("2,000,000  ") < out.index("2,100,000  ")
    assert "█" in out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--as-of", "yesterday"), "is not a time; write now, a date such as 2026-04-16, or"),
        (("--as-of", "2024-03-10T02:30"), "clocks change in New York then"),
        (("--week", "2024-03-16"), "named by its Sunday: write 2024-03-17"),
        (("--week", "soon"), "--week 'soon'"),
        (("--week", "2024-05-05"), "too early to forecast"),
        (("--strikes", "2.4 million"), "are not whole numbers"),
        (("--counts", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("--as-of", "2021-06-01T09:00-04:00"), "no daily counts"),
        (("--as-of", "2021-07-15T09:00-04:00"), "too few to forecast"),
    ],
)
def test_what_cannot_be_forecast_is_one_sentence_and_exit_2(
    changed: tuple[str, str],
    said: str,
    counts_file: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    options = {"--counts": str(counts_file), "--as-of": AS_OF, "--cache": str(cache)}
    options[changed[0]] = changed[1]
    code = run(monkeypatch, "forecast", *(part for pair in options.items() for part in pair))
    error = capfd.readouterr().err
    assert code == 2
    assert said in error
    assert "Traceback" not in error


def test_a_cache_that_cannot_be_written_is_named(
    counts_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    ask = ("forecast", "--counts", counts_file, "--as-of", AS_OF, "--cache", blocked)
    assert run(monkeypatch, *ask) == 2
    assert f"{blocked}" in capfd.readouterr().err


def test_a_damaged_cache_is_replaced(
    counts_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "pool.bank"
    kept.write_bytes(b"damaged")
    ask = ("evaluate", "--counts", counts_file, "--from", "2024-03-04", "--cache", tmp_path)
    assert run(monkeypatch, *ask) == 0
    assert list(Hindcasts.decode(kept.read_bytes()).banks) == [
        "combined",
        "adaptive",
        "boosted",
        "seed",
    ]
    assert capfd.readouterr().err == ""


def test_the_evaluation_is_written_as_json_and_drawn(
    counts_file: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    scores, picture = tmp_path / "scores.json", tmp_path / "picture.png"
    span = ("--from", "2024-02-01", "--to", "2024-03-10", "--json", scores, "--plot", picture)
    assert run(monkeypatch, "evaluate", "--counts", counts_file, "--cache", cache, *span) == 0
    methods = json.loads(scores.read_text())["methods"]
    assert list(methods) == ["pool", "combined", "adaptive", "adaptive-normal", "boosted", "seed"]
    assert list(methods["seed"]) == ["0", "1", "2", "3", "4", "5", "6"]
    assert methods["pool"]["0"]["weeks"] == 5
    assert {"mape", "rmse", "crps", "brier", "log_loss", "coverage80", "coverage90"} <= set(
        methods["pool"]["3"]
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "adaptive" in capfd.readouterr().out


def test_cached_scores_are_those_of_a_fresh_run(
    counts_file: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ask = ("evaluate", "--counts", counts_file, "--cache", cache, "--from", "2024-02-12")
    found = []
    for _ in range(2):
        run(monkeypatch, *ask)
        found.append(capfd.readouterr().out)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--from", "today"), "--from 'today' is not a date"),
        (("--from", "2030-01-01"), "no week from 2030-01-01"),
        (("--from", "2021-06-07"), "start later"),
        (("--method", "oracle"), "choose from pool, combined"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence_and_exit_2(
    option: tuple[str, str],
    said: str,
    counts_file: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "evaluate", "--counts", counts_file, "--cache", cache, *option) == 2
    assert said in capfd.readouterr().err
