from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmbot.config import ExchangeSettings
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.gateway import Gateway
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.kalshi.vocabulary import REST, STREAM
from mmbot.trading.commands import Cancel, QueryOrder
from tests.kalshi.builders import (
    DELTA,
    FILL,
    LISTED,
    MARKET,
    REST_FILL,
    REST_ORDER,
    SIGNER,
    SNAPSHOT,
    USER_ORDER,
    A,
    answer,
    changed,
    frame,
)
from tests.kalshi.write_commands import place

NOW = 1_795_874_400_000
PLACES = [place(f"mmbot-{n}", "bid", 4200, shard=0, expires=NOW + 60_000) for n in (1, 2)]


def count_frame(kind: str, msg: Any, **envelope: Any) -> dict[str, int]:
    monitor = VocabularyMonitor(STREAM)
    monitor.examine_frame(kind, frame(kind, msg, **envelope))
    return monitor.counts


def count_answer(kind: str, tree: Any, status: int = 200) -> dict[str, int]:
    monitor = VocabularyMonitor(REST)
    monitor.examine_answer(kind, answer(tree, status))
    return monitor.counts


@pytest.mark.parametrize(
    ("kind", "msg"),
    [
        ("fill", FILL),
        ("user_order", USER_ORDER),
        ("orderbook_snapshot", SNAPSHOT),
        ("orderbook_delta", DELTA),
        ("unsubscribed", None),
    ],
)
def test_documented_messages_have_no_unknown_words(kind: str, msg: Any) -> None:
    assert count_frame(kind, msg, sid=1, seq=2, sending_ts_ms=3) == {}


def test_documented_answers_have_no_unknown_words() -> None:
    tree = {"cursor": "", "orders": [REST_ORDER], "fills": [REST_FILL], "events": [LISTED]}
    assert count_answer("answer", tree) == {}


@pytest.mark.parametrize(
    ("kind", "changes", "word"),
    [
        ("fill", {"maker_rebate": "0.1"}, "fill.maker_rebate"),
        ("user_order", {"status": "frozen"}, "user_order.status=frozen"),
        ("user_order", {"status": None}, ""),
        ("user_order", {"order_group_id": ["g"]}, ""),
    ],
)
def test_an_unknown_key_or_value_is_named_by_its_message(
    kind: str, changes: dict[str, Any], word: str
) -> None:
    message = {"fill": FILL, "user_order": USER_ORDER}[kind] | changes
    assert count_frame(kind, message) == ({word: 1} if word else {})


def test_an_unknown_type_and_an_unknown_key_of_the_envelope_are_counted() -> None:
    assert count_frame("weather", {"rain": 1}, shard_factor=2) == {
        "frame.shard_factor": 1,
        "weather": 1,
    }


def test_nested_messages_are_examined() -> None:
    event = LISTED | {"markets": [MARKET | {"status": "dormant"}, MARKET | {"mood": "calm"}]}
    assert count_answer("answer", {"event": event}) == {
        "market.status=dormant": 1,
        "market.mood": 1,
    }


def test_of_a_long_list_the_first_hundred_rows_are_examined() -> None:
    rows = [REST_FILL | {"mood": "calm"}] * 150
    assert count_answer("answer", {"fills": rows}) == {"fill.mood": 100}


def test_an_unknown_code_of_an_error_is_counted_and_a_known_one_is_not() -> None:
    monitor = VocabularyMonitor(REST)
    for code in ("quota_of_luck", "AMEND_ORDER_NO_OP", "too_many_requests"):
        monitor.examine_answer("renew", answer({"error": {"code": code}}, 400))
    monitor.examine_answer("renew", HttpAnswer(502, b"<html>"))
    assert monitor.counts == {"refusal.code=quota_of_luck": 1}


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'"text"', b'{"events": 3}'])
def test_an_unreadable_answer_is_not_examined(body: bytes) -> None:
    monitor = VocabularyMonitor(REST)
    monitor.examine_answer("answer", HttpAnswer(200, body))
    monitor.examine_answer("answer", None)
    assert monitor.counts == {}


def test_of_book_deltas_the_first_and_every_hundredth_number_are_examined() -> None:
    monitor = VocabularyMonitor(STREAM)
    for seq in range(7, 208):
        delta = frame("orderbook_delta", DELTA | {"mood": "calm"}, seq=seq)
        monitor.examine_frame("orderbook_delta", delta, seq)
    assert monitor.counts == {"orderbook_delta.mood": 3}


def test_a_word_is_noted_once_and_counted_every_time() -> None:
    monitor = VocabularyMonitor(STREAM)
    for _ in range(3):
        monitor.examine_frame("weather", frame("weather"))
    (note,) = monitor.take_notes()
    assert (note.name, note.fields) == ("exchange.unknown_word", {"word": "weather"})
    assert monitor.take_notes() == []
    assert monitor.counts == {"weather": 3}


def test_the_number_and_the_length_of_names_are_bounded() -> None:
    monitor = VocabularyMonitor(STREAM)
    message = FILL | {f"{'x' * 1000}": 1} | {f"key-{n}": n for n in range(150)}
    monitor.examine_frame("fill", frame("fill", message))
    assert len(monitor.counts) == len(monitor.take_notes()) == 101
    assert monitor.counts["further names"] == 51
    assert max(map(len, monitor.counts)) == 80


def test_a_feed_examines_its_frames() -> None:
    feed = Feed("KXTSAW")
    feed.connected(NOW)
    feed.received(frame("fill", FILL | {"mood": "calm"}, sid=1), NOW)
    assert feed.unknown_words.counts == {"fill.mood": 1}


def test_a_gateway_examines_the_answers_to_reads_writes_and_batches() -> None:
    gateway = Gateway(SIGNER, ExchangeSettings())
    created = {"order_id": "o-1", "client_order_id": "mmbot-1", "mood": "calm"}
    calls = gateway.start_reading(QueryOrder("mmbot-1", "o-1", A, NOW), NOW)
    calls += gateway.write([Cancel("mmbot-1", "o-1", A, 0)], NOW)
    calls += gateway.write(PLACES, NOW)
    bodies = [{"order": changed(REST_ORDER, mood="calm")}, created, {"orders": [created]}]
    for call, body in zip(calls, bodies, strict=True):
        gateway.answered(call.id, HttpAnswer(200, orjson.dumps(body)), NOW)
    assert gateway.unknown_words.counts == {"order.mood": 1, "cancel.mood": 1, "place.mood": 1}
