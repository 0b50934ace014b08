"""`mmbot demo` as its user runs it: a whole week, end to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from tests.conftest import quick_settings

# A bound against hanging, far above what a loaded machine takes.
SECONDS = 400


def play(tmp_path: Path, *options: str) -> dict[str, Any]:
    return run(tmp_path, "demo", *options)


def run(tmp_path: Path, command: str, *options: str, **environment: str) -> dict[str, Any]:
    path = tmp_path / f"{command}.json"
    subprocess.run(
        [sys.executable, "-m", "mmbot", command, "--json", str(path), *options],
        check=True,
        timeout=SECONDS,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path), **environment},
    )
    result: dict[str, Any] = orjson.loads(path.read_bytes())
    return result


def test_a_synthetic_week_with_maker_fees_is_traded_and_the_books_agree(tmp_path: Path) -> None:
    result = play(tmp_path, "--seed", "7", "--fees", "quadratic_with_maker_fees")
    assert result["reconciled"] is True
    assert result["fees"] > 0
    assert result["resting_at_end"] == 0
    assert result["fills"] >= 50
    assert len(result["known_days_traded"]) >= 3
    assert result["counts"] == "synthetic"
    state, config = result["state"], ("--config", "config/demo.toml")
    venue = ("--venue", f"{state}/venue.json")
    report = run(tmp_path, "report", *config, *venue, STATE_DIRECTORY=state)
    assert report["total"]["fills"] == result["fills"]
    # Both are whole millionths of a dollar that were divided alike.
    assert report["total"]["pnl"] == result["pnl"]
    assert sum(each["n"] for each in report["brier"].values()) > 0
    assert report["total"]["markouts"]["release"]["mid"]["fills"] > 0
    written = next(Path(state).rglob("reports/*.json"))
    assert orjson.loads(written.read_bytes())["total"] == report["total"]
    assert written.with_suffix(".txt").read_text().startswith(f"Settled up: {result['event']}")


def test_a_real_week_settles_on_the_mean_of_the_first_published_counts(
    tmp_path: Path, real_data: Path
) -> None:
    counts = str(real_data / "tsa/daily_counts.csv")
    # What it settles on is no matter of the forecast, and this one needs no long fit.
    config = tmp_path / "config.toml"
    config.write_text(quick_settings(), encoding="utf-8")
    options = ("--counts", counts, "--week", "2026-04-19", "--config", str(config))
    result = play(tmp_path, *options)
    assert result["event"] == "KXTSAW-26APR19"
    assert round(result["settled_value"]) == 2_459_000
    assert result["reconciled"] is True
    assert result["counts"] == "file"
