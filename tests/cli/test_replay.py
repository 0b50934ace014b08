from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from mmbot.cli import app
from mmbot.errors import BadInput
from mmbot.recording.batches import MARK, Packer
from mmbot.recording.records import encode, encode_outputs, join, split
from mmbot.trading.commands import WakeAt
from tests.recording.builders import VERSIONS, session

runner = CliRunner()
# By its name, as the package has a command of that name.
REPLAY = importlib.import_module("mmbot.cli.replay")
# The inputs of a session, of which the last is a lost stream.
INPUTS = len(session()) - 1


@pytest.fixture(autouse=True)
def same_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay under the versions that the sessions were recorded under."""
    monkeypatch.setattr(REPLAY, "versions", lambda: VERSIONS)


def write(path: Path, records: Iterable[bytes]) -> Path:
    """Write a capture whose batches have one record each."""
    packer = Packer()
    path.write_bytes(MARK + b"".join(packer.pack(join((record,))) for record in records))
    return path


def different_session() -> list[bytes]:
    """A session whose last input is recorded with other outputs."""
    *records, last = session()
    (record,) = split(join([last]))
    return [*records, encode(record.what, record.now, encode_outputs([WakeAt(17)]))]


def replay(path: Path, *options: str) -> Result:
    return runner.invoke(app, ["replay", str(path), *options])


def test_an_identical_session_is_reported(tmp_path: Path) -> None:
    result = replay(write(tmp_path / "session.capture", session()))
    assert result.exit_code == 0
    assert f"identical, {INPUTS} inputs from 2026-11-24T17:00:00.000Z to 2026-" in result.output
    assert "recorded under" not in result.output


def test_a_state_directory_is_searched_for_its_captures(tmp_path: Path) -> None:
    (tmp_path / "capture").mkdir()
    write(tmp_path / "capture" / "session.capture", session())
    assert "identical" in replay(tmp_path).output
    (tmp_path / "empty").mkdir()
    assert "nor in" in str(replay(tmp_path / "empty").exception)


def test_the_first_difference_is_shown(tmp_path: Path) -> None:
    result = replay(write(tmp_path / "session.capture", different_session()))
    assert result.exit_code == 1
    assert f"different, {INPUTS} inputs" in result.output
    assert f"input {INPUTS}, closed at 2026-11-24T17:00:03.002Z" in result.output
    assert "output 1 was    WakeAt at=17" in result.output


def test_json_reports_the_same(tmp_path: Path) -> None:
    result = replay(write(tmp_path / "session.capture", different_session()), "--json")
    assert result.exit_code == 1
    (replayed,) = json.loads(result.stdout)
    assert replayed["verdict"]["inputs"] == INPUTS
    assert replayed["verdict"]["difference"]["number"] == INPUTS
    assert replayed["unusable"] == ""


def test_other_versions_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "session.capture", session())
    monkeypatch.setattr(REPLAY, "versions", lambda: {**VERSIONS, "numpy": "0.1"})
    result = replay(path)
    assert result.exit_code == 0
    assert "replayed under 0.1" in result.output


def test_a_directory_is_replayed_session_by_session(tmp_path: Path) -> None:
    write(tmp_path / "1.capture", session())
    write(tmp_path / "2.capture", session())
    (tmp_path / "else.txt").touch()
    result = replay(tmp_path)
    assert result.exit_code == 0
    assert result.output.count("identical") == 2


def test_a_torn_session_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write(tmp_path / "session.capture", session())
    path.write_bytes(path.read_bytes()[:-1])
    assert f"identical, {INPUTS - 1} inputs" in replay(path).output


def _damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damaged, "it is damaged in the batch"),
        (lambda path: path.write_bytes(b"something else"), "does not begin as a capture does"),
        (lambda path: path.write_bytes(b""), "has no complete batch"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: write(path, session()[1:]), "does not begin with the start"),
        (lambda path: write(path, [msgspec.msgpack.encode(["begun"])]), "cannot be read by this"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_with_the_reason(
    tmp_path: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    path = write(tmp_path / "session.capture", session())
    spoil(path)
    result = replay(path)
    assert result.exit_code == 2
    assert "cannot be replayed" in result.output
    assert reason in result.output


def test_the_other_sessions_are_replayed_beside_one_that_cannot_be(tmp_path: Path) -> None:
    _damaged(write(tmp_path / "1.capture", session()))
    write(tmp_path / "2.capture", session())
    result = replay(tmp_path)
    assert result.exit_code == 2
    assert "identical" in result.output


def test_a_directory_without_a_capture_is_refused(tmp_path: Path) -> None:
    result = replay(tmp_path)
    assert isinstance(result.exception, BadInput)
    assert "has no *.capture in it" in str(result.exception)
