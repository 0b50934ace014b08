"""What must survive a restart does, and is booked once."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from contextlib import closing
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.bot.outputs import ShownCount
from mmbot.daemon.ledger import FILE_NAME, Ledger, read_halt
from mmbot.daemon.ledger_reader import TradeRecords, read_records
from mmbot.daemon.ledger_schema import ADDITIONS
from mmbot.errors import BadInput, NotReady
from mmbot.trading.commands import (
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordSettlement,
    RecordViews,
    VoidFill,
)
from mmbot.trading.operator_events import Halted
from mmbot.underlying.calendar import EASTERN
from mmbot.units import ONE_DOLLAR, Count, Money
from tests.daemon.builders import EVENT, fill, mark, settlement

FILL = fill()
WON = settlement(ONE_DOLLAR, FILL.count, at=1)
LOST = settlement(0, FILL.count, at=2)


def test_a_fill_reported_twice_is_booked_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    ledger.add_fill(RecordFill(FILL, 3))
    assert ledger.fills(EVENT) == [(FILL, 3)]
    ledger.close()


def test_a_fill_is_unconfirmed_until_the_accounts_list_has_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    assert ledger.fills_of((EVENT,)) == ((), (FILL,))
    ledger.confirm_fills((FILL,))
    assert ledger.fills_of((EVENT,)) == ((FILL,), ())
    ledger.close()


def test_a_fill_of_an_earlier_version_counts_as_confirmed(tmp_path: Path) -> None:
    with closing(earlier_ledger(tmp_path, 5)) as db:
        row = (*FILL.key, FILL.ticker, FILL.side, FILL.price, FILL.count, FILL.fee, FILL.at, 3)
        db.execute("INSERT INTO fills VALUES (?,?,?,?,?,?,?,?,?,NULL,NULL,NULL)", row)
        db.commit()
    ledger = Ledger(tmp_path)
    assert ledger.fills_of((EVENT,)) == ((FILL,), ())
    ledger.close()


def test_a_voided_fill_is_kept_apart_with_the_reason_and_may_be_booked_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    ledger.void_fill(VoidFill(FILL, "it is not listed"))
    assert ledger.fills(EVENT) == []
    ledger.add_fill(RecordFill(FILL, 3, confirmed=True))
    assert ledger.fills_of((EVENT,)) == ((FILL,), ())
    ledger.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        rows = db.execute("SELECT trade_id, reason FROM voided_fills").fetchall()
    assert rows == [(FILL.trade_id, "it is not listed")]


def test_fills_and_counts_are_there_after_reopening(tmp_path: Path) -> None:
    seen = dt.datetime(2026, 4, 15, 8, 31, tzinfo=EASTERN)
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    ledger.add_counts([ShownCount(dt.date(2026, 4, 14), 2_044_781, seen, archived=False)])
    ledger.close()
    again = Ledger(tmp_path)
    assert again.fills(EVENT) == [(FILL, 3)]
    assert again.counts() == [(dt.date(2026, 4, 14), 2_044_781, seen, False)]
    again.close()


def test_a_count_that_changed_and_changed_back_is_kept_each_time(tmp_path: Path) -> None:
    day, seen = dt.date(2026, 4, 14), dt.datetime(2026, 4, 15, 8, 31, tzinfo=EASTERN)
    sightings = [
        ShownCount(day, count, seen + dt.timedelta(hours=number), archived=False)
        for number, count in enumerate((2_044_781, 2_100_000, 2_044_781))
    ]
    ledger = Ledger(tmp_path)
    for _ in range(2):
        for each in sightings:
            ledger.add_counts([each])
    assert [count for _, count, *_ in ledger.counts()] == [2_044_781, 2_100_000, 2_044_781]
    ledger.close()


def test_counts_of_an_earlier_ledger_are_kept(tmp_path: Path) -> None:
    with closing(earlier_ledger(tmp_path, 4)) as db, db:
        db.execute("INSERT INTO counts VALUES ('2026-04-14', 2044781, '2026-04-15T08:31-04:00', 0)")
    ledger = Ledger(tmp_path)
    seen = dt.datetime(2026, 4, 15, 8, 31, tzinfo=EASTERN)
    assert ledger.counts() == [(dt.date(2026, 4, 14), 2_044_781, seen, False)]
    ledger.close()


def test_the_profit_is_cash_less_fees_plus_payout(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    ledger.add_settlement(WON)
    totals = ledger.totals(EVENT)
    assert totals.pnl == WON.payout - FILL.price * FILL.count - FILL.fee
    assert (totals.contracts, totals.fees) == (FILL.count, FILL.fee)
    ledger.close()


def test_another_event_does_not_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    assert ledger.fills("KXTSAW-26APR26") == []
    ledger.close()


def test_two_processes_never_share_a_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with pytest.raises(NotReady, match="another mmbot is running"):
        Ledger(tmp_path)
    ledger.close()


def test_a_broken_file_is_refused_and_left_alone(tmp_path: Path) -> None:
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
    for each in (
        mark(monday, "A", 0, -1),
        mark(tuesday, "A", -1, -2),
        mark(tuesday, "A", -1, -3),
        mark(monday, "B", 0, 5),
    ):
        ledger.put_mark(each)
    ledger.close()
    again = Ledger(tmp_path)
    assert set(again.latest_marks()) == {mark(tuesday, "A", -1, -3), mark(monday, "B", 0, 5)}
    again.close()


def earlier_ledger(directory: Path, version: int) -> sqlite3.Connection:
    """A ledger as an earlier version left it."""
    db = sqlite3.connect(directory / FILE_NAME)
    db.executescript("".join(ADDITIONS[:version]) + f"PRAGMA user_version = {version};")
    return db


def test_a_ledger_of_the_first_version_is_upgraded(tmp_path: Path) -> None:
    with closing(earlier_ledger(tmp_path, 1)) as db, db:
        db.execute("INSERT INTO fills VALUES ('t1', 'o1', 'E-1', 'bid', 5600, 100, 0, 7, 3)")
        db.execute("INSERT INTO settlements VALUES ('E-1', 10000, 100, 1000000)")
    ledger = Ledger(tmp_path)
    ledger.put_mark(mark(dt.date(2026, 11, 23), "A", 0, -1))
    assert len(ledger.latest_marks()) == 1
    assert ledger.fills("E") == [(fill(ticker="E-1", count=100, fee=0, at=7), 3)]
    assert ledger.totals("E").pnl == 440_000
    assert ledger.unsettled_events() == ()
    assert ledger.halt() is None
    ledger.close()
    (booked,) = read_records(tmp_path).fills
    assert booked.view == MarketView()


def test_a_halt_is_in_force_until_it_is_ended_and_keeps_its_first_reason(tmp_path: Path) -> None:
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
        db.executescript(f"{ADDITIONS[0]} PRAGMA user_version = 1;")
    assert read_halt(tmp_path) is None


def test_a_broken_ledger_is_not_read_for_halts(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(BadInput, match="cannot be used"):
        read_halt(tmp_path)


def test_a_pause_is_in_force_until_it_is_ended(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as ledger:
        ledger.add_pause("T-B", 1)
        ledger.add_pause("T-B", 2)
        ledger.add_pause("T-A", 3)
        assert ledger.paused_markets() == ("T-A", "T-B")
        ledger.end_pause("T-B", 4)
    with closing(Ledger(tmp_path)) as ledger:
        assert ledger.paused_markets() == ("T-A",)


def test_days_without_a_count_are_kept_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    day = dt.date(2026, 11, 24)
    ledger.add_missing_count(day, 1_000)
    ledger.add_missing_count(day, 2_000)
    assert ledger.missing_counts() == {day}
    ledger.close()


# Amended settlements


def test_an_amended_settlement_counts_in_place_of_the_one_before_which_is_kept(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    assert ledger.add_settlement(WON) is None
    assert ledger.add_settlement(LOST) == WON.payout
    assert ledger.totals(EVENT).pnl == FILL.cash
    ledger.close()
    assert read_records(tmp_path).settlements == (WON, LOST)


def test_a_settlement_reported_again_after_a_restart_amends_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = Ledger(tmp_path)
        ledger.add_settlement(WON)
        assert ledger.add_settlement(msgspec.structs.replace(WON, at=99)) is None
        ledger.close()
    assert read_records(tmp_path).settlements == (WON,)


def test_a_settlement_that_is_reverted_is_booked_a_third_time(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    paid = [ledger.add_settlement(each) for each in (WON, LOST, LOST, WON)]
    assert paid == [None, WON.payout, None, LOST.payout]
    ledger.close()


def test_an_event_is_unsettled_until_its_settlement_is_final(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3))
    assert ledger.unsettled_events() == (EVENT,)
    ledger.add_settlement(WON)
    assert ledger.unsettled_events() == (EVENT,)
    # Paper positions that were paid out are no longer held, though the payout may be amended.
    assert ledger.unsettled_fills() == []
    ledger.add_settlement(msgspec.structs.replace(WON, final=True))
    assert ledger.unsettled_events() == ()
    ledger.add_settlement(WON)
    assert ledger.unsettled_events() == ()
    ledger.close()
    assert read_records(tmp_path).settlements == (msgspec.structs.replace(WON, final=True),)


def test_an_event_that_was_settled_before_its_last_fill_is_not_settled(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    final = msgspec.structs.replace(WON, final=True)
    ledger.add_settlement(msgspec.structs.replace(final, position=Count(0), payout=Money(0)))
    ledger.add_fill(RecordFill(FILL, 3))
    assert ledger.unsettled_events() == (EVENT,)
    ledger.add_settlement(final)
    assert ledger.unsettled_events() == ()
    ledger.close()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.builds(
            settlement,
            st.sampled_from([0, ONE_DOLLAR]),
            st.integers(-2, 2),
            ticker=st.sampled_from("ab"),
            at=st.integers(0, 9),
        ),
        max_size=12,
    )
)
def test_what_is_reported_twice_is_booked_once_and_the_latest_counts(
    settlements: list[RecordSettlement],
) -> None:
    with TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory))
        for each in settlements:
            ledger.add_settlement(each)
            ledger.add_settlement(each)
        ledger.close()
        booked = read_records(Path(directory)).settlements
    for ticker in "ab":
        reported = [(each.value, each.position) for each in settlements if each.ticker == ticker]
        stored = [(each.value, each.position) for each in booked if each.ticker == ticker]
        assert stored == [each for each, _ in groupby(reported)]


# Reading beside the daemon


def test_views_are_kept_once_and_read_with_their_fills(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    view = MarketView(0.5, None, 0.55)
    markout = Markout(FILL.trade_id, FILL.order_id, "1s", 7, MarketView(0.5, 0.6, 0.58))
    sample = MarketSample(FILL.ticker, 3, "first", 5, view)
    ledger.add_fill(RecordFill(FILL, 3, view))
    for _ in range(2):
        ledger.add_views(RecordViews((sample,), (markout,)))
    later = msgspec.structs.replace(sample, at=9)
    ledger.add_views(RecordViews((later,)))
    # While the ledger is in use.
    records = read_records(tmp_path)
    assert records == TradeRecords((RecordFill(FILL, 3, view),), (markout,), (sample,), ())
    ledger.close()


def test_a_fill_that_is_reported_again_keeps_its_first_view(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_fill(RecordFill(FILL, 3, MarketView(0.5, 0.5, 0.5)))
    ledger.add_fill(RecordFill(FILL, 4))
    ledger.close()
    (booked,) = read_records(tmp_path).fills
    assert (booked.days_published, booked.view) == (3, MarketView(0.5, 0.5, 0.5))


def test_an_event_with_samples_only_is_unsettled_too(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add_views(RecordViews((MarketSample(FILL.ticker, 3, "first", 5, MarketView()),)))
    assert ledger.unsettled_events() == (EVENT,)
    ledger.close()


def test_where_nothing_has_traded_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nothing has traded"):
        read_records(tmp_path / "nowhere")


def test_a_file_that_is_no_ledger_is_not_read(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(BadInput, match="cannot be read"):
        read_records(tmp_path)


def test_a_ledger_that_cannot_be_read_where_nothing_can_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    with pytest.raises(BadInput, match="copy it to a directory that you can write"):
        read_records(tmp_path)


def test_a_ledger_of_a_later_version_is_not_read(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(BadInput, match="version 999"):
        read_records(tmp_path)


def test_one_event_is_read_without_the_others(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    others = {"before": "KXTSAW-26APR18-A2.45", "after": f"{EVENT}X-A2.45"}
    for trade, ticker in {"mine": FILL.ticker, **others}.items():
        other = msgspec.structs.replace(FILL, trade_id=trade, ticker=ticker)
        ledger.add_fill(RecordFill(other, 3))
        sample = MarketSample(ticker, 3, "first", 5, MarketView(0.5, 0.5, 0.5))
        markout = Markout(trade, FILL.order_id, "1s", 6, MarketView(0.5, 0.5, 0.5))
        ledger.add_views(RecordViews((sample,), (markout,)))
        ledger.add_settlement(settlement(ONE_DOLLAR, 5, ticker=ticker))
    ledger.close()
    read = read_records(tmp_path, EVENT)
    assert [each.fill.trade_id for each in read.fills] == ["mine"]
    assert [each.trade_id for each in read.markouts] == ["mine"]
    assert [each.ticker for each in read.samples] == [FILL.ticker]
    assert [each.ticker for each in read.settlements] == [FILL.ticker]
    whole = read_records(tmp_path)
    assert [len(each) for each in (whole.fills, whole.markouts, whole.samples)] == [3, 3, 3]
