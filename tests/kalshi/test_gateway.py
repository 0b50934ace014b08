from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmbot.config import ExchangeSettings
from mmbot.kalshi.gateway import Call, Gateway
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.writes import WriteCommand
from mmbot.trading.commands import (
    Cancel,
    Decrease,
    EnsureGroup,
    QueryOrder,
    ReadAccount,
    ReadListing,
    Renew,
    ResetGroup,
)
from mmbot.trading.events import (
    GroupChanged,
    GroupReady,
    GroupUnavailable,
    InputEvent,
    OrderAbsent,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    OrderQueryFailed,
    OrderRenewed,
    ReadingFailed,
    Reconciled,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.values import Refusal
from mmbot.units import Count, Money, Price
from tests.kalshi.builders import SIGNER, A, answer, ensure_group, place

NOW = 1_795_874_400_123
PLACE = place("mmbot-1", "bid", 4200, shard=3, expires=NOW + 60_000)
CANCEL = Cancel("mmbot-1", "e5d8", A, 3)
RENEW = Renew("mmbot-1", "e5d8", A, 3, "ask", Price(5800), Count(2500), NOW + 60_000)
DECREASE = Decrease("mmbot-1", "e5d8", A, 3, Count(1200))
QUERY = QueryOrder("mmbot-1", "e5d8", A, NOW)
ORDERS = "/trade-api/v2/portfolio/events/orders"

CREATED = {"order_id": "e5d8", "client_order_id": "mmbot-1", "fill_count": "1.50", "ts_ms": 1}
REDUCED = {"order_id": "e5d8", "client_order_id": "mmbot-1", "reduced_by": "25.00", "ts_ms": 1}
DECREASED = {"order_id": "e5d8", "remaining_count": "11.00", "ts_ms": 1}
AMENDED = {"order_id": "e5d8", "remaining_count": "25.00", "ts_ms": 1}


def gateway() -> Gateway:
    return Gateway(SIGNER, ExchangeSettings(subaccount=7))


def call(*commands: WriteCommand) -> Call:
    (sent,) = gateway().write(commands, NOW)
    return sent


def outcomes(commands: tuple[WriteCommand, ...], answered: HttpAnswer | None) -> list[InputEvent]:
    speaker = gateway()
    (sent,) = speaker.write(commands, NOW)
    events, calls = speaker.answered(sent.id, answered, NOW)
    if calls:
        # It was signed anew; the answer is the same.
        events, calls = speaker.answered(calls[0].id, answered, NOW)
    assert calls == []
    return events


def outcome(command: WriteCommand, answered: HttpAnswer | None) -> InputEvent:
    (event,) = outcomes((command,), answered)
    return event


def error(status: int, code: str = "", details: str = "") -> HttpAnswer:
    return answer({"error": {"code": code, "message": "message", "details": details}}, status)


# Requests


def test_a_place_says_everything_that_keeps_it_safe() -> None:
    request = call(PLACE).request
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
    request = call(CANCEL).request
    assert (request.method, request.path, request.body) == ("DELETE", f"{ORDERS}/e5d8", b"")
    assert dict(request.query) == {"market_ticker": A, "exchange_index": "3", "subaccount": "7"}


def test_a_renewal_changes_nothing_but_the_expiry() -> None:
    request = call(RENEW).request
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


def test_a_decrease_names_what_is_to_remain() -> None:
    request = call(DECREASE).request
    assert (request.method, request.path) == ("POST", f"{ORDERS}/e5d8/decrease")
    assert request.query == (("subaccount", "7"),)
    assert orjson.loads(request.body) == {
        "reduce_to": "12.00",
        "market_ticker": A,
        "exchange_index": 3,
    }


@pytest.mark.parametrize("command", [PLACE, CANCEL, RENEW, DECREASE])
def test_a_request_is_signed_for_its_method_and_path_at_its_time(
    command: WriteCommand,
) -> None:
    request = call(command).request
    signed = SIGNER.headers(request.method, request.path, NOW)
    assert request.headers[:3] == signed
    assert ("Content-Type" in dict(request.headers)) == bool(request.body)


def test_calls_are_numbered() -> None:
    speaker = gateway()
    assert [speaker.write([PLACE], NOW)[0].id for _ in range(3)] == [1, 2, 3]


# Batches


SECOND_PLACE = place("mmbot-2", "ask", 5800, shard=3, expires=NOW + 60_000)
SECOND_CANCEL = Cancel("mmbot-2", "f00d", A, 3)


def test_one_steps_writes_go_together_cancels_first() -> None:
    sent = gateway().write([PLACE, RENEW, CANCEL, DECREASE, SECOND_PLACE, SECOND_CANCEL], NOW)
    assert [(c.request.method, c.request.path.removeprefix(ORDERS)) for c in sent] == [
        ("DELETE", "/batched"),
        ("POST", "/e5d8/amend"),
        ("POST", "/e5d8/decrease"),
        ("POST", "/batched"),
    ]


def test_nothing_to_write_is_no_request() -> None:
    assert gateway().write([], NOW) == []


def test_a_batch_of_places_holds_what_each_place_would() -> None:
    bodies = orjson.loads(call(PLACE, SECOND_PLACE).request.body)["orders"]
    assert bodies == [orjson.loads(call(place).request.body) for place in (PLACE, SECOND_PLACE)]


def test_a_batch_of_cancels_names_each_orders_market_shard_and_subaccount() -> None:
    bodies = orjson.loads(call(CANCEL, SECOND_CANCEL).request.body)["orders"]
    assert bodies == [
        {"order_id": order_id, "market_ticker": A, "exchange_index": 3, "subaccount": 7}
        for order_id in ("e5d8", "f00d")
    ]


def test_each_order_of_a_batch_has_an_outcome_of_its_own_in_whatever_order() -> None:
    refused = {"code": "invalid_order", "message": "m", "details": "post only cross"}
    said = {"orders": [{"client_order_id": "mmbot-2", "error": refused}, CREATED]}
    events = outcomes((PLACE, SECOND_PLACE), answer(said, 201))
    assert events == [
        OrderPlaced("mmbot-1", "e5d8", Count(150)),
        WriteRefused("mmbot-2", "place", "post_only_cross", "400 invalid_order m post only cross"),
    ]


def test_an_order_that_a_batch_says_nothing_about_is_unknown() -> None:
    events = outcomes((CANCEL, SECOND_CANCEL), answer({"orders": [REDUCED | {"error": None}]}))
    assert events[0] == OrderCancelled("mmbot-1", Count(2500))
    assert isinstance(events[1], WriteUnknown)


def test_an_error_in_a_batch_may_be_that_nobody_knows() -> None:
    said = {"orders": [{"order_id": "e5d8", "error": {"code": "EXCHANGE_UNAVAILABLE"}}, {}]}
    assert all(
        isinstance(event, WriteUnknown) for event in outcomes((CANCEL, SECOND_CANCEL), answer(said))
    )


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


# Signatures that are too old


def test_a_signature_that_is_too_old_is_made_anew_once() -> None:
    speaker = gateway()
    (first,) = speaker.write([PLACE], NOW)
    expired = error(401, "header_timestamp_expired")
    events, (second,) = speaker.answered(first.id, expired, NOW + 700)
    assert events == []
    assert second.request.body == first.request.body
    assert dict(second.request.headers)["KALSHI-ACCESS-TIMESTAMP"] == str(NOW + 700)
    ((event,), calls) = speaker.answered(second.id, expired, NOW + 900)
    assert isinstance(event, WriteRefused)
    assert (event.refusal, calls) == ("clock", [])


def test_another_key_would_not_help_and_is_not_tried() -> None:
    speaker = gateway()
    (sent,) = speaker.write([PLACE], NOW)
    ((event,), calls) = speaker.answered(sent.id, error(401, "authentication_error"), NOW)
    assert isinstance(event, WriteRefused)
    assert (event.refusal, calls) == ("unauthorised", [])


# Writes that were applied


def test_a_place_that_was_applied() -> None:
    assert outcome(PLACE, answer(CREATED, 201)) == OrderPlaced("mmbot-1", "e5d8", Count(150))


def test_a_cancel_that_was_applied_says_how_much_it_took_off() -> None:
    assert outcome(CANCEL, answer(REDUCED)) == OrderCancelled("mmbot-1", Count(2500))


def test_a_renewal_that_was_applied() -> None:
    assert outcome(RENEW, answer(AMENDED)) == OrderRenewed("mmbot-1", NOW + 60_000)


def test_a_decrease_that_was_applied_says_what_remains() -> None:
    assert outcome(DECREASE, answer(DECREASED)) == OrderDecreased("mmbot-1", Count(1100))


def test_a_decrease_that_changed_nothing_is_a_refusal_of_its_own() -> None:
    event = outcome(DECREASE, error(400, "AMEND_ORDER_NO_OP"))
    assert isinstance(event, WriteRefused)
    assert (event.write, event.refusal) == ("decrease", "no_change")


def test_a_renewal_that_changed_nothing_was_applied_before() -> None:
    no_op = error(400, "AMEND_ORDER_NO_OP")
    assert outcome(RENEW, no_op) == OrderRenewed("mmbot-1", NOW + 60_000)


# Writes that were refused


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
def test_a_refusal_is_told_from_the_others(
    command: WriteCommand, write: str, answered: HttpAnswer, refusal: Refusal
) -> None:
    event = outcome(command, answered)
    assert isinstance(event, WriteRefused)
    assert (event.client_id, event.write, event.refusal) == ("mmbot-1", write, refusal)
    assert event.detail.startswith(str(answered.status))


def test_a_refusal_repeats_what_the_exchange_said() -> None:
    event = outcome(PLACE, error(400, "invalid_order", "post only cross"))
    assert event == WriteRefused(
        "mmbot-1", "place", "post_only_cross", "400 invalid_order message post only cross"
    )


# Writes that nobody knows about


@pytest.mark.parametrize(
    "answered",
    [
        None,
        HttpAnswer(500, b""),
        HttpAnswer(502, b"<html>bad gateway</html>"),
        error(503, "exchange_unavailable"),
        error(409, "EXCHANGE_UNAVAILABLE"),
        HttpAnswer(408),
        HttpAnswer(302),
        HttpAnswer(200, b"no json"),
        HttpAnswer(200, b"{}"),
    ],
)
@pytest.mark.parametrize(
    ("command", "write"),
    [(PLACE, "place"), (CANCEL, "cancel"), (RENEW, "renew"), (DECREASE, "decrease")],
)
def test_what_is_neither_yes_nor_no_is_unknown(
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
        (CANCEL, REDUCED | {"order_id": "another"}),
        (CANCEL, REDUCED | {"reduced_by": "all"}),
        (RENEW, AMENDED | {"order_id": "another"}),
        (DECREASE, DECREASED | {"order_id": "another"}),
        (DECREASE, DECREASED | {"remaining_count": "few"}),
    ],
)
def test_a_yes_to_something_else_is_unknown(command: WriteCommand, body: dict[str, Any]) -> None:
    assert isinstance(outcome(command, answer(body, 201)), WriteUnknown)


