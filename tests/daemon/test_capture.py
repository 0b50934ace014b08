"""The capture of a session: what is on disk can be replayed, and no disk ever stops the trading."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from mmbot.daemon import capture as capture_module
from mmbot.daemon.capture import Capture
from mmbot.recording.batches import unpack
from mmbot.recording.records import split
from mmbot.recording.replay import replay
from tests.daemon.processes import (
    PATIENCE_SECONDS,
    Mmbot,
    Start,
    daemon,
    kill,
    read_until,
    terminate,
)
from tests.recording.builders import VERSIONS, begin, live, session

MEGABYTE = 1024 * 1024


def messages(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return list(unpack(file))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        os.sched_yield()


def older(directory: Path, name: str, size: int, age: int) -> Path:
    """Put an earlier session's file there."""
    path = directory / f"{name}.capture"
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_session_that_ends_is_on_disk_whole(tmp_path: Path) -> None:
    with Capture(tmp_path, "session", 10) as capture:
        live(begin(capture.keep))
    records = [r for message in messages(tmp_path / "session.capture") for r in split(message)]
    assert len(records) == len(session())
    assert replay(records, VERSIONS).difference is None


def test_records_are_written_while_the_session_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "session.capture"
    with Capture(tmp_path, "session", 10) as capture:
        begin(capture.keep)
        wait_until(lambda: path.exists() and len(messages(path)) == 1)


def test_records_from_before_the_start_are_written_too(tmp_path: Path) -> None:
    capture = Capture(tmp_path, "session", 10)
    live(begin(capture.keep))
    assert not any(tmp_path.iterdir())
    with capture:
        pass
    assert messages(tmp_path / "session.capture")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with Capture(tmp_path / "capture", "session", 10):
        pass
    (path,) = (tmp_path / "capture").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_ceiling_of_nothing_writes_nothing(tmp_path: Path) -> None:
    with Capture(tmp_path / "capture", "session", 0) as capture:
        live(begin(capture.keep))
    assert not any(tmp_path.iterdir())


def test_the_oldest_sessions_make_room(tmp_path: Path) -> None:
    oldest = older(tmp_path, "c", MEGABYTE // 2, age=300)
    old = older(tmp_path, "b", MEGABYTE // 2, age=200)
    young = older(tmp_path, "a", MEGABYTE // 2, age=100)
    with Capture(tmp_path, "session", 1) as capture:
        live(begin(capture.keep))
    assert not oldest.exists()
    assert not old.exists()
    assert young.exists()
    assert messages(tmp_path / "session.capture")


def test_sessions_make_room_for_one_that_grows(tmp_path: Path) -> None:
    old = older(tmp_path, "old", MEGABYTE - 1_000, age=100)
    with Capture(tmp_path, "session", 1) as capture:
        wait_until((tmp_path / "session.capture").exists)
        assert old.exists()
        capture.keep(os.urandom(50_000))
    assert not old.exists()


def test_there_are_no_more_than_a_thousand_sessions(tmp_path: Path) -> None:
    for number in range(1_005):
        older(tmp_path, str(number), 1, age=2_000 - number)
    with Capture(tmp_path, "session", 1):
        pass
    left = {path.stem for path in tmp_path.iterdir()}
    assert left == {"session", *map(str, range(6, 1_005))}


def test_a_session_that_fills_the_ceiling_alone_is_captured_no_further(tmp_path: Path) -> None:
    path = tmp_path / "session.capture"
    with capture_logs() as log, Capture(tmp_path, "session", 1) as capture:
        live(begin(capture.keep))
        wait_until(lambda: path.exists() and len(messages(path)) == 1)
        capture.keep(os.urandom(2 * MEGABYTE))
        wait_until(lambda: bool(log))
        capture.keep(b"more")
    (warning,) = log
    assert (warning["event"], warning["log_level"]) == ("capture.stopped", "warning")
    assert "state.capture_megabytes" in warning["reason"]
    (message,) = messages(path)
    assert replay(split(message), VERSIONS).difference is None


def test_a_place_that_cannot_be_written_ends_the_capture_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with capture_logs() as log, Capture(tmp_path / "file", "session", 10) as capture:
        live(begin(capture.keep))
        wait_until(lambda: bool(log))
        live(begin(capture.keep))
    (warning,) = log
    assert warning["event"] == "capture.stopped"


def test_a_disk_that_is_full_ends_the_capture_and_leaves_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.capture"
    with capture_logs() as log, Capture(tmp_path, "session", 10) as capture:
        live(begin(capture.keep))
        wait_until(lambda: path.exists() and len(messages(path)) == 1)
        real = os.write

        def half_full(descriptor: int, data: bytes) -> int:
            monkeypatch.setattr(os, "write", full)
            return real(descriptor, data[: len(data) // 2])

        def full(_descriptor: int, _data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", half_full)
        capture.keep(os.urandom(1_000))
        wait_until(lambda: bool(log))
        capture.keep(b"more")
    (warning,) = log
    assert warning["reason"] == "No space left on device"
    assert len(messages(path)) == 1


def test_the_last_megabytes_of_the_disk_are_left_to_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "RESERVE_BYTES", 1 << 62)
    with capture_logs() as log, Capture(tmp_path, "1", 10) as capture:
        for _ in range(3):
            capture.keep(b"x" * 1000)
    (warning,) = log
    assert warning["event"] == "capture.stopped"
    assert "free" in warning["reason"]


def test_a_disk_that_is_too_slow_ends_the_capture_with_one_warning(tmp_path: Path) -> None:
    capture = Capture(tmp_path, "session", 100)
    with capture_logs() as log:
        for _ in range(60):
            capture.keep(bytes(MEGABYTE))
    (warning,) = log
    assert warning["reason"] == "the disk is too slow"


# As a process, over real sockets


def replayed(mmbot: Mmbot, path: Path) -> list[dict[str, Any]]:
    done = mmbot("replay", str(path), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    results: list[dict[str, Any]] = orjson.loads(done.stdout)
    return results


def test_sessions_that_were_killed_or_stopped_are_replayed_identically(
    start_exchange: Start, quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "2000")
    captures = tmp_path / "state/demo/simulated/capture"
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "fill")
        (killed,) = captures.iterdir()
        wait_until(lambda: len(messages(killed)) >= 2)
        kill(process)
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "order.place")
        assert terminate(process) == 0
    sessions = replayed(mmbot, captures)
    assert len(sessions) == 2
    inputs = [each["verdict"]["inputs"] for each in sessions]
    assert min(inputs) > 0
    assert sum(inputs) > 20
    assert all(each["verdict"]["difference"] is None for each in sessions)

    torn = tmp_path / killed.name
    torn.write_bytes(killed.read_bytes()[:-5])
    (shorter,) = replayed(mmbot, torn)
    assert shorter["verdict"]["inputs"] < sessions[0]["verdict"]["inputs"]
    key = Path(exchange.venue["private_key_path"]).read_bytes().splitlines()[1]
    everything = b"".join(b"".join(messages(path)) for path in captures.iterdir())
    assert b"orders" in everything
    for secret in (key, b"KALSHI-ACCESS", exchange.venue["key_id"].encode()):
        assert secret not in everything


def test_a_daemon_that_cannot_capture_trades_all_the_same(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "2000")
    state = tmp_path / "state/demo/simulated"
    state.mkdir(parents=True)
    (state / "capture").touch()
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "capture.stopped")
        read_until(process, "fill")
