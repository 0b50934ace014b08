"""Real weeks of the series: daily candles of each market, and its result.

Two CSV files are read. One has a line for each market: `event_ticker, ticker, floor_strike,
result`. The other has a line for each market and day: `ticker, end_period_ts` (Unix seconds;
midnight in New York ends the day before), the book's first and last bid and ask, and the day's
trades. Prices are dollars; other columns are not read.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mmbot.errors import BadInput
from mmbot.exchange.fees import FeeSchedule
from mmbot.trading.book import Top
from mmbot.underlying.calendar import EASTERN, Week
from mmbot.units import ONE_DOLLAR, Count, Price, parse_count, parse_price

_MARKET_COLUMNS = ("event_ticker", "ticker", "floor_strike", "result")
_CANDLE_COLUMNS = (
    "ticker",
    "end_period_ts",
    "yes_bid_open",
    "yes_ask_open",
    "yes_bid_close",
    "yes_ask_close",
    "price_low",
    "price_high",
    "price_close",
    "volume_fp",
)
_PAYOUTS = {"yes": ONE_DOLLAR, "no": Price(0)}


class DailyCandle(msgspec.Struct, frozen=True):
    """One market's day: first and last top of book, and its trades.

    `low`, `high` and `last` are prices of trades, `None` without trades.
    """

    opened: Top
    closed: Top
    low: Price | None
    high: Price | None
    last: Price | None
    volume: Count


class HistoricalMarket(msgspec.Struct, frozen=True):
    """One market, its candles by day, and what YES paid."""

    ticker: str
    strike: int
    payout: Price
    candles: Mapping[dt.date, DailyCandle]

    def closed_before(self, day: dt.date) -> Top:
        """Return the top of book at the end of the last candle before `day`."""
        before = max((each for each in self.candles if each < day), default=None)
        return Top(None, None) if before is None else self.candles[before].closed


class HistoricalWeek(msgspec.Struct, frozen=True):
    """One event and its markets, in ascending order of strike.

    `fees` are `None` where they are not known, as in files of candles.
    """

    ticker: str
    week: Week
    markets: tuple[HistoricalMarket, ...]
    fees: FeeSchedule | None = None


def load_weeks(markets: Path, candles: Path) -> tuple[HistoricalWeek, ...]:
    """Read the weeks in which every market has a result, in order.

    Raises:
        BadInput: A file cannot be read, or a line of it makes no sense.
    """
    days = _read_candles(candles)
    events: dict[str, list[HistoricalMarket]] = {}
    undecided: set[str] = set()
    for where, row in _rows(markets, _MARKET_COLUMNS):
        event, ticker = row["event_ticker"], row["ticker"]
        if row["result"] not in _PAYOUTS:
            undecided.add(event)
            continue
        payout = _PAYOUTS[row["result"]]
        market = HistoricalMarket(
            ticker, _parse_strike(row["floor_strike"], where), payout, days.get(ticker, {})
        )
        events.setdefault(event, []).append(market)
    weeks = [
        _week(event, held, str(markets))
        for event, held in events.items()
        if event not in undecided and any(market.candles for market in held)
    ]
    if not weeks:
        raise BadInput(f"{markets} and {candles} have no decided event in common")
    return tuple(sorted(weeks, key=lambda each: each.week))


def _week(event: str, markets: list[HistoricalMarket], source: str) -> HistoricalWeek:
    try:
        week = Week.from_event_ticker(event)
    except ValueError as error:
        raise BadInput(f"{source}: {error}") from None
    return HistoricalWeek(event, week, tuple(sorted(markets, key=lambda market: market.strike)))


def _read_candles(path: Path) -> dict[str, dict[dt.date, DailyCandle]]:
    days: dict[str, dict[dt.date, DailyCandle]] = {}
    for where, row in _rows(path, _CANDLE_COLUMNS):
        try:
            ended = dt.datetime.fromtimestamp(int(row["end_period_ts"]), EASTERN)
            candle = _candle(row)
        except (ValueError, OverflowError, OSError) as error:
            raise BadInput(f"{where}: {error}") from None
        day = (ended - dt.timedelta(seconds=1)).date()
        days.setdefault(row["ticker"], {})[day] = candle
    return days


def _candle(row: dict[str, str]) -> DailyCandle:
    return DailyCandle(
        opened=_top(row["yes_bid_open"], row["yes_ask_open"]),
        closed=_top(row["yes_bid_close"], row["yes_ask_close"]),
        low=_price(row["price_low"]),
        high=_price(row["price_high"]),
        last=_price(row["price_close"]),
        volume=parse_count(row["volume_fp"]),
    )


def _top(bid: str, ask: str) -> Top:
    """Read the best bid and ask; a bid of zero or an ask of a dollar means none."""
    bid_price, ask_price = _price(bid), _price(ask)
    return Top(bid_price or None, None if ask_price == ONE_DOLLAR else ask_price)


def _price(text: str) -> Price | None:
    return parse_price(text) if text else None


def _parse_strike(text: str, where: str) -> int:
    try:
        return round(float(text))
    except ValueError:
        raise BadInput(f"{where}: {text[:40]!r} is not a strike in passengers") from None


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    reader = csv.DictReader(text.splitlines(), strict=True)
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise BadInput(f"{path} has no column {missing[0]!r}; it needs {', '.join(columns)}")
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if any(row[name] is None for name in columns):
                raise BadInput(f"{where}: the line is cut short")
            yield where, row
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: {error}") from None
