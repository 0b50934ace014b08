"""What is stored of the past, as typed rows; each kind is a table, its columns described once.

Instants are the exchange's own times in milliseconds since the Unix epoch. Prices are of YES, in
1e-4 dollar; counts are of 0.01 contract. What the exchange did not say, or said in unknown
words, is `None`.
"""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Iterator
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from mmbot.trading.book import Top
from mmbot.underlying.calendar import Week
from mmbot.units import ONE_DOLLAR, Count, Milliseconds, Money, Price, PriceBand, PriceGrid

Outcome: TypeAlias = Literal["yes", "no"]
Period: TypeAlias = Literal[1, 60, 1440]
PERIODS: tuple[Period, ...] = (1, 60, 1440)

_R = TypeVar("_R", bound="Row")


class Means(str):
    """What a column means, with its unit, for the documentation of the files."""

    __slots__ = ()


class Row(msgspec.Struct, frozen=True):
    """A row of any table."""


_Ticker = Annotated[str, Means("the market's ticker")]
_Bid = Annotated[Price | None, Means("best bid for YES in 1e-4 dollar; 0: no bid")]
_Ask = Annotated[Price | None, Means("best ask for YES in 1e-4 dollar; 10000: no ask")]
_Traded = Annotated[Price | None, Means("trade price in 1e-4 dollar; null: no trade")]


class Trade(Row, frozen=True):
    """A trade of the public tape."""

    at_ms: Annotated[Milliseconds, Means("time of the trade, in Unix milliseconds")]
    ticker: _Ticker
    trade_id: Annotated[
        str, Means("the exchange's id; `import:` and a digest for an imported trade")
    ]
    price: Annotated[Price, Means("price of YES in 1e-4 dollar")]
    count: Annotated[Count, Means("size, in 0.01 contract")]
    taker_side: Annotated[
        Outcome | None, Means("what the taker bought, `yes` or `no`; null: not stated")
    ]
    is_block: Annotated[bool, Means("negotiated outside the book, so it filled no resting order")]


class Candle(Row, frozen=True):
    """One market's period: the top of its book, and its trades.

    A period in which nothing changed may be missing.
    """

    end_ms: Annotated[Milliseconds, Means("end of the period, in Unix milliseconds")]
    ticker: _Ticker
    period_minutes: Annotated[int, Means("1, 60 or 1440; a day ends at midnight in New York")]
    bid_open: _Bid
    bid_low: _Bid
    bid_high: _Bid
    bid_close: _Bid
    ask_open: _Ask
    ask_low: _Ask
    ask_high: _Ask
    ask_close: _Ask
    price_open: _Traded
    price_low: _Traded
    price_high: _Traded
    price_close: _Traded
    price_mean: Annotated[
        Money | None, Means("volume-weighted mean price in 1e-6 dollar; null: no trade")
    ]
    price_before: Annotated[
        Price | None, Means("price of the last trade before the period, in 1e-4 dollar; null: none")
    ]
    volume: Annotated[Count, Means("volume traded, in 0.01 contract")]
    open_interest: Annotated[Count | None, Means("open interest at the end, in 0.01 contract")]

    @property
    def opened(self) -> Top:
        """The top of the book at its start."""
        return top_of(self.bid_open, self.ask_open)

    @property
    def closed(self) -> Top:
        """The top of the book at its end."""
        return top_of(self.bid_close, self.ask_close)


def top_of(bid: Price | None, ask: Price | None) -> Top:
    """Return a top of book; a bid of zero or an ask of a dollar means none."""
    return Top(bid or None, None if ask == ONE_DOLLAR else ask)


class MarketRecord(Row, frozen=True):
    """One market: its terms, and how it ended."""

    ticker: _Ticker
    event_ticker: Annotated[str, Means("the week's event")]
    series: Annotated[str, Means("the series")]
    strike: Annotated[
        int | None, Means("YES pays above this many passengers; null: another kind of market")
    ]
    opens_ms: Annotated[Milliseconds, Means("opening of trading, in Unix milliseconds")]
    closes_ms: Annotated[Milliseconds, Means("close of trading, in Unix milliseconds")]
    settled_ms: Annotated[
        Milliseconds | None, Means("when it was settled, in Unix milliseconds; null: not yet")
    ]
    status: Annotated[str, Means("its status, in the exchange's word")]
    result: Annotated[str, Means("`yes`, `no`, `scalar`, or empty before it is known")]
    yes_value: Annotated[Price | None, Means("what YES paid, in 1e-4 dollar; null: not known")]
    expiration_value: Annotated[
        str, Means("the settlement value as free text; `result` is what counts")
    ]
    volume: Annotated[Count | None, Means("volume that the exchange states, in 0.01 contract")]
    price_bands: Annotated[str, Means("valid prices: `start:end:step,...` in 1e-4 dollar")]
    fee_waiver_ms: Annotated[
        Milliseconds | None,
        Means("end of a fee waiver, as listed; not used anywhere; null: none"),
    ]
    shard: Annotated[int, Means("the exchange's shard")]

    @property
    def is_final(self) -> bool:
        """Whether nothing in it will change any more."""
        return self.status == "finalized" or self.settled_ms is not None

    @property
    def grid(self) -> PriceGrid | None:
        """The prices at which it takes orders, if that is known."""
        bands = tuple(
            PriceBand(*(Price(int(part)) for part in band.split(":")))
            for band in self.price_bands.split(",")
            if band
        )
        return PriceGrid(bands) if bands else None


