"""Copies of a ledger, and a ledger of the version before in mid-week."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mmbot.daemon.ledger import FILE_NAME, Ledger
from mmbot.daemon.ledger_copies import back_up, restore
from mmbot.daemon.ledger_reader import read_records, read_unsettled
from mmbot.daemon.ledger_schema import VERSION
from mmbot.errors import BadInput, NotReady
from mmbot.trading.commands import RecordFill
from tests.daemon.builders import EVENT, fill

NOW = dt.datetime(2026, 4, 15, 18, 0, tzinfo=dt.UTC)
BEFORE = Path(__file__).with_name("ledger_of_version_6.sql")


def book(ledger: Ledger, *trades: str) -> None:
    for trade in trades:
        ledger.add_fill(RecordFill(fill(trade), 3, confirmed=True))


def trades(directory: Path) -> list[str]:
    return sorted(each.fill.trade_id for each in read_records(directory).fills)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ledger(state: Path) -> Iterator[Ledger]:
    """A ledger that a daemon holds."""
    held = Ledger(state)
    book(held, "t1")
    yield held
    held.close()


def test_a_copy_is_made_while_a_daemon_writes_and_is_of_one_moment(
    ledger: Ledger, state: Path, tmp_path: Path
) -> None:
    copy = back_up(state, tmp_path / "copy", NOW)
    book(ledger, "t2")
    again = tmp_path / "again"
    restore(copy, again, NOW)
    assert trades(again) == ["t1"]
    assert trades(state) == ["t1", "t2"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "copy", "state"]


@pytest.mark.usefixtures("ledger")
def test_in_a_directory_a_copy_is_named_by_its_time(state: Path, tmp_path: Path) -> None:
    assert back_up(state, tmp_path, NOW) == tmp_path / "ledger-20260415T180000.sqlite"
    with pytest.raises(BadInput, match="exists and is not overwritten"):
        back_up(state, tmp_path, NOW)


@pytest.mark.usefixtures("ledger")
def test_a_copy_that_cannot_be_written_is_a_sentence(state: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"copied to .*/nowhere/copy: No such file or directory\Z"):
        back_up(state, tmp_path / "nowhere" / "copy", NOW)


def test_where_nothing_has_traded_there_is_nothing_to_copy(state: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no ledger"):
        back_up(state, tmp_path / "copy", NOW)


def test_beside_a_daemon_nothing_is_put_in_its_ledgers_place(
    ledger: Ledger, state: Path, tmp_path: Path
) -> None:
    copy = back_up(state, tmp_path / "copy", NOW)
    book(ledger, "t2")
    with pytest.raises(NotReady, match="a daemon is running"):
        restore(copy, state, NOW)
    assert trades(state) == ["t1", "t2"]


def test_the_replaced_ledger_is_kept_whole(state: Path, tmp_path: Path) -> None:
    ledger = Ledger(state)
    book(ledger, "t1")
    copy = back_up(state, tmp_path / "copy", NOW)
    book(ledger, "t2")
    # As after a kill: what was committed last is not in the file itself yet.
    wal = (state / f"{FILE_NAME}-wal").read_bytes()
    ledger.close()
    (state / f"{FILE_NAME}-wal").write_bytes(wal)
    kept = restore(copy, state, NOW)
    assert trades(state) == ["t1"]
    assert kept == state / "ledger.replaced-20260415T180000.sqlite"
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT trade_id FROM fills ORDER BY 1").fetchall() == [("t1",), ("t2",)]
    Ledger(state).close()


def test_a_copy_that_is_no_ledger_replaces_nothing(state: Path, tmp_path: Path) -> None:
    ledger = Ledger(state)
    book(ledger, "t1")
    ledger.close()
    text = tmp_path / "text"
    text.write_text("no database at all, but long enough to be looked at " * 20)
    empty = tmp_path / "empty"
    sqlite3.connect(empty).close()
    for source in (text, empty, tmp_path / "missing"):
        with pytest.raises(BadInput):
            restore(source, state, NOW)
    assert trades(state) == ["t1"]
    assert not list(state.glob("*replaced*"))


def test_a_copy_of_a_later_version_is_refused(state: Path, tmp_path: Path) -> None:
    Ledger(state).close()
    copy = back_up(state, tmp_path / "copy", NOW)
    with closing(sqlite3.connect(copy)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(BadInput, match=f"is of version {VERSION + 1}"):
        restore(copy, state, NOW)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_restores_belongs_to_the_services_user(
    ledger: Ledger, state: Path, tmp_path: Path
) -> None:
    copy = back_up(state, tmp_path / "copy", NOW)
    ledger.close()
    service = tmp_path / "service"
    service.mkdir(mode=0o700)
    os.chown(service, 61_184, 61_184)
    restore(copy, service, NOW)
    assert {path.stat().st_uid for path in service.iterdir()} == {61_184}


# An upgrade in mid-week


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A state directory as the version before has left it, with positions and a halt."""
    directory = tmp_path / "before"
    directory.mkdir(mode=0o700)
    with closing(sqlite3.connect(directory / FILE_NAME)) as db:
        db.executescript(BEFORE.read_text(encoding="utf-8"))
    (directory / FILE_NAME).chmod(0o600)
    return directory


def test_an_upgrade_in_mid_week_loses_nothing_that_is_held(before: Path) -> None:
    ledger = Ledger(before)
    assert ledger.unsettled_events() == (EVENT,)
    confirmed, unconfirmed = ledger.fills_of((EVENT,))
    assert [each.trade_id for each in confirmed] == ["t-1", "t-2", "t-3"]
    assert [each.trade_id for each in unconfirmed] == ["t-4"]
    held: dict[str, int] = {}
    for each in (*confirmed, *unconfirmed):
        signed = each.count if each.side == "bid" else -each.count
        held[each.ticker] = held.get(each.ticker, 0) + signed
    assert held == {f"{EVENT}-A2.45": 1_550, f"{EVENT}-A2.55": -500}
    halt = ledger.halt()
    assert halt is not None
    assert halt.reason == "lunch"
    assert [(mark.event, mark.start, mark.latest) for mark in ledger.latest_marks()] == [
        (EVENT, -1_250_000, -900_000)
    ]
    assert [count for _, count, _, _ in ledger.counts()] == [2_612_000, 2_431_000, 2_207_000]
    assert ledger.missing_counts() == {dt.date(2026, 4, 10)}
    assert ledger.totals("KXTSAW-26APR12").pnl == 4_398_700
    ledger.close()


def test_a_report_and_a_restore_take_the_version_before(before: Path, tmp_path: Path) -> None:
    copy = back_up(before, tmp_path / "copy", NOW)
    restore(copy, tmp_path / "new", NOW)
    for directory in (before, tmp_path / "new"):
        records = read_records(directory)
        assert len(records.fills) == 5
        assert records.markouts[0].view.belief == 0.62
        assert records.samples[0].moment == "last"
        assert read_unsettled(directory)[0] == (EVENT,)
