"""Checks a directory against its manifests, and its rows for plausibility."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mmbot.errors import BadInput
from mmbot.history import parquet
from mmbot.history.manifest import MarketEntry, StoredFile, WeekManifest
from mmbot.history.rows import (
    CANDLES,
    COUNTS,
    EVENTS,
    FEES,
    MARKETS,
    TRADES,
    Candle,
    MarketRecord,
    Row,
    Table,
    Trade,
)
from mmbot.history.store import HistoryStore
from mmbot.history.wire import Life
from mmbot.units import Count, format_count


class Problem(msgspec.Struct, frozen=True):
    """A problem: the file or market, and what is wrong with it."""

    what: str
    wrong: str


def verify(store: HistoryStore) -> Iterator[Problem]:
    """Check every file: schema, digest, and the number, order and plausibility of its rows."""
    yield from _table(store.directory / "counts.parquet", COUNTS)
    for series in store.series():
        where = store.directory / series
        for table in (EVENTS, MARKETS, FEES):
            yield from _table(where / f"{table.name}.parquet", table)
        try:
            markets = {market.ticker: market for market in store.markets(series)}
            manifests = store.manifests(series)
        except BadInput as error:
            yield Problem(str(where), str(error))
            continue
        for manifest in manifests:
            yield from _week(store, manifest, markets)


def _week(
    store: HistoryStore, manifest: WeekManifest, markets: dict[str, MarketRecord]
) -> Iterator[Problem]:
    event = manifest.event_ticker
    named: set[Path] = set()
    for ticker, entry in manifest.markets.items():
        market = markets.get(ticker)
        if market is None and not entry.is_imported:
            yield Problem(ticker, "it has no record among the markets of its series")
        yield from _market(store, event, ticker, entry, market)
        named |= {store.path(table, event, ticker) for table in (TRADES, CANDLES)}
    for path in sorted(store.path(TRADES, event, event).parent.glob("*.parquet")):
        if path not in named:
            yield Problem(str(path), "no manifest names it; it can be deleted")


def _market(
    store: HistoryStore, event: str, ticker: str, entry: MarketEntry, market: MarketRecord | None
) -> Iterator[Problem]:
    for table, file in ((TRADES, entry.trades), (CANDLES, entry.candles)):
        if file is None:
            continue
        path = store.path(table, event, ticker)
        damage = _damage(path, file)
        if damage:
            yield Problem(str(path), damage)
            return
        yield from _table(path, table, ticker, rows=file.rows)
    if entry.trades is None or market is None:
        return
    life = Life.of(market)
    volume = 0
    for trade in store.market_trades(event, ticker):
        volume += trade.count
        if not life.holds(trade.at_ms):
            yield Problem(ticker, f"its trade {trade.trade_id} is outside its life")
    if entry.is_final and not entry.is_imported and market.volume not in (None, volume):
        told, found = format_count(market.volume or Count(0)), format_count(Count(volume))
        yield Problem(ticker, f"{told} contracts were traded, {found} in its trades")


def _damage(path: Path, file: StoredFile) -> str:
    """Return how a file differs from what was written, or ""."""
    again = "delete it and run `mmbot history fetch`"
    try:
        if path.stat().st_size != file.bytes or parquet.digest_of(path).hex() != file.sha256:
            return f"it is not the file that was written; {again}"
    except FileNotFoundError:
        return f"it is missing; {again}"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def _table(
    path: Path, table: Table[Any], ticker: str = "", rows: int | None = None
) -> Iterator[Problem]:
    """Check a file's schema, the number, order and plausibility of its rows, and their keys."""
    if not path.is_file():
        return
    keys: set[tuple[Any, ...]] = set()
    last: tuple[Any, ...] = ()
    found = 0
    try:
        for row in parquet.read(table, [path]):
            found += 1
            order, key = table.order_of(row), table.key_of(row)
            wrong = "it is out of order" if order < last else _wrong(row, ticker)
            if key in keys:
                wrong = "it is there twice"
            if wrong:
                yield Problem(f"{path}, row {found}", wrong)
                return
            keys.add(key)
            last = order
    except parquet.UnreadableFile as error:
        yield Problem(str(path), str(error))
        return
    if rows is not None and found != rows:
        yield Problem(str(path), f"it has {found:,} rows, and {rows:,} were written")


def _wrong(row: Row, ticker: str) -> str:
    """Return why a row is impossible, or ""."""
    match row:
        case Trade() | Candle() if row.ticker != ticker:
            return f"it is of another market, {row.ticker}"
        case Trade() if not 0 < row.price < 10_000 or row.count <= 0:
            return "its price or count is impossible"
        case Candle() if row.volume < 0:
            return "its volume is negative"
        case _:
            return ""
