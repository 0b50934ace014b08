from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.kalshi import messages as wire
from mmbot.kalshi.messages import ErrorBody, Malformed
from mmbot.trading.values import Fill, OrderReport
from mmbot.units import PriceBand, PriceGrid
from tests.kalshi.builders import (
    DELTA,
    FILL,
    MARKET,
    REST_FILL,
    REST_ORDER,
    SNAPSHOT,
    USER_ORDER,
    A,
    changed,
)

KINDS: list[Any] = [
    wire.Subscribed,
    wire.StreamError,
    wire.BookSnapshot,
    wire.BookDelta,
    wire.StreamFill,
    wire.StreamOrder,
    wire.MarketLifecycle,
    wire.LifecycleSubject,
    wire.RestFill,
    wire.RestOrder,
    wire.RestMarket,
    wire.RestEvent,
    wire.RestPosition,
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(list(FILL) + list(MARKET)), inner, max_size=4)
    ),
    max_leaves=5,
)
anything = st.binary(max_size=40) | json_values.map(lambda tree: json.dumps(tree).encode())


def raw(tree: Any) -> msgspec.Raw:
    return msgspec.Raw(orjson.dumps(tree))


def rest_order(**changes: Any) -> OrderReport:
    return wire.rest_order(wire.convert(changed(REST_ORDER, **changes), wire.RestOrder))


def rest_fill(**changes: Any) -> Fill:
    return wire.rest_fill(wire.convert(changed(REST_FILL, **changes), wire.RestFill))


def rest_market(**changes: Any) -> wire.RestMarket:
    return wire.convert(changed(MARKET, **changes), wire.RestMarket)


@given(anything)
def test_whatever_the_bytes_nothing_but_malformed_escapes(data: bytes) -> None:
    for kind in KINDS:
        with contextlib.suppress(Malformed):
            wire.decode(data, kind)
    wire.error_body(data)


@given(anything | st.text(max_size=40))
def test_whatever_the_frame_nothing_but_malformed_escapes(data: bytes | str) -> None:
    with contextlib.suppress(Malformed):
        wire.decode_frame(data)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"order_id":1,"x":' + b"[" * 100_000])
def test_a_deep_nest_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        wire.decode(data, wire.StreamFill)
    assert wire.error_body(data) == ErrorBody()


def test_a_fill_is_read_from_the_stream() -> None:
    assert wire.stream_fill(raw(FILL)) == Fill(
        "d91b", "ee58", A, "bid", 4200, 1000, 0, 1795874400456, "mmbot-1"
    )


def test_a_fill_is_the_same_from_rest() -> None:
    streamed = msgspec.structs.replace(wire.stream_fill(raw(FILL)), client_id="")
    assert msgspec.structs.replace(rest_fill(), at=streamed.at) == streamed


def test_a_rest_fill_may_bear_either_of_its_two_ids_and_no_time() -> None:
    assert rest_fill(trade_id=...).trade_id == "d91b"
    assert rest_fill(created_time=...).at == 0
    assert rest_fill(created_time=None).at == 0


def test_numbers_are_as_good_as_strings() -> None:
    fill = wire.stream_fill(raw(changed(FILL, yes_price_dollars=0.42, count_fp=10, fee_cost=0.5)))
    assert (fill.price, fill.count, fill.fee) == (4200, 1000, 500_000)


@pytest.mark.parametrize("missing", ["side", "action", "purchased_side", "ts", "client_order_id"])
def test_deprecated_keys_are_not_needed(missing: str) -> None:
    assert wire.stream_fill(raw(changed(FILL, **{missing: ...}))).price == 4200


def test_a_null_is_as_good_as_no_key() -> None:
    order = wire.stream_order(raw(changed(USER_ORDER, client_order_id=None, expiration_ts_ms=None)))
    assert (order.client_id, order.expires) == ("", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"yes_price_dollars": "cheap"},
        {"count_fp": "0.001"},
        {"book_side": "yes"},
        {"order_id": ...},
        {"order_id": None},
    ],
)
def test_a_fill_that_cannot_be_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        wire.stream_fill(raw(changed(FILL, **changes)))


