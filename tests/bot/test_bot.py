from __future__ import annotations

import msgspec
import orjson
import pytest

from mmbot.bot.inputs import (
    CallAnswered,
    EventOccurred,
    FrameReceived,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import FetchPage, Reconnect, Transmit
from mmbot.config import Settings
from mmbot.kalshi.gateway import Call
from mmbot.trading.commands import Note, RecordFill, StopConfirmed, WakeAt
from mmbot.trading.events import SessionStarted
from mmbot.trading.operator_events import SettingsChanged, Stopping
from mmbot.underlying.calendar import Week, from_milliseconds, to_milliseconds
from tests.bot.builders import NOW, QUOTING, World, only
from tests.kalshi.builders import (
    FILL,
    SIGNER,
    SNAPSHOT,
    USER_ORDER,
    A,
    B,
)


@pytest.fixture
def world() -> World:
    started = World()
    started.start()
    return started


def test_the_clock_of_these_tests_is_a_tuesday_noon() -> None:
    assert from_milliseconds(NOW).strftime("%A %H:%M") == "Tuesday 12:00"
    assert to_milliseconds(from_milliseconds(NOW)) == NOW


def test_the_stream_is_opened_with_signed_headers() -> None:
    headers = World().bot.stream_headers(NOW)
    assert headers == SIGNER.headers("GET", "/trade-api/ws/v2", NOW)


def test_nothing_is_read_before_the_subscriptions_are_confirmed() -> None:
    outputs = World().bot.handle(StreamOpened(), NOW)
    assert only(Transmit, outputs)
    assert not only(Call, outputs)


def test_a_start_reads_everything_and_forms_a_belief(world: World) -> None:
    believed = [note for note in only(Note, world.outputs) if note.name == "belief.updated"]
    assert [note.fields["event_ticker"] for note in believed] == ["KXTSAW-26NOV29"]
    names = [note.name for note in only(Note, world.outputs)]
    assert "account.reconciled" in names
    sent = [orjson.loads(output.frame) for output in only(Transmit, world.outputs)]
    assert sent[-1]["params"]["market_tickers"] == [A, B]


def test_a_book_brings_quotes_to_the_exchange(world: World) -> None:
    outputs = world.show_book(A)
    (call,) = only(Call, outputs)
    bodies = orjson.loads(call.request.body)["orders"]
    assert [(b["side"], b["price"]) for b in bodies] == [("bid", "0.4300"), ("ask", "0.5500")]
    assert {b["order_group_id"] for b in bodies} == {"g-1"}


def test_a_fill_is_handed_out_to_be_written_down(world: World) -> None:
    world.run(world.hear("user_order", USER_ORDER, sid=2))
    outputs = world.run(world.hear("fill", FILL, sid=1))
    assert [book.fill.trade_id for book in only(RecordFill, outputs)] == ["d91b"]


def test_a_corrupt_book_is_repaired(world: World) -> None:
    outputs = world.show_book(A, no_dollars_fp=[["0.0100", "5.00"]])
    (repair,) = (orjson.loads(output.frame) for output in only(Transmit, outputs))
    assert repair["params"]["action"] == "get_snapshot"


def test_a_malformed_frame_asks_for_another_connection(world: World) -> None:
    assert only(Reconnect, world.bot.handle(FrameReceived(b"no json"), world.now))


def test_a_connection_that_is_given_up_counts_as_lost_at_once(world: World) -> None:
    world.show_book(A)
    outputs = world.run(world.bot.handle(FrameReceived(b"no json"), world.now))
    assert [c.request.method for c in only(Call, outputs)] == ["DELETE"]
    lost = [
        n
        for n in only(Note, world.bot.handle(StreamClosed(), world.now))
        if n.name == "stream.lost"
    ]
    assert not lost


def test_a_book_of_a_connection_that_never_was_up_is_not_kept(world: World) -> None:
    world.run(world.bot.handle(StreamClosed(), world.now))
    world.bot.handle(StreamOpened(), world.now)
    world.hear("subscribed", {"channel": "orderbook_delta", "sid": 4}, id=5)
    world.hear("orderbook_snapshot", SNAPSHOT, sid=4, seq=1)
    listing = world.bot.engine.state.market(A)
    assert listing is not None
    assert listing.book is not None
    world.bot.handle(StreamClosed(), world.now)
    assert listing.book is None


def test_word_of_a_new_event_makes_the_listing_be_read(world: World) -> None:
    outputs = world.hear("event_lifecycle", {"event_ticker": "KXTSAW-26DEC06"}, sid=3)
    assert [c.request.path for c in only(Call, outputs)] == ["/trade-api/v2/account/limits"]


def test_a_lost_stream_takes_the_quotes_off(world: World) -> None:
    world.show_book(A)
    outputs = world.run(world.bot.handle(StreamClosed(), world.now))
    assert [c.request.method for c in only(Call, outputs)] == ["DELETE"]


def test_a_stream_that_comes_back_is_quoted_on_again(world: World) -> None:
    world.show_book(A)
    world.run(world.bot.handle(StreamClosed(), world.now))
    world.seq = 0
    world.run(world.bot.handle(StreamOpened(), world.now))
    outputs = world.show_book(A)
    assert [c.request.method for c in only(Call, outputs)] == ["POST"]


def test_closed_markets_are_not_subscribed_again(world: World) -> None:
    world.bot.handle(StreamClosed(), world.now)
    world.now = to_milliseconds(Week.from_event_ticker("KXTSAW-26NOV29").closes)
    world.run(world.bot.handle(StreamOpened(), world.now))
    outputs = world.bot.handle(TimerFired(), world.now + 3_000)
    assert not only(Reconnect, outputs)


def test_the_earlier_of_both_wishes_is_the_one_that_counts(world: World) -> None:
    # After a second the engine looks for its first samples, and then for a minute at nothing.
    world.bot.handle(TimerFired(), world.now + 1_000)
    outputs = world.bot.handle(StreamOpened(), world.now)
    assert only(WakeAt, outputs)[-1].at == world.now + 3_000


def test_a_waking_reaches_the_engine_only_when_it_wished_to_be_woken(world: World) -> None:
    for ticker in (A, B):
        world.show_book(ticker)
    # As if the stream had shown what was placed.
    world.bot.engine._echoes.connection_changed(world.now)
    (wish,) = only(WakeAt, world.bot.handle(TimerFired(), world.now))
    assert wish.at > world.now
    renewals = [
        call
        for call in only(Call, world.bot.handle(TimerFired(), world.now + 30_000))
        if call.request.path.endswith("/amend")
    ]
    assert len(renewals) == 4


def test_a_bot_without_a_connection_has_no_wish() -> None:
    assert World().bot.handle(TimerFired(), NOW) == []


def test_stopping_takes_the_quotes_off_and_finishes(world: World) -> None:
    world.show_book(A)
    outputs = world.run(world.bot.handle(EventOccurred(Stopping()), world.now))
    assert only(StopConfirmed, outputs)


def test_the_writes_of_one_step_go_before_everything_else_that_it_asks_for(world: World) -> None:
    world.show_book(A)
    outputs = world.bot.handle(StreamClosed(), world.now)
    assert isinstance(outputs[0], Call)
    assert outputs[0].request.path.endswith("/batched")


def test_the_age_of_the_last_frame_grows_until_the_next(world: World) -> None:
    assert world.bot.feed_age(NOW) is None
    world.hear("user_order", USER_ORDER, sid=2, sending_ts_ms=world.now - 40)
    assert world.bot.feed_age(world.now) == 40
    assert world.bot.feed_age(world.now + 5_000) == 5_040


def test_what_is_not_in_the_vocabulary_is_told_once_and_counted(world: World) -> None:
    world.answers["/portfolio/orders"] = {"orders": [], "mood": "calm"}
    before = world.bot.unknown_words
    told = world.hear("user_order", USER_ORDER | {"status": "frozen"}, sid=2)
    again = world.hear("user_order", USER_ORDER | {"status": "frozen"}, sid=2)
    assert [n.name for n in only(Note, told + again)].count("exchange.unknown_word") == 1
    world.run(world.bot.handle(StreamClosed(), world.now))
    world.run(world.bot.handle(StreamOpened(), world.now))
    assert before == {}
    assert world.bot.unknown_words == {"user_order.status=frozen": 2, "answer.mood": 1}


def test_a_stream_that_is_late_takes_the_quotes_off(world: World) -> None:
    world.show_book(A)
    late = world.hear("ok", {}, sid=2, sending_ts_ms=world.now - 3_001)
    assert [c.request.method for c in only(Call, late)] == ["DELETE"]


def test_what_one_answer_brings_about_in_several_markets_goes_as_one_batch(world: World) -> None:
    for ticker in (A, B):
        world.show_book(ticker)
    wider = msgspec.convert({"quoting": {**QUOTING, "margin": 0.2}}, Settings)
    (cancels,) = only(Call, world.bot.handle(EventOccurred(SettingsChanged(wider)), world.now))
    assert cancels.request.method == "DELETE"
    outputs = world.bot.handle(CallAnswered(cancels.id, world.answer(cancels)), world.now)
    (places,) = only(Call, outputs)
    tickers = [order["ticker"] for order in orjson.loads(places.request.body)["orders"]]
    assert set(tickers) == {A, B}


def test_the_page_is_read_as_often_as_changed_settings_say(world: World) -> None:
    often = msgspec.convert({"quoting": QUOTING, "counts": {"poll_seconds": 7}}, Settings)
    world.bot.handle(EventOccurred(SettingsChanged(often)), world.now)
    outputs = world.bot.handle(EventOccurred(SessionStarted(world.now)), world.now)
    (fetch,) = only(FetchPage, outputs)
    world.bot.handle(PageFetched(fetch.id, None, "nobody is there"), world.now)
    assert not only(FetchPage, world.bot.handle(TimerFired(), world.now + 13_000))
    assert only(FetchPage, world.bot.handle(TimerFired(), world.now + 16_000))
