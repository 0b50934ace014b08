"""The ledger of what must survive a restart: counts, fills, settlements, P&L marks, halts.

It is an SQLite database in WAL mode. Every write is committed before the call returns, or raises
`sqlite3.Error` and changes nothing. An existing row is never changed, so that whatever is reported
again after a restart is booked once; a settlement that differs from the market's latest is added
and replaces it in sums. One process at a time holds a ledger.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mmbot.bot.outputs import ShownCount
from mmbot.daemon.ledger_schema import bring_up_to_date
from mmbot.daemon.patience import refusal
from mmbot.daemon.private_files import make_private_directory, open_private
from mmbot.errors import BadInput, NotReady
from mmbot.trading.commands import MarketView, RecordFill, RecordSettlement, RecordViews, VoidFill
from mmbot.trading.losses import PnlMark
from mmbot.trading.operator_events import Halted
from mmbot.trading.values import Fill, event_of
from mmbot.underlying.calendar import EASTERN
from mmbot.units import Count, Milliseconds, Money, total

FILE_NAME = "ledger.sqlite"

# How long to wait for another process's lock.
_LOCKED_SECONDS = 1.0
# Events whose P&L marks are read at the start: those of some weeks.
_MARKED_EVENTS = 16

# A few weeks have fewer markets than this.
_MOST_PAUSED = 1_000

# The first schema version with a table of halts.
_HALTS_SINCE = 3
_HALT = "SELECT since, reason FROM halts WHERE resumed IS NULL"


class LedgerTaken(NotReady):
    """Another process holds the ledger."""


class Totals(msgspec.Struct, frozen=True):
    """An event's contracts traded, fees, and P&L: cash flow plus the payouts booked so far."""

    contracts: Count
    fees: Money
    pnl: Money


