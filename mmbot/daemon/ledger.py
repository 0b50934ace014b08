"""What must survive: counts, fills, settlements, losses, the operator's word. SQLite in WAL mode.

Every write is committed before the call returns, or raises `sqlite3.Error` and is not there. A row
that is there already is left alone, so whatever is reported again after a restart is booked once; a
settlement that says something else than the one before it is kept beside it, and counts in its
place. One process at a time holds a ledger.
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
from mmbot.errors import BadInput
from mmbot.trading.commands import MarketView, RecordFill, RecordSettlement, RecordViews
from mmbot.trading.events import Halted
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill
from mmbot.tsa.calendar import EASTERN
from mmbot.units import Count, Money

FILE_NAME = "ledger.sqlite"

# What each version adds to the one before it.
_ADDITIONS = (
    """
CREATE TABLE counts (
    day TEXT NOT NULL, count INTEGER NOT NULL, seen TEXT NOT NULL, archived INTEGER NOT NULL,
    PRIMARY KEY (day, count)
) STRICT;
CREATE TABLE fills (
    trade_id TEXT NOT NULL, order_id TEXT NOT NULL, ticker TEXT NOT NULL, side TEXT NOT NULL,
    price INTEGER NOT NULL, count INTEGER NOT NULL, fee INTEGER NOT NULL, at INTEGER NOT NULL,
    known INTEGER NOT NULL,
    PRIMARY KEY (trade_id, order_id)
) STRICT;
CREATE TABLE settlements (
    ticker TEXT PRIMARY KEY, value INTEGER NOT NULL, position INTEGER NOT NULL,
    payout INTEGER NOT NULL
) STRICT;
""",
    """
CREATE TABLE marks (
    event TEXT NOT NULL, day TEXT NOT NULL, start INTEGER NOT NULL, latest INTEGER NOT NULL,
    PRIMARY KEY (event, day)
) STRICT;
""",
    """
CREATE TABLE halts (
    id INTEGER PRIMARY KEY, since INTEGER NOT NULL, reason TEXT NOT NULL, resumed INTEGER
) STRICT;
CREATE TABLE missing_counts (day TEXT PRIMARY KEY, told INTEGER NOT NULL) STRICT;
""",
    """
ALTER TABLE fills ADD COLUMN belief REAL;
ALTER TABLE fills ADD COLUMN mid REAL;
ALTER TABLE fills ADD COLUMN fair REAL;
CREATE TABLE markouts (
    trade_id TEXT NOT NULL, order_id TEXT NOT NULL, horizon TEXT NOT NULL, at INTEGER NOT NULL,
    belief REAL, mid REAL, fair REAL,
    PRIMARY KEY (trade_id, order_id, horizon)
) STRICT;
CREATE TABLE samples (
    ticker TEXT NOT NULL, known INTEGER NOT NULL, moment TEXT NOT NULL, at INTEGER NOT NULL,
    belief REAL, mid REAL, fair REAL,
    PRIMARY KEY (ticker, known, moment)
) STRICT;
ALTER TABLE settlements RENAME TO settled_once;
CREATE TABLE settlements (
    number INTEGER PRIMARY KEY, ticker TEXT NOT NULL, value INTEGER NOT NULL,
    position INTEGER NOT NULL, payout INTEGER NOT NULL, at INTEGER NOT NULL, final INTEGER NOT NULL
) STRICT;
INSERT INTO settlements (ticker, value, position, payout, at, final)
    SELECT ticker, value, position, payout, 0, 1 FROM settled_once ORDER BY rowid;
DROP TABLE settled_once;
CREATE INDEX settlements_by_market ON settlements (ticker, number);
CREATE VIEW latest_settlements AS
    SELECT * FROM settlements
    WHERE number IN (SELECT max(number) FROM settlements GROUP BY ticker);
