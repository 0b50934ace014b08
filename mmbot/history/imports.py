"""Imports the user's files, CSV or Parquet: trades, candles, markets and counts.

`docs/history.md` lists the names of the columns; others are ignored. A file is imported completely
or not at all, and every wrong line is named.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mmbot.errors import BadInput
from mmbot.history import parquet
from mmbot.history.manifest import MarketEntry
from mmbot.history.rows import (
    CANDLES,
    PERIODS,
    TRADES,
    Candle,
    EventRecord,
    MarketRecord,
    Outcome,
    Row,
    Sighting,
    Table,
    Trade,
)
from mmbot.history.store import HistoryStore, is_ticker, merge, series_of, week_of
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, Week, to_milliseconds
from mmbot.underlying.counts_file import read_counts_csv
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    parse_count,
    parse_price,
)

_T = TypeVar("_T")
_R = TypeVar("_R", bound=Row)
Cells = Mapping[str, str]

_MOST_TOLD = 20
# The columns, beside `date`, of a file of counts in the format of the commands for forecasts.
_COUNTS_COLUMNS = frozenset({"as_published", "archived"})
_OUTCOMES: dict[str, Outcome] = {"yes": "yes", "no": "no"}
_OHLC = ("open", "low", "high", "close")
REQUIRED: dict[str, tuple[str, ...]] = {
    "trades": ("ticker", "time", "price", "count", "taker_side"),
    "candles": (
        "ticker",
        "end_period_ts",
        *(f"yes_bid_{name}" for name in _OHLC),
        *(f"yes_ask_{name}" for name in _OHLC),
        "volume_fp",
    ),
    "markets": ("ticker", "event_ticker", "floor_strike", "result"),
    "counts": ("day", "count", "seen"),
}


class Imported(msgspec.Struct, frozen=True):
    """How many rows a file had, and how many of them are new."""

    rows: int
    new: int


def import_file(store: HistoryStore, kind: str, path: Path, period: int) -> Imported:
    """Import a file of one kind into the directory.

    Args:
        store: The directory.
        kind: `trades`, `candles`, `markets` or `counts`.
        path: A file that ends in .csv or .parquet.
        period: The minutes of candles in a file without a column `period_minutes`.

    Raises:
        BadInput: The file cannot be read, or some lines are wrong; nothing is imported then.
    """
    match kind:
        case "trades":
            return _import_trades(store, path)
        case "candles":
            return _import_candles(store, path, period)
        case "markets":
            return _import_markets(store, path)
        case "counts":
            return _import_counts(store, path)
        case _:
            raise BadInput(f"{kind!r} is not one of {', '.join(REQUIRED)}")


# Kinds


def _import_trades(store: HistoryStore, path: Path) -> Imported:
    seen: Counter[str] = Counter()

    def read(cells: Cells) -> Trade:
        side = cells["taker_side"].strip().lower()
        if side not in ("yes", "no", ""):
            raise ValueError(f"taker_side {cells['taker_side'][:20]!r} is neither yes nor no")
        at = _instant(cells["time"])
        price, count = parse_price(cells["price"]), parse_count(cells["count"])
        if not 0 < price < ONE_DOLLAR:
            raise ValueError(f"price {cells['price']!r} is not between 0 and 1 dollar")
        if count <= 0:
            raise ValueError(f"count {cells['count']!r} is not above 0")
        ticker = _market_ticker(cells["ticker"])
        trade_id = cells.get("trade_id", "")
        if not trade_id:
            # The same file gives the same ids, however often it is imported.
            what = f"{ticker} {at} {price} {count} {side}"
            seen[what] += 1
            digest = hashlib.sha256(f"{what} {seen[what]}".encode()).hexdigest()
            trade_id = f"import:{digest[:24]}"
        return Trade(
            at_ms=at,
            ticker=ticker,
            trade_id=trade_id[:100],
            price=price,
            count=count,
            taker_side=_OUTCOMES.get(side),
            is_block=cells.get("is_block", "").lower() == "true",
        )

    rows = _read_all(path, "trades", read)
    return _add(store, TRADES, rows)


def _import_candles(store: HistoryStore, path: Path, period: int) -> Imported:
    def read(cells: Cells) -> Candle:
        minutes = int(cells.get("period_minutes") or period)
        if minutes not in PERIODS:
            raise ValueError(f"period_minutes {minutes} is not 1, 60 or 1440")
        values = {
            f"{short}_{name}": _price(cells.get(f"{long}_{name}", ""))
            for short, long in (("bid", "yes_bid"), ("ask", "yes_ask"), ("price", "price"))
            for name in _OHLC
        }
        mean = cells.get("price_mean", "")
        return Candle(
            end_ms=_instant(cells["end_period_ts"], seconds=True),
            ticker=_market_ticker(cells["ticker"]),
            period_minutes=minutes,
            **values,
            price_mean=Money(round(float(mean) * MONEY_PER_DOLLAR)) if mean else None,
            price_before=_price(cells.get("price_previous", "")),
            volume=parse_count(cells["volume_fp"] or "0"),
            open_interest=_count(cells.get("open_interest_fp", "")),
        )

    return _add(store, CANDLES, _read_all(path, "candles", read))


def _import_markets(store: HistoryStore, path: Path) -> Imported:
    def read(cells: Cells) -> MarketRecord:
        ticker, event = _ticker(cells["ticker"]), _ticker(cells["event_ticker"])
        week = Week.from_event_ticker(event)
        if not ticker.startswith(event):
            raise ValueError(f"{ticker} is not a market of {event}")
        result = cells["result"].strip().lower()
        if result not in ("yes", "no", ""):
            raise ValueError(f"result {cells['result'][:20]!r} is neither yes, no nor blank")
        opens, closes = cells.get("open_time", ""), cells.get("close_time", "")
        return MarketRecord(
            ticker=ticker,
            event_ticker=event,
            series=series_of(event),
            strike=_strike(cells["floor_strike"]),
            opens_ms=_instant(opens) if opens else to_milliseconds(week.opens),
            closes_ms=_instant(closes) if closes else to_milliseconds(week.closes),
            settled_ms=to_milliseconds(week.settles) if result else None,
            status=cells.get("status", "") or ("finalized" if result else "active"),
            result=result,
            yes_value=(ONE_DOLLAR if result == "yes" else Price(0)) if result else None,
            expiration_value=cells.get("expiration_value", ""),
            volume=_count(cells.get("volume_fp", "")),
            price_bands="",
            fee_waiver_ms=None,
            shard=0,
        )

    rows = _read_all(path, "markets", read)
    new = 0
    for series in sorted({row.series for row in rows}):
        # Records from the exchange are not replaced.
        held = {market.ticker for market in store.markets(series)}
        fresh = [row for row in rows if row.series == series and row.ticker not in held]
        events = {event.event_ticker for event in store.events(series)}
        weeks = {row.event_ticker: week_of(row.event_ticker) for row in fresh}
        added = [
            EventRecord(event, series, week.sunday, "", None, None)
            for event, week in weeks.items()
            if event not in events
        ]
        store.put_listing(series, added, fresh)
        new += len(fresh)
    return Imported(len(rows), new)


def _import_counts(store: HistoryStore, path: Path) -> Imported:
    columns = {name.strip().lower() for name in _first_line(path).split(",")}
    if path.suffix == ".csv" and "date" in columns and columns & _COUNTS_COLUMNS:
        rows = _from_counts_file(path)
    else:
        rows = _read_all(path, "counts", _read_sighting)
    return Imported(len(rows), store.put_sightings(rows))


def _read_sighting(cells: Cells) -> Sighting:
    day, count = dt.date.fromisoformat(cells["day"]), int(cells["count"])
    if not TSA.least <= count <= TSA.most:
        raise ValueError(f"count {count} is not from {TSA.least:,} to {TSA.most:,}")
    seen = _instant(cells["seen"]) if cells["seen"] else to_milliseconds(TSA.assumed_release(day))
    if seen < to_milliseconds(dt.datetime.combine(day, dt.time(), EASTERN)) + 86_400_000:
        raise ValueError(f"a count of {day} cannot have been seen before the day was over")
    archived = cells.get("is_archived", "").lower() == "true"
    return Sighting(day, count, seen, None, archived, "import")


def _from_counts_file(path: Path) -> list[Sighting]:
    counts = read_counts_csv(_text(path).splitlines(), str(path), TSA)
    return [
        Sighting(day, v.count, to_milliseconds(v.seen), None, v.archived, "import")
        for day, vintages in counts.vintages.items()
        for v in vintages
    ]


def _add(store: HistoryStore, table: Table[_R], rows: Sequence[_R]) -> Imported:
    """Add rows to their markets' files; rows from the exchange are not replaced."""
    by_ticker: dict[str, list[_R]] = {}
    for row in rows:
        by_ticker.setdefault(str(getattr(row, "ticker")), []).append(row)  # noqa: B009
    new = 0
    for ticker, added in sorted(by_ticker.items()):
        event = ticker.rpartition("-")[0]
        entry = store.manifest(event).markets.get(ticker, MarketEntry(is_imported=True))
        if entry.trades is not None and not entry.is_imported:
            continue
        trades: Sequence[Any] = store.market_trades(event, ticker)
        candles: Sequence[Any] = store.market_candles(event, ticker)
        before = len(trades) + len(candles)
        if table.name == TRADES.name:
            trades = merge(TRADES, trades, added)
        else:
            candles = merge(CANDLES, candles, added)
        periods = Counter(candle.period_minutes for candle in candles)
        entry = MarketEntry(periods=dict(periods), is_imported=True)
        store.put_market(event, ticker, trades, candles, entry)
        new += len(trades) + len(candles) - before
    return Imported(len(rows), new)


