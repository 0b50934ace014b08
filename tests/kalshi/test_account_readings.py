from __future__ import annotations

from typing import Any

import pytest

from mmbot.kalshi.account_readings import query_order, read_account
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.messages import Malformed
from mmbot.kalshi.readings import ReadingError
from mmbot.trading.commands import QueryOrder, ReadAccount
from mmbot.trading.events import (
    InputEvent,
    OrderAbsent,
    OrderReported,
    OrdersListed,
    ReadingFailed,
    Reconciled,
)
from mmbot.units import Count
from tests.kalshi.builders import REST_FILL, REST_ORDER, A, B, answer, changed, error
from tests.kalshi.exchange_table import Exchange

SINCE = 1_795_874_400_123


def account(**changes: Any) -> Exchange:
    return Exchange(
        **{
            "/portfolio/orders": {"orders": [REST_ORDER], "cursor": ""},
            "/portfolio/fills": {"fills": [REST_FILL], "cursor": ""},
            "/portfolio/positions": {"market_positions": [{"ticker": A, "position_fp": "10.00"}]},
            "/portfolio/balance": {"balance": 12345, "portfolio_value": 1},
        }
        | changes
    )


def read_the_account(exchange: Exchange, *tickers: str) -> list[InputEvent]:
    return exchange.read(read_account(ReadAccount(tickers, shards=(3,)), "KXTSAW", 7))


def failure(exchange: Exchange) -> str:
    """The reason why all but the orders could not be read."""
    _, failed = read_the_account(exchange, A)
    assert isinstance(failed, ReadingFailed)
    return failed.reason


# One order


def test_an_order_with_an_id_is_queried_by_it() -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": {"order": REST_ORDER}})
    (event,) = exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))
    assert isinstance(event, OrderReported)
    assert event.queried
    assert (event.report.client_id, event.report.filled) == ("mmbot-1", 1000)


def test_an_order_whose_id_the_exchange_does_not_know_is_absent() -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": error(404, "not_found", "order not found")})
    events = exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))
    assert events == [OrderAbsent("mmbot-1")]


@pytest.mark.parametrize(
    "answered",
    [
        HttpAnswer(404),
        HttpAnswer(404, b"<html>Not Found</html>"),
        answer({"message": "no Route matched"}, 404),
        error(404, "exchange_unavailable"),
    ],
)
def test_a_404_that_is_not_the_exchanges_own_says_nothing_of_an_order(answered: HttpAnswer) -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": answered})
    with pytest.raises(ReadingError):
        exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))


@pytest.mark.parametrize("other", [{"order_id": "f00d"}, {"ticker": B}])
def test_an_answer_without_a_client_id_may_not_be_about_another_order(
    other: dict[str, Any],
) -> None:
    order = changed(REST_ORDER, client_order_id=None, **other)
    exchange = Exchange(**{"/portfolio/orders/ee58": {"order": order}})
    with pytest.raises(Malformed, match="not the order queried"):
        exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))


def test_an_order_without_an_id_is_found_among_the_markets_orders_by_its_client_id() -> None:
    other = changed(REST_ORDER, client_order_id="somebody", order_id="other")
    pages = [{"orders": [other], "cursor": "c"}, {"orders": [REST_ORDER], "cursor": None}]
    exchange = Exchange(**{"/portfolio/orders": pages})
    (event,) = exchange.read(query_order(QueryOrder("mmbot-1", "", A, SINCE), 7))
    assert isinstance(event, OrderReported)
    assert event.report.order_id == "ee58"
    query = {"ticker": A, "min_ts": "1795874340", "limit": "1000", "subaccount": "7"}
    assert exchange.queries("/portfolio/orders") == [query, query | {"cursor": "c"}]


def test_an_order_whose_client_id_is_not_listed_is_absent() -> None:
    exchange = Exchange(**{"/portfolio/orders": {"orders": [], "cursor": ""}})
    events = exchange.read(query_order(QueryOrder("mmbot-1", "", A, SINCE), 7))
    assert events == [OrderAbsent("mmbot-1")]


@pytest.mark.parametrize("order_id", ["ee58", ""])
@pytest.mark.parametrize("answered", [None, HttpAnswer(500), HttpAnswer(429)])
def test_a_query_without_a_usable_answer_fails(order_id: str, answered: HttpAnswer | None) -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": answered, "/portfolio/orders": answered})
    with pytest.raises(ReadingError):
        exchange.read(query_order(QueryOrder("mmbot-1", order_id, A, SINCE), 7))


