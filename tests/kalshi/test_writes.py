from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.writes import WriteCommand, outcomes, write_request
from mmbot.trading.events import (
    InputEvent,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    OrderRenewed,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.values import Refusal
from mmbot.units import Count
from tests.kalshi.builders import A, answer, error
from tests.kalshi.write_commands import (
    CANCEL,
    DECREASE,
    NOW,
    PLACE,
    RENEW,
    SECOND_CANCEL,
    SECOND_PLACE,
)

ORDERS = "/portfolio/events/orders"
CREATED = {"order_id": "e5d8", "client_order_id": "mmbot-1", "fill_count": "1.50", "ts_ms": 1}
REDUCED = {"order_id": "e5d8", "client_order_id": "mmbot-1", "reduced_by": "25.00", "ts_ms": 1}
DECREASED = {"order_id": "e5d8", "remaining_count": "11.00", "ts_ms": 1}
AMENDED = {"order_id": "e5d8", "remaining_count": "25.00", "ts_ms": 1}


def request_of(*commands: WriteCommand) -> HttpRequest:
    return write_request(commands, subaccount=7)


def outcome(command: WriteCommand, answered: HttpAnswer | None) -> InputEvent:
    (event,) = outcomes((command,), answered)
    return event


# Requests


def test_a_place_carries_every_safeguard() -> None:
    request = request_of(PLACE)
    assert (request.method, request.path, request.query) == ("POST", ORDERS, ())
    assert orjson.loads(request.body) == {
        "ticker": A,
        "side": "bid",
        "count": "25.00",
        "price": "0.4200",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "client_order_id": "mmbot-1",
        "post_only": True,
        "cancel_order_on_pause": True,
        "expiration_time": 1795874460,
        "order_group_id": "g-1",
        "subaccount": 7,
        "exchange_index": 3,
    }


def test_a_cancel_names_market_shard_and_subaccount_in_its_query() -> None:
    request = request_of(CANCEL)
    assert (request.method, request.path, request.body) == ("DELETE", f"{ORDERS}/e5d8", b"")
    assert dict(request.query) == {"market_ticker": A, "exchange_index": "3", "subaccount": "7"}


def test_a_renewal_changes_nothing_but_the_expiry() -> None:
    request = request_of(RENEW)
    assert (request.method, request.path) == ("POST", f"{ORDERS}/e5d8/amend")
    assert request.query == (("subaccount", "7"),)
    assert orjson.loads(request.body) == {
        "ticker": A,
        "side": "ask",
        "count": "25.00",
        "price": "0.5800",
        "expiration_time": 1795874460,
        "exchange_index": 3,
    }


def test_a_decrease_states_what_remains() -> None:
    request = request_of(DECREASE)
    assert (request.method, request.path) == ("POST", f"{ORDERS}/e5d8/decrease")
    assert request.query == (("subaccount", "7"),)
    assert orjson.loads(request.body) == {
        "reduce_to": "12.00",
        "market_ticker": A,
        "exchange_index": 3,
    }


# Batches


def test_a_batch_of_places_holds_what_each_place_would() -> None:
    bodies = orjson.loads(request_of(PLACE, SECOND_PLACE).body)["orders"]
    assert bodies == [orjson.loads(request_of(order).body) for order in (PLACE, SECOND_PLACE)]


def test_a_batch_of_cancels_names_each_orders_market_shard_and_subaccount() -> None:
    bodies = orjson.loads(request_of(CANCEL, SECOND_CANCEL).body)["orders"]
    assert bodies == [
        {"order_id": order_id, "market_ticker": A, "exchange_index": 3, "subaccount": 7}
        for order_id in ("e5d8", "f00d")
    ]


def test_each_order_of_a_batch_has_its_own_outcome_whatever_their_sequence() -> None:
    refused = {"code": "invalid_order", "message": "m", "details": "post only cross"}
    body = {"orders": [{"client_order_id": "mmbot-2", "error": refused}, CREATED]}
    events = outcomes((PLACE, SECOND_PLACE), answer(body, 201))
    assert events == [
        OrderPlaced("mmbot-1", "e5d8", Count(150)),
        WriteRefused("mmbot-2", "place", "post_only_cross", "invalid_order m post only cross"),
    ]


def test_an_order_that_is_missing_from_a_batchs_answer_is_unknown() -> None:
    events = outcomes((CANCEL, SECOND_CANCEL), answer({"orders": [REDUCED | {"error": None}]}))
    assert events[0] == OrderCancelled("mmbot-1", Count(2500))
    assert isinstance(events[1], WriteUnknown)


def test_an_error_in_a_batch_may_leave_the_outcome_unknown() -> None:
    body = {"orders": [{"order_id": "e5d8", "error": {"code": "EXCHANGE_UNAVAILABLE"}}, {}]}
    assert all(
        isinstance(event, WriteUnknown) for event in outcomes((CANCEL, SECOND_CANCEL), answer(body))
    )


@pytest.mark.parametrize(
    "error", [{}, "", "timed out", [], False, {"code": ""}, {"message": "try later"}]
)
def test_an_error_in_a_batch_that_says_nothing_known_leaves_the_outcome_unknown(error: Any) -> None:
    body = {"orders": [CREATED | {"error": error}, {"client_order_id": "mmbot-2", "error": error}]}
    events = outcomes((PLACE, SECOND_PLACE), answer(body, 201))
    assert [type(event) for event in events] == [WriteUnknown, WriteUnknown]


def test_an_order_that_a_batchs_answer_mentions_twice_is_unknown() -> None:
    refused = {"client_order_id": "mmbot-1", "error": {"code": "invalid_order"}}
    body = {"orders": [CREATED, refused]}
    assert isinstance(outcomes((PLACE, SECOND_PLACE), answer(body, 201))[0], WriteUnknown)


@pytest.mark.parametrize(
    "answered", [None, HttpAnswer(502), HttpAnswer(200, b"no json"), HttpAnswer(200, b"{}")]
)
def test_a_batch_without_a_usable_answer_leaves_every_order_unknown(
    answered: HttpAnswer | None,
) -> None:
    events = outcomes((CANCEL, SECOND_CANCEL), answered)
    assert [type(event) for event in events] == [WriteUnknown, WriteUnknown]


def test_a_batch_that_is_refused_refuses_every_order() -> None:
    events = outcomes((PLACE, SECOND_PLACE), HttpAnswer(429))
    assert [event.refusal for event in events if isinstance(event, WriteRefused)] == [
        "rate_limited",
        "rate_limited",
    ]


# Applied


def test_a_place_that_was_applied() -> None:
    assert outcome(PLACE, answer(CREATED, 201)) == OrderPlaced("mmbot-1", "e5d8", Count(150))


def test_a_cancel_that_was_applied_reports_how_much_was_cancelled() -> None:
    assert outcome(CANCEL, answer(REDUCED)) == OrderCancelled("mmbot-1", Count(2500))


def test_a_renewal_that_was_applied() -> None:
    assert outcome(RENEW, answer(AMENDED)) == OrderRenewed("mmbot-1", NOW + 60_000)


def test_a_decrease_that_was_applied_reports_what_remains() -> None:
    assert outcome(DECREASE, answer(DECREASED)) == OrderDecreased("mmbot-1", Count(1100))


def test_a_decrease_that_changed_nothing_is_refused_as_no_change() -> None:
    event = outcome(DECREASE, error(400, "AMEND_ORDER_NO_OP"))
    assert isinstance(event, WriteRefused)
    assert (event.write, event.refusal) == ("decrease", "no_change")


def test_a_renewal_that_changed_nothing_counts_as_applied() -> None:
    no_op = error(400, "AMEND_ORDER_NO_OP")
    assert outcome(RENEW, no_op) == OrderRenewed("mmbot-1", NOW + 60_000)


# Refused


@pytest.mark.parametrize(
    ("answered", "refusal"),
    [
        (error(400, "invalid_order", "post only cross"), "post_only_cross"),
        (error(400, "invalid_parameters"), "other"),
        (error(400, "insufficient_balance"), "insufficient_balance"),
        (error(400, "INSUFFICIENT_BALANCE"), "insufficient_balance"),
        (error(400, "invalid_order", "order group triggered"), "group_triggered"),
        (error(400, "ORDER_GROUP_TRIGGERED"), "group_triggered"),
        (error(400, "MARKET_INACTIVE"), "inactive"),
        (error(400, "INTERNAL_ERROR"), "other"),
        (error(401, "header_timestamp_expired"), "clock"),
        (error(401, "authentication_error", "NOT_FOUND"), "unauthorised"),
        (HttpAnswer(401), "unauthorised"),
        (error(403), "forbidden"),
        (error(403, "permission_denied"), "forbidden"),
        (error(404, "not_found"), "not_found"),
        (answer({"code": "whatever", "message": "gone"}, 404), "not_found"),
        (error(409, "order_already_exists"), "already_exists"),
        (answer({"code": "trading_is_paused", "message": "m"}, 409), "paused"),
        (error(409, "exchange_is_paused"), "paused"),
        (error(410, "deprecated_v1_order_endpoint"), "other"),
        (answer({"error": "too many requests"}, 429), "rate_limited"),
        (error(429, "too_many_requests"), "rate_limited"),
        (HttpAnswer(400, b"<html>"), "other"),
        (HttpAnswer(429), "rate_limited"),
    ],
)
@pytest.mark.parametrize(
    ("command", "write"),
    [(PLACE, "place"), (CANCEL, "cancel"), (RENEW, "renew"), (DECREASE, "decrease")],
)
def test_refusals_are_classified(
    command: WriteCommand, write: str, answered: HttpAnswer, refusal: Refusal
) -> None:
    event = outcome(command, answered)
    assert isinstance(event, WriteRefused)
    assert (event.client_id, event.write, event.refusal) == ("mmbot-1", write, refusal)
    assert event.detail.startswith(str(answered.status))


def test_a_refusal_repeats_the_exchanges_text() -> None:
    event = outcome(PLACE, error(400, "invalid_order", "post only cross"))
    assert event == WriteRefused(
        "mmbot-1", "place", "post_only_cross", "400 invalid_order message post only cross"
    )


# Unknown


@pytest.mark.parametrize(
    "answered",
    [
        None,
        HttpAnswer(500, b""),
        HttpAnswer(502, b"<html>bad gateway</html>"),
        error(503, "exchange_unavailable"),
        error(409, "EXCHANGE_UNAVAILABLE"),
        error(400, "quota_of_luck"),
        error(409, "order_already_existed"),
        HttpAnswer(422),
        HttpAnswer(408),
        HttpAnswer(302),
        HttpAnswer(200, b"no json"),
        HttpAnswer(200, b"{}"),
        HttpAnswer(400, b'{"order_id": "o-1", "client_order_id": "mmbot-1"}'),
        HttpAnswer(404, b'{"orders": [{"order_id": "o-1"}]}'),
    ],
)
@pytest.mark.parametrize(
    ("command", "write"),
    [(PLACE, "place"), (CANCEL, "cancel"), (RENEW, "renew"), (DECREASE, "decrease")],
)
def test_an_answer_that_neither_confirms_nor_refuses_leaves_the_write_unknown(
    command: WriteCommand, write: str, answered: HttpAnswer | None
) -> None:
    event = outcome(command, answered)
    assert isinstance(event, WriteUnknown)
    assert (event.client_id, event.write) == ("mmbot-1", write)
    assert event.detail


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (PLACE, CREATED | {"order_id": ""}),
        (PLACE, CREATED | {"client_order_id": "mmbot-2"}),
        (PLACE, CREATED | {"fill_count": "some"}),
        (PLACE, CREATED | {"fill_count": "-1.00"}),
        (PLACE, CREATED | {"fill_count": "25.01"}),
        (CANCEL, REDUCED | {"order_id": "another"}),
        (CANCEL, REDUCED | {"reduced_by": "all"}),
        (CANCEL, REDUCED | {"reduced_by": "-25.00"}),
        (RENEW, AMENDED | {"order_id": "another"}),
        (DECREASE, DECREASED | {"order_id": "another"}),
        (DECREASE, DECREASED | {"remaining_count": "few"}),
    ],
)
def test_a_confirmation_of_something_else_leaves_the_write_unknown(
    command: WriteCommand, body: dict[str, Any]
) -> None:
    assert isinstance(outcome(command, answer(body, 201)), WriteUnknown)
