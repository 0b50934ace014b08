from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import orjson
import pytest

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import (
    CallAnswered,
    EventOccurred,
    ForecastFitted,
    FrameReceived,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import Output, Reconnect, Transmit
from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.commands import Note, RecordFill, SweepConfirmed, WakeAt
from mmbot.trading.events import SettingsChanged, Stopping
from mmbot.tsa.calendar import CalendarClock, Week, from_milliseconds, to_milliseconds
from mmbot.tsa.counts import Counts
from tests.kalshi.builders import (
    FILL,
    LISTED,
    SIGNER,
    SNAPSHOT,
    USER_ORDER,
    A,
    B,
    answer,
    changed,
    frame,
)

_T = TypeVar("_T")
CHANNELS = ("fill", "user_orders", "market_lifecycle_v2", "orderbook_delta", "order_group_updates")
# The Tuesday noon of the listed week, New York time.
NOW = 1795539600000
# On the belief alone, and with a market that is always worth a quote.
QUOTING = {
    "sides": "both",
    "margin": 0.1,
    "belief_weight": [1.0] * 5,
    "size_by_known": [1.0] * 5,
}


def only(kind: type[_T], outputs: list[Output]) -> list[_T]:
    return [output for output in outputs if isinstance(output, kind)]


class Forecasts:
    """Believes the same of every week; no count is implausible."""

    def __init__(self) -> None:
        self.asked: list[tuple[Week, tuple[int, ...]]] = []

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        self.asked.append((week, tuple(strikes)))
        days = len(counts.published_days(week)) or 1
        above = (0.5, 0.2)[: len(strikes)]
        return Belief(week, days, tuple(strikes), above, 2.7e6, 8e4, "test", "digest")

    def deviations(self, _counts: Counts, _day: dt.date, _count: int) -> float:
        return 0.0


class World:
    """A bot, and an exchange that answers from a table."""

    def __init__(self) -> None:
        settings = msgspec.convert({"quoting": QUOTING}, Settings)
        self.bot = Bot(settings, CalendarClock(), SIGNER, "session", random.Random(1))
        self.now = NOW
        self.outputs: list[Output] = []
        self.orders = 0
        self.seq = 0
        self.answers: dict[str, Any] = {
            "/account/limits": {"write": {"refill_rate": 100, "bucket_capacity": 1000}},
            "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": []},
            "/events": {"events": [LISTED]},
            "/series/KXTSAW": {"series": {"fee_type": "quadratic"}},
            "/exchange/status": {"exchange_active": True, "trading_active": True},
            "/portfolio/orders": {"orders": []},
            "/portfolio/fills": {"fills": []},
            "/portfolio/positions": {"market_positions": []},
            "/portfolio/balance": {"balance": 100_000_000},
            "/portfolio/order_groups": {"order_groups": []},
        }

    def run(self, outputs: list[Output]) -> list[Output]:
        """Answer every call and every subscription that comes of some outputs."""
        done: list[Output] = []
        while outputs:
            done += outputs
            answered: list[Output] = []
            for output in outputs:
                match output:
                    case Call():
                        answered += self.bot.handle(
                            CallAnswered(output.id, self.answer(output)), self.now
                        )
                    case Transmit():
                        answered += self.reply(orjson.loads(output.frame))
                    case _:
                        pass
            outputs = answered
        self.outputs += done
        return done

    def answer(self, call: Call) -> HttpAnswer:
        path = call.request.path.removeprefix("/trade-api/v2")
        body = orjson.loads(call.request.body or b"{}")
        if path == "/portfolio/order_groups/create":
            return answer({"order_group_id": "g-1"}, 201)
        if call.request.method == "POST":
            placed = [self.place(item) for item in body.get("orders", [body])]
            return answer({"orders": placed} if "orders" in body else placed[0], 201)
        if call.request.method == "DELETE":
            gone = [
                {"order_id": item["order_id"], "reduced_by": "10.00"} for item in body["orders"]
            ]
            return answer({"orders": gone})
        return answer(self.answers[path])

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        self.orders += 1
        return {"order_id": f"o-{self.orders}", "client_order_id": body["client_order_id"]}

    def reply(self, command: dict[str, Any]) -> list[Output]:
        if command["cmd"] != "subscribe":
            return []
        (channel,) = command["params"]["channels"]
        sid = CHANNELS.index(channel) + 1
        return self.hear("subscribed", {"channel": channel, "sid": sid}, id=command["id"])

    def hear(self, kind: str, msg: Any, **envelope: Any) -> list[Output]:
        return self.bot.handle(FrameReceived(frame(kind, msg, **envelope)), self.now)

    def show_book(self, ticker: str, **changes: Any) -> list[Output]:
        self.seq += 1
        message = changed(SNAPSHOT, market_ticker=ticker, **changes)
        return self.run(self.hear("orderbook_snapshot", message, sid=4, seq=self.seq))

    def start(self) -> None:
        self.run(self.bot.handle(StreamOpened(), self.now))
        self.run(self.bot.handle(ForecastFitted(Forecasts(), None), self.now))


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
    outputs = world.bot.handle(StreamOpened(), world.now)
    assert only(WakeAt, outputs)[-1].at == world.now + 3_000


def test_a_waking_reaches_the_engine_only_when_it_wished_to_be_woken(world: World) -> None:
    for ticker in (A, B):
        world.show_book(ticker)
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
    assert only(SweepConfirmed, outputs)


def test_the_writes_of_one_step_go_before_everything_else_that_it_asks_for(world: World) -> None:
    world.show_book(A)
    outputs = world.bot.handle(StreamClosed(), world.now)
    assert isinstance(outputs[0], Call)
    assert outputs[0].request.path.endswith("/batched")


def test_the_age_of_the_last_frame_is_known(world: World) -> None:
    assert world.bot.feed_age is None
    world.hear("user_order", USER_ORDER, sid=2, sending_ts_ms=world.now - 40)
    assert world.bot.feed_age == 40


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
