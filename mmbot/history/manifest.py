"""What the directory holds of each market, and what is missing; one manifest a week.

A manifest is written after the files that it names. Whatever interrupts a fetch, a market is either
in its manifest, with files that were whole before it was, or it is asked for again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from mmbot.errors import BadInput
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Milliseconds

_T = TypeVar("_T")


class StoredFile(msgspec.Struct, frozen=True):
    """A file as it was written."""

    rows: int
    bytes: int
    sha256: str


class MarketEntry(msgspec.Struct, frozen=True):
    """What is there of one market.

    Attributes:
        trades: The file of its trades.
        candles: The file of its candles.
        periods: Which candles were asked for, in minutes, and how many there are of each.
        until_ms: Up to when all was asked for.
        is_final: It was paid out before it was asked for, so that nothing is to come.
        missing: What should be there and is not, each as a clause.
        doubts: What could not be used of the answers, each as a clause.
        fetches: How often in a row it was asked for whole with something missing.
        is_imported: It came from a file of the user's.
    """

    trades: StoredFile | None = None
    candles: StoredFile | None = None
    periods: dict[int, int] = {}
    until_ms: Milliseconds = 0
    is_final: bool = False
    missing: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    fetches: int = 0
    is_imported: bool = False

    @property
    def rows(self) -> int:
        """How many rows its files have."""
        return sum(file.rows for file in (self.trades, self.candles) if file is not None)

    @property
    def bytes(self) -> int:
        """How large its files are."""
        return sum(file.bytes for file in (self.trades, self.candles) if file is not None)

    def has(self, periods: tuple[int, ...]) -> bool:
        """Return whether nothing more has to be asked for."""
        return self.is_final and not self.missing and set(periods) <= self.periods.keys()


class WeekManifest(msgspec.Struct, frozen=True):
    """What is there of one week, by market.

    Attributes:
        event_ticker: The week's event.
        markets: The entry of each market that the exchange lists.
        has_no_event: The exchange lists no event for this week, which is over.
    """

    event_ticker: str
    markets: dict[str, MarketEntry] = {}
    has_no_event: bool = False

    def is_complete(self, periods: tuple[int, ...]) -> bool:
        """Return whether nothing more has to be asked for."""
        entries = self.markets.values()
        return self.has_no_event or (
            bool(self.markets) and all(entry.has(periods) for entry in entries)
        )


class Source(msgspec.Struct, frozen=True):
    """Which exchange the directory is about, and its calendar as a function of its time."""

    exchange: str
    clock: CalendarClock = CalendarClock()
    version: int = 1


class PageState(msgspec.Struct, frozen=True):
    """The last reading of a page of tsa.gov: when, and its validators if it was understood."""

    read_ms: Milliseconds
    etag: str = ""
    last_modified: str = ""


def load(path: Path, kind: type[_T]) -> _T | None:
    """Read a file of JSON, if there is one.

    Raises:
        BadInput: It cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, strict=False)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read ({error}); delete it, and what it is about is fetched again"
        ) from None


def store(path: Path, value: object) -> None:
    """Write a file of JSON; the one before it stays until the new one is whole.

    Raises:
        BadInput: It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    content = msgspec.json.format(msgspec.json.encode(value), indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
