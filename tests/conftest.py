"""How all tests run, and real processes for those that need them, each ended by its own pid."""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from mmbot import config
from mmbot.bot.bot import Bot
from mmbot.exchange.key_text import pem_of
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.log_events import objection
from mmbot.observe.log import OBJECTIONS
from mmbot.trading.commands import Note
from mmbot.trading.engine import Engine
from tests.preloaded import PRELOADED

# As mmbot itself does, which tests may import after numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Hundreds of tests start mmbot, which would be compiled anew for each, and would read the
# certificates of all the world's authorities, though nothing here speaks to any but this machine.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("SSL_CERT_FILE", os.devnull)

# No verdict depends on how quick the machine is.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

PROCESS_SECONDS = 180
# Where every process that a test starts writes what of its log is not documented.
_OBJECTIONS = Path(tempfile.mkdtemp(prefix="mmbot-log-")) / "objections"
os.environ[OBJECTIONS] = str(_OBJECTIONS)
# Where a test does not say when, it is always the same Tuesday noon, with one day published.
USUAL_TIME = ("--at", "2026-04-14T12:00")
# The rooms of which every branch is taken by their own tests.
FULLY_COVERED = ("forecast", "kalshi", "trading")
# Tests that share a setup which takes long, so that one worker makes it once.
SHARED = (
    "tests/systemd/",
    "tests/cli/test_backtest_by_trades.py",
    "tests/cli/test_backtest_command.py",
    "tests/cli/test_docs_run.py",
    "tests/cli/test_evidence.py",
    "tests/cli/test_forecast_commands.py",
    "tests/cli/test_history.py",
    "tests/cli/test_record.py",
    "tests/cli/test_trade_again.py",
    "tests/daemon/test_dashboard_page.py",
    "tests/exchange/test_crowd.py",
    "tests/forecast/test_evaluation.py",
    "tests/forecast/test_model.py",
    "tests/forecast/test_pool.py",
    "tests/history/",
    "tests/test_packaging.py",
    "tests/underlyings/test_ferries.py",
)
# The rooms of the longest tests, which begin first, so that no worker is left with one in the end.
LONGEST = ("systemd", "daemon", "faultlab", "cli")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have one worker run all tests that share a setup, and any worker any other test."""
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _shared_with
    return scheduler


def _shared_with(nodeid: str) -> str:
    return next((setup for setup in SHARED if nodeid.startswith(setup)), nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first; measure no coverage of the tests of other rooms."""
    items.sort(key=lambda item: (*LONGEST, item.path.parent.name).index(item.path.parent.name))
    for item in items:
        if item.path.parent.name not in FULLY_COVERED:
            item.add_marker("no_cover")


def pytest_xdist_setupnodes() -> None:
    """Have what every worker imports compiled once, and not by all of them at the same time."""
    tests = Path(__file__).parent
    if any(tests.rglob("__pycache__/test_*.pyc")):
        return
    rooms = sorted(str(room) for room in tests.iterdir() if room.is_dir())
    options = ("--collect-only", "-qq", "--no-cov", "--numprocesses", "0")
    halves = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *half],
            cwd=tests.parent,
            stdout=subprocess.DEVNULL,
        )
        for half in (rooms[::2], rooms[1::2])
    ]
    for half in halves:
        half.wait()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop what measures a worker from its beginning, as if it were alone, and keeps nothing.

    The measurement that counts begins now, and is the one that `no_cover` stops.
    """
    plugin = session.config.pluginmanager.get_plugin("_cov")
    if hasattr(session.config, "workerinput") and plugin and plugin.cov_controller:
        plugin.cov_controller.cov.stop()


def pytest_collection_finish() -> None:
    """Leave what has been collected alone whenever memory is looked through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _the_log_is_documented() -> Iterator[None]:
    """Fail where a process has logged what `mmbot.log_events` does not have."""
    yield
    if _OBJECTIONS.exists():
        found = _OBJECTIONS.read_text(encoding="utf-8")
        _OBJECTIONS.unlink()
        pytest.fail(found)


def _examined(make: Callable[..., Any]) -> Callable[..., Any]:
    """Have a method fail if one of the notes that it makes is not documented."""

    @functools.wraps(make)
    def examined(*args: Any, **kwargs: Any) -> Any:
        made = make(*args, **kwargs)
        for note in made:
            if isinstance(note, Note):
                found = objection(note.name, note.level, note.fields)
                assert not found, found
        return made

    return examined


for _maker, _method in (
    (Engine, "handle"),
    (Bot, "handle"),
    (VocabularyMonitor, "take_notes"),
):
    setattr(_maker, _method, _examined(getattr(_maker, _method)))


class Exchange:
    """The venue of a running `mmbot exchange`."""

    def __init__(self, venue: dict[str, Any], path: Path) -> None:
        self.venue = venue
        self.venue_file = path

    def changed_venue(self, name: str, **changes: Any) -> Path:
        """Write a copy of the venue file with some values changed; return its path."""
        path = self.venue_file.with_name(name)
        path.write_bytes(orjson.dumps(self.venue | changes))
        return path


@contextmanager
def exchanges(directory: Path) -> Iterator[Callable[..., Exchange]]:
    """Give a function that starts a simulated exchange with the given options; end them all."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> Exchange:
        when = () if {"--at", "--week"} & set(options) else USUAL_TIME
        process = subprocess.Popen(
            [PRELOADED, "-m", "mmbot", "exchange", "--port", "0", *when, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        assert process.stdout is not None
        first_line = process.stdout.readline()
        assert first_line, f"the exchange ended with {process.wait()}"
        venue = orjson.loads(first_line)
        path = directory / f"venue-{process.pid}.json"
        path.write_bytes(orjson.dumps(venue))
        return Exchange(venue, path)

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.communicate(timeout=PROCESS_SECONDS)


@pytest.fixture
def start_exchange(tmp_path: Path) -> Iterator[Callable[..., Exchange]]:
    """Return a function that starts a simulated exchange with the given options."""
    with exchanges(tmp_path) as start:
        yield start


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return the path of a new API key that only its owner can read."""
    path = tmp_path / "private_key"
    path.touch(mode=0o600)
    path.write_bytes(pem_of(Ed25519PrivateKey.generate()))
    return path


@pytest.fixture
def quick_config(tmp_path: Path) -> str:
    """Return the path of the shipped demo settings with a forecast that needs no fit."""
    path = tmp_path / "quick.toml"
    path.write_text(quick_settings(), encoding="utf-8")
    return str(path)


def quick_settings() -> str:
    """Return the shipped demo settings with a forecast that needs no fit, every key written out."""
    every = config.every_key(config.load(config.shipped("demo")))
    # Tests run side by side, and one port is not for many dashboards.
    changes = {"forecast.method": "seed", "dashboard.enabled": False, "counts.first_year": 2024}
    return config.template({**every, **changes})


@pytest.fixture
def mmbot(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a command to its end, with a state directory of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PRELOADED, "-m", "mmbot", *arguments],
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