# Readings


def balance() -> HttpAnswer:
    return answer({"balance": 12345})


def read_through(
    speaker: Gateway, calls: list[Call], *answers: HttpAnswer | None
) -> tuple[list[InputEvent], list[Call]]:
    events: list[InputEvent] = []
    for answered in answers:
        (sent,) = calls
        events, calls = speaker.answered(sent.id, answered, NOW)
    return events, calls


ACCOUNT = (
    answer({"orders": [], "cursor": ""}),
    answer({"fills": []}),
    answer({"market_positions": []}),
    balance(),
)


def test_a_reading_is_one_call_after_another() -> None:
    speaker = gateway()
    calls = speaker.perform(ReadAccount((A,), shards=(0,)), NOW)
    events, calls = read_through(speaker, calls, *ACCOUNT)
    assert events == [Reconciled((), (), {0: Money(123_450_000)})]
    assert calls == []


def test_a_wish_for_a_reading_that_is_under_way_makes_it_start_again_at_its_end() -> None:
    speaker = gateway()
    calls = speaker.perform(ReadAccount((A,), shards=(0,)), NOW)
    assert speaker.perform(ReadAccount((A,), shards=(0,)), NOW) == []
    assert speaker.perform(ReadAccount((A, "B"), shards=(0,)), NOW) == []
    events, calls = read_through(speaker, calls, *ACCOUNT)
    assert events == []
    events, calls = read_through(speaker, calls, *ACCOUNT[:1])
    assert dict(calls[0].request.query)["ticker"] == f"{A},B"
    events, calls = read_through(speaker, calls, *ACCOUNT[1:])
    assert events == [Reconciled((), (), {0: Money(123_450_000)})]
    assert calls == []


