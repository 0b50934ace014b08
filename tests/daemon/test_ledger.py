"""What must survive does, and is booked once."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mmbot.daemon import ledger as ledger_room
from mmbot.daemon.ledger import Ledger, read_halt
from mmbot.errors import BadInput
from mmbot.trading.commands import BookFill, BookSettlement
from mmbot.trading.events import Fill, Halted
from mmbot.trading.losses import Mark
from mmbot.tsa.calendar import EASTERN
from mmbot.units import ONE_DOLLAR

EVENT = "KXTSAW-26APR19"
FILL = Fill(
    trade_id="t1",
    order_id="o1",
    ticker=f"{EVENT}-A2.45",
    side="bid",
    price=5_600,
    count=1_000,
    fee=1_300,
    at=1_776_000_000_000,
)


def test_a_fill_reported_twice_is_booked_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(BookFill(FILL, 3))
    ledger.add_fill(BookFill(FILL, 3))
    assert ledger.fills(EVENT) == [(FILL, 3)]
    ledger.close()


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    seen = dt.datetime(2026, 4, 15, 8, 31, tzinfo=EASTERN)
    ledger = Ledger(tmp_path)
    ledger.add_fill(BookFill(FILL, 3))
    ledger.add_count(dt.date(2026, 4, 14), 2_044_781, seen, archived=False)
    ledger.close()
    again = Ledger(tmp_path)
    assert again.fills(EVENT) == [(FILL, 3)]
    assert again.counts() == [(dt.date(2026, 4, 14), 2_044_781, seen, False)]
    again.close()


def test_the_profit_is_cash_less_fees_plus_payout(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(BookFill(FILL, 3))
    payout = FILL.count * ONE_DOLLAR
    ledger.add_settlement(BookSettlement(FILL.ticker, ONE_DOLLAR, FILL.count, payout))
    totals = ledger.totals(EVENT)
    assert totals.pnl == payout - FILL.price * FILL.count - FILL.fee
    assert (totals.contracts, totals.fees) == (FILL.count, FILL.fee)
    ledger.close()


def test_another_event_does_not_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(BookFill(FILL, 3))
    assert ledger.fills("KXTSAW-26APR26") == []
    ledger.close()


def test_two_processes_never_share_a_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with pytest.raises(BadInput, match="another mmbot is at work"):
        Ledger(tmp_path)
    ledger.close()


def test_a_broken_file_is_refused_and_let_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(BadInput, match="cannot be used"):
        Ledger(tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes().startswith(b"not a database")


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(BadInput, match="version 999"):
        Ledger(tmp_path)


def test_marks_of_a_day_are_replaced_and_the_last_day_of_each_event_recalled(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path)
    monday, tuesday = dt.date(2026, 11, 23), dt.date(2026, 11, 24)
    for mark in (
        Mark(monday, "A", 0, -1),
        Mark(tuesday, "A", -1, -2),
        Mark(tuesday, "A", -1, -3),
        Mark(monday, "B", 0, 5),
    ):
        ledger.put_mark(mark)
    ledger.close()
    again = Ledger(tmp_path)
    assert set(again.latest_marks()) == {Mark(tuesday, "A", -1, -3), Mark(monday, "B", 0, 5)}
    again.close()


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        db.executescript(f"{ledger_room._ADDITIONS[0]} PRAGMA user_version = 1;")
    ledger = Ledger(tmp_path)
    ledger.put_mark(Mark(dt.date(2026, 11, 23), "A", 0, -1))
    assert len(ledger.latest_marks()) == 1
    assert ledger.halt() is None
    ledger.close()


def test_a_halt_lasts_until_it_is_ended_and_the_first_reason_stands(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_halt(Halted(1_000, "storm"))
    ledger.add_halt(Halted(2_000, "second thoughts"))
    ledger.close()
    again = Ledger(tmp_path)
    assert again.halt() == Halted(1_000, "storm")
    again.end_halt(3_000)
    assert again.halt() is None
    again.add_halt(Halted(4_000))
    assert again.halt() == Halted(4_000)
    again.close()


def test_a_halt_is_read_while_another_process_has_the_ledger(tmp_path: Path) -> None:
    assert read_halt(tmp_path) is None
    ledger = Ledger(tmp_path)
    ledger.add_halt(Halted(1_000, "storm"))
    assert read_halt(tmp_path) == Halted(1_000, "storm")
    ledger.close()
    assert read_halt(tmp_path) == Halted(1_000, "storm")


def test_a_ledger_from_before_halts_is_not_halted(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        db.executescript(f"{ledger_room._ADDITIONS[0]} PRAGMA user_version = 1;")
    assert read_halt(tmp_path) is None


def test_a_broken_ledger_is_not_read_for_halts(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(BadInput, match="cannot be used"):
        read_halt(tmp_path)


def test_days_without_a_count_are_kept_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    day = dt.date(2026, 11, 24)
    ledger.add_missing_count(day, 1_000)
    ledger.add_missing_count(day, 2_000)
    assert ledger.missing_counts() == {day}
    ledger.close()
