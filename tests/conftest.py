"""Real processes for the tests that need them, each ended by its own pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

# As mmbot itself does, which tests may import after numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

PROCESS_SECONDS = 60
# Where a test does not say when, it is always the same Tuesday noon, with one day published.
USUAL_TIME = ("--at", "2026-04-14T12:00")


class Exchange:
    """A running `mmbot exchange` and what it said."""

    def __init__(self, process: subprocess.Popen[bytes], venue: dict[str, Any], path: Path) -> None:
        self.process = process
        self.venue = venue
        self.venue_file = path

    def changed_venue(self, name: str, **changes: Any) -> Path:
        """Write the venue file anew, some of it changed."""
        path = self.venue_file.with_name(name)
        path.write_bytes(orjson.dumps(self.venue | changes))
        return path


@pytest.fixture
def start_exchange(tmp_path: Path) -> Iterator[Callable[..., Exchange]]:
    """Return a function that starts a simulated exchange with the given options."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> Exchange:
        when = () if {"--at", "--week"} & set(options) else USUAL_TIME
        process = subprocess.Popen(
            [sys.executable, "-m", "mmbot", "exchange", "--port", "0", *when, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        assert process.stdout is not None
        venue = orjson.loads(process.stdout.readline())
        path = tmp_path / f"venue-{process.pid}.json"
        path.write_bytes(orjson.dumps(venue))
        return Exchange(process, venue, path)

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PROCESS_SECONDS)


@pytest.fixture
def quick_config(tmp_path: Path) -> str:
    """Return the shipped demo settings with the forecast that takes no time to fit."""
    path = tmp_path / "quick.toml"
    shipped = Path("config/demo.toml").read_text(encoding="utf-8")
    path.write_text(shipped.replace('method = "combined"', 'method = "seed"'), encoding="utf-8")
    return str(path)


@pytest.fixture
def mmbot(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command line to its end, with a state of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mmbot", *arguments],
            capture_output=True,
            text=True,
            timeout=PROCESS_SECONDS,
            check=False,
            env={**os.environ, "STATE_DIRECTORY": str(tmp_path / "state")},
        )

    return run


@pytest.fixture
def real_data() -> Path:
    """Return the directory of real counts and markets, or skip."""
    directory = os.environ.get("MMBOT_DATA")
    if not directory:
        pytest.skip("MMBOT_DATA does not name a directory of real data")
    return Path(directory)
