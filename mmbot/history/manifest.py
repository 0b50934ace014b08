"""The manifests: what the directory holds of each market, and what is missing; one for each week.

A manifest is written after the files that it names. However a fetch is interrupted, a market is
either in its manifest with complete files, or it is fetched again.
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
    """The size and digest of a file as it was written."""

    rows: int
    bytes: int
    sha256: str


class MarketEntry(msgspec.Struct, frozen=True):
    """What is stored of one market.

    Attributes:
        trades: The file of its trades.
        candles: The file of its candles.
        periods: The requested periods of candles, in minutes, and how many candles each has.
        until_ms: The time up to which everything was requested.
        is_final: It was settled before it was requested, so that nothing more can come.
        missing: What was expected and not found, each as a clause.
        doubts: What could not be used of the answers, each as a clause.
        fetches: How often in a row it was fetched completely with something missing.
        is_imported: It came from a user's file.
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
        """The number of rows in its files."""
        return sum(file.rows for file in (self.trades, self.candles) if file is not None)

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(file.bytes for file in (self.trades, self.candles) if file is not None)

    def has(self, periods: tuple[int, ...]) -> bool:
        """Return whether nothing more has to be requested."""
        return self.is_final and not self.missing and set(periods) <= self.periods.keys()


class WeekManifest(msgspec.Struct, frozen=True):
    """What is stored of one week, by market.

    Attributes:
        event_ticker: The week's event.
        markets: The entry of each market that the exchange lists.
        has_no_event: The week is over, and the exchange lists no event for it.
    """

    event_ticker: str
    markets: dict[str, MarketEntry] = {}
    has_no_event: bool = False

    def is_complete(self, periods: tuple[int, ...]) -> bool:
        """Return whether nothing more has to be requested."""
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
    """The last reading of a page of tsa.gov: when, and its validators if it was parsed."""

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
    """Write a JSON file atomically.

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