# The account


def test_the_account_is_orders_fills_positions_and_balance() -> None:
    exchange = account()
    (event,) = read_the_account(exchange, A, B)
    assert isinstance(event, Reconciled)
    assert [order.order_id for order in event.orders] == ["ee58"]
    assert [fill.trade_id for fill in event.fills] == ["d91b"]
    assert event.balances == {3: 123_450_000}
    own = {"subaccount": "7"}
    assert exchange.queries("/portfolio/orders") == [{"status": "resting", "limit": "1000"} | own]
    assert exchange.queries("/portfolio/fills") == [{"ticker": f"{A},{B}", "limit": "1000"} | own]
    assert exchange.queries("/portfolio/positions") == [
        {"count_filter": "position", "limit": "1000"} | own
    ]
    assert exchange.queries("/portfolio/balance") == [own | {"exchange_index": "3"}]


def test_without_markets_no_fills_are_requested() -> None:
    exchange = account()
    (event,) = read_the_account(exchange)
    assert isinstance(event, Reconciled)
    assert event.fills == ()
    assert exchange.queries("/portfolio/fills") == []


def test_many_markets_are_named_in_several_requests() -> None:
    tickers = [A, *(f"KXTSAW-26NOV29-A{number}" for number in range(450))]
    exchange = account()
    (event,) = read_the_account(exchange, *tickers)
    assert isinstance(event, Reconciled)
    named = [query["ticker"].split(",") for query in exchange.queries("/portfolio/fills")]
    assert [len(part) for part in named] == [200, 200, 51]
    assert [ticker for part in named for ticker in part] == tickers


def test_a_fill_on_two_pages_counts_once() -> None:
    pages = [{"fills": [REST_FILL], "cursor": "c"}, {"fills": [REST_FILL], "cursor": ""}]
    assert len(read_the_account(account(**{"/portfolio/fills": pages}), A)) == 1


def test_positions_that_a_fill_overtook_are_read_again() -> None:
    positions = [
        {"market_positions": []},
        {"market_positions": [{"ticker": A, "position_fp": "10.00"}]},
    ]
    exchange = account(**{"/portfolio/positions": positions})
    assert isinstance(read_the_account(exchange, A)[0], Reconciled)
    assert len(exchange.queries("/portfolio/fills")) == 2


def test_a_position_that_stays_other_than_the_sum_of_its_fills_is_told_as_it_is() -> None:
    exchange = account(**{"/portfolio/fills": {"fills": []}})
    (event,) = read_the_account(exchange, A, B)
    assert isinstance(event, Reconciled)
    assert (event.fills, event.positions) == ((), {A: Count(1_000), B: Count(0)})
    assert len(exchange.queries("/portfolio/positions")) == 3


def test_a_position_that_is_listed_as_two_cannot_be_read() -> None:
    row = {"ticker": A, "position_fp": "10.00"}
    rows = [row, {"ticker": B, "position_fp": "1.00"}, row, row | {"position_fp": "-10.00"}]
    exchange = account(**{"/portfolio/positions": {"market_positions": rows}})
    (read,) = read_the_account(exchange, A)
    assert isinstance(read, Reconciled)
    assert [each.ticker for each in read.unreadable] == [A]
    assert A not in read.positions


def test_positions_in_other_markets_are_ignored() -> None:
    positions = {"market_positions": [{"ticker": "OTHER", "position_fp": "5.00"}]}
    exchange = account(**{"/portfolio/positions": positions})
    assert isinstance(read_the_account(exchange, B)[0], Reconciled)


@pytest.mark.parametrize(
    "row", [{"position_fp": "many"}, {}, {"position_fp": None}, {"position_fp": "0.005"}]
)
def test_a_position_that_cannot_be_read_is_told_and_contradicts_nothing(
    row: dict[str, Any],
) -> None:
    positions = {"market_positions": [{"ticker": A} | row]}
    (event,) = read_the_account(account(**{"/portfolio/positions": positions}), A)
    assert isinstance(event, Reconciled)
    assert [each.ticker for each in event.unreadable] == [A]