def test_a_stale_reading_that_fails_is_not_heard_of() -> None:
    speaker = gateway()
    calls = speaker.perform(ReadAccount((A,), shards=(0,)), NOW)
    speaker.perform(ReadAccount((A,), shards=(0,)), NOW)
    events, calls = read_through(speaker, calls, None)
    assert events == []
    assert len(calls) == 1


def test_account_and_listing_are_read_side_by_side() -> None:
    speaker = gateway()
    assert len(speaker.perform(ReadAccount(()), NOW)) == 1
    assert len(speaker.perform(ReadListing(()), NOW)) == 1


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (ReadAccount((A,)), ReadingFailed("account", "GET /portfolio/orders: no answer")),
        (ReadListing(()), ReadingFailed("listing", "GET /account/limits: no answer")),
        (QUERY, OrderQueryFailed("mmbot-1", "GET /portfolio/orders/e5d8: no answer")),
    ],
)
def test_a_reading_without_an_answer_fails_with_a_sentence(
    command: ReadAccount | ReadListing | QueryOrder, expected: InputEvent
) -> None:
    speaker = gateway()
    events, calls = read_through(speaker, speaker.perform(command, NOW), None)
    assert (events, calls) == ([expected], [])
    assert len(speaker.perform(command, NOW)) == 1


