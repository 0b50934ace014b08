"""A ledger that cannot be written to, and one whose process is killed while it writes."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from mmbot.daemon.ledger import Ledger
from mmbot.errors import BadInput, Unavailable
from mmbot.trading.commands import RecordFill
from mmbot.trading.values import Fill
from tests.daemon.builders import EVENT, fill

FILL = fill("t0")
NOBODY = 65534

# Books fills for ever and prints each trade id once it is booked.
WRITER = """
import sys
from pathlib import Path
import msgspec
from mmbot.daemon.ledger import Ledger
from mmbot.trading.commands import RecordFill
from mmbot.trading.values import Fill
fill = msgspec.json.decode(sys.argv[2], type=Fill)
ledger = Ledger(Path(sys.argv[1]))
number = int(sys.argv[3])
while True:
    number += 1
    ledger.add_fill(RecordFill(msgspec.structs.replace(fill, trade_id=f"t{number}"), 3))
    print(f"t{number}", flush=True)
"""


def numbered(number: int) -> Fill:
    return fill(f"t{number}")


def trade_ids(directory: Path) -> list[str]:
    ledger = Ledger(directory)
    try:
        return [booked.trade_id for booked, _ in ledger.fills(EVENT)]
    finally:
        ledger.close()


def test_every_fill_reported_as_booked_outlives_kill_9(tmp_path: Path) -> None:
    rng = random.Random(1)
    reported: set[str] = set()
    for _ in range(5):
        arguments = (str(tmp_path), msgspec.json.encode(FILL).decode(), str(len(reported) + 100))
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(rng.randrange(1, 200)):
            reported.add(writer.stdout.readline().strip())
        writer.kill()
        rest, _ = writer.communicate(timeout=30)
        reported |= set(rest.split("\n")[:-1])
        booked = trade_ids(tmp_path)
        assert reported <= set(booked)
        assert len(booked) == len(set(booked))


def book_for_ever(ledger: Ledger) -> None:
    for number in itertools.count():
        ledger.add_fill(RecordFill(numbered(number), 3))


def test_a_full_disk_books_nothing_and_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        book_for_ever(ledger)
    booked = len(ledger.fills(EVENT))
    ledger.close()
    assert len(trade_ids(tmp_path)) == booked > 0
    again = Ledger(tmp_path)
    for number in range(booked + 1):
        again.add_fill(RecordFill(numbered(number), 3))
    again.close()
    assert len(trade_ids(tmp_path)) == booked + 1


@contextmanager
def locked_by_another(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_ledger_books_nothing_and_raises_soon(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with (
        locked_by_another(tmp_path / "ledger.sqlite"),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        ledger.add_fill(RecordFill(FILL, 3))
    ledger.add_fill(RecordFill(FILL, 3))
    ledger.close()
    assert trade_ids(tmp_path) == ["t0"]


def test_a_ledger_that_another_process_keeps_locked_is_worth_waiting_for(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    with (
        locked_by_another(tmp_path / "ledger.sqlite"),
        pytest.raises(Unavailable, match="database is locked"),
    ):
        Ledger(tmp_path)


def test_a_reader_does_not_keep_fills_from_being_booked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM fills").fetchone()
        ledger.add_fill(RecordFill(FILL, 3))
    ledger.close()
    assert trade_ids(tmp_path) == ["t0"]


@contextmanager
def as_nobody(directory: Path) -> Iterator[None]:
    """Own a directory as a user to whom file permissions apply, as they do not to root."""
    if os.geteuid() != 0:
        yield
        return
    for path in (directory, *directory.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_ledger_is_refused() -> None:
    # Not below a directory that only root may enter.
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        Ledger(state).close()
        (state / "ledger.sqlite").chmod(0o400)
        with as_nobody(state), pytest.raises(BadInput, match="readonly"):
            Ledger(state)


def test_a_ledger_with_a_broken_page_is_refused_and_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(300):
        ledger.add_fill(RecordFill(numbered(number), 3))
    ledger.close()
    path = tmp_path / "ledger.sqlite"
    content = path.read_bytes()
    spoilt = content[:-4096] + b"\xff" * 4096
    path.write_bytes(spoilt)
    with pytest.raises(BadInput, match="cannot be used"):
        Ledger(tmp_path)
    assert path.read_bytes() == spoilt
