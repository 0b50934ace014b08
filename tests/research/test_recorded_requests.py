from __future__ import annotations

from collections.abc import Sequence

from mmbot.bot.inputs import TimerFired
from mmbot.bot.outputs import FetchPage, Output, Reconnect, Transmit
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpRequest
from mmbot.recording.records import Record, encode, encode_outputs, join, split
from mmbot.research.recorded_requests import RecordedRequests
from mmbot.trading.commands import WakeAt


def call(number: int, body: bytes = b"{}") -> Call:
    headers = (("KALSHI-ACCESS-TIMESTAMP", str(number)),)
    return Call(number, HttpRequest("POST", "/orders", (("subaccount", "0"),), headers, body))


def step(*outputs: Output) -> Sequence[Record]:
    return split(join([encode(TimerFired(), 1, encode_outputs(outputs))]))


def asked(*outputs: Output) -> RecordedRequests:
    requests = RecordedRequests()
    requests.begin_step(step(*outputs))
    return requests


def test_the_same_request_is_served_as_the_recorded_one_whatever_its_number() -> None:
    requests = asked(call(3))
    assert requests.is_made(call(8))
    request, served = requests.take(3)
    assert request is not None
    assert request.body == b"{}"
    assert served == call(8)


def test_each_recorded_request_is_served_once() -> None:
    requests = asked(call(3))
    assert [requests.is_made(call(8)), requests.is_made(call(9))] == [True, False]


def test_another_request_is_not_the_recorded_one() -> None:
    requests = asked(call(3))
    assert not requests.is_made(call(3, b"[]"))
    assert requests.take(3)[1] is None


def test_what_was_asked_in_an_earlier_step_is_past() -> None:
    requests = asked(call(3), Transmit(b"frame"), Reconnect())
    requests.begin_step(step())
    assert not requests.is_made(call(3))
    assert not requests.is_sent(b"frame")
    assert not requests.is_reconnecting()


def test_frames_and_reconnections_are_recognised_once_each() -> None:
    requests = asked(Transmit(b"frame"), Reconnect())
    assert [requests.is_sent(b"frame"), requests.is_sent(b"frame")] == [True, False]
    assert [requests.is_reconnecting(), requests.is_reconnecting()] == [True, False]


def test_the_timer_and_the_pages_are_known() -> None:
    requests = asked(WakeAt(17), FetchPage(4, "/counts", ()))
    assert (requests.due, requests.pages) == (17, {4: "/counts"})
