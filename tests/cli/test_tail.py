"""`mmbot tail` reads files, pipes and what becomes of a file while it is followed."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson
import pytest

from mmbot.cli.log_sources import file_lines, pipe_lines
from tests.cli.conftest import Mmbot
from tests.preloaded import PRELOADED


def line(event: str = "stopped", level: str = "info", **fields: object) -> str:
    stamp = {"event": event, "level": level, "timestamp": "2026-11-27T18:30:37Z"}
    return orjson.dumps({**fields, **stamp}).decode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "mmbot.log"
    died = line("helper.died", "error", helper="x")
    path.write_text(f"{line('starting', mode='demo')}\na plain line\n{died}\n")
    return path


def taken(source: Iterator[bytes | None], wanted: int) -> list[bytes]:
    """Take so many lines from what is followed, unless nothing comes for long."""
    found: list[bytes] = []
    for each in islice(source, 100):
        if each is not None:
            found.append(each)
        if len(found) == wanted:
            break
    return found


def test_a_file_is_shown_for_people(log: Path, invoke: Mmbot) -> None:
    done = invoke("tail", str(log), "--no-follow")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "--- Fri 2026-11-27 EST",
        "13:30:37 starting mode=demo",
        "a plain line",
        "13:30:37 ERROR helper.died helper=x",
    ]


def test_json_passes_chosen_lines_through_unchanged(log: Path, invoke: Mmbot) -> None:
    done = invoke("tail", str(log), "--no-follow", "--json", "--level", "error")
    assert done.stdout == line("helper.died", "error", helper="x") + "\n"


def test_the_last_lines_are_where_it_begins(log: Path, invoke: Mmbot) -> None:
    shown = invoke("tail", str(log), "--no-follow", "-n", "1").stdout
    assert shown.splitlines()[1:] == ["13:30:37 ERROR helper.died helper=x"]
    assert invoke("tail", str(log), "--no-follow", "-n", "0").stdout == ""
    assert invoke("tail", str(log), "--no-follow", "-n", "99").stdout.count("\n") == 4


def test_lines_are_chosen_by_time(log: Path, invoke: Mmbot) -> None:
    early = ("--until", "2026-11-27T13:30")
    assert invoke("tail", str(log), "--no-follow", *early).stdout == ""
    later = invoke("tail", str(log), "--no-follow", "--since", "2026-11-27T13:30").stdout
    assert "starting" in later
    assert "plain" not in later


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none.log",), "cannot read the log none.log"),
        ((".",), "cannot read the log .: it is a directory"),
        (("/etc", "-n", "3"), "cannot read the log /etc: it is a directory"),
        (("x", "--unit", "mmbot"), "not both"),
        (("x", "--level", "loud"), "write one of debug, info, warning, error"),
        (("x", "--since", "soon"), "--since 'soon' is not a time; write now, a date"),
        (
            ("x", "--since", "2026-04-17", "--until", "2026-04-16"),
            "--until 2026-04-16 is not after --since 2026-04-17",
        ),
        (
            ("x", "--event", "order.placed"),
            "there is no event 'order.placed'; did you mean order.place",
        ),
        (("x", "--event", "fill", "--event", "Fill*"), "'Fill*'; did you mean fill"),
        (("x", "--event", "fil"), "did you mean fill, fill.voided, fills.restored?"),
        (("x", "--event", "blocked"), "did you mean quotes.blocked?"),
        (("x", "--event", ""), "there is no event ''; docs/log.md lists all"),
        (("x", "--event", "nonsense"), "no event 'nonsense'; docs/log.md lists all"),
        (("x", "--market", "A2.*"), "--market 'A2.*' is no part of a ticker; write letters"),
    ],
)
def test_what_cannot_be_read_is_refused(
    invoke: Mmbot, arguments: tuple[str, ...], sentence: str
) -> None:
    done = invoke("tail", "--no-follow", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


@pytest.mark.parametrize("pattern", ["start*", "starting", "*", "[ns]*ing"])
def test_events_are_chosen_by_patterns(log: Path, invoke: Mmbot, pattern: str) -> None:
    done = invoke("tail", str(log), "--no-follow", "--event", pattern)
    assert "starting" in done.stdout


def test_a_file_is_followed_through_truncation_and_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\nthr")
    source = file_lines(path, 1, follow=True)
    with path.open("a") as file:
        file.write("ee\n")
    assert taken(source, 1) == [b"three"]
    path.write_text("a\n")
    assert taken(source, 1) == [b"a"]
    path.rename(tmp_path / "log.1")
    with (tmp_path / "log.1").open("a") as file:
        file.write("last\n")
    path.write_text("new\n")
    assert taken(source, 2) == [b"last", b"new"]


def test_a_pipe_is_read_to_its_end() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"one\ntwo")
    source = pipe_lines(reader)
    assert next(source) == b"one"
    assert next(source) is None
    os.close(writer)
    assert list(source) == [b"two"]
    os.close(reader)


def test_it_ends_quietly_when_nobody_reads_any_more(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_text("".join(f"{line(number=number)}\n" for number in range(20_000)))
    with subprocess.Popen(
        [PRELOADED, "-m", "mmbot", "tail", str(path), "--no-follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_lines_that_never_cease_are_shown_as_they_come(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PRELOADED, "-m", "mmbot", "tail"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        shown: bytes | None = None
        # A line every twentieth of a second, which is never a pause.
        for number in range(600):
            process.stdin.write(f"{line(number=number)}\n".encode())
            process.stdin.flush()
            time.sleep(0.05)
            if shown := process.stdout.read():
                break
        assert shown
        process.stdin.close()


def test_a_named_pipe_is_read_to_its_end(log: Path, tmp_path: Path, invoke: Mmbot) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(log.read_bytes(),))
    writer.start()
    shown = invoke("tail", str(pipe), "-n", "3").stdout
    writer.join()
    assert "starting" in shown


def test_a_units_journal_is_read(
    log: Path, tmp_path: Path, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    shown = invoke("tail", "--unit", "mmbot", "--no-follow", "-n", "7").stdout
    assert "helper.died" in shown
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--unit", "mmbot", "--output", "cat", "--quiet", "--lines", "7", "--no-pager"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "--unit needs journalctl" in invoke("tail", "--unit", "mmbot").stderr


def test_a_journal_that_cannot_be_read_is_said(
    tmp_path: Path, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = invoke("tail", "--unit", "mmbot")
    assert done.returncode == 3
    assert "journalctl ended with 1" in done.stderr
