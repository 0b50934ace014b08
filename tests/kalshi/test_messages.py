from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.kalshi import account_messages as account
from mmbot.kalshi import messages as wire
from mmbot.kalshi.messages import ErrorBody, Malformed
from mmbot.units import CENT_GRID
from tests.kalshi.builders import (
    DELTA,
    FILL,
    MARKET,
    SNAPSHOT,
    A,
    changed,
)

KINDS: list[Any] = [
    wire.Subscribed,
    wire.StreamError,
    wire.BookSnapshot,
    wire.BookDelta,
    account.StreamFill,
    account.StreamOrder,
    account.GroupUpdate,
    wire.MarketLifecycle,
    wire.LifecycleSubject,
    account.RestFill,
    account.RestOrder,
    wire.RestMarket,
    wire.RestEvent,
    account.RestPosition,
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


def rest_market(**changes: Any) -> wire.RestMarket:
    return wire.convert(changed(MARKET, **changes), wire.RestMarket)


@given(anything)
def test_decoding_any_bytes_raises_nothing_but_malformed(data: bytes) -> None:
    for kind in KINDS:
        with contextlib.suppress(Malformed):
            wire.decode(data, kind)
    wire.error_body(data)


@given(anything | st.text(max_size=40))
def test_decoding_any_frame_raises_nothing_but_malformed(data: bytes | str) -> None:
    with contextlib.suppress(Malformed):
        wire.decode_frame(data)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"order_id":1,"x":' + b"[" * 100_000])
def test_deeply_nested_json_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        wire.decode(data, account.StreamFill)
    assert wire.error_body(data) == ErrorBody()


@pytest.mark.parametrize("inner", [b"[%s]", b'{"a":%s}'])
def test_whatever_an_unknown_word_is_nested_in_it_can_be_named(inner: bytes) -> None:
    before, _, after = inner.partition(b"%s")
    for depth in (*range(1, 10), *range(900, 1010)):
        value = before * depth + b"1" + after * depth
        with contextlib.suppress(Malformed):
            assert len(wire.shown(wire.tree(value))) <= 60
            wire.error_of({"code": wire.tree(value), "message": wire.tree(value)})
        with pytest.raises(Malformed):
            wire.book_change(msgspec.Raw(orjson.dumps(DELTA)[:-1] + b',"side":' + value + b"}"))


def test_an_error_of_any_size_is_read_within_a_bound() -> None:
    vast = 10**5000
    for value in (vast, -vast, [vast], {"a": vast}, [[vast]] * 1000, "x" * 10**6, 1.5, True):
        error = wire.error_of({"code": value, "message": value, "details": [value] * 100})
        assert 0 < len(error.code) <= 200
        assert 0 < len(error.text) <= 200


def test_a_book_change_is_read_in_yes_prices() -> None:
    assert wire.book_change(raw(DELTA))[1:] == ("bid", 4200, -5400)
    assert wire.book_change(raw(changed(DELTA, side="no")))[1:] == ("ask", 4200, -5400)


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "maybe"},
        {"delta_fp": "x"},
        {"price_dollars": ...},
        {"price_dollars": "1.0001"},
        {"price_dollars": "-0.4200"},
        {"price_dollars": 42},
    ],
)
def test_an_unreadable_book_change_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        wire.book_change(raw(changed(DELTA, **changes)))


def test_levels_are_read_in_units() -> None:
    snapshot = wire.decode(raw(SNAPSHOT), wire.BookSnapshot)
    assert wire.book_levels(snapshot.yes_dollars_fp) == ((800, 30_000), (4200, 10_300))
    with pytest.raises(Malformed, match="levels"):
        wire.book_levels((("x", "1.00"),))


def test_levels_at_a_price_that_nothing_has_are_malformed() -> None:
    with pytest.raises(Malformed, match="not a price"):
        wire.book_levels((("1.5000", "1.00"),))


def test_a_price_that_comes_twice_is_malformed() -> None:
    with pytest.raises(Malformed, match="twice"):
        wire.book_levels((("0.4200", "10.00"), (0.42, "5.00")))


def test_a_market_is_read() -> None:
    market = wire.market(rest_market())
    assert (market.ticker, market.strike, market.shard, market.active) == (A, 2_700_000, 0, True)
    assert market.grid == CENT_GRID
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
def test_a_market_is_active_once_it_is_initialized(status: str, active: bool) -> None:
    assert wire.market(rest_market(status=status)).active is active


@pytest.mark.parametrize(
    "changes",
    [
        {"strike_type": "between"},
        {"floor_strike": None},
        {"floor_strike": 2700000.5},
        {"price_ranges": []},
        {"price_ranges": ...},
        {"price_ranges": {"start": "0", "end": "1", "step": "0.01"}},
        {"price_ranges": ["0.01"]},
        {"price_ranges": [{"start": "0", "end": "1", "step": "0"}]},
        {"price_ranges": [{"start": "0", "end": "1"}]},
        {"price_ranges": [{"start": "0", "end": "1", "step": "fine"}]},
    ],
)
def test_a_market_of_another_kind_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=A):
        wire.market(rest_market(**changes))


def test_what_else_is_said_of_a_band_of_prices_does_not_matter() -> None:
    band = {"start": "0", "end": "1", "step": "0.01", "inclusive": True, "labels": ["cent"]}
    assert wire.market(rest_market(price_ranges=[band])).grid == CENT_GRID


def test_an_instant_without_its_zone_is_malformed() -> None:
    with pytest.raises(Malformed):
        rest_market(open_time="2026-11-23T15:00:00")


@pytest.mark.parametrize(
    ("result", "value"), [("yes", 10_000), ("no", 0), ("", None), ("scalar", None)]
)
def test_without_a_stated_value_only_yes_and_no_pay(result: str, value: int | None) -> None:
    assert wire.settlement_value(result) == value


@pytest.mark.parametrize(
    ("result", "stated", "value"),
    [
        ("scalar", "0.3800", 3_800),
        ("scalar", "0.380000", 3_800),
        ("scalar", 0.38, 3_800),
        ("scalar", "0.0000", 0),
        ("scalar", "1.0000", 10_000),
        ("scalar", "1.0001", None),
        ("scalar", "-0.1000", None),
        ("scalar", "0.38005", None),
        ("scalar", "much", None),
        ("scalar", ["0.3800"], None),
        ("scalar", "", None),
        ("scalar", True, None),
        ("yes", "1.0000", 10_000),
        ("yes", "", 10_000),
        ("yes", "0.3800", None),
        ("no", "0.0000", 0),
        ("no", "much", None),
        ("void", "0.3800", None),
        (None, "0.3800", None),
    ],
)
def test_a_fraction_pays_what_is_stated_and_a_contradiction_nothing(
    result: Any, stated: Any, value: int | None
) -> None:
    assert wire.settlement_value(result, stated) == value


def test_of_an_event_only_the_markets_that_can_be_read_are_returned() -> None:
    rows = [{"ticker": 3}, MARKET, None]
    assert [market.ticker for market in wire.markets_of(wire.RestEvent(markets=rows))] == [A]
    assert list(wire.markets_of(wire.RestEvent(markets="many"))) == []


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
def test_an_error_is_read_in_each_of_its_shapes(body: object, expected: ErrorBody) -> None:
    assert wire.error_body(orjson.dumps(body)) == expected


def test_an_error_that_is_no_json_has_neither_code_nor_text() -> None:
    assert wire.error_body(b"<html>bad gateway</html>") == ErrorBody()
