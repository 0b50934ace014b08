"""The exchange's trades and candles of the past as rows, each checked by itself.

A row that cannot be decoded, or is impossible, is left out and noted as a doubt. An unknown word is
not guessed: the row has `None` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec

from mmbot.history.doubts import Doubts
from mmbot.history.rows import Candle, MarketRecord, Outcome, Period, Trade
from mmbot.kalshi import messages as wire
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    parse_count,
    parse_money,
    parse_price,
)

_T = TypeVar("_T")
_U = TypeVar("_U")
_Number: TypeAlias = wire.Number | None

_OUTCOMES: dict[str, Outcome] = {"yes": "yes", "no": "no"}
_BOOK_SIDES: dict[str, Outcome] = {"bid": "yes", "ask": "no"}
# A trade may be stamped up to this long before the opening or after the close.
_SLACK_MS: Milliseconds = 1_000


# Pages


def rows_of(body: bytes, field: str) -> tuple[list[msgspec.Raw], str]:
    """Return a page's rows, undecoded, and its cursor.

    Raises:
        Malformed: It does not have that list.
    """
    page = wire.decode(body, dict[str, msgspec.Raw])
    rows = wire.decode(page.get(field, msgspec.Raw(b"null")), list[msgspec.Raw])
    cursor = wire.tree(page["cursor"]) if "cursor" in page else None
    if cursor is not None and not isinstance(cursor, str):
        raise wire.Malformed(f"{wire.shown(cursor)} is not a cursor")
    return rows, cursor or ""


class Unusable(Exception):
    """A decoded row is impossible: the reason, and the case."""

    def __init__(self, why: str, case: object) -> None:
        super().__init__(why)
        self.why = why
        self.case = case


def usable(
    rows: list[msgspec.Raw],
    kind: type[_T],
    read: Callable[[_T], _U],
    what: str,
    doubts: Doubts,
) -> Iterator[_U]:
    """Decode rows and yield the result of `read` for each usable one."""
    for row in each_of(rows, kind, what, doubts):
        try:
            yield read(row)
        except Unusable as error:
            doubts.add(error.why, error.case)


def each_of(rows: list[msgspec.Raw], kind: type[_T], what: str, doubts: Doubts) -> Iterator[_T]:
    """Decode rows one by one."""
    for row in rows:
        try:
            yield wire.decode(row, kind)
        except wire.Malformed as error:
            doubts.add(f"{what} that cannot be read", str(error))


# Trades


class RestTrade(msgspec.Struct, frozen=True):
    """A trade of either tier."""

    trade_id: str
    created_time: wire.Instant
    yes_price_dollars: wire.Number
    count_fp: wire.Number
    no_price_dollars: _Number = None
    ticker: wire.Word = None
    taker_outcome_side: wire.Word = None
    taker_book_side: wire.Word = None
    taker_side: wire.Word = None
    is_block_trade: wire.Word = None


class Life(msgspec.Struct, frozen=True):
    """A market's ticker and trading hours."""

    ticker: str
    opens_ms: Milliseconds
    closes_ms: Milliseconds

    @classmethod
    def of(cls, market: MarketRecord) -> Life:
        """Return the life of a market."""
        return cls(market.ticker, market.opens_ms, market.closes_ms)

    def holds(self, at: Milliseconds) -> bool:
        """Return whether the market may have traded at an instant."""
        return self.opens_ms - _SLACK_MS <= at <= self.closes_ms + _SLACK_MS


def read_trade(row: RestTrade, life: Life, doubts: Doubts) -> Trade:
    """Return a trade of a market, or raise `Unusable`."""
    if row.ticker is not None and row.ticker != life.ticker:
        raise Unusable("a trade of another market", row.ticker)
    at = to_milliseconds(row.created_time)
    try:
        price, count = parse_price(row.yes_price_dollars), parse_count(row.count_fp)
        other = None if row.no_price_dollars is None else parse_price(row.no_price_dollars)
    except ValueError as error:
        raise Unusable(
            "a trade with an invalid price or count", f"{row.trade_id}: {error}"
        ) from None
    if not row.trade_id or not 0 < price < ONE_DOLLAR or count <= 0:
        raise Unusable("an impossible trade", row)
    if other is not None and price + other != ONE_DOLLAR:
        raise Unusable("a trade whose two prices do not make a dollar", row.trade_id)
    if not life.holds(at):
        told = f"{row.trade_id} at {row.created_time:%Y-%m-%d %H:%M:%S %Z}"
        raise Unusable("a trade outside its market's life", told)
    block = row.is_block_trade
    if not isinstance(block, bool | None):
        doubts.add("an unknown word for a block trade, which is taken for one", block)
    return Trade(
        at_ms=at,
        ticker=life.ticker,
        trade_id=row.trade_id,
        price=price,
        count=count,
        taker_side=_taker_side(row, doubts),
        is_block=block not in (None, False),
    )


