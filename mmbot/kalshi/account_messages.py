"""The account's fills, orders, positions and order groups, from the stream and from REST.

First it is decided whether a row is ours: an order by its client id, a fill or a position by its
market. The stream covers the whole account, so there a row that names another subaccount is not
ours. Other rows are not decoded further. A row of ours that cannot be read is returned as such.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from mmbot.kalshi.messages import (
    Instant,
    Integer,
    Malformed,
    Number,
    Word,
    contracts,
    convert,
    decode,
    is_ours,
    order_price,
    shown,
    word,
)
from mmbot.trading.events import FillUnreadable, OrderUnreadable
from mmbot.trading.values import (
    CLIENT_ID_PREFIX,
    Fill,
    OrderReport,
    OrderStatus,
    Side,
    Unreadable,
)
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Count, Milliseconds, parse_count, parse_money

_Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]

_SIDES: dict[str, Side] = {"bid": "bid", "ask": "ask"}

# Only these statuses end an order; with any other it may still rest.
_STATUSES: dict[str, OrderStatus] = {
    "resting": "resting",
    "canceled": "ended",
    "executed": "ended",
}
# A reason for the log is cut to the first length; an id longer than the second cannot be ours.
_LONGEST_REASON = 200
_LONGEST_ID = 100


class StreamFill(msgspec.Struct, frozen=True):
    """`fill` on the stream."""

    trade_id: _Id
    order_id: _Id
    market_ticker: str
    yes_price_dollars: Number
    count_fp: Number
    book_side: Word = None
    fee_cost: Number = "0"
    ts_ms: Integer = 0
    client_order_id: str = ""


class RestFill(msgspec.Struct, frozen=True):
    """A fill in a REST list."""

    order_id: _Id
    ticker: str
    yes_price_dollars: Number
    count_fp: Number
    book_side: Word = None
    trade_id: str = ""
    fill_id: str = ""
    fee_cost: Number = "0"
    created_time: Instant | None = None


class _Order(msgspec.Struct, frozen=True):
    order_id: _Id
    ticker: str
    yes_price_dollars: Number
    remaining_count_fp: Number
    fill_count_fp: Number
    status: Word = None
    book_side: Word = None
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

    event_type: Word = None
    order_group_id: Word = None


class _Owner(msgspec.Struct, frozen=True):
    """What shows whose an order or fill is, and where an order rests; values of any type."""

    client_order_id: Any = None
    order_id: Any = None
    ticker: Any = None
    market_ticker: Any = None
    exchange_index: Any = None
    subaccount: Any = None
    subaccount_number: Any = None

    def is_of_another(self, subaccount: int) -> bool:
        """Return whether the row names another subaccount."""
        named = self.subaccount if self.subaccount_number is None else self.subaccount_number
        return isinstance(named, int) and named != subaccount


def order_on_stream(raw: msgspec.Raw, subaccount: int = 0) -> OrderReport | OrderUnreadable | None:
    """Read a `user_order`; `None` if it is not about an order of ours."""
    owner = _owner(raw)
    if owner is None or not _is_own(owner) or owner.is_of_another(subaccount):
        return None
    try:
        return stream_order(raw)
    except Malformed as error:
        return _unreadable_order(owner, error)


def listed_order(row: Any) -> OrderReport | OrderUnreadable | None:
    """Read a row of a REST list of orders; `None` if it is not about an order of ours."""
    try:
        owner = convert(row, _Owner)
    except Malformed:
        return None
    if not _is_own(owner):
        return None
    try:
        return rest_order(convert(row, RestOrder))
    except Malformed as error:
        return _unreadable_order(owner, error)


def fill_on_stream(
    raw: msgspec.Raw, prefix: str, subaccount: int = 0
) -> Fill | FillUnreadable | None:
    """Read a `fill`; `None` if its market is not ours: our tickers begin with `prefix`.

    A fill without a market is ours if it has a client id of ours.
    """
    owner = _owner(raw)
    if owner is None or owner.is_of_another(subaccount):
        return None
    ours = is_ours(owner.market_ticker, prefix)
    if not (ours or (not word(owner.market_ticker) and _is_own(owner))):
        return None
    try:
        return stream_fill(raw)
    except Malformed as error:
        return FillUnreadable(word(owner.market_ticker), str(error)[:_LONGEST_REASON])


def listed_fill(row: Any, prefix: str) -> Fill | Unreadable | None:
    """Read a row of a REST list of fills; `None` if it is in no market of ours."""
    ticker = _id(row, "ticker")
    if not ticker.startswith(prefix):
        return None
    try:
        return rest_fill(convert(row, RestFill))
    except Malformed as error:
        return Unreadable(ticker, str(error)[:_LONGEST_REASON])


def listed_position(row: Any, prefix: str) -> tuple[str, Count] | Unreadable | None:
    """Read a row of a REST list of positions; `None` if it is in no market of ours."""
    ticker = _id(row, "ticker")
    if not ticker.startswith(prefix):
        return None
    try:
        return ticker, parse_count(convert(row, RestPosition).position_fp)
    except (Malformed, ValueError) as error:
        return Unreadable(ticker, f"position: {error}"[:_LONGEST_REASON])


def _owner(raw: msgspec.Raw) -> _Owner | None:
    try:
        return decode(raw, _Owner)
    except Malformed:
        return None


def _is_own(owner: _Owner) -> bool:
    return word(owner.client_order_id).startswith(CLIENT_ID_PREFIX)


def _id(row: Any, key: str) -> str:
    """Return the row's id under `key`, or "" if it cannot be one of ours."""
    found = row.get(key) if isinstance(row, dict) else None
    return found if isinstance(found, str) and len(found) <= _LONGEST_ID else ""


def _unreadable_order(owner: _Owner, error: Malformed) -> OrderUnreadable:
    shard = owner.exchange_index
    return OrderUnreadable(
        word(owner.client_order_id)[:_LONGEST_ID],
        word(owner.order_id)[:_LONGEST_ID],
        word(owner.ticker)[:_LONGEST_ID],
        shard if isinstance(shard, int) else 0,
        str(error)[:_LONGEST_REASON],
    )


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
    if not trade_id:
        raise Malformed(f"a fill of {wire.order_id} has no id")
    try:
        return Fill(
            trade_id=trade_id,
            order_id=wire.order_id,
            ticker=ticker,
            side=_side(wire.book_side),
            price=order_price(wire.yes_price_dollars),
            count=contracts(wire.count_fp, least=1),
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
        filled = contracts(wire.fill_count_fp)
        remaining = contracts(wire.remaining_count_fp)
        return OrderReport(
            client_id=wire.client_order_id,
            order_id=wire.order_id,
            ticker=wire.ticker,
            side=_side(wire.book_side),
            price=order_price(wire.yes_price_dollars),
            filled=filled,
            remaining=remaining,
            status=_status(word(wire.status), filled, remaining),
            expires=expires,
            shard=wire.exchange_index,
            group=wire.order_group_id,
        )
    except ValueError as error:
        raise Malformed(f"order {wire.order_id}: {error}") from None


def _status(stated: str, filled: Count, remaining: Count) -> OrderStatus:
    """Return an order's status: "unknown" if the stated one contradicts the counts."""
    match stated:
        case "resting" if not remaining:
            return "unknown"
        case "executed" if remaining or not filled:
            return "unknown"
        case _:
            return _STATUSES.get(stated, "unknown")


def _side(book_side: Word) -> Side:
    side = _SIDES.get(word(book_side))
    if side is None:
        raise Malformed(f"{shown(book_side)} is not a side of a book")
    return side