# Files


def _read_all(path: Path, kind: str, read: Callable[[Cells], _T]) -> list[_T]:
    """Read every row; raise a `BadInput` that names each wrong line."""
    rows: list[_T] = []
    wrong: list[str] = []
    for where, cells in _cells(path, kind):
        try:
            rows.append(read(cells))
        except (ValueError, OverflowError) as error:
            wrong.append(f"{where}: {error}")
    if wrong:
        more = f"\nand {len(wrong) - _MOST_TOLD:,} more lines" if len(wrong) > _MOST_TOLD else ""
        told = "\n".join(wrong[:_MOST_TOLD])
        raise BadInput(f"nothing was imported, because lines are wrong:\n{told}{more}")
    if not rows:
        raise BadInput(f"{path} has no rows")
    return rows


def _cells(path: Path, kind: str) -> Iterator[tuple[str, Cells]]:
    match path.suffix:
        case ".csv":
            yield from _csv_cells(path, kind)
        case ".parquet":
            yield from _parquet_cells(path, kind)
        case _:
            raise BadInput(f"{path}: name a file that ends in .csv or .parquet")


def _csv_cells(path: Path, kind: str) -> Iterator[tuple[str, Cells]]:
    reader = csv.DictReader(_text(path).splitlines(), strict=True)
    try:
        _require(path, kind, reader.fieldnames or ())
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise BadInput(f"{where}: it has more or fewer cells than there are columns")
            yield where, row
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: {error}") from None


