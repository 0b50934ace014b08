from __future__ import annotations

from mmbot.daemon.interceptor import PassThrough
from mmbot.daemon.recorded_interceptor import RecordedInterceptor
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.paper.paper_trading import PaperTrading
from mmbot.recording.outside import (
    AlreadyRead,
    AnswerArrived,
    AnsweredInside,
    FrameArrived,
    PaperBegan,
)
from mmbot.recording.records import join, split
from mmbot.units import Money

BEGAN = PaperBegan("KXTSAW", 0, Money(10**9), (), seed=4)
STATUS = HttpRequest("GET", "/trade-api/v2/exchange/status")
BALANCE = HttpRequest("GET", "/trade-api/v2/portfolio/balance")
NOW = 1_795_874_400_000


def paper() -> tuple[RecordedInterceptor, list[bytes]]:
    records: list[bytes] = []
    return RecordedInterceptor(PaperTrading(BEGAN), records.append), records


def what(records: list[bytes]) -> list[object]:
    return [record.what for record in split(join(records))]


def test_the_record_begins_with_what_the_paper_exchange_began_with() -> None:
    recorded, records = paper()
    recorded.begin(NOW)
    assert what(records) == [BEGAN]


def test_the_latest_answer_before_the_session_is_on_record() -> None:
    recorded, records = paper()
    for number in range(3):
        recorded.observe_answer(STATUS, HttpAnswer(200, b"%d" % number), NOW)
    assert records == []
    recorded.begin(NOW)
    assert what(records)[1:] == [AlreadyRead(STATUS.path, (), HttpAnswer(200, b"2"))]


def test_what_was_read_of_keys_and_orders_is_not() -> None:
    recorded, records = paper()
    for name in ("api_keys", "portfolio/orders"):
        request = HttpRequest("GET", f"/trade-api/v2/{name}")
        recorded.observe_answer(request, HttpAnswer(200, b"{}"), NOW)
    recorded.begin(NOW)
    assert what(records) == [BEGAN]


def test_answers_are_marked_by_where_they_come_from() -> None:
    recorded, records = paper()
    recorded.begin(NOW)
    assert recorded.answer(BALANCE, NOW) is not None
    assert recorded.answer(STATUS, NOW) is None
    recorded.observe_answer(STATUS, HttpAnswer(200, b"{}"), NOW)
    assert what(records)[1:] == [AnsweredInside(), AnswerArrived()]


def test_a_frame_that_the_bot_is_given_as_it_came_is_not_recorded_twice() -> None:
    recorded, records = paper()
    recorded.begin(NOW)
    recorded.connected()
    recorded.incoming(b'{"type":"ok"}', NOW)
    recorded.incoming(b'{"type":"subscribed","id":1000000001,"msg":{}}', NOW)
    same, withheld = what(records)[1:]
    assert same == FrameArrived(None)
    assert withheld == FrameArrived(b'{"type":"subscribed","id":1000000001,"msg":{}}')


def test_without_anything_between_bot_and_exchange_there_is_no_record() -> None:
    records: list[bytes] = []
    recorded = RecordedInterceptor(PassThrough(), records.append)
    recorded.begin(NOW)
    recorded.incoming(b"{}", NOW)
    assert records == []


def test_time_that_changes_nothing_is_not_recorded() -> None:
    recorded, records = paper()
    recorded.begin(NOW)
    recorded.advance(NOW + 1_000)
    assert what(records) == [BEGAN]
