"""`mmbot demo` as its user runs it: a whole week, end to end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

SECONDS = 150


def play(tmp_path: Path, *options: str) -> dict[str, Any]:
    path = tmp_path / "result.json"
    subprocess.run(
        [sys.executable, "-m", "mmbot", "demo", "--json", str(path), *options],
        check=True,
        timeout=SECONDS,
        stdout=subprocess.DEVNULL,
    )
    result: dict[str, Any] = orjson.loads(path.read_bytes())
    return result


def test_a_synthetic_week_is_traded_and_the_books_agree(tmp_path: Path) -> None:
    result = play(tmp_path, "--seed", "7")
    assert result["reconciled"] is True
    assert result["resting_at_end"] == 0
    assert result["fills"] >= 50
    assert len(result["known_days_traded"]) >= 3
    assert result["counts"] == "synthetic"


def test_a_real_week_settles_on_the_mean_of_the_first_published_counts(
    tmp_path: Path, real_data: Path
) -> None:
    counts = str(real_data / "tsa/daily_counts.csv")
    result = play(tmp_path, "--counts", counts, "--week", "2026-04-19")
    assert result["event"] == "KXTSAW-26APR19"
    assert round(result["settled_value"]) == 2_459_000
    assert result["reconciled"] is True
    assert result["counts"] == "file"