def _parquet_cells(path: Path, kind: str) -> Iterator[tuple[str, Cells]]:
    if not path.is_file():
        raise BadInput(f"{path} cannot be read: there is no such file")
    try:
        rows = parquet.texts(path)
        names = next(rows)
        _require(path, kind, names)
        for number, row in enumerate(rows, 1):
            yield f"{path}, row {number}", dict(zip(names, row, strict=True))
    except parquet.UnreadableFile as error:
        raise BadInput(str(error)) from None


def _require(path: Path, kind: str, names: Sequence[str]) -> None:
    missing = [name for name in REQUIRED[kind] if name not in names]
    if missing:
        wanted = ", ".join(REQUIRED[kind])
        raise BadInput(f"{path} has no column {missing[0]!r}; {kind} need {wanted}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not a text file in UTF-8") from None


def _first_line(path: Path) -> str:
    return _text(path).partition("\n")[0].strip()


# Cells


def _instant(text: str, *, seconds: bool = False) -> Milliseconds:
    """Read an instant: ISO 8601 with its offset, or Unix time in milliseconds (or `seconds`)."""
    plain = text.strip()
    number = plain.removesuffix(".0")
    if number.isascii() and number.isdigit() and len(number) < 15:
        return int(number) * (1000 if seconds else 1)
    at = dt.datetime.fromisoformat(plain)
    if at.tzinfo is None:
        raise ValueError(f"time {plain[:40]!r} lacks its offset from UTC, as in {plain[:40]}Z")
    return to_milliseconds(at)


def _ticker(text: str) -> str:
    if not is_ticker(text):
        raise ValueError(f"{text[:40]!r} is not a ticker")
    return text


def _market_ticker(text: str) -> str:
    Week.from_event_ticker(_ticker(text).rpartition("-")[0])
    return text


def _price(text: str) -> Price | None:
    price = parse_price(text) if text else None
    if price is not None and not 0 <= price <= ONE_DOLLAR:
        raise ValueError(f"price {text!r} is not from 0 to 1 dollar")
    return price


def _count(text: str) -> Count | None:
    return parse_count(text) if text else None


def _strike(text: str) -> int | None:
    return round(float(text)) if text else None
