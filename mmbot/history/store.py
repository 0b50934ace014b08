"""The store of the market's past, for readers and writers: a directory of files.

    DIR/source.json                          which exchange it is about
    DIR/counts.parquet, pages.json           sightings of counts, and the last reading of each page
    DIR/KXTSAW/events.parquet, markets.parquet, fees.parquet
    DIR/KXTSAW/KXTSAW-26APR19/manifest.json  what is stored of each market, and what is missing
    DIR/KXTSAW/KXTSAW-26APR19/KXTSAW-26APR19-A2.45.trades.parquet, ...candles.parquet

Readers return rows in the order of time, at most a week at once. Every file is written atomically.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mmbot.errors import BadInput
from mmbot.history import manifest, parquet
from mmbot.history.manifest import MarketEntry, PageState, Source, StoredFile, WeekManifest
from mmbot.history.rows import (
    CANDLES,
    COUNTS,
    EVENTS,
    FEES,
    MARKETS,
    TRADES,
    Candle,
    EventRecord,
    FeeChange,
    MarketRecord,
    Period,
    Row,
    Sighting,
    Table,
    Trade,
)
from mmbot.history.sightings import counts_of
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.underlying.counts_file import load_counts as load_counts_file

_R = TypeVar("_R", bound=Row)

# A ticker becomes part of a path, so it must match this.
_TICKER = re.compile(r"[A-Z0-9][A-Za-z0-9.\-]{0,79}\Z", re.ASCII)
_MANIFEST = "manifest.json"
HOW_TO_FETCH = "run `mmbot history fetch`"


def default_directory() -> Path:
    """Return the user's directory of history.

    `MMBOT_HISTORY` names it; else it is in the user's data directory, by the XDG base directory
    specification.
    """
    named = os.environ.get("MMBOT_HISTORY", "")
    if named:
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME", "")
    data = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share"
    return data / "mmbot" / "history"


def is_ticker(text: str) -> bool:
    """Return whether a ticker can name a file."""
    return _TICKER.match(text) is not None


def series_of(event_ticker: str) -> str:
    """Return the series of an event's ticker."""
    return event_ticker.rpartition("-")[0]


