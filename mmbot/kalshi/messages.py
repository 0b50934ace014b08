"""The exchange's JSON as values.

Reading is lenient: unknown keys and enum values pass (`drift` counts them), a null is the same as
an absent key, and deprecated keys are never needed. Whatever reads raises `Malformed` when
something that is needed is missing or is not what it should be; nothing else escapes, whatever the
bytes.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypeVar

import msgspec

from mmbot.trading.values import Fill, Level, Market, OrderReport, Side
from mmbot.tsa.calendar import to_milliseconds
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Price,
    PriceBand,
    PriceGrid,
    parse_count,
    parse_money,
    parse_price,
)

Number = str | int | float
_Levels = tuple[tuple[Number, Number], ...]
_Ranges = tuple[dict[str, Number], ...]
Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]
_T = TypeVar("_T")

_ORDER_SIDES: dict[str, Side] = {"bid": "bid", "ask": "ask"}
# With YES prices on both sides, the NO levels are the asks.
_BOOK_SIDES: dict[str, Side] = {"yes": "bid", "no": "ask"}


class Malformed(Exception):
    """A message that cannot be what it says it is."""


class Frame(msgspec.Struct, frozen=True):
    """A WebSocket frame, its message not decoded yet."""

    type: str
    id: int = 0
    sid: int = 0
    seq: int = 0
    sending_ts_ms: int = 0
    msg: msgspec.Raw = msgspec.Raw(b"{}")


class Subscribed(msgspec.Struct, frozen=True):
    """The answer to a subscription."""

    channel: str
    sid: int


class StreamError(msgspec.Struct, frozen=True):
    """An error on the stream."""

    code: int = 0
    msg: str = ""


class BookSnapshot(msgspec.Struct, frozen=True):
    """`orderbook_snapshot`: a side without levels is absent."""

    market_ticker: str
    yes_dollars_fp: _Levels = ()
    no_dollars_fp: _Levels = ()
    clock: int = 0


class BookDelta(msgspec.Struct, frozen=True):
    """`orderbook_delta`."""

    market_ticker: str
    price_dollars: Number
    delta_fp: Number
    side: str
    clock: int = 0
    ts_ms: int = 0


class StreamFill(msgspec.Struct, frozen=True):
    """`fill` on the stream."""

    trade_id: str
    order_id: str
    market_ticker: str
    book_side: str
    yes_price_dollars: Number
    count_fp: Number
    fee_cost: Number = "0"
    ts_ms: int = 0
    client_order_id: str = ""


class _Order(msgspec.Struct, frozen=True):
    order_id: str
    ticker: str
    status: str
    book_side: str
    yes_price_dollars: Number
    remaining_count_fp: Number
    fill_count_fp: Number
    client_order_id: str = ""
    exchange_index: int = 0
    order_group_id: str = ""


class StreamOrder(_Order, frozen=True):
    """`user_order` on the stream."""

    expiration_ts_ms: int | None = None


class LifecycleSubject(msgspec.Struct, frozen=True):
    """Which market or event a message of the whole exchange is about."""

    market_ticker: str = ""
    event_ticker: str = ""


class MarketLifecycle(msgspec.Struct, frozen=True):
    """`market_lifecycle_v2`."""

    event_type: str
    close_ts: int | None = None
    result: str = ""
    price_ranges: _Ranges = ()


class GroupUpdate(msgspec.Struct, frozen=True):
    """`order_group_updates`."""

    event_type: str
    order_group_id: str


class RestFill(msgspec.Struct, frozen=True):
    """A fill in a REST list."""

    order_id: str
    ticker: str
    book_side: str
    yes_price_dollars: Number
    count_fp: Number
    trade_id: str = ""
    fill_id: str = ""
    fee_cost: Number = "0"
    created_time: Instant | None = None


class RestOrder(_Order, frozen=True):
    """An order in a REST list."""

    expiration_time: Instant | None = None


class RestMarket(msgspec.Struct, frozen=True):
    """A market in a listing."""

    ticker: str
    status: str
    open_time: Instant
    close_time: Instant
    price_ranges: _Ranges
    strike_type: str = "greater"
    floor_strike: float | None = None
    result: str = ""
    exchange_index: int = 0


class RestEvent(msgspec.Struct, frozen=True):
    """An event with its markets."""

    event_ticker: str
    markets: tuple[RestMarket, ...] = ()
    fee_type_override: str | None = None
    fee_multiplier_override: float | None = None


class RestPosition(msgspec.Struct, frozen=True):
    """A position in a REST list."""

    ticker: str
    position_fp: Number


_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode(data: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    """Decode JSON of one kind, or raise `Malformed`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        return convert(tree(data), kind)
    except _UNREADABLE as error:
        raise Malformed(f"{kind.__name__}: {error}") from None


