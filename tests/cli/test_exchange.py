from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmbot.cli import app
from mmbot.errors import BadInput
from mmbot.underlying.calendar import Week, from_milliseconds

COMMAND = [sys.executable, "-m", "mmbot", "exchange", "--quiet-crowd"]


def test_one_line_says_where_it_is_and_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    options = ["--week", "2026-04-19", "--speed", "100", "--key-dir", str(tmp_path)]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert (process.returncode, rest) == (0, "")
    assert line["rest_url"].endswith("/trade-api/v2")
    assert line["ws_url"].endswith("/trade-api/ws/v2")
    assert line["events"] == ["KXTSAW-26APR19"]
    assert line["clock"]["speed"] == 100.0
    # Monday 09:59 in New York
    assert line["clock"]["calendar"] == 1_776_088_740_000
    key = Path(line["private_key_path"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.parent == tmp_path


def test_by_itself_it_starts_on_tuesday_noon_of_this_week() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
    start = from_milliseconds(line["clock"]["calendar"])
    assert (start.weekday(), start.hour, start.minute) == (1, 12, 0)
    assert Week.of(start.date()) == Week.from_event_ticker(line["events"][0])
    assert not Path(line["private_key_path"]).exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--week", "2026-04-18"], "named by its Sunday: write 2026-04-19"),
        (["--at", "noon"], "is not a time; write now"),
        (["--speed", "0"], "--speed"),
        (["--tier", "royal"], "--tier"),
        (["--balance", "lots"], "--balance"),
        (["--key-type", "dsa"], "--key-type"),
        (["--counts", "/nowhere.csv"], "/nowhere.csv"),
        (["--key-dir", "/dev/null/x"], "--key-dir"),
        (["--underlying", "jobs"], "--underlying 'jobs' is not one of tsa, ferries"),
        (["--underlying", "ferries", "--counts", "c.csv"], "--counts has counts of tsa"),
        (["--fees", "round"], "--fees 'round'"),
        (["--fees", "quadratic:lots"], "not a multiplier"),
    ],
)
def test_an_option_that_cannot_be_is_one_sentence(options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["exchange", *options])
    assert isinstance(result.exception, BadInput)
    assert sentence in str(result.exception)


def key_after_start(directory: Path) -> bytes:
    """Start an exchange with its key there, end it, and return the key."""
    command = [*COMMAND, "--quiet-crowd", "--key-dir", os.path.relpath(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
    path = Path(line["private_key_path"])
    assert path.parent == directory
    return path.read_bytes()


def test_a_key_directory_is_made_and_its_key_used_again(tmp_path: Path) -> None:
    directory = tmp_path / "keys" / "mine"
    assert key_after_start(directory) == key_after_start(directory)
    options = ["--key-dir", str(directory), "--key-type", "rsa"]
    result = CliRunner().invoke(app, ["exchange", *options])
    assert "is not a key of type rsa; delete it" in str(result.exception)


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["exchange", "--quiet-crowd", "--port", port])
    assert isinstance(result.exception, BadInput)
    assert port in str(result.exception)


def test_counts_that_lack_the_week_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("date,as_published,archived\n2026-04-13,2500000,\n")
    result = CliRunner().invoke(app, ["exchange", "--week", "2026-04-19", "--counts", str(path)])
    assert isinstance(result.exception, BadInput)
    assert "2026-04-14" in str(result.exception)
