from __future__ import annotations

import pytest

from mmbot.config import ExchangeSettings
from mmbot.kalshi.gateway import Call, Gateway
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.writes import WriteCommand
from mmbot.trading.commands import (
    EnsureGroup,
    QueryOrder,
    ReadAccount,
    ReadFeeType,
    ReadListing,
    ResetGroup,
)
from mmbot.trading.events import (
    FeeTypeRead,
    GroupChanged,
    GroupReady,
    GroupUnavailable,
    InputEvent,
    OrderAbsent,
    OrderQueryFailed,
    ReadingFailed,
    Reconciled,
    WriteRefused,
)
from mmbot.trading.fees import ONE_TIME, FeeTerms
from mmbot.units import Count, Money
from tests.kalshi.builders import SIGNER, A, answer, ensure_group, error
from tests.kalshi.write_commands import (
    CANCEL,
    DECREASE,
    NOW,
    PLACE,
    RENEW,
    SECOND_CANCEL,
    SECOND_PLACE,
)

QUERY = QueryOrder("mmbot-1", "e5d8", A, NOW)
ORDERS = "/trade-api/v2/portfolio/events/orders"


def gateway() -> Gateway:
    return Gateway(SIGNER, ExchangeSettings(subaccount=7))


def call(*commands: WriteCommand) -> Call:
    (sent,) = gateway().write(commands, NOW)
    return sent


@pytest.mark.parametrize("command", [PLACE, CANCEL, RENEW, DECREASE])
def test_a_request_is_signed_for_its_method_and_path_at_its_time(
    command: WriteCommand,
) -> None:
    request = call(command).request
    signed = SIGNER.headers(request.method, request.path, NOW)
    assert request.headers[:3] == signed
    assert ("Content-Type" in dict(request.headers)) == bool(request.body)


def test_calls_are_numbered() -> None:
    gate = gateway()
    assert [gate.write([PLACE], NOW)[0].id for _ in range(3)] == [1, 2, 3]


# Writes


def test_the_writes_of_one_step_are_batched_cancels_first() -> None:
    sent = gateway().write([PLACE, RENEW, CANCEL, DECREASE, SECOND_PLACE, SECOND_CANCEL], NOW)
    assert [(c.request.method, c.request.path.removeprefix(ORDERS)) for c in sent] == [
        ("DELETE", "/batched"),
        ("POST", "/e5d8/amend"),
        ("POST", "/e5d8/decrease"),
        ("POST", "/batched"),
    ]


def test_without_writes_there_is_no_request() -> None:
    assert gateway().write([], NOW) == []


# Expired signatures


def test_a_write_with_an_expired_signature_is_signed_again_once() -> None:
    gate = gateway()
    (first,) = gate.write([PLACE], NOW)
    expired = error(401, "header_timestamp_expired")
    events, (second,) = gate.answered(first.id, expired, NOW + 700)
    assert events == []
    assert second.request.body == first.request.body
    assert dict(second.request.headers)["KALSHI-ACCESS-TIMESTAMP"] == str(NOW + 700)
    ((event,), calls) = gate.answered(second.id, expired, NOW + 900)
    assert isinstance(event, WriteRefused)
    assert (event.refusal, calls) == ("clock", [])


def test_a_write_that_fails_authentication_is_not_sent_again() -> None:
    gate = gateway()
    (sent,) = gate.write([PLACE], NOW)
    ((event,), calls) = gate.answered(sent.id, error(401, "authentication_error"), NOW)
    assert isinstance(event, WriteRefused)
    assert (event.refusal, calls) == ("unauthorised", [])


# Readings


def balance() -> HttpAnswer:
    return answer({"balance": 12345})


def read_through(
    gate: Gateway, calls: list[Call], *answers: HttpAnswer | None
) -> tuple[list[InputEvent], list[Call]]:
    events: list[InputEvent] = []
    for answered in answers:
        (sent,) = calls
        events, calls = gate.answered(sent.id, answered, NOW)
    return events, calls


ACCOUNT = (
    answer({"orders": [], "cursor": ""}),
    answer({"fills": []}),
    answer({"market_positions": []}),
    balance(),
)


def test_a_reading_makes_one_call_after_another() -> None:
    gate = gateway()
    calls = gate.start_reading(ReadAccount((A,), shards=(0,)), NOW)
    events, calls = read_through(gate, calls, *ACCOUNT)
    assert events == [Reconciled((), (), {0: Money(123_450_000)}, {A: Count(0)})]
    assert calls == []


def test_a_reading_that_is_requested_again_under_way_is_repeated_when_it_ends() -> None:
    gate = gateway()
    calls = gate.start_reading(ReadAccount((A,), shards=(0,)), NOW)
    assert gate.start_reading(ReadAccount((A,), shards=(0,)), NOW) == []
    assert gate.start_reading(ReadAccount((A, "B"), shards=(0,)), NOW) == []
    events, calls = read_through(gate, calls, *ACCOUNT)
    assert events == []
    events, calls = read_through(gate, calls, *ACCOUNT[:1])
    assert dict(calls[0].request.query)["ticker"] == f"{A},B"
    events, calls = read_through(gate, calls, *ACCOUNT[1:])
    assert events == [Reconciled((), (), {0: Money(123_450_000)}, {A: Count(0), "B": Count(0)})]
    assert calls == []


