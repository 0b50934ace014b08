from __future__ import annotations

from typing import Any

import orjson

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.research.recorded_market import Books, RecordedReadings, RecordedStream
from mmbot.trading.book import Book
from mmbot.units import Count, Price

EVENT = "KXTSAW-26NOV29"
TICKER = f"{EVENT}-A2.70"
BOOKS = "orderbook_delta"


def get(path: str, **query: str) -> HttpRequest:
    return HttpRequest("GET", BASE_PATH + path, tuple(query.items()))


def answer(tree: object) -> HttpAnswer:
    return HttpAnswer(200, orjson.dumps(tree), (("date", "Tue, 24 Nov 2026 17:00:00 GMT"),))


def listing(**market: str) -> HttpAnswer:
    return answer({"events": [{"event_ticker": EVENT, "markets": [{"ticker": TICKER, **market}]}]})


def lifecycle(**message: str) -> wire.Frame:
    return wire.decode_frame(
        orjson.dumps({"type": "market_lifecycle_v2", "msg": {"market_ticker": TICKER, **message}})
    )


def test_a_reading_is_answered_as_the_exchange_last_answered_it() -> None:
    readings = RecordedReadings()
    for number in (1, 2):
        readings.learn(get("/account/limits"), answer({"number": number}))
    found = readings.answer(get("/account/limits"))
    assert found is not None
    assert orjson.loads(found.body) == {"number": 2}


def test_the_date_of_an_old_answer_is_not_told_again() -> None:
    readings = RecordedReadings()
    readings.learn(get("/exchange/status"), answer({}))
    assert readings.answer(get("/exchange/status")) == HttpAnswer(200, b"{}")


def test_a_listing_is_the_same_whenever_it_is_asked_for() -> None:
    readings = RecordedReadings()
    readings.learn(get("/events", series_ticker="KXTSAW", min_close_ts="1"), listing())
    assert readings.answer(get("/events", series_ticker="KXTSAW", min_close_ts="2")) is not None
    assert readings.answer(get("/events", series_ticker="KXOTHER", min_close_ts="1")) is None


def test_a_recording_from_before_changes_of_fees_were_read_has_none() -> None:
    readings = RecordedReadings()
    found = readings.answer(get("/series/fee_changes", series_ticker="KXTSAW"))
    assert found is not None
    assert orjson.loads(found.body) == {"series_fee_change_arr": []}
    readings.learn(get("/events/fee_changes"), answer({"event_fee_changes": [3]}))
    found = readings.answer(get("/events/fee_changes"))
    assert found is not None
    assert orjson.loads(found.body) == {"event_fee_changes": [3]}


def test_a_refusal_is_no_answer() -> None:
    readings = RecordedReadings()
    readings.learn(get("/account/limits"), HttpAnswer(429))
    assert readings.answer(get("/account/limits")) is None


def test_an_event_that_nobody_read_alone_is_answered_with_what_the_stream_told() -> None:
    readings = RecordedReadings()
    readings.learn(get("/events"), listing(status="active", result=""))
    readings.tell(lifecycle(event_type="determined", result="yes", settlement_value="1.0000").msg)
    readings.tell(lifecycle(event_type="settled").msg)
    found = readings.answer(get(f"/events/{EVENT}", with_nested_markets="true"))
    assert found is not None
    assert orjson.loads(found.body)["event"]["markets"] == [
        {
            "ticker": TICKER,
            "status": "finalized",
            "result": "yes",
            "settlement_value_dollars": "1.0000",
        }
    ]


def test_what_is_told_of_other_changes_decides_nothing() -> None:
    readings = RecordedReadings()
    readings.learn(get("/events"), listing(status="active"))
    readings.tell(lifecycle(event_type="deactivated").msg)
    found = readings.answer(get(f"/events/{EVENT}"))
    assert found is not None
    assert orjson.loads(found.body)["event"]["markets"] == [{"ticker": TICKER, "status": "active"}]


# The stream


def command(number: int, cmd: str, **params: Any) -> bytes:
    return orjson.dumps({"id": number, "cmd": cmd, "params": params})


def subscribed(number: int, channel: str, sid: int) -> tuple[wire.Frame, bytes]:
    told = {"channel": channel, "sid": sid}
    data = orjson.dumps({"type": "subscribed", "id": number, "msg": told})
    return wire.decode_frame(data), data


def books() -> Books:
    bids, asks = [(Price(4_000), Count(3_000))], [(Price(4_600), Count(500))]
    return {TICKER: ("m-1", Book(bids, asks))}


def answers(stream: RecordedStream, frame: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(each) for each in stream.answers(frame, books)]


SNAPSHOT = {
    "type": "orderbook_snapshot",
    "sid": 7,
    "msg": {
        "market_ticker": TICKER,
        "market_id": "m-1",
        "yes_dollars_fp": [["0.4000", "30.00"]],
        "no_dollars_fp": [["0.4600", "5.00"]],
    },
}


def test_a_snapshot_is_made_from_the_book_as_it_is_now() -> None:
    stream = RecordedStream()
    stream.subscribed(*subscribed(5, BOOKS, 7))
    asked = command(
        9, "update_subscription", sid=7, action="get_snapshot", market_tickers=[TICKER, "OTHER"]
    )
    assert answers(stream, asked) == [SNAPSHOT]


def test_a_subscription_of_a_channel_on_record_is_that_one() -> None:
    stream = RecordedStream()
    stream.subscribed(*subscribed(5, BOOKS, 7))
    asked = command(1, "subscribe", channels=[BOOKS], market_tickers=[TICKER])
    told = {"type": "subscribed", "id": 1, "msg": {"channel": BOOKS, "sid": 7}}
    assert answers(stream, asked) == [told, SNAPSHOT]


def test_a_subscription_before_the_one_on_record_is_confirmed_with_it() -> None:
    stream = RecordedStream()
    assert answers(stream, command(3, "subscribe", channels=["market_lifecycle_v2"])) == []
    given = stream.subscribed(*subscribed(1, "market_lifecycle_v2", 4))
    assert orjson.loads(given)["id"] == 3
    frame, data = subscribed(2, "trade", 5)
    assert stream.subscribed(frame, data) == data


def test_a_connection_that_is_gone_has_no_subscription() -> None:
    stream = RecordedStream()
    stream.subscribed(*subscribed(5, BOOKS, 7))
    stream.closed()
    asked = command(9, "update_subscription", action="get_snapshot", market_tickers=[TICKER])
    assert answers(stream, asked) == []


def test_nothing_is_said_to_what_needs_no_answer() -> None:
    assert answers(RecordedStream(), command(9, "unsubscribe", sids=[7])) == []


def test_a_connection_of_the_new_bot_s_own_is_numbered_on_from_the_recorded_one() -> None:
    stream = RecordedStream()
    stream.subscribed(*subscribed(5, BOOKS, 7))
    stream.resumed({7: 41})
    asked = command(1, "subscribe", channels=[BOOKS], market_tickers=[TICKER])
    confirmed, *_ = answers(stream, asked)
    assert (confirmed["sid"], confirmed["seq"]) == (7, 41)
    again, *_ = answers(stream, asked)
    assert "seq" not in again