class EventRecord(Row, frozen=True):
    """One week's event."""

    event_ticker: Annotated[str, Means("the event's ticker")]
    series: Annotated[str, Means("the series")]
    sunday: Annotated[dt.date, Means("the Sunday that ends its week")]
    title: Annotated[str, Means("its title; empty if the exchange no longer lists the event")]
    fee_type: Annotated[str | None, Means("the event's own kind of fee; null: that of the series")]
    fee_multiplier: Annotated[
        int | None, Means("the event's own fee multiplier in 1e-6; null: that of the series")
    ]

    @property
    def week(self) -> Week:
        """Its week."""
        return Week(self.sunday)


class FeeChange(Row, frozen=True):
    """The fees of a series from an instant on."""

    at_ms: Annotated[Milliseconds, Means("when it takes effect; for a reading, when it was read")]
    series: Annotated[str, Means("the series")]
    fee_type: Annotated[str, Means("the kind of fee, in the exchange's word")]
    multiplier: Annotated[int | None, Means("fee multiplier in 1e-6; null: not stated")]
    change_id: Annotated[str, Means("the exchange's id of the change; empty for a reading")]
    is_reading: Annotated[
        bool, Means("read from the series at that time: it may have applied before")
    ]


class Sighting(Row, frozen=True):
    """A count that a page of tsa.gov showed for a day, when it was first seen there."""

    day: Annotated[dt.date, Means("the day")]
    count: Annotated[int, Means("passengers")]
    seen_ms: Annotated[Milliseconds, Means("when it was first seen, in Unix milliseconds")]
    absent_ms: Annotated[
        Milliseconds | None, Means("the last reading of the page without it; null: none")
    ]
    is_archived: Annotated[
        bool, Means("from an archive page of a past year, whose counts were revised")
    ]
    source: Annotated[str, Means("`tsa.gov` or `import`")]


# Tables


class Column(NamedTuple):
    """A column of a table: its name, its type in Parquet, and what it means."""

    name: str
    sql: str
    is_optional: bool
    means: str


class Table(msgspec.Struct, Generic[_R], frozen=True):
    """A kind of file: its rows, their order and their unique key."""

    name: str
    version: int
    kind: type[_R]
    sorted_by: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def schema(self) -> str:
        """The name and version stored in a file."""
        return f"{self.name}/{self.version}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in the order of the rows' fields."""
        return tuple(_columns(self.kind))

    def key_of(self, row: _R) -> tuple[Any, ...]:
        """Return a row's unique key."""
        return tuple(getattr(row, name) for name in self.key)

    def order_of(self, row: _R) -> tuple[Any, ...]:
        """Return a row's sort key."""
        return tuple(getattr(row, name) for name in self.sorted_by)


_SQL: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", str: "VARCHAR", dt.date: "DATE"}


def _columns(kind: type[Row]) -> Iterator[Column]:
    hints = get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        plain, *meanings = get_args(hints[name])
        inner, is_optional = _without_none(plain)
        means = next(str(each) for each in meanings if isinstance(each, Means))
        yield Column(name, _SQL[_plain_type(inner)], is_optional, means)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in {Union, types.UnionType}:
        inner = [each for each in get_args(hint) if each is not type(None)]
        return inner[0], True
    return hint, False


def _plain_type(hint: Any) -> type:
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    plain: type = hint
    return plain


TRADES = Table("trades", 1, Trade, ("at_ms",), ("trade_id",))
CANDLES = Table("candles", 1, Candle, ("end_ms", "period_minutes"), ("period_minutes", "end_ms"))
MARKETS = Table("markets", 1, MarketRecord, ("closes_ms", "event_ticker", "ticker"), ("ticker",))
EVENTS = Table("events", 1, EventRecord, ("sunday", "event_ticker"), ("event_ticker",))
FEES = Table("fees", 1, FeeChange, ("at_ms",), ("at_ms", "change_id", "fee_type"))
COUNTS = Table(
    "counts", 1, Sighting, ("day", "seen_ms"), ("day", "seen_ms", "count", "is_archived")
)
TABLES: tuple[Table[Any], ...] = (TRADES, CANDLES, MARKETS, EVENTS, FEES, COUNTS)