def _taker_side(row: RestTrade, doubts: Doubts) -> Outcome | None:
    told: set[Outcome] = set()
    for word, meanings in (
        (row.taker_outcome_side, _OUTCOMES),
        (row.taker_book_side, _BOOK_SIDES),
        (row.taker_side, _OUTCOMES),
    ):
        if wire.word(word) in meanings:
            told.add(meanings[word])
        elif word is not None:
            doubts.add("an unknown word for a taker's side", word)
    if len(told) > 1:
        doubts.add("a taker that took both sides", row.trade_id)
    return told.pop() if len(told) == 1 else None


# Candles


class _Ohlc(NamedTuple):
    open: Price | None
    low: Price | None
    high: Price | None
    close: Price | None


class _Prices(msgspec.Struct, frozen=True):
    """Prices over a period: with suffixes in the live tier, without in the historical one."""

    open_dollars: _Number = None
    low_dollars: _Number = None
    high_dollars: _Number = None
    close_dollars: _Number = None
    mean_dollars: _Number = None
    previous_dollars: _Number = None
    open: _Number = None
    low: _Number = None
    high: _Number = None
    close: _Number = None
    mean: _Number = None
    previous: _Number = None

    @property
    def ohlc(self) -> _Ohlc:
        """The open, low, high and close."""
        found = tuple(
            _price(_either(suffixed, plain))
            for suffixed, plain in (
                (self.open_dollars, self.open),
                (self.low_dollars, self.low),
                (self.high_dollars, self.high),
                (self.close_dollars, self.close),
            )
        )
        known = [price for price in found if price is not None]
        first, low, high, last = found
        if known and not (
            (low is None or low == min(known)) and (high is None or high == max(known))
        ):
            raise ValueError("its low and high do not hold its other prices")
        if known and not 0 <= min(known) <= max(known) <= ONE_DOLLAR:
            raise ValueError("a price is above a dollar")
        return _Ohlc(first, low, high, last)


class RestCandle(msgspec.Struct, frozen=True):
    """A candle of either tier."""

    end_period_ts: wire.Integer
    yes_bid: _Prices | None = None
    yes_ask: _Prices | None = None
    price: _Prices | None = None
    volume_fp: _Number = None
    open_interest_fp: _Number = None
    volume: _Number = None
    open_interest: _Number = None


_NO_PRICES = _Prices()


def read_candle(
    row: RestCandle, life: Life, period: Period, span: tuple[int, int], doubts: Doubts
) -> Candle:
    """Return a candle of a market.

    Args:
        row: The candle of either tier.
        life: The market's life.
        period: The requested minutes.
        span: The requested first and last end, in Unix seconds.
        doubts: Collects what cannot be read in it.

    Raises:
        Unusable: It is not one of the requested candles.
    """
    end = row.end_period_ts
    if not span[0] <= end <= span[1] or (period < 1440 and end % (period * 60)):
        raise Unusable(f"a candle of {period} minutes that was not asked for", end)
    traded = row.price or _NO_PRICES
    try:
        bid, ask = (row.yes_bid or _NO_PRICES).ohlc, (row.yes_ask or _NO_PRICES).ohlc
        price = traded.ohlc
        mean = _either(traded.mean_dollars, traded.mean)
        before = _price(_either(traded.previous_dollars, traded.previous))
        volume = read_count(_either(row.volume_fp, row.volume))
        open_interest = read_count(_either(row.open_interest_fp, row.open_interest))
    except ValueError as error:
        raise Unusable(f"an impossible candle of {period} minutes", f"{end}: {error}") from None
    return Candle(
        end_ms=end * 1000,
        ticker=life.ticker,
        period_minutes=period,
        bid_open=bid.open,
        bid_low=bid.low,
        bid_high=bid.high,
        bid_close=bid.close,
        ask_open=ask.open,
        ask_low=ask.low,
        ask_high=ask.high,
        ask_close=ask.close,
        price_open=price.open,
        price_low=price.low,
        price_high=price.high,
        price_close=price.close,
        price_mean=_mean(mean, doubts),
        price_before=before,
        volume=volume or Count(0),
        open_interest=open_interest,
    )


def _either(suffixed: _Number, plain: _Number) -> _Number:
    return plain if suffixed is None else suffixed


def _price(text: _Number) -> Price | None:
    return None if text is None else parse_price(text)


def read_count(text: wire.Number | None) -> Count | None:
    """Return a number of contracts; raise `ValueError` if it is negative."""
    count = None if text is None else parse_count(text)
    if count is not None and count < 0:
        raise ValueError("a count is negative")
    return count


def _mean(text: _Number, doubts: Doubts) -> Money | None:
    try:
        return None if text is None else parse_money(text)
    except ValueError as error:
        doubts.add("a mean price that cannot be read", str(error))
        return None