def test_a_malformed_answer_fails_a_reading() -> None:
    speaker = gateway()
    calls = speaker.perform(ReadAccount(()), NOW)
    (event,), _ = read_through(speaker, calls, HttpAnswer(200, b"<html>"))
    assert isinstance(event, ReadingFailed)


def test_several_look_ups_go_on_side_by_side() -> None:
    speaker = gateway()
    (first,) = speaker.perform(QUERY, NOW)
    (second,) = speaker.perform(QueryOrder("mmbot-2", "f00", A, NOW), NOW)
    assert speaker.answered(second.id, HttpAnswer(404), NOW) == ([OrderAbsent("mmbot-2")], [])
    assert speaker.answered(first.id, HttpAnswer(404), NOW) == ([OrderAbsent("mmbot-1")], [])


# Order groups


def test_a_group_is_found_or_opened_and_reset() -> None:
    speaker = gateway()
    calls = speaker.perform(ensure_group(3, 10_000), NOW)
    created = answer({"order_group_id": "g-1"}, 201)
    events, calls = read_through(speaker, calls, answer({"order_groups": []}), created)
    assert (events, calls) == ([GroupReady(3, "g-1", Count(10_000))], [])
    calls = speaker.perform(ResetGroup(3, "g-1"), NOW)
    events, calls = read_through(speaker, calls, answer({}))
    assert (events, calls) == ([GroupChanged("g-1", "reset")], [])


@pytest.mark.parametrize("command", [ensure_group(3, 100), ResetGroup(3, "g-1")])
def test_a_group_without_an_answer_is_not_had(command: EnsureGroup | ResetGroup) -> None:
    speaker = gateway()
    ((event,), _) = read_through(speaker, speaker.perform(command, NOW), None)
    assert isinstance(event, GroupUnavailable)
    assert event.reason.endswith("no answer")
