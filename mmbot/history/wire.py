"""The exchange's answers about the past as rows, each checked by itself.

What cannot be read, or cannot be, costs only itself and is noted as a doubt. A word that nobody
knows is not guessed at: the row has `None` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from mmbot.history.doubts import Doubts
from mmbot.history.rows import Candle, EventRecord, FeeChange, MarketRecord, Outcome, Period, Trade
from mmbot.history.store import is_ticker
from mmbot.kalshi import messages as wire
from mmbot.tsa.calendar import Week, to_milliseconds
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
_STATUSES = frozenset(
    (
        "initialized",
        "inactive",
        "active",
        "closed",
        "determined",
        "disputed",
        "amended",
        "finalized",
    )
)
# A trade may be stamped so much before the opening or after the close.
_SLACK_MS: Milliseconds = 1_000
_MILLION = 1_000_000
_LONGEST_TEXT = 200


# Pages


def rows_of(body: bytes, field: str) -> tuple[list[msgspec.Raw], str]:
    """Return a page's rows, undecoded, and its cursor.

    Raises:
        Malformed: It has no such list.
    """
    page = wire.decode(body, dict[str, msgspec.Raw])
    rows = wire.decode(page.get(field, msgspec.Raw(b"null")), list[msgspec.Raw])
    cursor = wire.tree(page["cursor"]) if "cursor" in page else None
    if cursor is not None and not isinstance(cursor, str):
        raise wire.Malformed(f"{wire.shown(cursor)} is no cursor")
    return rows, cursor or ""


class Unusable(Exception):
    """A row that can be read cannot be what it says: why, and a case."""

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
    """Decode rows and yield what `read` makes of each, without those that cannot be used."""
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
    """When a market is open, and its ticker."""

    ticker: str
    opens_ms: Milliseconds
    closes_ms: Milliseconds

    @classmethod
    def of(cls, market: MarketRecord) -> Life:
        """Return a market's."""
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
        raise Unusable("a trade whose price or count is none", f"{row.trade_id}: {error}") from None
    if not row.trade_id or not 0 < price < ONE_DOLLAR or count <= 0:
        raise Unusable("a trade that cannot be", row)
    if other is not None and price + other != ONE_DOLLAR:
        raise Unusable("a trade whose two prices do not make a dollar", row.trade_id)
    if not life.holds(at):
        told = f"{row.trade_id} at {row.created_time:%Y-%m-%d %H:%M:%S %Z}"
        raise Unusable("a trade outside its market's life", told)
    block = row.is_block_trade
    if not isinstance(block, bool | None):
        doubts.add("a word that nobody knows for a block trade, which it is taken for", block)
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
            doubts.add("a word that nobody knows for a taker's side", word)
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
        """The first, least, greatest and last one."""
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
            raise ValueError("a price is beyond a dollar")
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
        life: The market's.
        period: The minutes that were asked for.
        span: The first and last end, in Unix seconds, that were asked for.
        doubts: Where it is noted what of it cannot be read.

    Raises:
        Unusable: It cannot be a candle that was asked for.
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
        volume = _count(_either(row.volume_fp, row.volume))
        open_interest = _count(_either(row.open_interest_fp, row.open_interest))
    except ValueError as error:
        raise Unusable(f"a candle of {period} minutes that cannot be", f"{end}: {error}") from None
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


def _count(text: _Number) -> Count | None:
    count = None if text is None else parse_count(text)
    if count is not None and count < 0:
        raise ValueError("a count is below nothing")
    return count


def _mean(text: _Number, doubts: Doubts) -> Money | None:
    try:
        return None if text is None else parse_money(text)
    except ValueError as error:
        doubts.add("a mean price that cannot be read", str(error))
        return None


# Events and markets


class RestPastMarket(msgspec.Struct, frozen=True):
    """A market of either tier."""

    ticker: str
    open_time: wire.Instant
    close_time: wire.Instant
    event_ticker: wire.Word = None
    status: wire.Word = None
    result: wire.Word = None
    settlement_value_dollars: wire.Word = None
    settlement_ts: wire.Word = None
    expiration_value: wire.Word = None
    strike_type: wire.Word = None
    floor_strike: wire.Word = None
    cap_strike: wire.Word = None
    volume_fp: wire.Word = None
    price_ranges: wire.Word = None
    fee_waiver_expiration_time: wire.Word = None
    exchange_index: wire.Word = None


