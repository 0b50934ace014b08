"""The exchange's JSON as typed messages, and books and markets as values.

Decoding is lenient: unknown keys are ignored (`unknown_words` counts them), null is the same as an
absent key, and deprecated keys are never needed. An enum's value is a `Word`, which may be
anything: an unknown value is handled safely, as `vocabulary` states. Whatever the bytes, the only
exception is `Malformed`: a needed key is missing, or a value has the wrong type.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from mmbot import texts
from mmbot.trading.values import Level, Market, Side
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Price,
    PriceBand,
    PriceGrid,
    parse_count,
    parse_price,
)

Number: TypeAlias = str | int | float
# An enum's value of any type; `word` reads it.
Word: TypeAlias = Any
# No id, time or amount on the wire exceeds what a float holds exactly.
Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Real: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
Instant: TypeAlias = Annotated[dt.datetime, msgspec.Meta(tz=True)]
_Levels: TypeAlias = tuple[tuple[Number, Number], ...]
_T = TypeVar("_T")

# With YES prices on both sides, the NO levels are the asks.
_BOOK_SIDES: dict[str, Side] = {"yes": "bid", "no": "ask"}
# An error's code and text are cut to the first length, a word that is shown to the second.
_LONGEST_ERROR_TEXT = 200
_LONGEST_WORD = 60

# A market with one of these statuses and no result accepts orders once it has opened.
_OPEN_STATUSES = frozenset({"active", "initialized"})


class Malformed(Exception):
    """A message that cannot be read as what it claims to be."""


class Frame(msgspec.Struct, frozen=True):
    """A WebSocket frame with its message still undecoded."""

    type: str
    id: Integer = 0
    sid: Integer = 0
    seq: Integer = 0
    sending_ts_ms: Integer = 0
    msg: msgspec.Raw = msgspec.Raw(b"{}")


class Subscribed(msgspec.Struct, frozen=True):
    """The answer to a subscription."""

    channel: str
    sid: Integer


class StreamError(msgspec.Struct, frozen=True):
    """An error on the stream."""

    code: Integer = 0
    msg: str = ""


class BookSnapshot(msgspec.Struct, frozen=True):
    """`orderbook_snapshot`: a side without levels is absent."""

    market_ticker: str
    yes_dollars_fp: _Levels = ()
    no_dollars_fp: _Levels = ()
    clock: Integer = 0


class BookDelta(msgspec.Struct, frozen=True):
    """`orderbook_delta`; a change by an own order has its client id."""

    market_ticker: str
    price_dollars: Number
    delta_fp: Number
    side: Word = None
    clock: Integer = 0
    ts_ms: Integer = 0
    client_order_id: Word = None


class LifecycleSubject(msgspec.Struct, frozen=True):
    """The market or event that a lifecycle message is about; values of any type."""

    market_ticker: Word = None
    event_ticker: Word = None


class EventFeeUpdate(msgspec.Struct, frozen=True):
    """`event_fee_update`; null if the series' terms apply."""

    event_ticker: Word = None
    fee_type_override: Word = None
    fee_multiplier_override: Word = None


class MarketLifecycle(msgspec.Struct, frozen=True):
    """`market_lifecycle_v2`; `close_ts` is in seconds."""

    event_type: Word = None
    close_ts: Integer | None = None
    result: Word = None
    settlement_value: Word = None
    price_ranges: Word = None


class RestMarket(msgspec.Struct, frozen=True):
    """A market in a listing."""

    ticker: str
    open_time: Instant
    close_time: Instant
    price_ranges: Word = None
    market_type: Word = None
    status: Word = None
    strike_type: Word = None
    floor_strike: Real | None = None
    cap_strike: Real | None = None
    result: Word = None
    settlement_value_dollars: Word = None
    exchange_index: Integer = 0


class RestEvent(msgspec.Struct, frozen=True):
    """An event, with values of any type and its markets undecoded."""

    event_ticker: Word = None
    markets: Any = ()
    fee_type_override: Word = None
    fee_multiplier_override: Word = None


# Decoding