class HistoryStore:
    """The past in one directory; nothing is read before it is requested."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # Readers

    def source(self) -> Source | None:
        """Return which exchange the directory is about; `None` while it is empty."""
        return manifest.load(self.directory / "source.json", Source)

    def series(self) -> tuple[str, ...]:
        """Return the series that have a directory."""
        if not self.directory.is_dir():
            return ()
        return tuple(sorted(each.name for each in self.directory.iterdir() if each.is_dir()))

    def manifests(self, series: str) -> tuple[WeekManifest, ...]:
        """Return the manifests of a series' weeks, in their order."""
        paths = (self.directory / series).glob(f"*/{_MANIFEST}")
        found = (manifest.load(path, WeekManifest) for path in paths)
        held = [each for each in found if each is not None]
        return tuple(sorted(held, key=lambda each: week_of(each.event_ticker)))

    def manifest(self, event_ticker: str) -> WeekManifest:
        """Return a week's manifest, empty if there is none."""
        held = manifest.load(self._week(event_ticker) / _MANIFEST, WeekManifest)
        return held or WeekManifest(event_ticker)

    def events(self, series: str) -> tuple[EventRecord, ...]:
        """Return a series' events, in the order of their weeks."""
        return self._all(EVENTS, self.directory / series / "events.parquet")

    def markets(self, series: str, event_ticker: str | None = None) -> tuple[MarketRecord, ...]:
        """Return the markets of a series, or of one event, by time and ticker."""
        held = self._all(MARKETS, self.directory / series / "markets.parquet")
        return tuple(each for each in held if event_ticker in (None, each.event_ticker))

    def fees(self, series: str) -> tuple[FeeChange, ...]:
        """Return a series' fees over time: its changes, and the fees at each reading."""
        return self._all(FEES, self.directory / series / "fees.parquet")

    def sightings(self) -> tuple[Sighting, ...]:
        """Return every count that a page of tsa.gov showed, by day and time."""
        return self._all(COUNTS, self.directory / "counts.parquet")

    def counts(self) -> Counts:
        """Return the daily counts with their vintages.

        Raises:
            BadInput: There are none.
        """
        held = self.sightings()
        if not held:
            raise BadInput(
                f"there are no daily counts in {self.directory}; run `mmbot history fetch "
                "--no-market`, which gets them from tsa.gov, or name a file with --counts"
            )
        return counts_of(held)

    def pages(self) -> dict[str, PageState]:
        """Return the last reading of each page of tsa.gov, by its path."""
        return manifest.load(self.directory / "pages.json", dict[str, PageState]) or {}

    def trades(self, event_ticker: str) -> Iterator[Trade]:
        """Yield the trades of an event's markets in the order of time.

        Those of one market at one instant are in the order in which they happened.
        """
        return self._stream(TRADES, event_ticker)

    def candles(self, event_ticker: str, period: Period) -> Iterator[Candle]:
        """Yield the candles of an event's markets by their ends."""
        return self._stream(CANDLES, event_ticker, f"period_minutes = {period:d}")

    def stream(self, event_ticker: str, period: Period = 1) -> Iterator[Trade | Candle]:
        """Yield trades and candles of an event's markets in the order in which they were known.

        A candle is known at its end; a trade of that instant comes before it.
        """
        trades: Iterator[tuple[int, Trade | Candle]] = (
            (trade.at_ms, trade) for trade in self.trades(event_ticker)
        )
        candles: Iterator[tuple[int, Trade | Candle]] = (
            (candle.end_ms, candle) for candle in self.candles(event_ticker, period)
        )
        for _, row in heapq.merge(trades, candles, key=lambda pair: pair[0]):
            yield row

    def market_trades(self, event_ticker: str, ticker: str) -> tuple[Trade, ...]:
        """Return one market's trades in the order in which they happened."""
        return self._of_market(TRADES, event_ticker, ticker)

    def market_candles(self, event_ticker: str, ticker: str) -> tuple[Candle, ...]:
        """Return one market's candles of all periods, by their ends."""
        return self._of_market(CANDLES, event_ticker, ticker)

    def path(self, table: Table[Any], event_ticker: str, ticker: str) -> Path:
        """Return the path of a market's file."""
        return self._week(event_ticker) / f"{_checked(ticker)}.{table.name}.parquet"

    def _of_market(self, table: Table[_R], event_ticker: str, ticker: str) -> tuple[_R, ...]:
        return self._all(table, self.path(table, event_ticker, ticker))

    def _all(self, table: Table[_R], path: Path) -> tuple[_R, ...]:
        if not path.is_file():
            return ()
        try:
            return tuple(parquet.read(table, [path]))
        except parquet.UnreadableFile as error:
            raise _damaged(error) from None

    def _stream(self, table: Table[_R], event_ticker: str, where: str = "") -> Iterator[_R]:
        held = self.manifest(event_ticker).markets
        paths = [self.path(table, event_ticker, ticker) for ticker in sorted(held)]
        there = [path for path in paths if path.is_file()]
        try:
            # Each file is sorted; sorting them together would need all of them in memory.
            files = (parquet.read(table, [path], where=where) for path in there)
            yield from heapq.merge(*files, key=attrgetter(table.sorted_by[0]))
        except parquet.UnreadableFile as error:
            raise _damaged(error) from None

    def _week(self, event_ticker: str) -> Path:
        return self.directory / _checked(series_of(event_ticker)) / _checked(event_ticker)

    def is_there(self, event_ticker: str, ticker: str, entry: MarketEntry) -> bool:
        """Return whether the files that a market's entry names have the size that it states."""
        files = ((TRADES, entry.trades), (CANDLES, entry.candles))
        return all(
            file is not None and _size(self.path(table, event_ticker, ticker)) == file.bytes
            for table, file in files
        )

    # Writers

    def claim(self, source: Source) -> None:
        """Note that the directory is about this exchange.

        Raises:
            BadInput: It is about another exchange.
        """
        held = self.source()
        if held is not None and held != source:
            raise BadInput(
                f"{self.directory} is about {held.exchange}, and this is {source.exchange} with "
                "another calendar or address; name another directory with --dir"
            )
        if held is None:
            manifest.store(self.directory / "source.json", source)

    def put_sightings(
        self, rows: Iterable[Sighting], pages: Mapping[str, PageState] | None = None
    ) -> int:
        """Add sightings of counts; return how many are new."""
        held = self.sightings()
        merged = merge(COUNTS, held, rows)
        if len(merged) > len(held):
            parquet.write(COUNTS, merged, self.directory / "counts.parquet")
        if pages is not None:
            manifest.store(self.directory / "pages.json", self.pages() | dict(pages))
        return len(merged) - len(held)

    def put_listing(
        self, series: str, events: Sequence[EventRecord], markets: Sequence[MarketRecord]
    ) -> None:
        """Add or update the records of events and markets."""
        where = self.directory / _checked(series)
        self._renew(EVENTS, where / "events.parquet", self.events(series), events)
        self._renew(MARKETS, where / "markets.parquet", self.markets(series), markets)

    def put_fees(self, series: str, rows: Sequence[FeeChange]) -> None:
        """Add changes of fees."""
        path = self.directory / _checked(series) / "fees.parquet"
        self._renew(FEES, path, self.fees(series), rows)

    def put_manifest(self, held: WeekManifest) -> None:
        """Write a week's manifest."""
        manifest.store(self._week(held.event_ticker) / _MANIFEST, held)

    def put_market(
        self,
        event_ticker: str,
        ticker: str,
        trades: Sequence[Trade],
        candles: Sequence[Candle],
        entry: MarketEntry,
    ) -> MarketEntry:
        """Write all that is known about a market, then its entry; return the entry."""
        files = [
            self._put(TRADES, event_ticker, ticker, trades),
            self._put(CANDLES, event_ticker, ticker, candles),
        ]
        for table in (TRADES, CANDLES):
            parquet.put_in_place(self.path(table, event_ticker, ticker))
        entry = msgspec.structs.replace(entry, trades=files[0], candles=files[1])
        held = self.manifest(event_ticker)
        self.put_manifest(
            msgspec.structs.replace(
                held, markets=held.markets | {ticker: entry}, has_no_event=False
            )
        )
        return entry

    def _put(
        self, table: Table[_R], event_ticker: str, ticker: str, rows: Sequence[_R]
    ) -> StoredFile:
        path = self.path(table, event_ticker, ticker)
        digest = parquet.encode(table, rows, path)
        return StoredFile(len(rows), parquet.part_of(path).stat().st_size, digest.hex())

    def _renew(self, table: Table[_R], path: Path, held: Sequence[_R], rows: Sequence[_R]) -> None:
        merged = merge(table, held, rows)
        if merged != list(held):
            parquet.write(table, merged, path)


