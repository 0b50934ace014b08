"""`mmbot bench`: its parts and their times, whatever counts it is given."""

from __future__ import annotations

import datetime as dt
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from mmbot.cli.bench_goals import goals
from mmbot.research.book_peers import peers
from mmbot.tsa.synthetic import daily_counts

# Two years to fit a model, and the 30 weeks of residuals that a belief takes.
SHORTEST = dt.timedelta(weeks=138)


def test_every_part_is_timed_beside_the_floor(
    mmbot: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    end = dt.date(2026, 4, 19)
    path = tmp_path / "counts.csv"
    rows = [f"{d},{n}," for d, n in daily_counts(end, 1).items() if d > end - SHORTEST]
    path.write_text("\n".join(["date,as_published,archived", *rows]))
    done = mmbot("bench", "--only", "forecast", "--repeat", "3", "--json", "--counts", str(path))
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


def test_the_hot_path_is_measured_beside_its_floor_and_its_goals(
    mmbot: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    path = tmp_path / "bench.json"
    done = mmbot("bench", "--quick", "--only", "path", "--json", str(path))
    assert done.returncode == 0, done.stderr
    assert "frame to best bid and ask" in done.stdout
    found = orjson.loads(path.read_bytes())
    assert 0 < found["decode_floor_us"] < found["raw_to_top_us"] < found["quiet_frame_us"]
    assert 0 < found["raw_to_order_us"]["p50"] <= found["raw_to_order_us"]["p99"]
    assert found["raw_to_order_us"]["p50"] < found["raw_to_signed_order_us"]["p50"]
    assert isinstance(found["peers"], dict)


def test_a_peer_that_is_not_installed_is_left_out_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "nautilus_trader.model.book", None)
    monkeypatch.setitem(sys.modules, "pykalshi.feed", None)
    found, missing = peers([])
    assert not found
    assert len(missing) == 2
    assert all("pip install 'mmbot[peers]'" in sentence for sentence in missing)


def test_the_figures_of_sockets_stand_beside_their_goals() -> None:
    measured = {
        "socket_us": {"p50": 400.0, "floor_p50": 500.0, "rsa_floor_p50": 700.0},
        "flood": {
            "21": {"frames_per_s": 50_000.0, "us_per_frame": 20.0, "lag_p99_ms": 6.0},
            "2100": {"frames_per_s": 40_000.0, "us_per_frame": 24.0, "lag_p99_ms": 9.0},
        },
        "rss_mib": {"21": 110.0, "2100": 310.0},
        "rss_growth": 1.01,
        "cold_start_s": 2.5,
    }
    verdicts = {name.strip(): verdict for name, _, _, verdict in goals(measured)}
    assert verdicts["times the bare loop, Ed25519"] == "yes"
    assert verdicts["times the bare loop, RSA-2048"] == "no"
    assert verdicts["flood at 21 markets, frames a second"] == "yes"
    assert verdicts["a frame at 2,100 markets, times one at 21"] == "yes"
    assert verdicts["memory at 2,100 markets, MiB"] == "no"
    assert verdicts["cold start to the first quote, s"] == "yes"


def test_a_method_that_is_none_is_refused_before_anything_is_measured(
    mmbot: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = mmbot("bench", "--only", "forecast", "--method", "best")
    assert done.returncode == 2
    assert "--method 'best' does not exist; choose from pool, combined" in done.stderr