def read_market(row: RestPastMarket, series: str, doubts: Doubts) -> MarketRecord:
    """Return a market of the series; raise `Unusable` if its terms cannot be read."""
    event = wire.word(row.event_ticker) or row.ticker.rpartition("-")[0]
    if not event.startswith(f"{series}-"):
        raise Unusable("a market of another series", row.ticker)
    if not is_ticker(row.ticker) or not is_ticker(event) or not row.ticker.startswith(event):
        raise Unusable("a market whose ticker is none", row.ticker)
    if row.open_time >= row.close_time:
        raise Unusable("a market that closes before it opens", row.ticker)
    status, result = wire.word(row.status), wire.word(row.result)
    value = wire.settlement_value(row.result, row.settlement_value_dollars) if result else None
    if status not in _STATUSES:
        doubts.add("a word that nobody knows for a market's status", row.status)
    if result and value is None:
        doubts.add("a result that cannot be told", f"{row.ticker}: {result}")
    return MarketRecord(
        ticker=row.ticker,
        event_ticker=event,
        series=series,
        strike=_strike(row),
        opens_ms=to_milliseconds(row.open_time),
        closes_ms=to_milliseconds(row.close_time),
        settled_ms=_instant(row.settlement_ts),
        status=status[:_LONGEST_TEXT],
        result=result[:_LONGEST_TEXT],
        yes_value=value,
        expiration_value=wire.word(row.expiration_value)[:_LONGEST_TEXT],
        volume=_maybe(_count, row.volume_fp),
        price_bands=_maybe(_bands, row.price_ranges) or "",
        fee_waiver_ms=_instant(row.fee_waiver_expiration_time),
        shard=row.exchange_index if isinstance(row.exchange_index, int) else 0,
    )


def _strike(row: RestPastMarket) -> int | None:
    strike = row.floor_strike
    above = row.strike_type == "greater" or (row.strike_type is None and row.cap_strike is None)
    whole = isinstance(strike, int | float) and 0 <= strike < 2**53 and strike == strike // 1
    return int(strike) if above and whole else None


def _instant(value: wire.Word) -> Milliseconds | None:
    try:
        return to_milliseconds(msgspec.convert(value, wire.Instant))
    except msgspec.ValidationError:
        return None


def _bands(ranges: Any) -> str:
    bands = (
        (parse_price(band["start"]), parse_price(band["end"]), parse_price(band["step"]))
        for band in ranges
    )
    return ",".join(":".join(map(str, band)) for band in bands)


def _maybe(read: Callable[[Any], _T], value: Any) -> _T | None:
    """Return what is read, or `None` if it is not of that kind."""
    try:
        return read(value)
    except (ValueError, KeyError, TypeError):
        return None


class RestPastEvent(msgspec.Struct, frozen=True):
    """An event with its markets undecoded."""

    event_ticker: str
    title: wire.Word = None
    fee_type_override: wire.Word = None
    fee_multiplier_override: wire.Word = None
    markets: list[msgspec.Raw] = []


def read_event(row: RestPastEvent, series: str) -> EventRecord:
    """Return an event of the series, or raise `Unusable`."""
    try:
        week = Week.from_event_ticker(row.event_ticker)
    except ValueError as error:
        raise Unusable("an event of no week", str(error)) from None
    if not row.event_ticker.startswith(f"{series}-"):
        raise Unusable("an event of another series", row.event_ticker)
    return EventRecord(
        event_ticker=row.event_ticker,
        series=series,
        sunday=week.sunday,
        title=wire.word(row.title)[:_LONGEST_TEXT],
        fee_type=wire.word(row.fee_type_override)[:_LONGEST_TEXT] or None,
        fee_multiplier=_maybe(multiplier, row.fee_multiplier_override),
    )


# Fees


class RestFeeChange(msgspec.Struct, frozen=True):
    """A change of a series' fees."""

    scheduled_ts: wire.Instant
    id: wire.Word = None
    series_ticker: wire.Word = None
    fee_type: wire.Word = None
    fee_multiplier: wire.Word = None


def read_fee_change(row: RestFeeChange, series: str) -> FeeChange:
    """Return a change of the series' fees, or raise `Unusable`."""
    if row.series_ticker not in (None, series):
        raise Unusable("a change of another series' fees", row.series_ticker)
    return FeeChange(
        at_ms=to_milliseconds(row.scheduled_ts),
        series=series,
        fee_type=wire.word(row.fee_type)[:_LONGEST_TEXT],
        multiplier=_maybe(multiplier, row.fee_multiplier),
        change_id=wire.word(row.id)[:_LONGEST_TEXT],
        is_reading=False,
    )


def multiplier(value: Any) -> int:
    """Return a factor in 1e-6."""
    return round(float(value) * _MILLION)
