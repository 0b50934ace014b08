"""Writes as requests, and their answers as outcomes: applied, refused or unknown.

A write's outcome is unknown if there is no answer, if the status is neither a success nor a
definite refusal (server errors, 408), if a refusal has an unknown code and a status that does not
decide it, or if a confirmation names no order or another one.
Several cancels, or several places, go as one batch, whose answer has an outcome for each order; one
that is missing is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, assert_never

import msgspec
import orjson

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.readings import ORDERS
from mmbot.trading.commands import Cancel, Decrease, Place, Renew
from mmbot.trading.events import (
    InputEvent,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    OrderRenewed,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.values import Refusal, Write
from mmbot.units import format_count, format_price, parse_count

WriteCommand: TypeAlias = Place | Cancel | Renew | Decrease

BATCHED = f"{ORDERS}/batched"
_LONGEST_DETAIL = 200

_REFUSALS: dict[str, Refusal] = {
    "order_already_exists": "already_exists",
    "insufficient_balance": "insufficient_balance",
    "trading_is_paused": "paused",
    "exchange_is_paused": "paused",
    "exchange_paused": "paused",
    "market_inactive": "inactive",
    "market_not_found": "not_found",
    "not_found": "not_found",
    "amend_order_no_op": "no_change",
    "too_many_requests": "rate_limited",
    "header_timestamp_expired": "clock",
    "authentication_error": "unauthorised",
    "permission_denied": "forbidden",
}
# Codes that only say that the write was not applied.
_REFUSED = frozenset(
    {
        "invalid_order",
        "invalid_parameters",
        "invalid_price",
        "internal_error",
        "deprecated_v1_order_endpoint",
        "method_not_allowed",
    }
)
_BY_STATUS: dict[int, Refusal] = {
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    429: "rate_limited",
}
# Refusals that only the details of an `invalid_order` distinguish.
_BY_TEXT: dict[str, Refusal] = {
    "post only cross": "post_only_cross",
    "post_only_cross": "post_only_cross",
    "group triggered": "group_triggered",
    "group_triggered": "group_triggered",
}
# The gateway answered without knowing what the matching engine did.
_UNKNOWN_CODE = "exchange_unavailable"


def write_name(command: WriteCommand) -> Write:
    """Return the kind of write that a command is."""
    match command:
        case Place():
            return "place"
        case Cancel():
            return "cancel"
        case Renew():
            return "renew"
        case Decrease():
            return "decrease"
        case _:
            assert_never(command)


# Requests


def write_request(commands: Sequence[WriteCommand], subaccount: int) -> HttpRequest:
    """Return the unsigned request for one write, or for several cancels or several places."""
    if len(commands) == 1:
        return _single(commands[0], subaccount)
    cancels = [c for c in commands if isinstance(c, Cancel)]
    places = [c for c in commands if isinstance(c, Place)]
    if cancels:
        items = [_cancel_item(cancel, subaccount) for cancel in cancels]
        return HttpRequest("DELETE", BATCHED, body=orjson.dumps({"orders": items}))
    bodies = [_place_body(place, subaccount) for place in places]
    return HttpRequest("POST", BATCHED, body=orjson.dumps({"orders": bodies}))


def _single(command: WriteCommand, subaccount: int) -> HttpRequest:
    own = "subaccount", str(subaccount)
    match command:
        case Cancel():
            shard = "exchange_index", str(command.shard)
            query = (("market_ticker", command.ticker), shard, own)
            return HttpRequest("DELETE", f"{ORDERS}/{command.order_id}", query)
        case Place():
            return HttpRequest("POST", ORDERS, body=orjson.dumps(_place_body(command, subaccount)))
        case Renew():
            path = f"{ORDERS}/{command.order_id}/amend"
            return HttpRequest("POST", path, (own,), body=orjson.dumps(_amend_body(command)))
        case Decrease():
            path = f"{ORDERS}/{command.order_id}/decrease"
            return HttpRequest("POST", path, (own,), body=orjson.dumps(_decrease_body(command)))
        case _:
            assert_never(command)


def _place_body(command: Place, subaccount: int) -> dict[str, object]:
    return {
        "ticker": command.ticker,
        "side": command.side,
        "count": format_count(command.count),
        "price": format_price(command.price),
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "client_order_id": command.client_id,
        "post_only": True,
        "cancel_order_on_pause": True,
        "expiration_time": command.expires // 1000,
        "order_group_id": command.group,
        "subaccount": subaccount,
        "exchange_index": command.shard,
    }


def _amend_body(command: Renew) -> dict[str, object]:
    # Only the expiry is amended, so the order keeps its queue position. A price is never amended:
    # the exchange does not promise that the order stays post-only, and documents fills from amends
    # that cross.
    return {
        "ticker": command.ticker,
        "side": command.side,
        "count": format_count(command.count),
        "price": format_price(command.price),
        "expiration_time": command.expires // 1000,
        "exchange_index": command.shard,
    }


def _decrease_body(command: Decrease) -> dict[str, object]:
    return {
        "reduce_to": format_count(command.remaining),
        "market_ticker": command.ticker,
        "exchange_index": command.shard,
    }


def _cancel_item(command: Cancel, subaccount: int) -> dict[str, object]:
    return {
        "order_id": command.order_id,
        "market_ticker": command.ticker,
        "exchange_index": command.shard,
        "subaccount": subaccount,
    }


# Outcomes


def outcomes(commands: Sequence[WriteCommand], answer: HttpAnswer | None) -> list[InputEvent]:
    """Return the outcome of each write of one request; `answer` is `None` if none came."""
    if answer is None:
        return [_unknown(command, "no answer") for command in commands]
    if not 200 <= answer.status < 300:
        if _names_orders(answer.body):
            detail = f"status {answer.status}, but with the content of a confirmation"
            return [_unknown(command, detail) for command in commands]
        error = wire.error_body(answer.body)
        return [_not_applied(command, answer.status, error) for command in commands]
    if len(commands) == 1:
        return [_confirmed(commands[0], answer.body)]
    try:
        rows = wire.decode(answer.body, _Batch).orders
        items = [(wire.decode(row, _BatchItem), row) for row in rows]
    except wire.Malformed as error:
        return [_unknown(command, str(error)) for command in commands]
    return [_batch_outcome(command, items) for command in commands]


def _names_orders(body: bytes) -> bool:
    """Return whether an answer names orders, as a confirmation does."""
    try:
        named = wire.decode(body, _NamedOrders)
    except wire.Malformed:
        return False
    return bool(named.order_id or named.orders)


def _batch_outcome(
    command: WriteCommand, items: Sequence[tuple[_BatchItem, msgspec.Raw]]
) -> InputEvent:
    found = [(item, row) for item, row in items if _is_about(item, command)]
    if len(found) != 1:
        return _unknown(command, f"the answer to the batch mentions it {len(found)} times")
    item, row = found[0]
    if item.error is None:
        return _confirmed(command, row)
    # An item has no status of its own: only its code or text can say that it was refused.
    error = wire.error_of(item.error)
    refusal = refusal_of(None, error)
    if refusal is None:
        return _unknown(command, f"{error.code} {error.text}".strip() or "an error without a code")
    return _refused(command, refusal, f"{error.code} {error.text}".rstrip())


def _is_about(item: _BatchItem, command: WriteCommand) -> bool:
    if isinstance(command, Place):
        return item.client_order_id == command.client_id
    return item.order_id == command.order_id


def _unknown(command: WriteCommand, detail: str) -> WriteUnknown:
    return WriteUnknown(command.client_id, write_name(command), detail[:_LONGEST_DETAIL])


def _confirmed(command: WriteCommand, body: bytes | msgspec.Raw) -> InputEvent:
    """Return the outcome of a write from the body of a successful answer."""
    try:
        return _applied(command, body)
    except (wire.Malformed, ValueError) as error:
        return _unknown(command, str(error))


def _applied(command: WriteCommand, body: bytes | msgspec.Raw) -> InputEvent:
    match command:
        case Place():
            created = wire.decode(body, _Created)
            _require_same(created.client_order_id or command.client_id, command.client_id)
            filled = wire.contracts(created.fill_count, most=command.count)
            return OrderPlaced(command.client_id, created.order_id, filled)
        case Cancel():
            cancelled = wire.decode(body, _Cancelled)
            _require_same(cancelled.order_id, command.order_id)
            return OrderCancelled(command.client_id, wire.contracts(cancelled.reduced_by))
        case Decrease():
            decreased = wire.decode(body, _Decreased)
            _require_same(decreased.order_id, command.order_id)
            return OrderDecreased(command.client_id, parse_count(decreased.remaining_count))
        case Renew():
            _require_same(wire.decode(body, _Amended).order_id, command.order_id)
            return OrderRenewed(command.client_id, command.expires)
        case _:
            assert_never(command)


def _require_same(answered: str, requested: str) -> None:
    """Raise `Malformed` if an answer names another order, which does happen."""
    if answered != requested:
        raise wire.Malformed(f"the answer is about {answered}, not {requested}")


def _not_applied(command: WriteCommand, status: int, error: wire.ErrorBody) -> InputEvent:
    detail = f"{status} {error.code} {error.text}".rstrip()
    refusal = refusal_of(status, error)
    if not 400 <= status < 500 or status == 408 or refusal is None:
        return _unknown(command, f"status {detail}")
    return _refused(command, refusal, detail)


def _refused(command: WriteCommand, refusal: Refusal, detail: str) -> InputEvent:
    if refusal == "no_change" and isinstance(command, Renew):
        return OrderRenewed(command.client_id, command.expires)
    return WriteRefused(command.client_id, write_name(command), refusal, detail)


def refusal_of(status: int | None, error: wire.ErrorBody) -> Refusal | None:
    """Classify a refusal by the text of its details, else its code, else its status if it has one.

    `None` if none of these is known to mean that the write was not applied.
    """
    code = error.code.lower()
    if code == _UNKNOWN_CODE:
        return None
    lowered = f"{error.code} {error.text}".lower()
    for text, refusal in _BY_TEXT.items():
        if text in lowered:
            return refusal
    if code in _REFUSED:
        return "other"
    if not code and status == 400:
        # The request itself was refused, without saying why.
        return "other"
    return _REFUSALS.get(code) or _BY_STATUS.get(status or 0)


# Answers


class _Created(msgspec.Struct, frozen=True):
    """The answer to a create."""

    order_id: Annotated[str, msgspec.Meta(min_length=1)]
    client_order_id: str = ""
    fill_count: wire.Number = "0"


class _Cancelled(msgspec.Struct, frozen=True):
    """The answer to a cancel: how many contracts were cancelled."""

    order_id: str
    reduced_by: wire.Number


class _Amended(msgspec.Struct, frozen=True):
    """The answer to an amend."""

    order_id: str


class _Decreased(msgspec.Struct, frozen=True):
    """The answer to a decrease: how many contracts still rest."""

    order_id: str
    remaining_count: wire.Number


class _Batch(msgspec.Struct, frozen=True):
    """The answer to a batch: one object for each order, applied or not."""

    orders: tuple[msgspec.Raw, ...]


class _NamedOrders(msgspec.Struct, frozen=True):
    """The parts of any answer that confirm one write or several."""

    order_id: wire.Word = None
    orders: wire.Word = None


class _BatchItem(msgspec.Struct, frozen=True):
    """The common part of a batch's objects: the order's ids, and the error if it was refused."""

    order_id: str = ""
    client_order_id: str = ""
    error: Any = None
