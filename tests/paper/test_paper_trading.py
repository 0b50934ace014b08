"""The paper account: its orders, fills and markets."""

from __future__ import annotations

import orjson
import pytest

from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.trading.values import Fill
from mmbot.units import (
    Count,
    Money,
    Price,
)
from tests.paper.bench import (
    EVENT,
    NOW,
    ORDERS,
    TICKER,
    Bench,
    Frame,
    delta_frame,
    of_type,
    snapshot_frame,
)

# Orders


def test_a_post_only_order_rests_and_is_listed(bench: Bench) -> None:
    status, created = bench.place("bid", "0.4300")
    assert (status, created["fill_count"], created["remaining_count"]) == (201, "0.00", "10.00")
    (order,) = bench.rest("orders", status="resting", ticker=TICKER, min_ts=str(NOW // 1000 - 60))[
        "orders"
    ]
    assert order["order_id"] == created["order_id"]
    assert (order["book_side"], order["yes_price_dollars"]) == ("bid", "0.4300")
    assert bench.rest(f"orders/{created['order_id']}")["order"] == order


@pytest.mark.parametrize(("side", "price"), [("bid", "0.4600"), ("ask", "0.4200")])
def test_an_order_that_meets_the_real_book_is_refused(bench: Bench, side: str, price: str) -> None:
    status, body = bench.place(side, price)
    assert (status, body["error"]["details"]) == (400, "post only cross")


def test_an_order_that_meets_an_own_one_is_refused(bench: Bench) -> None:
    bench.place("ask", "0.4400")
    assert bench.place("bid", "0.4400")[1]["error"]["details"] == "post only cross"


def test_a_taking_order_is_refused(bench: Bench) -> None:
    status, body = bench.place("bid", "0.4600", post_only=False)
    assert (status, body["error"]["details"]) == (400, "paper: orders only rest")


def test_without_a_book_every_order_is_refused() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(bench.numbered(snapshot_frame({"0.5000": "1.00"}, {"0.4000": "1.00"})))
    status, body = bench.place("bid", "0.3000")
    assert (status, body["error"]["code"]) == (400, "invalid_order")


def test_after_a_gap_nothing_is_placed_until_there_is_a_snapshot(bench: Bench) -> None:
    bench.hear(bench.numbered(delta_frame("yes", "0.4200", "1.00"), skipped=1))
    assert bench.place("bid", "0.4100")[0] == 400
    bench.snapshot({"0.4200": "5.00"}, {"0.4600": "7.00"})
    assert bench.place("bid", "0.4000")[0] == 201


def test_a_change_that_the_snapshot_includes_already_is_not_counted_twice(bench: Bench) -> None:
    stale = delta_frame("no", "0.4300", "5.00")
    stale["msg"]["clock"] = 4_182_057
    bench.hear(bench.numbered(stale))
    assert bench.place("bid", "0.4300")[0] == 201


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"client_order_id": "mmbot-bid-4100"}, 409, "order_already_exists"),
        ({"count": "3000.00"}, 400, "insufficient_balance"),
        ({"expiration_time": NOW // 1000 - 1}, 400, "invalid_parameters"),
        ({"count": "0.00"}, 400, "invalid_parameters"),
        ({"ticker": "KXTSAW-26NOV29-A9.99"}, 404, "not_found"),
    ],
)
def test_bad_orders_are_refused_as_the_exchange_does(
    bench: Bench, fields: Frame, status: int, code: str
) -> None:
    bench.place("bid", "0.4100")
    answer = bench.place("bid", "0.4000", **fields)
    assert (answer[0], answer[1]["error"]["code"]) == (status, code)


def test_a_price_off_the_listed_grid_is_refused(bench: Bench) -> None:
    bench.venue.observe_answer(HttpRequest("GET", f"{BASE_PATH}/events"), listing(), NOW)
    assert bench.place("bid", "0.4150")[1]["error"]["details"] == "invalid price"


def test_an_order_is_cancelled_once(bench: Bench) -> None:
    _, created = bench.place("bid", "0.4300")
    path = f"{ORDERS}/{created['order_id']}"
    bench.take()
    status, body = bench.call("DELETE", path, market_ticker=TICKER, exchange_index="0")
    assert (status, body["reduced_by"]) == (200, "10.00")
    assert [m["status"] for m in of_type(bench.take(), "user_order")] == ["canceled"]
    assert bench.call("DELETE", path, market_ticker=TICKER)[0] == 404


def test_an_amend_of_the_expiry_alone_keeps_the_place_in_the_queue(bench: Bench) -> None:
    _, first = bench.place("bid", "0.4300", client_order_id="a")
    _, second = bench.place("bid", "0.4300", client_order_id="b")
    body = {"ticker": TICKER, "side": "bid", "price": "0.4300", "count": "10.00"}
    expires = bench.now // 1000 + 90
    status, _ = bench.call(
        "POST", f"{ORDERS}/{first['order_id']}/amend", body | {"expiration_time": expires}
    )
    assert status == 200
    bench.now += 70_000
    bench.venue.advance(bench.now)
    assert bench.rest(f"orders/{first['order_id']}")["order"]["status"] == "resting"
    assert bench.rest(f"orders/{second['order_id']}")["order"]["status"] == "canceled"


def test_an_amend_into_the_real_book_is_refused(bench: Bench) -> None:
    _, created = bench.place("bid", "0.4300")
    body = {"ticker": TICKER, "side": "bid", "price": "0.4600", "count": "10.00"}
    status, answer = bench.call("POST", f"{ORDERS}/{created['order_id']}/amend", body)
    assert (status, answer["error"]["details"]) == (400, "post only cross")


