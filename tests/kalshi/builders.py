"""The exchange's messages as its documentation gives them, for tests to vary; and commands."""

from __future__ import annotations

import copy
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ed25519

from mmbot.kalshi.auth import Signer
from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.commands import EnsureGroup
from mmbot.trading.values import Level
from mmbot.units import Count, Price

A, B = "KXTSAW-26NOV29-A2.70", "KXTSAW-26NOV29-A2.80"
EVENT = "KXTSAW-26NOV29"
SIGNER = Signer("key-id", ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))

FILL = {
    "trade_id": "d91b",
    "order_id": "ee58",
    "client_order_id": "mmbot-1",
    "market_ticker": A,
    "exchange_index": 0,
    "is_taker": False,
    "yes_price_dollars": "0.4200",
    "count_fp": "10.00",
    "fee_cost": "0.000000",
    "post_position_fp": "10.00",
    "outcome_side": "yes",
    "book_side": "bid",
    "subaccount": 0,
    "ts_ms": 1795874400456,
    "side": "yes",
    "action": "buy",
    "purchased_side": "yes",
    "ts": 1795874400,
}
USER_ORDER = {
    "order_id": "ee58",
    "user_id": "u",
    "ticker": A,
    "exchange_index": 0,
    "status": "resting",
    "outcome_side": "yes",
    "book_side": "bid",
    "yes_price_dollars": "0.4200",
    "initial_count_fp": "25.00",
    "remaining_count_fp": "15.00",
    "fill_count_fp": "10.00",
    "taker_fill_cost_dollars": "0.000000",
    "maker_fill_cost_dollars": "4.200000",
    "taker_fees_dollars": "0.000000",
    "maker_fees_dollars": "0.000000",
    "client_order_id": "mmbot-1",
    "order_group_id": "g",
    "created_ts_ms": 1795874400123,
    "last_updated_ts_ms": 1795874400456,
    "expiration_ts_ms": 1795874700000,
    "last_update_reason": "Trade",
    "subaccount_number": 0,
}
SNAPSHOT = {
    "market_ticker": A,
    "market_id": "9b0f",
    "clock": 4182057,
    "yes_dollars_fp": [["0.0800", "300.00"], ["0.4200", "103.00"]],
    "no_dollars_fp": [["0.4600", "20.00"], ["0.4400", "146.00"]],
}
DELTA = {
    "market_ticker": A,
    "market_id": "9b0f",
    "clock": 4182061,
    "price_dollars": "0.4200",
    "delta_fp": "-54.00",
    "side": "yes",
    "ts_ms": 1795874400123,
    "client_order_id": "mmbot-1",
    "subaccount": 0,
}
REST_ORDER = {
    "order_id": "ee58",
    "user_id": "u",
    "client_order_id": "mmbot-1",
    "ticker": A,
    "outcome_side": "yes",
    "book_side": "bid",
    "type": "limit",
    "status": "resting",
    "yes_price_dollars": "0.4200",
    "no_price_dollars": "0.5800",
    "fill_count_fp": "10.00",
    "remaining_count_fp": "15.00",
    "initial_count_fp": "25.00",
    "expiration_time": "2026-11-28T13:25:00Z",
    "created_time": "2026-11-28T13:20:00.123Z",
    "order_group_id": "g",
    "subaccount_number": 0,
    "exchange_index": 0,
}
REST_FILL = {
    "fill_id": "d91b",
    "trade_id": "d91b",
    "order_id": "ee58",
    "ticker": A,
    "book_side": "bid",
    "outcome_side": "yes",
    "count_fp": "10.00",
    "yes_price_dollars": "0.4200",
    "no_price_dollars": "0.5800",
    "is_taker": False,
    "fee_cost": "0.000000",
    "created_time": "2026-11-28T13:20:00.456Z",
    "subaccount_number": 0,
    "exchange_index": 0,
}
MARKET = {
    "ticker": A,
    "event_ticker": EVENT,
    "market_type": "binary",
    "status": "active",
    "result": "",
    "open_time": "2026-11-23T15:00:00Z",
    "close_time": "2026-11-30T04:59:00Z",
    "strike_type": "greater",
    "floor_strike": 2700000,
    "cap_strike": None,
    "price_level_structure": "linear_cent",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "exchange_index": 0,
}
LISTED = {
    "event_ticker": EVENT,
    "series_ticker": "KXTSAW",
    "fee_type_override": None,
    "markets": [MARKET | {"ticker": B, "floor_strike": 2800000.0}, MARKET],
}


def changed(message: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the message with some keys changed; a value of `...` removes the key."""
    tree = copy.deepcopy(message) | changes
    return {key: value for key, value in tree.items() if value is not ...}


def frame(kind: str, msg: Any = None, **envelope: Any) -> bytes:
    """Return a frame of the stream."""
    body = {} if msg is None else {"msg": msg}
    return orjson.dumps({"type": kind, **envelope, **body})


def answer(tree: Any, status: int = 200) -> HttpAnswer:
    """Return an answer with a JSON body."""
    return HttpAnswer(status, orjson.dumps(tree))


def error(status: int, code: str = "", details: str = "") -> HttpAnswer:
    """Return an answer that is an error."""
    return answer({"error": {"code": code, "message": "message", "details": details}}, status)


def ensure_group(shard: int, contracts: int) -> EnsureGroup:
    """Return the command for a group on `shard` with that cap."""
    return EnsureGroup(shard, Count(contracts))


def levels(*pairs: tuple[int, int]) -> tuple[Level, ...]:
    """Return levels of a book from prices and counts in units."""
    return tuple((Price(price), Count(count)) for price, count in pairs)
