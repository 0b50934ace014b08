from __future__ import annotations

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
from tests.recording.builders import life

runner = CliRunner()


def write(path: Path, records: Iterable[bytes]) -> Path:
    """Write a capture whose batches have one record each."""
    packer = Packer()
    path.write_bytes(MARK + b"".join(packer.pack((record,)) for record in records))
    return path


def another_life() -> list[bytes]:
    """A life whose last input is said to have brought about something else."""
    *records, last = life()
    (record,) = split(join([last]))
    return [*records, encode(record.what, encode_outputs([WakeAt(17)]))]


def replay(path: Path, *options: str) -> Result:
    return runner.invoke(app, ["replay", str(path), *options])


def test_an_identical_life_is_said_to_be(tmp_path: Path) -> None:
    result = replay(write(tmp_path / "life.capture", life()))
    assert result.exit_code == 0
    assert "identical, 10 inputs from 2026-11-24T17:00:00.000Z to 2026-" in result.output
    assert "recorded under" not in result.output


def test_the_first_difference_is_shown(tmp_path: Path) -> None:
    result = replay(write(tmp_path / "life.capture", another_life()))
    assert result.exit_code == 1
    assert "different, 10 inputs" in result.output
    assert "input 10, disconnected at 2026-11-24T17:00:03.002Z" in result.output
    assert "output 1 was    WakeAt at=17" in result.output


def test_json_says_the_same(tmp_path: Path) -> None:
    result = replay(write(tmp_path / "life.capture", another_life()), "--json")
    assert result.exit_code == 1
    (told,) = json.loads(result.stdout)
    assert told["verdict"]["inputs"] == 10
    assert told["verdict"]["difference"]["number"] == 10
    assert told["unusable"] == ""


def test_other_versions_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "life.capture", life())
    monkeypatch.setattr("mmbot.recording.replay.versions", lambda: {"numpy": "0.1"})
    result = replay(path)
    assert result.exit_code == 0
    assert "replayed under 0.1" in result.output


def test_a_directory_is_replayed_life_by_life(tmp_path: Path) -> None:
    write(tmp_path / "1.capture", life())
    write(tmp_path / "2.capture", life())
    (tmp_path / "else.txt").touch()
    result = replay(tmp_path)
    assert result.exit_code == 0
    assert result.output.count("identical") == 2


def test_a_torn_life_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write(tmp_path / "life.capture", life())
    path.write_bytes(path.read_bytes()[:-1])
    assert "identical, 9 inputs" in replay(path).output


def _damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_damaged, "it is damaged in the batch"),
        (lambda path: path.write_bytes(b"something else"), "does not begin as a capture does"),
        (lambda path: path.write_bytes(b""), "holds no whole batch"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: write(path, life()[1:]), "does not begin with the beginning"),
        (lambda path: write(path, [msgspec.msgpack.encode(["begun"])]), "cannot be read by this"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_why(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    path = write(tmp_path / "life.capture", life())
    spoil(path)
    result = replay(path)
    assert result.exit_code == 2
    assert "cannot be replayed" in result.output
    assert said in result.output


def test_the_other_lives_are_replayed_beside_one_that_cannot_be(tmp_path: Path) -> None:
    _damaged(write(tmp_path / "1.capture", life()))
    write(tmp_path / "2.capture", life())
    result = replay(tmp_path)
    assert result.exit_code == 2
    assert "identical" in result.output


def test_a_directory_without_a_capture_is_refused(tmp_path: Path) -> None:
    result = replay(tmp_path)
    assert isinstance(result.exception, BadInput)
    assert "has no *.capture in it" in str(result.exception)
