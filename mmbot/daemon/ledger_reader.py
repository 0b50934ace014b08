"""Reads a ledger's trades consistently, without its lock, for reports and checks.

A daemon may be writing meanwhile. Rows are returned as the commands that wrote them.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from mmbot.daemon.ledger import FILE_NAME, Ledger, has_ledger, read_paused
from mmbot.daemon.ledger_schema import VERSION
from mmbot.errors import BadInput
from mmbot.trading.commands import MarketSample, MarketView, Markout, RecordFill, RecordSettlement
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill, event_of
from mmbot.underlying.calendar import EASTERN
from mmbot.underlying.counts import Counts


class TradeRecords(msgspec.Struct, frozen=True):
    """Every fill, markout and sample of a ledger, in the order of their times.

    Settlements are in the order in which they were booked: a later one amends an earlier one of
    the same market.
    """

    fills: tuple[RecordFill, ...]
    markouts: tuple[Markout, ...]
    samples: tuple[MarketSample, ...]
    settlements: tuple[RecordSettlement, ...]


def read_records(directory: Path, event: str = "") -> TradeRecords:
    """Read the ledger in a state directory; an older one is upgraded first.

    Args:
        directory: The state directory.
        event: The event to read; all if empty.

    Raises:
        BadInput: There is none, or it is broken or newer than this mmbot.
        LedgerTaken: It is in use and has to be upgraded.
    """
    path = directory / FILE_NAME
    if not has_ledger(directory):
        raise BadInput(f"there is no ledger in {directory}: nothing has traded with this config")
    try:
        with closing(_open(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            Ledger(directory).close()
        with closing(_open(path)) as db:
            # One snapshot for all queries.
            db.execute("BEGIN")
            return _read(db, event)
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from None


def read_unsettled(directory: Path) -> tuple[tuple[str, ...], tuple[Fill, ...]]:
    """Return the events with a fill whose settlement is not final, and their confirmed fills.

    Raises:
        BadInput, LedgerTaken: As for `read_records`, except that a missing ledger is no error.
    """
    if not has_ledger(directory):
        return (), ()
    records = read_records(directory)
    final = {each.ticker: each.final for each in records.settlements}
    fills = [each.fill for each in records.fills]
    events = {event_of(fill.ticker) for fill in fills if not final.get(fill.ticker, False)}
    confirmed = (each.fill for each in records.fills if each.confirmed)
    undecided = (fill for fill in confirmed if event_of(fill.ticker) in events)
    return tuple(sorted(events)), tuple(undecided)


def read_counts(directory: Path, counts: Counts) -> Counts:
    """Return the counts with the ledger's added; without a ledger, unchanged.

    Raises:
        BadInput: The ledger cannot be read.
    """
    path = directory / FILE_NAME
    if not has_ledger(directory):
        return counts
    try:
        with closing(_open(path)) as db:
            rows = db.execute(
                "SELECT day, count, seen, archived FROM counts ORDER BY seen, day"
            ).fetchall()
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from None
    for day, count, seen, archived in rows:
        at = dt.datetime.fromisoformat(seen).astimezone(EASTERN)
        counts, _ = counts.observe(dt.date.fromisoformat(day), count, at, archived=bool(archived))
    return counts


def read_pauses(directory: Path) -> tuple[str, ...]:
    """Return the paused markets; call `read_records` first.

    Raises:
        BadInput: The ledger cannot be read.
    """
    path = directory / FILE_NAME
    try:
        with closing(_open(path)) as db:
            return read_paused(db)
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from None


def read_marks(directory: Path) -> tuple[PnlMark, ...]:
    """Return the latest P&L mark of every event; call `read_records` first.

    Raises:
        BadInput: The ledger cannot be read.
    """
    path = directory / FILE_NAME
    try:
        with closing(_open(path)) as db:
            rows = db.execute("SELECT max(day), event, start, latest FROM marks GROUP BY event")
            return tuple(PnlMark(dt.date.fromisoformat(day), *rest) for day, *rest in rows)
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: sqlite3.DatabaseError) -> BadInput:
    sentence = f"the ledger {path} cannot be read: {error}"
    if not os.access(path.parent, os.W_OK):
        sentence += (
            "; SQLite must be able to write beside it, so copy it to a directory that you can write"
        )
    return BadInput(sentence)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _read(db: sqlite3.Connection, event: str) -> TradeRecords:
    # The range of an event's tickers.
    of_event = (f"{event}-", f"{event}.") if event else ("", chr(sys.maxunicode))
    fills = db.execute(
        "SELECT trade_id, order_id, ticker, side, price, count, fee, at,"
        " known, belief, mid, fair, confirmed FROM fills WHERE ticker >= ? AND ticker < ?"
        " ORDER BY at, trade_id, order_id",
        of_event,
    )
    markouts = db.execute(
        "SELECT trade_id, order_id, horizon, at, belief, mid, fair FROM markouts"
        " WHERE (trade_id, order_id) IN"
        " (SELECT trade_id, order_id FROM fills WHERE ticker >= ? AND ticker < ?) ORDER BY at",
        of_event,
    )
    samples = db.execute(
        "SELECT ticker, known, moment, at, belief, mid, fair FROM samples"
        " WHERE ticker >= ? AND ticker < ? ORDER BY at, ticker",
        of_event,
    )
    settlements = db.execute(
        "SELECT ticker, value, position, payout, at, final FROM settlements"
        " WHERE ticker >= ? AND ticker < ? ORDER BY number",
        of_event,
    )
    return TradeRecords(
        tuple(
            RecordFill(Fill(*row[:8]), row[8], MarketView(*row[9:12]), confirmed=bool(row[12]))
            for row in fills
        ),
        tuple(
            Markout(trade_id, order_id, horizon, at, MarketView(*view))
            for trade_id, order_id, horizon, at, *view in markouts
        ),
        tuple(
            MarketSample(ticker, known, moment, at, MarketView(*view))
            for ticker, known, moment, at, *view in samples
        ),
        tuple(
            RecordSettlement(ticker, value, position, payout, at, bool(final))
            for ticker, value, position, payout, at, final in settlements
        ),
    )
