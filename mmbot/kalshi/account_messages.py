"""The account's own fills, orders, positions and order groups, from the stream and from REST."""

from __future__ import annotations

import msgspec

from mmbot.kalshi.messages import Instant, Integer, Malformed, Number, decode
from mmbot.trading.values import Fill, OrderReport, OrderStatus, Side
from mmbot.tsa.calendar import to_milliseconds
from mmbot.units import Milliseconds, parse_count, parse_money, parse_price

_SIDES: dict[str, Side] = {"bid": "bid", "ask": "ask"}


# Only these end an order; whatever else the exchange says of one leaves open whether it rests.
_STATUSES: dict[str, OrderStatus] = {
    "resting": "resting",
    "canceled": "ended",
    "executed": "ended",
}


class StreamFill(msgspec.Struct, frozen=True):
    """`fill` on the stream."""

    trade_id: str
    order_id: str
    market_ticker: str
    book_side: str
    yes_price_dollars: Number
    count_fp: Number
    fee_cost: Number = "0"
    ts_ms: Integer = 0
    client_order_id: str = ""


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


class _Order(msgspec.Struct, frozen=True):
    order_id: str
    ticker: str
    status: str
    book_side: str
    yes_price_dollars: Number
    remaining_count_fp: Number
    fill_count_fp: Number
    client_order_id: str = ""
    exchange_index: Integer = 0
    order_group_id: str = ""


class StreamOrder(_Order, frozen=True):
    """`user_order` on the stream."""

    expiration_ts_ms: Integer | None = None


class RestOrder(_Order, frozen=True):
    """An order in a REST list."""

    expiration_time: Instant | None = None


class RestPosition(msgspec.Struct, frozen=True):
    """A position in a REST list."""

    ticker: str
    position_fp: Number


class GroupUpdate(msgspec.Struct, frozen=True):
    """`order_group_updates` on the stream."""

    event_type: str
    order_group_id: str


def stream_fill(raw: msgspec.Raw) -> Fill:
    """Read a fill from the stream."""
    wire = decode(raw, StreamFill)
    fill = _fill(wire, wire.trade_id, wire.market_ticker, wire.ts_ms)
    return msgspec.structs.replace(fill, client_id=wire.client_order_id)


def rest_fill(wire: RestFill) -> Fill:
    """Convert a fill of a REST list."""
    at = to_milliseconds(wire.created_time) if wire.created_time else 0
    return _fill(wire, wire.trade_id or wire.fill_id, wire.ticker, at)


def _fill(wire: StreamFill | RestFill, trade_id: str, ticker: str, at: Milliseconds) -> Fill:
    try:
        return Fill(
            trade_id=trade_id,
            order_id=wire.order_id,
            ticker=ticker,
            side=_side(wire.book_side),
            price=parse_price(wire.yes_price_dollars),
            count=parse_count(wire.count_fp),
            fee=parse_money(wire.fee_cost),
            at=at,
        )
    except ValueError as error:
        raise Malformed(f"fill {trade_id}: {error}") from None


def stream_order(raw: msgspec.Raw) -> OrderReport:
    """Read an order's report from the stream."""
    wire = decode(raw, StreamOrder)
    return _report(wire, wire.expiration_ts_ms or 0)


def rest_order(wire: RestOrder) -> OrderReport:
    """Convert an order of a REST list."""
    return _report(wire, to_milliseconds(wire.expiration_time) if wire.expiration_time else 0)


def _report(wire: _Order, expires: Milliseconds) -> OrderReport:
    try:
        return OrderReport(
            client_id=wire.client_order_id,
            order_id=wire.order_id,
            ticker=wire.ticker,
            side=_side(wire.book_side),
            price=parse_price(wire.yes_price_dollars),
            filled=parse_count(wire.fill_count_fp),
            remaining=parse_count(wire.remaining_count_fp),
            status=_STATUSES.get(wire.status, "unknown"),
            expires=expires,
            shard=wire.exchange_index,
            group=wire.order_group_id,
        )
    except ValueError as error:
        raise Malformed(f"order {wire.order_id}: {error}") from None


def _side(book_side: str) -> Side:
    side = _SIDES.get(book_side)
    if side is None:
        raise Malformed(f"{book_side!r} is no side of a book")
    return side
