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
_Bid = Annotated[Price | None, Means("best bid for YES in 1e-4 dollar; 0: nobody bid")]
_Ask = Annotated[Price | None, Means("best ask for YES in 1e-4 dollar; 10000: nobody asked")]
_Traded = Annotated[Price | None, Means("price of trades in 1e-4 dollar; null: none")]


class Trade(Row, frozen=True):
    """A trade of the public tape."""

    at_ms: Annotated[Milliseconds, Means("when, in Unix milliseconds")]
    ticker: _Ticker
    trade_id: Annotated[
        str, Means("the exchange's id; of an imported trade `import:` and a digest")
    ]
    price: Annotated[Price, Means("price of YES in 1e-4 dollar")]
    count: Annotated[Count, Means("contracts in 0.01 contract")]
    taker_side: Annotated[
        Outcome | None, Means("what the taker bought, `yes` or `no`; null: not told")
    ]
    is_block: Annotated[
        bool, Means("negotiated outside the book, so it filled nobody who rested there")
    ]


class Candle(Row, frozen=True):
    """One market's period: the top of its book, and its trades.

    A period in which nothing changed may be missing.
    """

    end_ms: Annotated[Milliseconds, Means("its end, in Unix milliseconds")]
    ticker: _Ticker
    period_minutes: Annotated[
        int, Means("1, 60 or 1440 minutes; a day ends at New York's midnight")
    ]
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
    price_mean: Annotated[Money | None, Means("mean price by contracts in 1e-6 dollar; null: none")]
    price_before: Annotated[
        Price | None, Means("the last trade before, in 1e-4 dollar; null: none")
    ]
    volume: Annotated[Count, Means("contracts traded in 0.01 contract")]
    open_interest: Annotated[Count | None, Means("contracts open at its end in 0.01 contract")]

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
    strike: Annotated[int | None, Means("YES pays above so many passengers; null: another kind")]
    opens_ms: Annotated[Milliseconds, Means("opening of trading, in Unix milliseconds")]
    closes_ms: Annotated[Milliseconds, Means("close of trading, in Unix milliseconds")]
    settled_ms: Annotated[Milliseconds | None, Means("when it was paid out; null: not yet")]
    status: Annotated[str, Means("the exchange's word for its state")]
    result: Annotated[str, Means("`yes`, `no`, `scalar`, or empty before there is one")]
    yes_value: Annotated[Price | None, Means("what YES paid in 1e-4 dollar; null: not known")]
    expiration_value: Annotated[
        str, Means("what was measured, as free text; `result` is the truth")
    ]
    volume: Annotated[Count | None, Means("contracts traded in 0.01 contract, by the exchange")]
    price_bands: Annotated[
        str, Means("where orders are taken: `start:end:step,...` in 1e-4 dollar")
    ]
    fee_waiver_ms: Annotated[
        Milliseconds | None,
        Means("the end of a waiver of fees, as listed: nothing reckons with one; null: none"),
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
    title: Annotated[str, Means("its title; empty where the exchange no longer lists the event")]
    fee_type: Annotated[str | None, Means("the event's own kind of fee; null: the series'")]
    fee_multiplier: Annotated[
        int | None, Means("the event's own multiplier in 1e-6; null: the series'")
    ]

    @property
    def week(self) -> Week:
        """Its week."""
        return Week(self.sunday)


class FeeChange(Row, frozen=True):
    """The fees of a series from an instant on."""

    at_ms: Annotated[Milliseconds, Means("from when on; of a reading, when it was read")]
    series: Annotated[str, Means("the series")]
    fee_type: Annotated[str, Means("the exchange's word for the kind of fee")]
    multiplier: Annotated[int | None, Means("factor on the fee in 1e-6; null: not told")]
    change_id: Annotated[str, Means("the exchange's id of the change; empty for a reading")]
    is_reading: Annotated[bool, Means("the series showed it then: it may have been so before")]


class Sighting(Row, frozen=True):
    """A count that a page of tsa.gov showed for a day, when it was first seen there."""

    day: Annotated[dt.date, Means("the day")]
    count: Annotated[int, Means("passengers")]
    seen_ms: Annotated[Milliseconds, Means("when it was first seen, in Unix milliseconds")]
    absent_ms: Annotated[
        Milliseconds | None, Means("the last reading of the page before, without it; null: none")
    ]
    is_archived: Annotated[bool, Means("from the page of a past year, which was rewritten")]
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