""",
)
VERSION = len(_ADDITIONS)
# How long another process may keep the file locked; the event loop stands still meanwhile.
_LOCKED_SECONDS = 1.0
# Events whose marks may still matter: those of some weeks.
_MARKS_RECALLED = 16

# The version that brought the table of halts.
_HALTS_SINCE = 3
_HALT = "SELECT since, reason FROM halts WHERE resumed IS NULL"


class LedgerTaken(BadInput):
    """Another process has the ledger."""


class Totals(msgspec.Struct, frozen=True):
    """What an event came to: contracts, fees, and profit with whatever has been settled."""

    contracts: Count
    fees: Money
    pnl: Money


def is_held(directory: Path) -> bool:
    """Say whether a process is at work on the ledger in `directory`, without making one."""
    try:
        with (directory / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class Ledger:
    """One account's memory in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Open or begin the ledger; raise `BadInput` if another process has it or it is broken."""
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (directory / "lock").open("w")
        except OSError as error:
            raise BadInput(
                f"cannot use the state directory {directory}: {error.strerror}"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise LedgerTaken(
                f"another mmbot is at work in {directory}; stop it, or set state.directory"
            ) from None
        path = directory / FILE_NAME
        self._db = sqlite3.connect(path, timeout=_LOCKED_SECONDS, isolation_level=None)
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self.close()
            raise BadInput(
                f"the ledger {path} cannot be used: {error}; mend that, or move the file away to "
                "begin anew"
            ) from None
        except BadInput:
            self.close()
            raise

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        (health,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise sqlite3.DatabaseError(health)
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise BadInput(
                f"the ledger {path} is of version {version}, this mmbot knows version {VERSION}"
            )
        # Also where nothing is added: what cannot be written to is found out now.
        added = "".join(_ADDITIONS[version:])
        self._db.executescript(f"BEGIN IMMEDIATE; {added} PRAGMA user_version = {VERSION}; COMMIT;")

    def close(self) -> None:
        """Let the ledger go."""
        self._db.close()
        self._lock.close()

    # Counts

    def add_counts(self, counts: Iterable[ShownCount]) -> None:
        """Keep what pages showed for some days, and when."""
        with self._transaction():
            for each in counts:
                seen = each.seen.isoformat()
                self._add("counts", (each.day.isoformat(), each.count, seen, each.archived))

    def counts(self) -> list[tuple[dt.date, int, dt.datetime, bool]]:
        """Return every vintage in the order in which they were seen."""
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

    # The operator's word

    def add_halt(self, halt: Halted) -> None:
        """Keep that quoting is halted until `end_halt`; a halt that lasts already is left alone."""
        if self.halt() is None:
            row = (halt.since, halt.reason)
            self._db.execute("INSERT INTO halts (since, reason) VALUES (?, ?)", row)

    def end_halt(self, now: int) -> None:
        """Keep that quoting goes on; `now` is in milliseconds."""
        self._db.execute("UPDATE halts SET resumed = ? WHERE resumed IS NULL", (now,))

    def halt(self) -> Halted | None:
        """Return the halt that lasts."""
        return _halt(self._db)

    def add_missing_count(self, day: dt.date, now: int) -> None:
        """Keep that no count of a day is waited for any more."""
        self._add("missing_counts", (day.isoformat(), now))

    def missing_counts(self) -> frozenset[dt.date]:
        """Return the days that were ever said to get no count."""
        rows = self._db.execute("SELECT day FROM missing_counts")
        return frozenset(dt.date.fromisoformat(day) for (day,) in rows)

    # Trades

    def add_fill(self, command: RecordFill) -> None:
        """Keep a fill."""
        fill, view = command.fill, command.view
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
                *_columns(view),
            ),
        )

    def add_views(self, command: RecordViews) -> None:
        """Keep what was thought of markets, all at once."""
        with self._transaction():
            for markout in command.markouts:
                key = (markout.trade_id, markout.order_id, markout.horizon)
                self._add("markouts", (*key, markout.at, *_columns(markout.view)))
            for sample in command.samples:
                sampled = (sample.ticker, sample.days_published, sample.moment)
                self._add("samples", (*sampled, sample.at, *_columns(sample.view)))

    def add_settlement(self, command: RecordSettlement) -> Money | None:
        """Keep what a market paid; return what it had paid before if this amends it."""
        said = (command.value, command.position, command.payout)
        with self._transaction():
            before = self._db.execute(
                "SELECT value, position, payout, number FROM latest_settlements WHERE ticker = ?",
                (command.ticker,),
            ).fetchone()
            if before is not None and before[:-1] == said:
                self._db.execute(
                    "UPDATE settlements SET final = max(final, ?) WHERE number = ?",
                    (command.final, before[-1]),
                )
                return None
            self._db.execute(
                "INSERT INTO settlements (ticker, value, position, payout, at, final)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (command.ticker, *said, command.at, command.final),
            )
        return None if before is None else int(before[2])

    def put_mark(self, mark: PnlMark) -> None:
        """Keep what an event has earned on a day, in place of what was known of that day."""
        self._db.execute(
            "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)",
            (mark.event, mark.day.isoformat(), mark.start, mark.latest),
        )

    def latest_marks(self) -> tuple[PnlMark, ...]:
        """Return the last day's mark of each event that was traded lately."""
        rows = self._db.execute(
            "SELECT max(day), event, start, latest FROM marks GROUP BY event"
            " ORDER BY 1 DESC LIMIT ?",
            (_MARKS_RECALLED,),
        )
        return tuple(PnlMark(dt.date.fromisoformat(day), *rest) for day, *rest in rows)

    def fills(self, event_ticker: str) -> list[tuple[Fill, int]]:
        """Return one event's fills, each with the number of days that were known at the time."""
        rows = self._db.execute(
            "SELECT trade_id, order_id, ticker, side, price, count, fee, at, known FROM fills"
            " WHERE ticker LIKE ? ORDER BY at, trade_id",
            (f"{event_ticker}-%",),
        )
        return [(Fill(*row[:-1]), row[-1]) for row in rows]

    def unsettled_fills(self) -> list[Fill]:
        """Return the fills of every market that has not been settled."""
        rows = self._db.execute(
            "SELECT trade_id, order_id, ticker, side, price, count, fee, at FROM fills"
            " WHERE ticker NOT IN (SELECT ticker FROM settlements) ORDER BY at, trade_id"
        )
        return [Fill(*row) for row in rows]

    def unsettled_events(self) -> tuple[str, ...]:
        """Return the events with fills or samples of markets whose settlement is not final."""
        rows = self._db.execute(
            "SELECT ticker FROM fills UNION SELECT ticker FROM samples"
            " EXCEPT SELECT ticker FROM latest_settlements WHERE final"
        )
        return tuple(sorted({ticker.rpartition("-")[0] for (ticker,) in rows}))

    def totals(self, event_ticker: str) -> Totals:
        """Return what one event came to so far."""
        fills = [fill for fill, _ in self.fills(event_ticker)]
        (payout,) = self._db.execute(
            "SELECT coalesce(sum(payout), 0) FROM latest_settlements WHERE ticker LIKE ?",
            (f"{event_ticker}-%",),
        ).fetchone()
        return Totals(
            contracts=sum(fill.count for fill in fills),
            fees=sum(fill.fee for fill in fills),
            pnl=sum(fill.cash for fill in fills) + payout,
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def _add(self, table: str, row: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(row))
        self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608


def has_ledger(directory: Path) -> bool:
    """Say whether there is a ledger in a state directory that this user may read."""
    return os.access(directory / FILE_NAME, os.R_OK)


def read_halt(directory: Path) -> Halted | None:
    """Return the halt that lasts, from a ledger that another process may be at work on.

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


def _halt(db: sqlite3.Connection) -> Halted | None:
    row = db.execute(_HALT).fetchone()
    return None if row is None else Halted(*row)


def _columns(view: MarketView) -> tuple[float | None, float | None, float | None]:
    return view.belief, view.mid, view.fair
