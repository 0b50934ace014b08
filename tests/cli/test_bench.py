"""`mmbot bench` measures what it says, whatever it measures."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import orjson


def test_every_part_is_timed_beside_the_floor(
    mmbot: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = mmbot("bench", "--repeat", "3", "--json")
    assert done.returncode == 0, done.stderr
    parts = orjson.loads(done.stdout)
    assert next(iter(parts)).startswith("floor")
    assert {"fit", "bank of past weeks", "ladder of 21", "belief with 4 days"} <= parts.keys()
    assert {"quote a ladder of 100 strikes", "a book change"} <= parts.keys()
    for part in parts.values():
        assert 0 < part["quickest_ms"] <= part["median_ms"] <= part["slowest_ms"]
        assert part["floor_ms"] > 0
