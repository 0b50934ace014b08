"""Reading a ledger's trades at one instant, without its lock, for reports and checks.

A daemon may be writing meanwhile. The rows are returned as the commands that wrote them.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from mmbot.daemon.ledger import FILE_NAME, VERSION, Ledger, has_ledger, read_paused
from mmbot.errors import BadInput
from mmbot.trading.commands import MarketSample, MarketView, Markout, RecordFill, RecordSettlement
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill, event_of


class TradeRecords(msgspec.Struct, frozen=True):
    """Every fill, markout and sample of a ledger, in the order of their times.

    Settlements are in the order in which they were booked: a later one amends an earlier one of
    the same market.
    """

    fills: tuple[RecordFill, ...]
    markouts: tuple[Markout, ...]
    samples: tuple[MarketSample, ...]
    settlements: tuple[RecordSettlement, ...]


def read_records(directory: Path) -> TradeRecords:
    """Read the ledger in a state directory; one of an earlier version is upgraded first.

    Raises:
        BadInput: There is none, it is broken, of a later version, or to be upgraded and in use.
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
            return _read(db)
    except sqlite3.DatabaseError as error:
        raise BadInput(f"the ledger {path} cannot be read: {error}") from None


def read_unsettled(directory: Path) -> tuple[tuple[str, ...], tuple[Fill, ...]]:
    """Return the events with a fill whose settlement is not final, and their confirmed fills.

    Raises:
        BadInput: As for `read_records`, but that there may be no ledger.
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


def read_pauses(directory: Path) -> tuple[str, ...]:
    """Return the markets that are paused; call `read_records` first.

    Raises:
        BadInput: The ledger cannot be read.
    """
    path = directory / FILE_NAME
    try:
        with closing(_open(path)) as db:
            return read_paused(db)
    except sqlite3.DatabaseError as error:
        raise BadInput(f"the ledger {path} cannot be read: {error}") from None


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
        raise BadInput(f"the ledger {path} cannot be read: {error}") from None


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _read(db: sqlite3.Connection) -> TradeRecords:
    fills = db.execute(
        "SELECT trade_id, order_id, ticker, side, price, count, fee, at,"
        " known, belief, mid, fair, confirmed FROM fills ORDER BY at, trade_id, order_id"
    )
    markouts = db.execute(
        "SELECT trade_id, order_id, horizon, at, belief, mid, fair FROM markouts ORDER BY at"
    )
    samples = db.execute(
        "SELECT ticker, known, moment, at, belief, mid, fair FROM samples ORDER BY at, ticker"
    )
    settlements = db.execute(
        "SELECT ticker, value, position, payout, at, final FROM settlements ORDER BY number"
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
