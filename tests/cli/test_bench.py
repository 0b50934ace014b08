"""`mmbot bench`: its parts and their times, whatever counts it is given."""

from __future__ import annotations

import datetime as dt
import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import orjson

from mmbot.exchange.synthetic import daily_counts

# Two years to fit a model, and the 30 weeks of residuals that a belief takes.
SHORTEST = dt.timedelta(weeks=138)


def test_every_part_is_timed_beside_the_floor(
    mmbot: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    end = dt.date(2026, 4, 19)
    path = tmp_path / "counts.csv"
    rows = [f"{d},{n}," for d, n in daily_counts(end, 1).items() if d > end - SHORTEST]
    path.write_text("\n".join(["date,as_published,archived", *rows]))
    done = mmbot("bench", "--repeat", "3", "--json", "--counts", str(path))
    assert done.returncode == 0, done.stderr
    parts = orjson.loads(done.stdout)
    assert next(iter(parts)).startswith("floor")
    assert {"fit", "bank of past weeks", "ladder of 21", "belief with 4 days"} <= parts.keys()
    assert {"quote a ladder of 100 strikes", "a book change"} <= parts.keys()
    for part in parts.values():
        assert 0 < part["quickest_ms"] <= part["median_ms"] <= part["slowest_ms"]
        assert part["floor_ms"] > 0


def test_without_counts_the_history_is_synthetic() -> None:
    # `mmbot.cli.bench` itself is the command of that name.
    module = importlib.import_module("mmbot.cli.bench")
    assert module._synthetic().last_day == dt.date(2026, 4, 19)