def load_counts(path: Path) -> Counts:
    """Return the counts of a directory of history, or of a CSV file (see `read_counts_csv`).

    The word `history` means the user's directory, as no `path` does.

    Raises:
        BadInput: There are none, or the file is not in that format.
    """
    if str(path) == "history" and not path.exists():
        path = default_directory()
    if path.is_dir() or path == default_directory():
        return HistoryStore(path).counts()
    return load_counts_file(path, TSA)


def merge(table: Table[_R], held: Iterable[_R], rows: Iterable[_R]) -> list[_R]:
    """Return all rows in the table's order; a new row replaces a held one with the same key."""
    by_key = {table.key_of(row): row for row in held}
    by_key.update((table.key_of(row), row) for row in rows)
    return sorted(by_key.values(), key=attrgetter(*table.sorted_by))


def week_of(event_ticker: str) -> Week:
    """Return an event's week.

    Raises:
        BadInput: It is not an event ticker.
    """
    try:
        return Week.from_event_ticker(event_ticker)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _checked(ticker: str) -> str:
    if not is_ticker(ticker):
        raise BadInput(f"{ticker[:80]!r} cannot be a ticker")
    return ticker


def _damaged(error: parquet.UnreadableFile) -> BadInput:
    return BadInput(f"{error}; `mmbot history verify` shows what is damaged")