def is_held(directory: Path) -> bool:
    """Return whether a process holds the ledger in `directory`; creates nothing."""
    try:
        with open(open_private(directory / "lock", os.O_RDONLY), "rb") as lock:  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class Ledger:
    """The database of one account in one mode, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Open the ledger, creating or upgrading it as needed.

        Raises:
            LedgerTaken: Another process holds it.
            BadInput: It, or its directory, is unusable.
            Unavailable: The same, for a reason that time heals.
        """
        make_private_directory(directory)
        try:
            lock = open_private(directory / "lock", os.O_RDWR | os.O_CREAT)
            self._lock = open(lock, "w")  # noqa: PTH123, SIM115 (held until it is closed)
        except OSError as error:
            sentence = (
                f"cannot use {directory / 'lock'}: {error.strerror}; it must be a regular file "
                "that you can write"
            )
            raise refusal(error, sentence, directory) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise LedgerTaken(
                f"another mmbot is running in {directory}; stop it, or set state.directory"
            ) from None
        path = directory / FILE_NAME
        try:
            _make_private(path)
        except OSError as error:
            self._lock.close()
            raise BadInput(
                f"the ledger {path} cannot be used: {error.strerror}; it must be a regular file "
                "that you own"
            ) from None
        self._db = sqlite3.connect(
            path, timeout=_LOCKED_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            bring_up_to_date(self._db, path)
        except sqlite3.DatabaseError as error:
            self.close()
            sentence = (
                f"the ledger {path} cannot be used: {error}; fix that, or move the file away to "
                "start with an empty one"
            )
            raise refusal(error, sentence, path) from None
        except BadInput:
            self.close()
            raise

    def close(self) -> None:
        """Close the database and release the lock."""
        self._db.close()
        self._lock.close()

    # Counts

    def add_counts(self, counts: Iterable[ShownCount]) -> None:
        """Store counts from pages, with the times when they were seen, in one transaction."""
        with self._transaction():
            for each in counts:
                seen = each.seen.isoformat()
                self._add("counts", (each.day.isoformat(), each.count, seen, each.archived))

    def counts(self) -> list[tuple[dt.date, int, dt.datetime, bool]]:
        """Return every vintage in the order seen: day, count, time seen, whether archived."""
        rows = self._db.execute("SELECT day, count, seen, archived FROM counts ORDER BY seen, day")
        return [
            (
                dt.date.fromisoformat(day),
                count,
                dt.datetime.fromisoformat(seen).astimezone(EASTERN),
                bool(archived),
            )
            for day, count, seen, archived in rows
        ]

    # Operator

    def add_halt(self, halt: Halted) -> None:
        """Store a halt, in force until `end_halt`; does nothing while another is in force."""
        if self.halt() is None:
            row = (halt.since, halt.reason)
            self._db.execute("INSERT INTO halts (since, reason) VALUES (?, ?)", row)

    def store_halt(self, halt: Halted) -> Halted:
        """Store a halt; return the halt in force."""
        self.add_halt(halt)
        return self.halt() or halt

    def end_halt(self, now: Milliseconds) -> None:
        """End the halt in force, if any."""
        self._db.execute("UPDATE halts SET resumed = ? WHERE resumed IS NULL", (now,))

    def halt(self) -> Halted | None:
        """Return the halt in force, if any."""
        return _halt(self._db)

    def add_pause(self, ticker: str, now: Milliseconds) -> None:
        """Store the pause of a market, in force until `end_pause`; does nothing if it is paused."""
        if ticker not in self.paused_markets():
            self._db.execute("INSERT INTO pauses (ticker, since) VALUES (?, ?)", (ticker, now))

    def end_pause(self, ticker: str, now: Milliseconds) -> None:
        """End the pause of a market, if any."""
        self._db.execute(
            "UPDATE pauses SET ended = ? WHERE ticker = ? AND ended IS NULL", (now, ticker)
        )

    def paused_markets(self) -> tuple[str, ...]:
        """Return the paused markets, the latest of them, by ticker."""
        return read_paused(self._db)

    def add_missing_count(self, day: dt.date, now: Milliseconds) -> None:
        """Store that a day's count is no longer waited for."""
        self._add("missing_counts", (day.isoformat(), now))

    def missing_counts(self) -> frozenset[dt.date]:
        """Return every day whose count the operator has declared missing."""
        rows = self._db.execute("SELECT day FROM missing_counts")
        return frozenset(dt.date.fromisoformat(day) for (day,) in rows)

    # Trades

    def add_fill(self, command: RecordFill) -> None:
        """Store a fill with the market view at its time."""
        fill = command.fill
        self._add(
            "fills",
            (
                fill.trade_id,
                fill.order_id,
                fill.ticker,
                fill.side,
                fill.price,
                fill.count,
                fill.fee,
                fill.at,
                command.days_published,
                *_columns(command.view),
                command.confirmed,
            ),
        )

    def confirm_fills(self, fills: Iterable[Fill]) -> None:
        """Mark fills as confirmed by the account's list."""
        with self._transaction():
            self._db.executemany(
                "UPDATE fills SET confirmed = 1 WHERE trade_id = ? AND order_id = ?",
                [fill.key for fill in fills],
            )

    def void_fill(self, command: VoidFill) -> None:
        """Move a fill that never happened to the voided ones, and delete its markouts."""
        key = (command.fill.trade_id, command.fill.order_id)
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO voided_fills"
                " SELECT trade_id, order_id, ticker, side, price, count, fee, at, ?"
                " FROM fills WHERE trade_id = ? AND order_id = ?",
                (command.reason, *key),
            )
            self._db.execute("DELETE FROM fills WHERE trade_id = ? AND order_id = ?", key)
            self._db.execute("DELETE FROM markouts WHERE trade_id = ? AND order_id = ?", key)

    def add_views(self, command: RecordViews) -> None:
        """Store market samples and markouts in one transaction."""
        with self._transaction():
            for markout in command.markouts:
                key = (markout.trade_id, markout.order_id, markout.horizon)
                self._add("markouts", (*key, markout.at, *_columns(markout.view)))
            for sample in command.samples:
                sampled = (sample.ticker, sample.days_published, sample.moment)
                self._add("samples", (*sampled, sample.at, *_columns(sample.view)))

    def add_settlement(self, command: RecordSettlement) -> Money | None:
        """Store a market's settlement; return the payout booked before if this amends it."""
        settled = (command.value, command.position, command.payout)
        with self._transaction():
            latest = self._db.execute(
                "SELECT value, position, payout, number FROM latest_settlements WHERE ticker = ?",
                (command.ticker,),
            ).fetchone()
            if latest is not None and latest[:-1] == settled:
                self._db.execute(
                    "UPDATE settlements SET final = max(final, ?) WHERE number = ?",
                    (command.final, latest[-1]),
                )
                return None
            self._db.execute(
                "INSERT INTO settlements (ticker, value, position, payout, at, final)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (command.ticker, *settled, command.at, command.final),
            )
        return None if latest is None else Money(latest[2])

    def put_mark(self, mark: PnlMark) -> None:
        """Store an event's P&L of a day, replacing the mark of that day."""
        self._db.execute(
            "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)",
            (mark.event, mark.day.isoformat(), mark.start, mark.latest),
        )

    def latest_marks(self) -> tuple[PnlMark, ...]:
        """Return the latest mark of each of the most recently marked events."""
        rows = self._db.execute(
            "SELECT max(day), event, start, latest FROM marks GROUP BY event"
            " ORDER BY 1 DESC LIMIT ?",
            (_MARKED_EVENTS,),
        )
        return tuple(PnlMark(dt.date.fromisoformat(day), *rest) for day, *rest in rows)

    def fills(self, event_ticker: str) -> list[tuple[Fill, int]]:
        """Return one event's fills, each with the number of days published at the time."""
        rows = self._db.execute(
            "SELECT trade_id, order_id, ticker, side, price, count, fee, at, known FROM fills"
            " WHERE ticker LIKE ? ORDER BY at, trade_id",
            (f"{event_ticker}-%",),
        )
        return [(Fill(*row[:-1]), row[-1]) for row in rows]

    def fills_of(self, events: Iterable[str]) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
        """Return the fills of these events: the confirmed ones, and the others."""
        rows = self._db.execute("SELECT trade_id, order_id FROM fills WHERE NOT confirmed")
        unconfirmed = set(rows.fetchall())
        fills = [fill for event in events for fill, _ in self.fills(event)]
        return (
            tuple(fill for fill in fills if fill.key not in unconfirmed),
            tuple(fill for fill in fills if fill.key in unconfirmed),
        )

    def unsettled_fills(self) -> list[Fill]:
        """Return the fills in every market without a settlement."""
        rows = self._db.execute(
            "SELECT trade_id, order_id, ticker, side, price, count, fee, at FROM fills"
            " WHERE ticker NOT IN (SELECT ticker FROM settlements) ORDER BY at, trade_id"
        )
        return [Fill(*row) for row in rows]

    def unsettled_events(self) -> tuple[str, ...]:
        """Return the events with a fill or a sample in a market without a final settlement.

        A settlement whose position is not the sum of the fills has to be booked again.
        """
        rows = self._db.execute(
            "SELECT ticker FROM fills UNION SELECT ticker FROM samples"
            " EXCEPT SELECT ticker FROM latest_settlements AS booked WHERE final AND position ="
            " (SELECT coalesce(sum(iif(side = 'bid', count, -count)), 0)"
            " FROM fills WHERE fills.ticker = booked.ticker)"
        )
        return tuple(sorted({event_of(ticker) for (ticker,) in rows}))

    def totals(self, event_ticker: str) -> Totals:
        """Return one event's totals so far."""
        fills = [fill for fill, _ in self.fills(event_ticker)]
        (payout,) = self._db.execute(
            "SELECT coalesce(sum(payout), 0) FROM latest_settlements WHERE ticker LIKE ?",
            (f"{event_ticker}-%",),
        ).fetchone()
        return Totals(
            contracts=Count(sum(fill.count for fill in fills)),
            fees=total(fill.fee for fill in fills),
            pnl=Money(total(fill.cash for fill in fills) + payout),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def _add(self, table: str, row: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(row))
        self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608


def _make_private(path: Path) -> None:
    """Create the database's file if needed; make it and those beside it private to its owner."""
    # SQLite gives the files that it creates later the mode of the first.
    os.close(open_private(path, os.O_RDONLY | os.O_CREAT))
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if os.path.lexists(beside):
            os.close(open_private(beside, os.O_RDONLY))


def has_ledger(directory: Path) -> bool:
    """Return whether a state directory holds a ledger that this user may read."""
    return os.access(directory / FILE_NAME, os.R_OK)


def read_halt(directory: Path) -> Halted | None:
    """Return the halt in force, from a ledger that another process may hold.

    Raises:
        BadInput: The ledger is broken.
    """
    path = directory / FILE_NAME
    if not has_ledger(directory):
        return None
    try:
        with closing(sqlite3.connect(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            return _halt(db) if version >= _HALTS_SINCE else None
    except sqlite3.Error as error:
        raise BadInput(f"the ledger {path} cannot be used: {error}") from None


def read_paused(db: sqlite3.Connection) -> tuple[str, ...]:
    """Return the markets that a connection's ledger has as paused, by ticker."""
    rows = db.execute(
        "SELECT ticker FROM pauses WHERE ended IS NULL ORDER BY id DESC LIMIT ?", (_MOST_PAUSED,)
    )
    return tuple(sorted(ticker for (ticker,) in rows))


def _halt(db: sqlite3.Connection) -> Halted | None:
    row = db.execute(_HALT).fetchone()
    return None if row is None else Halted(*row)


def _columns(view: MarketView) -> tuple[float | None, float | None, float | None]:
    return view.belief, view.mid, view.fair
