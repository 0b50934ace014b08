from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_messages import (
    RestFill,
    RestOrder,
    fill_on_stream,
    order_on_stream,
    rest_fill,
    rest_order,
    stream_fill,
    stream_order,
)
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.messages import Malformed
from mmbot.trading.values import Fill, OrderReport
from mmbot.units import Count, Money, Price
from tests.kalshi.builders import FILL, REST_FILL, REST_ORDER, USER_ORDER, A, changed, frame


def raw(tree: Any) -> msgspec.Raw:
    return msgspec.Raw(orjson.dumps(tree))


def order_of(**changes: Any) -> OrderReport:
    return rest_order(wire.convert(changed(REST_ORDER, **changes), RestOrder))


def fill_of(**changes: Any) -> Fill:
    return rest_fill(wire.convert(changed(REST_FILL, **changes), RestFill))


def test_a_fill_is_read_from_the_stream() -> None:
    assert stream_fill(raw(FILL)) == Fill(
        "d91b",
        "ee58",
        A,
        "bid",
        price=Price(4200),
        count=Count(1000),
        fee=Money(0),
        at=1795874400456,
        client_id="mmbot-1",
    )


@pytest.mark.parametrize(
    ("named", "ours"), [(0, False), (3, True), (4, False), (None, True), ("3", True), (..., True)]
)
def test_an_order_or_a_fill_of_another_subaccount_is_none_of_ours(
    named: Any, *, ours: bool
) -> None:
    order = changed(USER_ORDER, client_order_id="mmbot-1", subaccount_number=named)
    fill = changed(FILL, subaccount=named)
    assert (order_on_stream(raw(order), 3) is not None) is ours
    assert (fill_on_stream(raw(fill), "KXTSAW-", 3) is not None) is ours


def test_a_feed_passes_over_what_is_told_of_another_subaccount() -> None:
    feed = Feed("KXTSAW", subaccount=3)
    feed.connected(1_795_874_400_200)
    for kind, tree in (("fill", FILL), ("user_order", USER_ORDER)):
        key = "subaccount" if kind == "fill" else "subaccount_number"
        for named, events in ((2, 0), (3, 1)):
            message = changed(tree, client_order_id="mmbot-1", **{key: named})
            step = feed.received(frame(kind, message, sid=11), 1_795_874_400_300)
            assert len(step.events) == events


def test_a_fill_is_the_same_from_rest() -> None:
    streamed = msgspec.structs.replace(stream_fill(raw(FILL)), client_id="")
    assert msgspec.structs.replace(fill_of(), at=streamed.at) == streamed


def test_a_rest_fill_may_bear_either_of_its_two_ids_and_no_time() -> None:
    assert fill_of(trade_id=...).trade_id == "d91b"
    assert fill_of(created_time=...).at == 0
    assert fill_of(created_time=None).at == 0


def test_numbers_are_accepted_for_decimal_strings() -> None:
    fill = stream_fill(raw(changed(FILL, yes_price_dollars=0.42, count_fp=10, fee_cost=0.5)))
    assert (fill.price, fill.count, fill.fee) == (4200, 1000, 500_000)


@pytest.mark.parametrize("missing", ["side", "action", "purchased_side", "ts", "client_order_id"])
def test_deprecated_keys_are_not_needed(missing: str) -> None:
    assert stream_fill(raw(changed(FILL, **{missing: ...}))).price == 4200


def test_a_null_counts_as_an_absent_key() -> None:
    order = stream_order(raw(changed(USER_ORDER, client_order_id=None, expiration_ts_ms=None)))
    assert (order.client_id, order.expires) == ("", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"yes_price_dollars": "cheap"},
        {"count_fp": "0.001"},
        {"book_side": "yes"},
        {"order_id": ...},
        {"order_id": None},
        {"order_id": ""},
        {"trade_id": ""},
        {"count_fp": "-7.00"},
        {"count_fp": "0.00"},
        {"yes_price_dollars": "0.0000"},
        {"yes_price_dollars": "1.0000"},
        {"yes_price_dollars": "-0.4200"},
        {"yes_price_dollars": 42},
    ],
)
def test_an_unreadable_fill_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        stream_fill(raw(changed(FILL, **changes)))


def test_a_listed_fill_without_any_id_is_malformed() -> None:
    with pytest.raises(Malformed, match="no id"):
        fill_of(trade_id="", fill_id=...)


def test_an_order_is_read_from_the_stream_and_from_rest() -> None:
    expected = OrderReport(
        "mmbot-1",
        "ee58",
        A,
        "bid",
        price=Price(4200),
        filled=Count(1000),
        remaining=Count(1500),
        status="resting",
        expires=1795874700000,
        group="g",
    )
    assert stream_order(raw(USER_ORDER)) == expected
    reported = order_of()
    assert msgspec.structs.replace(reported, expires=expected.expires) == expected
    assert reported.expires == 1795872300000


@pytest.mark.parametrize("status", ["canceled", "executed"])
def test_an_order_that_was_cancelled_or_executed_has_ended(status: str) -> None:
    assert order_of(status=status, remaining_count_fp="0.00").status == "ended"


def test_what_is_left_of_a_cancelled_order_does_not_matter() -> None:
    assert order_of(status="canceled").status == "ended"


@pytest.mark.parametrize(
    ("status", "filled", "remaining"),
    [("resting", "10.00", "0.00"), ("executed", "10.00", "15.00"), ("executed", "0.00", "0.00")],
)
def test_a_status_that_contradicts_its_numbers_is_not_believed(
    status: str, filled: str, remaining: str
) -> None:
    numbers = {"fill_count_fp": filled, "remaining_count_fp": remaining}
    assert order_of(status=status, **numbers).status == "unknown"


@pytest.mark.parametrize("status", ["unknown", "pending", "held", "Canceled", "EXECUTED", ""])
def test_no_other_word_ends_an_order(status: str) -> None:
    assert order_of(status=status).status == "unknown"


def test_an_ask_sells_yes() -> None:
    assert order_of(book_side="ask").side == "ask"


@pytest.mark.parametrize(
    "changes",
    [
        {"fill_count_fp": "much"},
        {"fill_count_fp": "-5.00"},
        {"remaining_count_fp": "-10.00"},
        {"yes_price_dollars": "1.2"},
        {"yes_price_dollars": "0.0000"},
    ],
)
def test_an_unreadable_order_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="order ee58"):
        order_of(**changes)


def test_an_order_without_the_exchanges_id_is_malformed() -> None:
    with pytest.raises(Malformed):
        stream_order(raw(changed(USER_ORDER, order_id="")))