@pytest.mark.parametrize(
    "row",
    [
        {"ticker": "KXBTC-1", "position_fp": "0.004550"},
        {"ticker": "KXTSAWX-1"},
        {"ticker": 3},
        {"ticker": "KXTSAW-" + "9" * 200},
        {},
        "row",
        None,
    ],
)
def test_rows_that_are_not_ours_cost_nothing_however_they_look(row: Any) -> None:
    exchange = account(
        **{
            "/portfolio/orders": {"orders": [row, REST_ORDER]},
            "/portfolio/fills": {"fills": [row, REST_FILL]},
            "/portfolio/positions": {
                "market_positions": [row, {"ticker": A, "position_fp": "10.00"}]
            },
        }
    )
    (event,) = read_the_account(exchange, A)
    assert isinstance(event, Reconciled)
    assert (len(event.orders), len(event.fills), event.unreadable) == (1, 1, ())
    assert event.unreadable_orders == ()


def test_an_order_of_another_client_may_be_without_a_side_or_at_any_price() -> None:
    odd = changed(REST_ORDER, client_order_id="by-hand", book_side=..., yes_price_dollars="0.00455")
    (event,) = read_the_account(account(**{"/portfolio/orders": {"orders": [odd]}}), A)
    assert isinstance(event, Reconciled)
    assert (event.orders, event.unreadable_orders) == ((), ())


def test_the_orders_are_returned_where_the_rest_cannot_be_read() -> None:
    listed, failed = read_the_account(account(**{"/portfolio/fills": HttpAnswer(500)}), A)
    assert isinstance(listed, OrdersListed)
    assert [order.order_id for order in listed.orders] == ["ee58"]
    assert isinstance(failed, ReadingFailed)
    assert failed.what == "account"


@pytest.mark.parametrize("named", ["", None, ...])
def test_the_answer_to_a_query_may_leave_our_client_id_out(named: Any) -> None:
    order = changed(REST_ORDER, client_order_id=named)
    exchange = Exchange(**{"/portfolio/orders/ee58": {"order": order}})
    (event,) = exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))
    assert isinstance(event, OrderReported)
    assert event.report.client_id == "mmbot-1"


def test_the_answer_to_a_query_may_not_be_about_another_order() -> None:
    order = changed(REST_ORDER, client_order_id="mmbot-2")
    exchange = Exchange(**{"/portfolio/orders/ee58": {"order": order}})
    with pytest.raises(Malformed, match="mmbot-2"):
        exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))


def test_a_list_of_too_many_pages_fails_the_reading() -> None:
    endless = [{"orders": [], "cursor": f"c{number}"} for number in range(60)]
    with pytest.raises(ReadingError, match="more than 50 pages"):
        read_the_account(account(**{"/portfolio/orders": endless}), A)


def test_pages_that_come_again_and_again_fail_the_reading() -> None:
    pages: list[dict[str, Any]] = [{"orders": [], "cursor": cursor} for cursor in ("a", "b", "a")]
    with pytest.raises(ReadingError, match="its pages repeat") as failed:
        read_the_account(account(**{"/portfolio/orders": pages}), A)
    assert failed.value.transient


@pytest.mark.parametrize("page", [{}, {"orders": None}, {"orders": 3}])
def test_a_page_that_holds_no_list_of_orders_is_malformed(page: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_the_account(account(**{"/portfolio/orders": page}), A)


def test_the_exchanges_error_is_part_of_the_reason() -> None:
    refused = answer({"error": {"code": "forbidden", "message": "no scope"}}, 403)
    reason = failure(account(**{"/portfolio/balance": refused}))
    assert reason == "GET /portfolio/balance: 403 forbidden no scope"


def test_the_balances_are_those_of_the_shards_in_use() -> None:
    exchange = account()
    (event,) = exchange.read(read_account(ReadAccount((), shards=(0, 3)), "KXTSAW", 7))
    assert isinstance(event, Reconciled)
    assert event.balances == {0: 123_450_000, 3: 123_450_000}
    asked = [query["exchange_index"] for query in exchange.queries("/portfolio/balance")]
    assert asked == ["0", "3"]


def test_a_decided_market_needs_no_position_but_its_fills_are_read() -> None:
    exchange = account(**{"/portfolio/positions": {"market_positions": []}})
    (event,) = exchange.read(read_account(ReadAccount((), decided=(A,)), "KXTSAW", 7))
    assert isinstance(event, Reconciled)
    assert len(event.fills) == 1