# The exceptions of decoding bytes.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_FRAME = msgspec.json.Decoder(Frame)


def decode_frame(data: bytes | str) -> Frame:
    """Decode a frame's envelope, or raise `Malformed`."""
    try:
        return _FRAME.decode(data)
    except UNREADABLE as error:
        raise Malformed(f"frame: {error}") from None


def decode(data: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    """Decode JSON as a message of type `kind`, or raise `Malformed`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        return _convert_without_nulls(tree(data), kind)
    except UNREADABLE as error:
        raise Malformed(f"{kind.__name__}: {error}") from None


def convert(message: object, kind: type[_T]) -> _T:
    """Convert decoded JSON to a message of type `kind`, or raise `Malformed`."""
    try:
        return msgspec.convert(message, kind)
    except (msgspec.ValidationError, RecursionError):
        return _convert_without_nulls(message, kind)


def tree(data: bytes | str | msgspec.Raw) -> Any:
    """Decode JSON as plain dicts, lists and scalars, or raise `Malformed`."""
    try:
        return msgspec.json.decode(data)
    except UNREADABLE as error:
        raise Malformed(f"not JSON: {error}") from None


def _convert_without_nulls(message: object, kind: type[_T]) -> _T:
    # Tried last: most messages have no nulls, and removing them is the slowest step.
    try:
        return msgspec.convert(_without_nulls(message), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(f"{kind.__name__}: {error}") from None


def _without_nulls(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without_nulls(value) for key, value in part.items() if value is not None}
    return [_without_nulls(value) for value in part] if isinstance(part, list) else part


def word(value: Word) -> str:
    """Return a word as text, or "" if it is not text."""
    return value if isinstance(value, str) else ""


def shown(value: Word) -> str:
    """Return an unknown word as shown in a reason: quoted and cut."""
    return texts.shown(value)[:_LONGEST_WORD]


def subject(raw: msgspec.Raw) -> LifecycleSubject:
    """Return what a lifecycle message is about; an empty subject if it is no object."""
    try:
        return decode(raw, LifecycleSubject)
    except Malformed:
        return LifecycleSubject()


def markets_of(event: RestEvent) -> Iterator[RestMarket]:
    """Iterate over an event's readable markets."""
    for row in event.markets if isinstance(event.markets, list) else ():
        with contextlib.suppress(Malformed):
            yield convert(row, RestMarket)


def is_ours(ticker: Word, prefix: str) -> bool:
    """Return whether an event or market is of the series whose tickers begin with `prefix`."""
    return isinstance(ticker, str) and ticker.startswith(prefix)


# Books


def book_change(raw: msgspec.Raw) -> tuple[BookDelta, Side, Price, Count]:
    """Read an `orderbook_delta`: the message, and the level's side, price and delta."""
    delta = decode(raw, BookDelta)
    side = _BOOK_SIDES.get(word(delta.side))
    if side is None:
        raise Malformed(f"{shown(delta.side)} is not a side of a book")
    try:
        return delta, side, level_price(delta.price_dollars), parse_count(delta.delta_fp)
    except ValueError as error:
        raise Malformed(f"orderbook_delta: {error}") from None


def book_levels(levels: _Levels) -> tuple[Level, ...]:
    """Convert a snapshot's levels, in their order, to prices and counts."""
    try:
        read = tuple((level_price(price), parse_count(count)) for price, count in levels)
    except ValueError as error:
        raise Malformed(f"levels: {error}") from None
    if len({price for price, _ in read}) < len(read):
        raise Malformed("levels: a price appears twice")
    return read


def level_price(stated: Number) -> Price:
    """Read the price of a level; raise `ValueError` if it is not from 0 to a dollar."""
    price = parse_price(stated)
    if not 0 <= price <= ONE_DOLLAR:
        raise ValueError(f"{stated!r} is not a price of a contract")
    return price


# Numbers of orders and fills


def order_price(stated: Number) -> Price:
    """Read the price of an order; raise `ValueError` if no order can have it."""
    price = level_price(stated)
    if price in (0, ONE_DOLLAR):
        raise ValueError(f"{stated!r} is not a price of an order")
    return price


def contracts(stated: Number, least: int = 0, most: Count | None = None) -> Count:
    """Read a number of contracts; raise `ValueError` if it is not from `least` to `most`."""
    count = parse_count(stated)
    if count < least or (most is not None and count > most):
        raise ValueError(f"{stated!r} cannot be the number of contracts")
    return count


# Markets


def market(wire: RestMarket) -> Market:
    """Convert a market; raise `Malformed` if it does not pay above a whole number."""
    strike = wire.floor_strike
    # The exchange may omit the strike type; the other fields must then rule out any other.
    above = wire.strike_type == "greater" or (wire.strike_type is None and wire.cap_strike is None)
    if not above or strike is None or strike != strike // 1:
        raise Malformed(f"market {wire.ticker} is not of the kind 'above a whole number'")
    decided = wire.result is not None and wire.result != ""
    unreadable = "" if wire.market_type == "binary" else f"market type {shown(wire.market_type)}"
    return Market(
        ticker=wire.ticker,
        strike=int(strike),
        grid=price_grid(wire.ticker, wire.price_ranges),
        opens=to_milliseconds(wire.open_time),
        closes=to_milliseconds(wire.close_time),
        shard=wire.exchange_index,
        active=word(wire.status) in _OPEN_STATUSES and not decided,
        decided=decided,
        unreadable=unreadable,
    )


class _Band(msgspec.Struct, frozen=True):
    """A band of prices, in `price_ranges`."""

    start: Number
    end: Number
    step: Number


def price_grid(ticker: str, ranges: Word) -> PriceGrid:
    """Convert a market's `price_ranges`."""
    try:
        stated = [convert(row, _Band) for row in ranges] if isinstance(ranges, list) else []
        bands = tuple(
            PriceBand(parse_price(b.start), parse_price(b.end), parse_price(b.step)) for b in stated
        )
    except (Malformed, ValueError) as error:
        raise Malformed(f"market {ticker}: price_ranges: {error}") from None
    if not bands or any(band.step <= 0 for band in bands):
        raise Malformed(f"market {ticker} has no usable price_ranges")
    return PriceGrid(bands)


def settlement_value(result: Word, stated: Word = None) -> Price | None:
    """Return what YES pays at a result, or `None` if that is not clear.

    Args:
        result: `yes`, `no`, or `scalar` for a fraction of a dollar.
        stated: What YES pays as the exchange states it, needed only for a fraction; if it
        contradicts the result, neither is believed.
    """
    # As with results, an empty string states nothing.
    stated = None if stated == "" else stated
    value: Price | None = None
    if isinstance(stated, str | int | float) and not isinstance(stated, bool):
        with contextlib.suppress(ValueError):
            value = parse_price(stated)
    match result:
        case "yes" if stated is None or value == ONE_DOLLAR:
            return ONE_DOLLAR
        case "no" if stated is None or value == 0:
            return Price(0)
        case "scalar" if value is not None and 0 <= value <= ONE_DOLLAR:
            return value
        case _:
            return None


# Errors


class ErrorBody(msgspec.Struct, frozen=True):
    """An error's code and text, from any of the three shapes on the wire."""

    code: str = ""
    text: str = ""


def error_body(body: bytes) -> ErrorBody:
    """Read an error's code and text; both are empty if the body has none."""
    try:
        return error_of(tree(body))
    except Malformed:
        return ErrorBody()


def error_of(decoded: Any) -> ErrorBody:
    """Read an error's code and text from decoded JSON."""
    if isinstance(decoded, dict) and "error" in decoded:
        decoded = decoded["error"]
    if isinstance(decoded, str):
        return ErrorBody("", decoded[:_LONGEST_ERROR_TEXT])
    if not isinstance(decoded, dict):
        return ErrorBody()
    parts = (decoded.get(key) for key in ("message", "details"))
    text = " ".join(texts.plain(part) for part in parts if part)
    code = texts.plain(decoded.get("code") or "")
    return ErrorBody(code[:_LONGEST_ERROR_TEXT], text[:_LONGEST_ERROR_TEXT])