def test_an_orders_expiry_is_published(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    bench.now += 60_000
    bench.venue.advance(bench.now)
    (report,) = of_type(bench.take(), "user_order")
    assert (report["status"], report["last_update_reason"]) == ("canceled", "ExpiryCancel")


# Fills


def test_a_trade_at_the_orders_own_price_does_not_fill_it(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert of_type(bench.trade("0.4300", "50.00"), "fill") == []


@pytest.mark.parametrize(
    ("side", "own", "traded", "position"),
    [("bid", "0.4300", "0.4299", "10.00"), ("ask", "0.4400", "0.4401", "-10.00")],
)
def test_a_trade_through_an_order_fills_it_at_its_own_price(
    bench: Bench, side: str, own: str, traded: str, position: str
) -> None:
    _, created = bench.place(side, own)
    bench.take()
    heard = bench.trade(traded, "50.00")
    (fill,) = of_type(heard, "fill")
    (report,) = of_type(heard, "user_order")
    (change,) = of_type(heard, "orderbook_delta")
    assert fill["order_id"] == created["order_id"]
    assert (fill["yes_price_dollars"], fill["count_fp"], fill["fee_cost"]) == (
        own,
        "10.00",
        "0.000000",
    )
    assert (report["status"], change["delta_fp"]) == ("executed", "-10.00")
    assert bench.position() == fill["post_position_fp"] == position


def test_a_trades_count_is_used_once_best_price_first_then_oldest(bench: Bench) -> None:
    for name, price in (("late", "0.4300"), ("best", "0.4400"), ("later", "0.4300")):
        bench.place("bid", price, client_order_id=name)
    heard = bench.trade("0.4100", "15.00")
    fills = [(f["client_order_id"], f["count_fp"]) for f in of_type(heard, "fill")]
    assert fills == [("best", "10.00"), ("late", "5.00")]


def test_a_repeated_trade_fills_once(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert of_type(bench.trade("0.4100", "5.00"), "fill")
    bench.trades -= 1
    assert of_type(bench.trade("0.4100", "5.00"), "fill") == []


def test_a_block_trade_fills_nothing(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert of_type(bench.trade("0.3000", "50.00", is_block_trade=True), "fill") == []


def test_trades_are_not_shown_to_the_bot(bench: Bench) -> None:
    assert bench.trade("0.3000", "50.00") == []


def test_the_balance_pays_for_fills_and_settlement_pays_back(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert bench.rest("balance")["balance"] == 100_000
    bench.trade("0.4000", "10.00")
    assert bench.rest("balance")["balance"] == 99_570
    bench.lifecycle("determined", result="yes")
    assert bench.rest("balance")["balance"] == 100_570
    assert bench.position() == "0.00"


def test_positions_of_earlier_sessions_are_restored_from_their_fills() -> None:
    fill = Fill("t-1", "o-1", TICKER, "ask", Price(4400), Count(500), Money(0), at=NOW - 5_000)
    bench = Bench(fills=(fill,))
    assert bench.position() == "-5.00"
    (listed,) = bench.rest("fills", ticker=TICKER)["fills"]
    assert (listed["trade_id"], listed["order_id"], listed["book_side"]) == ("t-1", "o-1", "ask")
    assert bench.rest("balance")["balance"] == 100_000 - 280


# Pauses, closes and results


def test_a_pause_cancels_orders_and_refuses_new_ones(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    heard = bench.lifecycle("deactivated")
    assert [m["status"] for m in of_type(heard, "user_order")] == ["canceled"]
    assert of_type(heard, "market_lifecycle_v2")
    assert bench.place("bid", "0.4100")[1]["error"]["code"] == "MARKET_INACTIVE"
    bench.lifecycle("activated")
    assert bench.place("bid", "0.4000")[0] == 201


def test_the_close_cancels_orders(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.lifecycle("close_date_updated", close_ts=NOW // 1000 + 5)
    bench.take()
    bench.now += 5_000
    bench.venue.advance(bench.now)
    (report,) = of_type(bench.take(), "user_order")
    assert report["last_update_reason"] == "CloseCancel"


def test_a_pause_of_all_trading_is_read_from_the_exchange_status(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    body = orjson.dumps({"exchange_active": True, "trading_active": False})
    request = HttpRequest("GET", f"{BASE_PATH}/exchange/status")
    bench.venue.observe_answer(request, HttpAnswer(200, body), NOW)
    assert bench.place("bid", "0.4100")[1]["error"]["code"] == "trading_is_paused"
    assert bench.rest("orders", status="resting")["orders"] == []


def test_a_result_is_read_from_a_listing(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.trade("0.4000", "10.00")
    request = HttpRequest("GET", f"{BASE_PATH}/events/{EVENT}")
    bench.venue.observe_answer(request, listing(status="finalized", result="no"), NOW)
    assert (bench.position(), bench.rest("balance")["balance"]) == ("0.00", 99_570)


def listing(status: str = "active", result: str = "") -> HttpAnswer:
    market = {
        "ticker": TICKER,
        "status": status,
        "result": result,
        "open_time": "2026-11-23T15:00:00Z",
        "close_time": "2026-11-30T04:59:00Z",
        "strike_type": "greater",
        "floor_strike": 2_700_000,
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "exchange_index": 0,
    }
    event = {"event_ticker": EVENT, "markets": [market]}
    return HttpAnswer(200, orjson.dumps({"events": [event], "event": event}))