def convert(message: object, kind: type[_T]) -> _T:
    """Make decoded JSON one kind of message, or raise `Malformed`."""
    try:
        return msgspec.convert(_without_nulls(message), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(f"{kind.__name__}: {error}") from None


def tree(data: bytes | str | msgspec.Raw) -> Any:
    """Decode JSON of any kind, or raise `Malformed`."""
    try:
        return msgspec.json.decode(data)
    except _UNREADABLE as error:
        raise Malformed(f"no JSON: {error}") from None


def _without_nulls(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without_nulls(value) for key, value in part.items() if value is not None}
    return [_without_nulls(value) for value in part] if isinstance(part, list) else part


_FRAME = msgspec.json.Decoder(Frame)


def decode_frame(data: bytes | str) -> Frame:
    """Decode a frame's envelope, or raise `Malformed`."""
    try:
        return _FRAME.decode(data)
    except _UNREADABLE as error:
        raise Malformed(f"frame: {error}") from None


def book_change(raw: msgspec.Raw) -> tuple[BookDelta, Side, Price, Count]:
    """Read an `orderbook_delta`: which level gained or lost how much."""
    delta = decode(raw, BookDelta)
    side = _BOOK_SIDES.get(delta.side)
    if side is None:
        raise Malformed(f"{delta.side!r} is no side of a book")
    try:
        return delta, side, parse_price(delta.price_dollars), parse_count(delta.delta_fp)
    except ValueError as error:
        raise Malformed(f"orderbook_delta: {error}") from None


def book_levels(levels: _Levels) -> tuple[Level, ...]:
    """Return levels in units."""
    try:
        return tuple((parse_price(price), parse_count(count)) for price, count in levels)
    except ValueError as error:
        raise Malformed(f"levels: {error}") from None


def side_of(book_side: str) -> Side:
    """Return the side that the exchange names."""
    side = _ORDER_SIDES.get(book_side)
    if side is None:
        raise Malformed(f"{book_side!r} is no side of a book")
    return side


def stream_fill(raw: msgspec.Raw) -> Fill:
    """Read a fill from the stream."""
    wire = decode(raw, StreamFill)
    fill = _fill(wire, wire.trade_id, wire.market_ticker, wire.ts_ms)
    return msgspec.structs.replace(fill, client_id=wire.client_order_id)


def rest_fill(wire: RestFill) -> Fill:
    """Read a fill from a REST list."""
    at = to_milliseconds(wire.created_time) if wire.created_time else 0
    return _fill(wire, wire.trade_id or wire.fill_id, wire.ticker, at)


def _fill(wire: StreamFill | RestFill, trade_id: str, ticker: str, at: int) -> Fill:
    try:
        return Fill(
            trade_id=trade_id,
            order_id=wire.order_id,
            ticker=ticker,
            side=side_of(wire.book_side),
            price=parse_price(wire.yes_price_dollars),
            count=parse_count(wire.count_fp),
            fee=parse_money(wire.fee_cost),
            at=at,
        )
    except ValueError as error:
        raise Malformed(f"fill {trade_id}: {error}") from None


def stream_order(raw: msgspec.Raw) -> OrderReport:
    """Read a report of an order from the stream."""
    wire = decode(raw, StreamOrder)
    return _report(wire, wire.expiration_ts_ms or 0)


def rest_order(wire: RestOrder) -> OrderReport:
    """Read a report of an order from REST."""
    return _report(wire, to_milliseconds(wire.expiration_time) if wire.expiration_time else 0)


def _report(wire: _Order, expires: int) -> OrderReport:
    try:
        return OrderReport(
            client_id=wire.client_order_id,
            order_id=wire.order_id,
            ticker=wire.ticker,
            side=side_of(wire.book_side),
            price=parse_price(wire.yes_price_dollars),
            filled=parse_count(wire.fill_count_fp),
            remaining=parse_count(wire.remaining_count_fp),
            status="resting" if wire.status == "resting" else "ended",
            expires=expires,
            shard=wire.exchange_index,
            group=wire.order_group_id,
        )
    except ValueError as error:
        raise Malformed(f"order {wire.order_id}: {error}") from None


def market(wire: RestMarket) -> Market:
    """Read a market; raise `Malformed` for one that is not of the kind "above a strike"."""
    strike = wire.floor_strike
    if wire.strike_type != "greater" or strike is None or strike != int(strike):
        raise Malformed(f"market {wire.ticker} is not of the kind 'above a whole number'")
    return Market(
        ticker=wire.ticker,
        strike=int(strike),
        grid=price_grid(wire.ticker, wire.price_ranges),
        opens=to_milliseconds(wire.open_time),
        closes=to_milliseconds(wire.close_time),
        shard=wire.exchange_index,
        active=wire.status in {"active", "initialized"},
    )


def price_grid(ticker: str, ranges: _Ranges) -> PriceGrid:
    """Read a market's `price_ranges`."""
    try:
        bands = tuple(
            PriceBand(parse_price(b["start"]), parse_price(b["end"]), parse_price(b["step"]))
            for b in ranges
        )
    except (KeyError, ValueError) as error:
        raise Malformed(f"market {ticker}: price_ranges: {error!r}") from None
    if not bands or any(band.step <= 0 for band in bands):
        raise Malformed(f"market {ticker} has no usable price_ranges")
    return PriceGrid(bands)


def settlement_value(result: str) -> int | None:
    """Return what YES pays by a result, or `None` while there is none to pay by."""
    return {"yes": ONE_DOLLAR, "no": 0}.get(result)


class ErrorBody(msgspec.Struct, frozen=True):
    """What an error says, in whichever of its three shapes."""

    code: str = ""
    text: str = ""


def error_body(body: bytes) -> ErrorBody:
    """Read an error's code and text; a body that is none gives neither."""
    try:
        return error_of(tree(body))
    except Malformed:
        return ErrorBody()


def error_of(said: Any) -> ErrorBody:
    """Read an error's code and text from decoded JSON."""
    if isinstance(said, dict) and "error" in said:
        said = said["error"]
    if isinstance(said, str):
        return ErrorBody("", said[:200])
    if not isinstance(said, dict):
        return ErrorBody()
    text = " ".join(str(said[key]) for key in ("message", "details") if said.get(key))
    return ErrorBody(str(said.get("code") or "")[:200], text[:200])