def test_the_failure_of_a_stale_reading_is_not_reported() -> None:
    gate = gateway()
    calls = gate.start_reading(ReadAccount((A,), shards=(0,)), NOW)
    gate.start_reading(ReadAccount((A,), shards=(0,)), NOW)
    events, calls = read_through(gate, calls, None)
    assert events == []
    assert len(calls) == 1


def test_account_and_listing_are_read_side_by_side() -> None:
    gate = gateway()
    assert len(gate.start_reading(ReadAccount(()), NOW)) == 1
    assert len(gate.start_reading(ReadListing(()), NOW)) == 1


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (ReadAccount((A,)), ReadingFailed("account", "GET /portfolio/orders: no answer")),
        (ReadListing(()), ReadingFailed("listing", "GET /account/limits: no answer")),
        (QUERY, OrderQueryFailed("mmbot-1", "GET /portfolio/orders/e5d8: no answer")),
    ],
)
def test_a_reading_without_an_answer_fails_with_the_reason(
    command: ReadAccount | ReadListing | QueryOrder, expected: InputEvent
) -> None:
    gate = gateway()
    events, calls = read_through(gate, gate.start_reading(command, NOW), None)
    assert (events, calls) == ([expected], [])
    assert len(gate.start_reading(command, NOW)) == 1


def test_a_malformed_answer_fails_a_reading() -> None:
    gate = gateway()
    calls = gate.start_reading(ReadAccount(()), NOW)
    (event,), _ = read_through(gate, calls, HttpAnswer(200, b"<html>"))
    assert isinstance(event, ReadingFailed)


def test_the_fee_type_is_read_alone() -> None:
    gateway = Gateway(SIGNER, ExchangeSettings())
    (call,) = gateway.start_reading(ReadFeeType(), NOW)
    assert call.request.path == "/trade-api/v2/series/KXTSAW"
    charged = answer({"series": {"fee_type": "flat", "fee_multiplier": 2}})
    read = FeeTypeRead(FeeTerms("flat", 2 * ONE_TIME))
    assert gateway.answered(call.id, charged, NOW) == ([read], [])


def test_a_query_that_was_refused_for_tokens_says_so() -> None:
    gateway = Gateway(SIGNER, ExchangeSettings())
    for status, limited in ((429, True), (500, False)):
        (call,) = gateway.start_reading(QueryOrder("mmbot-1", "o-1", A, NOW), NOW)
        ((event,), _) = gateway.answered(call.id, HttpAnswer(status), NOW)
        assert isinstance(event, OrderQueryFailed)
        assert event.rate_limited is limited


def test_several_orders_are_queried_side_by_side() -> None:
    gate = gateway()
    (first,) = gate.start_reading(QUERY, NOW)
    (second,) = gate.start_reading(QueryOrder("mmbot-2", "f00", A, NOW), NOW)
    assert gate.answered(second.id, error(404, "not_found"), NOW) == ([OrderAbsent("mmbot-2")], [])
    assert gate.answered(first.id, error(404, "not_found"), NOW) == ([OrderAbsent("mmbot-1")], [])


# Order groups


def test_a_group_is_created_and_reset() -> None:
    gate = gateway()
    calls = gate.start_reading(ensure_group(3, 10_000), NOW)
    created = answer({"order_group_id": "g-1"}, 201)
    events, calls = read_through(gate, calls, answer({"order_groups": []}), created)
    assert (events, calls) == ([GroupReady(3, "g-1", Count(10_000))], [])
    calls = gate.start_reading(ResetGroup(3, "g-1"), NOW)
    events, calls = read_through(gate, calls, answer({}))
    assert (events, calls) == ([GroupChanged("g-1", "reset")], [])


@pytest.mark.parametrize("command", [ensure_group(3, 100), ResetGroup(3, "g-1")])
def test_a_group_without_an_answer_is_unavailable(command: EnsureGroup | ResetGroup) -> None:
    gate = gateway()
    ((event,), _) = read_through(gate, gate.start_reading(command, NOW), None)
    assert isinstance(event, GroupUnavailable)
    assert event.reason.endswith("no answer")


def test_what_was_prepared_is_sent_with_the_signature_made_then() -> None:
    prepared = gateway()
    for _ in range(4):
        prepared.prepare_writes([CANCEL.order_id], NOW)
    batch = [CANCEL, SECOND_CANCEL]
    for writes in (batch, [PLACE], [CANCEL]):
        (ahead,) = prepared.write(writes, NOW + 1_000)
        (signed_now,) = prepared.write(writes, NOW + 1_000)
        assert dict(ahead.request.headers)["KALSHI-ACCESS-TIMESTAMP"] == str(NOW)
        assert dict(signed_now.request.headers)["KALSHI-ACCESS-TIMESTAMP"] == str(NOW + 1_000)


def test_cancels_are_signed_ahead_before_places() -> None:
    prepared = gateway()
    for _ in range(2):
        prepared.prepare_writes([CANCEL.order_id], NOW)
    (cancel,) = prepared.write([CANCEL], NOW + 1_000)
    (place,) = prepared.write([PLACE], NOW + 1_000)
    assert dict(cancel.request.headers)["KALSHI-ACCESS-TIMESTAMP"] == str(NOW)
    assert dict(place.request.headers)["KALSHI-ACCESS-TIMESTAMP"] == str(NOW + 1_000)
