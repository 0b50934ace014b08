"""`mmbot markets` against a running exchange, without a key and without a daemon."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import Mmbot

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2026, 4, 13)


@pytest.fixture
def counts_file(tmp_path: Path) -> Path:
    """Counts of two years, up to the Monday of the traded week."""
    path = tmp_path / "counts.csv"
    days = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    noise = random.Random(4)
    rows = [
        (day, 2_300_000 + 100_000 * day.weekday() + round(noise.gauss(0, 90_000)), "")
        for day in days
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("date", "as_published", "archived"), *rows])
    return path


def test_anybody_sees_the_prices_and_with_counts_what_they_are_worth(
    start_exchange: Callable[..., Any],
    quick_config: str,
    counts_file: Path,
    tmp_path: Path,
    invoke: Mmbot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MMBOT_HISTORY", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exchange = start_exchange("--seed", "3", "--speed", "1")
    keyless = str(exchange.changed_venue("keyless.json", key_id="", private_key_path=""))
    where = ("markets", "--venue", keyless, "--config", quick_config)
    bare = invoke(*where, "--json")
    assert bare.returncode == 0, bare.stderr
    listed = orjson.loads(bare.stdout)
    assert listed["event"] == "KXTSAW-26APR19"
    assert "No counts, so no forecast" in listed["counts_from"]
    assert {market["value"] for market in listed["markets"]} == {None}
    strikes = [market["strike"] for market in listed["markets"]]
    assert strikes == sorted(strikes)
    told = invoke(*where, "--counts", str(counts_file), "--csv", str(tmp_path / "markets.csv"))
    assert told.returncode == 0, told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "yes 0." in told.stdout
    assert "up to 2026-04-13" in " ".join(told.stdout.split())
    with (tmp_path / "markets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(strikes)
    assert {row["side"] for row in rows} == {"yes", "no"}
    other = invoke(*where, "--week", "2026-05-03")
    assert other.returncode == 2
    assert "knows no event KXTSAW-26MAY03" in other.stderr
    wrong = invoke(*where, "--week", "2026-04-18")
    assert "a week is named by its Sunday: write 2026-04-19" in wrong.stderr


def test_an_exchange_that_does_not_answer_is_named(tmp_path: Path, invoke: Mmbot) -> None:
    venue = {
        "rest_url": "http://127.0.0.1:9/trade-api/v2",
        "ws_url": "ws://127.0.0.1:9/trade-api/ws/v2",
        "counts_url": "http://127.0.0.1:9",
    }
    path = tmp_path / "venue.json"
    path.write_bytes(orjson.dumps(venue))
    done = invoke("markets", "--venue", str(path))
    assert done.returncode == 3
    assert "http://127.0.0.1:9/trade-api/v2 cannot be read: GET /events: no answer" in done.stderr
