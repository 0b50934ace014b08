"""The ledger's schema as a list of migrations, which upgrade any earlier version to the latest."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mmbot.errors import BadInput

# The migration from each version to the next.
ADDITIONS = (
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
    """
ALTER TABLE counts RENAME TO values_once;
CREATE TABLE counts (
    day TEXT NOT NULL, count INTEGER NOT NULL, seen TEXT NOT NULL, archived INTEGER NOT NULL,
    PRIMARY KEY (day, seen, archived, count)
) STRICT;
INSERT INTO counts SELECT day, count, seen, archived FROM values_once;
DROP TABLE values_once;
""",
    """
CREATE TABLE voided_fills (
    trade_id TEXT NOT NULL, order_id TEXT NOT NULL, ticker TEXT NOT NULL, side TEXT NOT NULL,
    price INTEGER NOT NULL, count INTEGER NOT NULL, fee INTEGER NOT NULL, at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (trade_id, order_id)
) STRICT;
ALTER TABLE fills ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 1;
""",
    """
CREATE TABLE pauses (
    id INTEGER PRIMARY KEY, ticker TEXT NOT NULL, since INTEGER NOT NULL, ended INTEGER
) STRICT;
""",
)
VERSION = len(ADDITIONS)


def bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Upgrade an earlier ledger to this version, or create the schema in an empty file.

    Raises:
        BadInput: It is of a later version.
        sqlite3.DatabaseError: It cannot be written, or is damaged.
    """
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    (health,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise sqlite3.DatabaseError(health)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise BadInput(
            f"the ledger {path} is of version {version}, this mmbot knows version {VERSION}"
        )
    # Written even without a migration, so that a read-only file is refused now.
    added = "".join(ADDITIONS[version:])
    db.executescript(f"BEGIN IMMEDIATE; {added} PRAGMA user_version = {VERSION}; COMMIT;")