def test_an_order_is_read_from_the_stream_and_from_rest() -> None:
    expected = OrderReport(
        "mmbot-1", "ee58", A, "bid", 4200, 1000, 1500, "resting", 1795874700000, 0, "g"
    )
    assert wire.stream_order(raw(USER_ORDER)) == expected
    reported = rest_order()
    assert msgspec.structs.replace(reported, expires=expected.expires) == expected
    assert reported.expires == 1795872300000


@pytest.mark.parametrize("status", ["canceled", "executed", "unknown", "something new"])
def test_an_order_that_does_not_rest_has_ended(status: str) -> None:
    assert rest_order(status=status).status == "ended"


def test_an_ask_is_sold_yes() -> None:
    assert rest_order(book_side="ask").side == "ask"


def test_an_order_that_cannot_be_is_malformed() -> None:
    with pytest.raises(Malformed, match="order ee58"):
        rest_order(fill_count_fp="much")


def test_a_book_change_is_read_in_yes_prices() -> None:
    assert wire.book_change(raw(DELTA))[1:] == ("bid", 4200, -5400)
    assert wire.book_change(raw(changed(DELTA, side="no")))[1:] == ("ask", 4200, -5400)


@pytest.mark.parametrize("changes", [{"side": "maybe"}, {"delta_fp": "x"}, {"price_dollars": ...}])
def test_a_book_change_that_cannot_be_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        wire.book_change(raw(changed(DELTA, **changes)))


def test_levels_are_read_in_units() -> None:
    snapshot = wire.decode(raw(SNAPSHOT), wire.BookSnapshot)
    assert wire.book_levels(snapshot.yes_dollars_fp) == ((800, 30_000), (4200, 10_300))
    with pytest.raises(Malformed, match="levels"):
        wire.book_levels((("x", "1.00"),))


def test_a_market_is_read() -> None:
    market = wire.market(rest_market())
    assert (market.ticker, market.strike, market.shard, market.active) == (A, 2_700_000, 0, True)
    assert market.grid == PriceGrid((PriceBand(0, 10_000, 100),))
    assert (market.opens, market.closes) == (1795446000000, 1796014740000)


@pytest.mark.parametrize(
    ("status", "active"),
    [
        ("active", True),
        ("initialized", True),
        ("inactive", False),
        ("closed", False),
        ("determined", False),
        ("something new", False),
    ],
)
def test_a_market_is_active_or_will_be_by_the_clock(status: str, active: bool) -> None:
    assert wire.market(rest_market(status=status)).active is active


@pytest.mark.parametrize(
    "changes",
    [
        {"strike_type": "between"},
        {"floor_strike": None},
        {"floor_strike": 2700000.5},
        {"price_ranges": []},
        {"price_ranges": [{"start": "0", "end": "1", "step": "0"}]},
        {"price_ranges": [{"start": "0", "end": "1"}]},
        {"price_ranges": [{"start": "0", "end": "1", "step": "fine"}]},
    ],
)
def test_a_market_of_another_kind_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=A):
        wire.market(rest_market(**changes))


def test_an_instant_without_its_zone_is_malformed() -> None:
    with pytest.raises(Malformed):
        rest_market(open_time="2026-11-23T15:00:00")


@pytest.mark.parametrize(
    ("result", "value"), [("yes", 10_000), ("no", 0), ("", None), ("scalar", None)]
)
def test_only_yes_and_no_pay(result: str, value: int | None) -> None:
    assert wire.settlement_value(result) == value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"code": "invalid_order", "message": "no", "details": "post only cross"}},
            ErrorBody("invalid_order", "no post only cross"),
        ),
        ({"code": "not_found", "message": "gone"}, ErrorBody("not_found", "gone")),
        ({"error": "too many requests"}, ErrorBody("", "too many requests")),
        ({"code": None, "message": None}, ErrorBody()),
        ({"error": None}, ErrorBody()),
        (["x"], ErrorBody()),
        (3, ErrorBody()),
    ],
)
def test_an_error_is_read_in_every_shape(body: object, expected: ErrorBody) -> None:
    assert wire.error_body(orjson.dumps(body)) == expected


def test_an_error_that_is_no_json_says_nothing() -> None:
    assert wire.error_body(b"<html>bad gateway</html>") == ErrorBody()
