"""Writing orders over REST, row by row of the exchange's contract.

The fixtures `bench`, `maker` and `taker` are a venue in virtual time and two of its members.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from mmbot.underlying.calendar import EASTERN

TICKER = "KXTSAW-26APR19-A2.45"
ORDERS = "/portfolio/events/orders"


def test_a_created_order_is_answered_with_its_id_and_rests(maker: Any) -> None:
    answer = maker.place("bid", "0.4200", "25.00")
    assert answer["fill_count"] == "0.00"
    assert answer["remaining_count"] == "25.00"
    assert "average_fill_price" not in answer
    _, body = maker.call("GET", f"/portfolio/orders/{answer['order_id']}")
    assert body["order"]["status"] == "resting"
    assert body["order"]["yes_price_dollars"] == "0.4200"


def test_a_filled_order_is_answered_with_averages_on_the_yes_scale(maker: Any, taker: Any) -> None:
    maker.place("bid", "0.4200")
    maker.place("bid", "0.4000")
    answer = taker.place("ask", "0.4000", "20")
    assert (answer["fill_count"], answer["remaining_count"]) == ("20.00", "0.00")
    assert answer["average_fill_price"] == "0.410000"
    # 0.07 x (0.42 x 0.58 + 0.40 x 0.60) / 2, the whole rounded up to $0.0001
    assert answer["average_fee_paid"] == "0.016930"


def test_a_fill_may_be_a_hundredth_of_a_contract(maker: Any, taker: Any) -> None:
    maker.place("bid", "0.4200", "0.01")
    assert taker.place("ask", "0.4200", "1.5")["fill_count"] == "0.01"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"price": "0.4250"}, (400, "invalid_order", "invalid price")),
        ({"price": "0.0000"}, (400, "invalid_order", "invalid price")),
        ({"price": "1.0000"}, (400, "invalid_order", "invalid price")),
        ({"count": "0.00"}, (400, "invalid_parameters", "count must be positive")),
        ({"client_order_id": "with.dot"}, (400, "invalid_parameters", "client_order_id")),
        ({"client_order_id": "x" * 65}, (400, "invalid_parameters", "client_order_id")),
        ({"ticker": "KXTSAW-26APR19-A9.99"}, (404, "not_found", "market not found")),
        ({"exchange_index": 3}, (404, "not_found", "market not found")),
        ({"order_group_id": "none"}, (404, "not_found", "order group not found")),
        ({"subaccount": 5}, (404, "not_found", "subaccount not found")),
        ({"count": "1000000.00"}, (400, "insufficient_balance", None)),
    ],
)
def test_an_invalid_order_is_refused(
    maker: Any, change: dict[str, Any], refusal: tuple[Any, ...]
) -> None:
    order = {"price": "0.4200", "count": "10.00"} | change
    assert maker.refused("bid", **order) == refusal


@pytest.mark.parametrize(
    "change",
    [
        {"time_in_force": "GTT"},
        {"side": "yes"},
        {"price": 0.42},
        {"count": "1.234"},
        {"count": "ten"},
        {"self_trade_prevention_type": None},
        {"time_in_force": "immediate_or_cancel", "expiration_time": 4_000_000_000},
        {"time_in_force": "immediate_or_cancel", "post_only": True},
        {"reduce_only": True},
        {"expiration_time": 1},
    ],
)
def test_a_malformed_order_is_refused_as_invalid_parameters(
    maker: Any, change: dict[str, Any]
) -> None:
    status, body = maker.call("POST", ORDERS, maker.order("bid", "0.4200") | change)
    assert (status, body["error"]["code"]) == (400, "invalid_parameters")


def test_post_only_that_would_cross_is_refused(maker: Any, taker: Any) -> None:
    maker.place("ask", "0.5000")
    assert taker.refused("bid", "0.5000", post_only=True) == (
        400,
        "invalid_order",
        "post only cross",
    )


def test_a_client_order_id_can_be_used_once_even_after_its_order_is_gone(maker: Any) -> None:
    answer = maker.place("bid", "0.4200", client_order_id="once")
    maker.call("DELETE", f"{ORDERS}/{answer['order_id']}")
    assert maker.refused("bid", "0.4000", client_order_id="once")[:2] == (
        409,
        "order_already_exists",
    )


def test_two_members_may_use_the_same_client_order_id(maker: Any, taker: Any) -> None:
    maker.place("bid", "0.4200", client_order_id="same")
    taker.place("bid", "0.4200", client_order_id="same")


def test_a_fill_or_kill_that_cannot_be_filled_is_a_conflict(maker: Any, taker: Any) -> None:
    maker.place("ask", "0.5000")
    status, code, details = taker.refused("bid", "0.5000", "11", time_in_force="fill_or_kill")
    assert (status, code) == (409, "invalid_order")
    assert details.endswith("insufficient resting volume")


def test_an_order_expires_at_its_second(bench: Any, maker: Any) -> None:
    answer = maker.place("bid", "0.4200", expiration_time=bench.now // 1000 + 5)
    bench.wait(4_999)
    assert maker.call("GET", f"/portfolio/orders/{answer['order_id']}")[1]["order"]["status"] == (
        "resting"
    )
    bench.wait(1)
    order = maker.call("GET", f"/portfolio/orders/{answer['order_id']}")[1]["order"]
    assert (order["status"], order["remaining_count_fp"]) == ("canceled", "0.00")


# Cancel


def test_cancelling_returns_what_was_left(maker: Any, taker: Any) -> None:
    order = maker.place("bid", "0.4200", "10")
    taker.place("ask", "0.4200", "4")
    status, body = maker.call("DELETE", f"{ORDERS}/{order['order_id']}", market_ticker=TICKER)
    assert (status, body["reduced_by"], body["order_id"]) == (200, "6.00", order["order_id"])


def test_cancelling_twice_is_not_found(maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    maker.call("DELETE", f"{ORDERS}/{order['order_id']}")
    status, body = maker.call("DELETE", f"{ORDERS}/{order['order_id']}")
    assert (status, body["error"]["code"]) == (404, "not_found")


def test_nobody_cancels_another_members_order(maker: Any, taker: Any) -> None:
    order = maker.place("bid", "0.4200")
    assert taker.call("DELETE", f"{ORDERS}/{order['order_id']}")[0] == 404


def test_on_another_shard_a_cancel_needs_the_ticker_or_the_index(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(exchange_index=2)
    orders = [bench.maker.place("bid", "0.4200")["order_id"] for _ in range(3)]
    assert bench.maker.call("DELETE", f"{ORDERS}/{orders[0]}")[0] == 404
    assert bench.maker.call("DELETE", f"{ORDERS}/{orders[0]}", market_ticker=TICKER)[0] == 200
    assert bench.maker.call("DELETE", f"{ORDERS}/{orders[1]}", exchange_index="2")[0] == 200
    assert bench.maker.call("DELETE", f"{ORDERS}/{orders[2]}", exchange_index="-1")[0] == 404


def test_cancel_all_empties_every_book_of_the_member_only(maker: Any, taker: Any) -> None:
    for price in ("0.4000", "0.4100"):
        maker.place("bid", price)
    kept = taker.place("bid", "0.3000")
    assert maker.call("DELETE", ORDERS) == (204, None)
    assert maker.call("GET", "/portfolio/orders", status="resting")[1]["orders"] == []
    assert taker.call("GET", f"/portfolio/orders/{kept['order_id']}")[1]["order"]["status"] == (
        "resting"
    )


def test_cancel_all_may_reach_orders_placed_after_it(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(cancel_all_reach_ms=60_000)
    bench.maker.call("DELETE", ORDERS)
    bench.wait(59_999)
    reached = bench.maker.place("bid", "0.4200")
    bench.wait(1)
    kept = bench.maker.place("bid", "0.4200")
    _, body = bench.maker.call("GET", "/portfolio/orders")
    statuses = {o["order_id"]: o["status"] for o in body["orders"]}
    assert reached["remaining_count"] == "10.00"
    assert statuses == {reached["order_id"]: "canceled", kept["order_id"]: "resting"}


# Amend and decrease


def amend(member: Any, order: Any, **change: Any) -> tuple[int, Any]:
    body = {"ticker": TICKER, "side": "bid", "price": "0.4200", "count": "10.00"} | change
    status, answer = member.call("POST", f"{ORDERS}/{order['order_id']}/amend", body)
    return status, answer


def test_an_expiry_only_amend_keeps_the_queue(bench: Any, maker: Any, taker: Any) -> None:
    order = maker.place("bid", "0.4200", expiration_time=bench.now // 1000 + 5)
    taker.place("bid", "0.4200", "7")
    status, body = amend(maker, order, expiration_time=bench.now // 1000 + 60)
    assert (status, body["remaining_count"]) == (200, "10.00")
    path = f"/portfolio/orders/{order['order_id']}/queue_position"
    assert maker.call("GET", path) == (200, {"queue_position_fp": "0.00"})


def test_a_price_amend_goes_behind_those_who_are_there(maker: Any, taker: Any) -> None:
    order = maker.place("bid", "0.4100")
    taker.place("bid", "0.4200", "7")
    assert amend(maker, order)[0] == 200
    path = f"/portfolio/orders/{order['order_id']}/queue_position"
    assert maker.call("GET", path) == (200, {"queue_position_fp": "7.00"})


def test_expiration_zero_removes_the_expiry(bench: Any, maker: Any) -> None:
    order = maker.place("bid", "0.4200", expiration_time=bench.now // 1000 + 5)
    amend(maker, order, expiration_time=0)
    bench.wait(10_000)
    body = maker.call("GET", f"/portfolio/orders/{order['order_id']}")[1]
    assert (body["order"]["status"], body["order"]["expiration_time"]) == ("resting", None)


def test_an_amend_that_changes_nothing_is_a_no_op(maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    status, body = amend(maker, order)
    assert (status, body["error"]["code"]) == (400, "AMEND_ORDER_NO_OP")


def test_an_amend_may_rename_the_order_but_not_to_a_used_name(maker: Any) -> None:
    order = maker.place("bid", "0.4200", client_order_id="old")
    status, body = amend(maker, order, updated_client_order_id="new")
    assert (status, body["client_order_id"]) == (200, "new")
    status, body = amend(maker, order, updated_client_order_id="old")
    assert (status, body["error"]["code"]) == (409, "order_already_exists")


@pytest.mark.parametrize("wrong", [{"ticker": "X"}, {"side": "ask"}, {"client_order_id": "other"}])
def test_an_amend_must_repeat_the_orders_ticker_and_side(maker: Any, wrong: dict[str, str]) -> None:
    order = maker.place("bid", "0.4100")
    assert amend(maker, order, **wrong)[0] in (400, 404)
    assert maker.call("GET", f"/portfolio/orders/{order['order_id']}")[1]["order"][
        "yes_price_dollars"
    ] == ("0.4100")


@pytest.mark.parametrize(
    ("body", "left"), [({"reduce_by": "4.00"}, "6.00"), ({"reduce_to": "4"}, "4.00")]
)
def test_decrease_takes_either_amount(maker: Any, body: dict[str, str], left: str) -> None:
    order = maker.place("bid", "0.4200")
    status, answer = maker.call("POST", f"{ORDERS}/{order['order_id']}/decrease", body)
    assert (status, answer["remaining_count"]) == (200, left)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_parameters"),
        ({"reduce_by": "1", "reduce_to": "1"}, "invalid_parameters"),
        ({"reduce_to": "10"}, "AMEND_ORDER_NO_OP"),
    ],
)
def test_a_decrease_that_changes_nothing_is_refused(
    maker: Any, body: dict[str, str], code: str
) -> None:
    order = maker.place("bid", "0.4200")
    status, answer = maker.call("POST", f"{ORDERS}/{order['order_id']}/decrease", body)
    assert (status, answer["error"]["code"]) == (400, code)


def test_a_decrease_to_nothing_cancels(maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    maker.call("POST", f"{ORDERS}/{order['order_id']}/decrease", {"reduce_to": "0"})
    body = maker.call("GET", f"/portfolio/orders/{order['order_id']}")[1]
    assert body["order"]["status"] == "canceled"


# Batches


def test_each_order_of_a_batch_succeeds_or_fails_alone(maker: Any, taker: Any) -> None:
    maker.place("ask", "0.5000")
    orders = [
        taker.order("bid", "0.4000"),
        taker.order("bid", "0.5000", post_only=True),
        {"ticker": TICKER},
        taker.order("bid", "0.3900"),
    ]
    status, body = taker.call("POST", f"{ORDERS}/batched", {"orders": orders})
    assert status == 201
    good, crossed, malformed, last = body["orders"]
    assert (good["remaining_count"], last["remaining_count"]) == ("10.00", "10.00")
    assert crossed["client_order_id"] == orders[1]["client_order_id"]
    assert crossed["error"]["details"] == "post only cross"
    assert malformed["error"]["code"] == "invalid_parameters"


def test_each_cancel_of_a_batch_succeeds_or_fails_alone(maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    wanted = [{"order_id": order["order_id"], "market_ticker": TICKER}, {"order_id": "gone"}]
    status, body = maker.call("DELETE", f"{ORDERS}/batched", {"orders": wanted})
    assert status == 200
    assert body["orders"][0]["reduced_by"] == "10.00"
    assert body["orders"][1]["reduced_by"] == "0.00"
    assert body["orders"][1]["error"]["code"] == "not_found"


def test_a_batch_larger_than_the_bucket_is_refused_whole(make_bench: Callable[..., Any]) -> None:
    maker = make_bench(tier="basic").maker
    orders = [maker.order("bid", "0.0100", "1") for _ in range(11)]
    assert maker.call("POST", f"{ORDERS}/batched", {"orders": orders})[0] == 429
    assert maker.call("GET", "/portfolio/orders")[1]["orders"] == []
    assert maker.call("POST", f"{ORDERS}/batched", {"orders": orders[:10]})[0] == 201


# Pauses and the close


def test_while_trading_is_paused_orders_can_only_be_cancelled(bench: Any, maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    bench.venue.pause_trading(bench.now)
    assert maker.refused("bid", "0.4100")[:2] == (409, "trading_is_paused")
    assert amend(maker, order, price="0.4100")[0] == 409
    assert maker.call("DELETE", f"{ORDERS}/{order['order_id']}")[0] == 200
    bench.venue.resume_trading(bench.now)
    maker.place("bid", "0.4100")


def test_a_pause_cancels_only_orders_that_asked_for_it(bench: Any, maker: Any) -> None:
    stays = maker.place("bid", "0.4200")["order_id"]
    goes = maker.place("bid", "0.4100", cancel_order_on_pause=True)["order_id"]
    bench.venue.pause_trading(bench.now)
    statuses = [
        maker.call("GET", f"/portfolio/orders/{order_id}")[1]["order"]["status"]
        for order_id in (stays, goes)
    ]
    assert statuses == ["resting", "canceled"]


def test_while_the_exchange_is_paused_every_order_operation_is_refused(
    bench: Any, maker: Any
) -> None:
    order = maker.place("bid", "0.4200")
    bench.venue.pause_exchange(bench.now)
    status, body = maker.call("DELETE", f"{ORDERS}/{order['order_id']}")
    assert (status, body["error"]["code"]) == (409, "exchange_is_paused")
    assert bench.public("/exchange/status")[1]["exchange_active"] is False


def test_unpausing_a_market_wipes_its_book(bench: Any, maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    bench.venue.pause_market(TICKER, bench.now)
    assert maker.refused("bid", "0.4100")[1] == "MARKET_INACTIVE"
    path = f"/portfolio/orders/{order['order_id']}"
    assert maker.call("GET", path)[1]["order"]["status"] == "resting"
    bench.venue.unpause_market(TICKER, bench.now)
    assert maker.call("GET", path)[1]["order"]["status"] == "canceled"


def test_after_the_close_even_a_cancel_is_refused_until_the_exchange_cancels(
    bench: Any, maker: Any
) -> None:
    order = maker.place("bid", "0.4200")
    bench.wait_until(dt.datetime(2026, 4, 19, 23, 59, tzinfo=EASTERN))
    status, body = maker.call("DELETE", f"{ORDERS}/{order['order_id']}")
    assert (status, body["error"]["code"]) == (400, "MARKET_INACTIVE")
    assert maker.refused("bid", "0.4100")[1] == "MARKET_INACTIVE"
    bench.wait(1_000)
    body = maker.call("GET", f"/portfolio/orders/{order['order_id']}")[1]
    assert body["order"]["status"] == "canceled"


def test_thursdays_maintenance_pauses_trading(bench: Any, maker: Any) -> None:
    bench.wait_until(dt.datetime(2026, 4, 16, 3, 0, tzinfo=EASTERN))
    assert maker.refused("bid", "0.4100")[1] == "trading_is_paused"
    assert bench.public("/exchange/status")[1] | {"exchange_index_statuses": 0} == {
        "exchange_active": True,
        "trading_active": False,
        "intra_exchange_transfers_active": True,
        "exchange_estimated_resume_time": None,
        "exchange_index_statuses": 0,
    }
    bench.wait_until(dt.datetime(2026, 4, 16, 5, 0, tzinfo=EASTERN))
    maker.place("bid", "0.4100")


# Paths that are gone


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_v1_order_writes_are_answered_as_gone(maker: Any, method: str) -> None:
    status, body = maker.call(method, "/portfolio/orders")
    assert (status, body["error"]["code"]) == (410, "deprecated_v1_order_endpoint")


def test_unknown_paths_and_methods_say_so(maker: Any) -> None:
    assert maker.call("GET", "/portfolio/nothing")[0] == 404
    assert maker.call("PUT", "/markets")[0] == 405
