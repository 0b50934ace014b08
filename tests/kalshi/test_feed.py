from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.kalshi.feed import Feed, FeedStep
from mmbot.trading.events import (
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    Filled,
    GroupChanged,
    InputEvent,
    MarketActivity,
    MarketClosing,
    MarketSettled,
    OrderReported,
    PriceGridChanged,
    StreamUp,
)
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Price
from tests.kalshi.builders import DELTA, FILL, SNAPSHOT, USER_ORDER, A, B, changed, frame, levels

CHANNELS = ("fill", "user_orders", "order_group_updates", "market_lifecycle_v2")
FILL_SID, ORDER_SID, GROUP_SID, LIFECYCLE_SID, BOOK_SID = SIDS = 11, 12, 15, 13, 14
MESSAGES = ("fill", "user_order", "orderbook_delta", "orderbook_snapshot", "market_lifecycle_v2")
LIFECYCLE = {"market_ticker": A, "event_type": "activated"}


class Line:
    """A feed with the commands it sent, by which the exchange's replies are made."""

    def __init__(self, *tickers: str) -> None:
        self.feed = Feed("KXTSAW")
        self.now = 1_000
        self.sent: list[dict[str, Any]] = []
        self.seq = 0
        self.feed.watch(tickers, self.now)

    def note(self, step: FeedStep) -> FeedStep:
        self.sent += [orjson.loads(data) for data in step.frames]
        return step

    def connect(self) -> FeedStep:
        self.sent = []
        return self.note(self.feed.connected(self.now))

    def hear(self, kind: str, msg: Any = None, **envelope: Any) -> FeedStep:
        return self.note(self.feed.received(frame(kind, msg, **envelope), self.now))

    def books(self, kind: str, msg: Any = None, **envelope: Any) -> FeedStep:
        """Hear the next frame of the book subscription."""
        self.seq += 1
        return self.hear(kind, msg, **{"sid": BOOK_SID, "seq": self.seq, **envelope})

    def confirm(self, channel: str, sid: int) -> FeedStep:
        (command,) = (c for c in self.sent if c["params"].get("channels") == [channel])
        message = {"channel": channel, "sid": sid}
        return self.hear("subscribed", message, id=command["id"])

    def start(self) -> None:
        """Connect, have everything confirmed, and show every book."""
        self.connect()
        for channel, sid in zip(CHANNELS, SIDS[:4], strict=True):
            self.confirm(channel, sid)
        self.confirm("orderbook_delta", BOOK_SID)
        for ticker in (A, B):
            self.books("orderbook_snapshot", changed(SNAPSHOT, market_ticker=ticker))

    def wait(self, milliseconds: int) -> FeedStep:
        self.now += milliseconds
        return self.note(self.feed.woken(self.now))

    def sent_since(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        return [(command["cmd"], command["params"]) for command in self.sent[count:]]


@pytest.fixture
def line() -> Line:
    started = Line(A, B)
    started.start()
    return started


def kinds(step: FeedStep) -> list[type[InputEvent]]:
    return [type(event) for event in step.events]


def book_changed(side: Side, price: int, delta: int) -> BookChanged:
    return BookChanged(A, side, Price(price), Count(delta))


# Subscribing


def test_a_connection_is_subscribed_to_everything_with_yes_prices() -> None:
    line = Line(A, B)
    line.connect()
    assert line.sent_since(0) == [
        *(("subscribe", {"channels": [channel]}) for channel in CHANNELS),
        (
            "subscribe",
            {"channels": ["orderbook_delta"], "market_tickers": [A, B], "use_yes_price": True},
        ),
    ]
    assert [command["id"] for command in line.sent] == [1, 2, 3, 4, 5]


def test_the_stream_is_up_when_everything_but_the_books_is_confirmed() -> None:
    line = Line()
    line.connect()
    assert kinds(line.confirm("fill", 1)) == []
    assert kinds(line.confirm("user_orders", 2)) == []
    assert kinds(line.confirm("order_group_updates", 4)) == []
    assert kinds(line.confirm("market_lifecycle_v2", 3)) == [StreamUp]


def test_every_connection_counts_its_commands_and_sids_afresh(line: Line) -> None:
    line.feed.disconnected()
    line.start()
    assert [command["id"] for command in line.sent[:5]] == [1, 2, 3, 4, 5]
    step = line.hear("orderbook_delta", DELTA, sid=BOOK_SID, seq=line.seq + 1)
    assert kinds(step) == [BookChanged]


def test_without_markets_no_books_are_asked_for() -> None:
    line = Line()
    line.connect()
    assert [command["params"]["channels"][0] for command in line.sent] == list(CHANNELS)


def test_markets_watched_before_the_books_are_confirmed_are_added_then() -> None:
    line = Line(A)
    line.connect()
    assert line.feed.watch((A, B), line.now).frames == []
    count = len(line.sent)
    line.confirm("orderbook_delta", BOOK_SID)
    added = {"sid": BOOK_SID, "action": "add_markets", "market_tickers": [B]}
    assert line.sent_since(count) == [("update_subscription", added)]


def test_markets_watched_after_the_connection_came_up_are_subscribed() -> None:
    line = Line()
    line.connect()
    count = len(line.sent)
    line.note(line.feed.watch((A,), line.now))
    ((cmd, params),) = line.sent_since(count)
    assert (cmd, params["market_tickers"]) == ("subscribe", [A])


def test_markets_watched_later_are_added(line: Line) -> None:
    count = len(line.sent)
    line.note(line.feed.watch((A, B, "C"), line.now))
    added = {"sid": BOOK_SID, "action": "add_markets", "market_tickers": ["C"]}
    assert line.sent_since(count) == [("update_subscription", added)]
    assert line.feed.watch((A, B, "C"), line.now).frames == []


def test_a_market_that_is_no_longer_watched_is_dropped_and_not_waited_for(line: Line) -> None:
    line.note(line.feed.repair((B,), line.now))
    count = len(line.sent)
    line.note(line.feed.watch((A,), line.now))
    dropped = {"sid": BOOK_SID, "action": "delete_markets", "market_tickers": [B]}
    assert line.sent_since(count) == [("update_subscription", dropped)]
    assert line.feed.next_deadline is None
    line.feed.disconnected()
    line.connect()
    assert line.sent[-1]["params"]["market_tickers"] == [A]


def test_a_market_that_is_dropped_before_the_books_are_confirmed_is_not_waited_for() -> None:
    line = Line(A)
    line.connect()
    line.feed.watch((), line.now)
    for channel, sid in (*zip(CHANNELS, (1, 2, 4, 3), strict=True), ("orderbook_delta", BOOK_SID)):
        line.confirm(channel, sid)
    assert line.feed.next_deadline is None


def test_a_subscription_that_is_not_answered_costs_the_connection() -> None:
    line = Line()
    line.connect()
    assert line.feed.next_deadline == line.now + 3_000
    assert not line.wait(2_999).reconnect
    assert line.wait(1).reconnect


def test_a_subscription_that_is_refused_costs_the_connection() -> None:
    line = Line()
    line.connect()
    assert line.hear("error", {"code": 9, "msg": "Auth required"}, id=1).reconnect


def test_a_connection_that_was_given_up_is_given_up_once() -> None:
    line = Line(A)
    line.connect()
    assert line.wait(3_000).reconnect
    assert line.feed.next_deadline is None
    assert not line.wait(3_000).reconnect
    assert line.hear("fill", FILL, sid=FILL_SID).events == []


# Books


def test_a_snapshot_replaces_a_book(line: Line) -> None:
    (event,) = line.books("orderbook_snapshot", SNAPSHOT).events
    assert event == BookReplaced(
        A, levels((800, 30_000), (4200, 10_300)), levels((4600, 2000), (4400, 14_600))
    )


def test_an_empty_side_is_absent_from_a_snapshot(line: Line) -> None:
    empty = changed(SNAPSHOT, yes_dollars_fp=..., no_dollars_fp=...)
    assert line.books("orderbook_snapshot", empty).events == [BookReplaced(A, (), ())]


def test_a_delta_changes_one_level(line: Line) -> None:
    assert line.books("orderbook_delta", DELTA).events == [book_changed("bid", 4200, -5400)]
    other = changed(DELTA, side="no", price_dollars="0.4600", delta_fp="3.00", clock=4182062)
    assert line.books("orderbook_delta", other).events == [book_changed("ask", 4600, 300)]


def test_a_delta_that_the_snapshot_includes_is_stale(line: Line) -> None:
    stale = changed(DELTA, clock=SNAPSHOT["clock"])
    assert line.books("orderbook_delta", stale).events == []


def test_a_delta_without_a_clock_counts(line: Line) -> None:
    assert kinds(line.books("orderbook_delta", changed(DELTA, clock=...))) == [BookChanged]


def test_a_clock_that_was_set_back_later_does_not_make_deltas_stale(line: Line) -> None:
    line.books("orderbook_delta", DELTA)
    assert kinds(line.books("orderbook_delta", changed(DELTA, clock=5))) == [BookChanged]


def test_a_delta_before_its_snapshot_says_nothing() -> None:
    line = Line(A)
    line.connect()
    line.confirm("orderbook_delta", BOOK_SID)
    assert line.books("orderbook_delta", DELTA).events == []
    assert kinds(line.books("orderbook_snapshot", SNAPSHOT)) == [BookReplaced]


def test_books_of_another_subscription_say_nothing(line: Line) -> None:
    assert line.hear("orderbook_snapshot", SNAPSHOT, sid=99, seq=1).events == []
    assert line.hear("orderbook_delta", DELTA, sid=99, seq=2).events == []


# Sequence


def test_the_numbering_runs_across_markets_and_replies(line: Line) -> None:
    line.books("orderbook_delta", DELTA)
    line.books("ok", {"market_tickers": [A, B]}, id=9)
    step = line.books("orderbook_delta", changed(DELTA, market_ticker=B))
    assert kinds(step) == [BookChanged]


def test_a_gap_taints_every_book_until_each_was_replaced(line: Line) -> None:
    count = len(line.sent)
    line.seq += 1
    step = line.books("orderbook_delta", DELTA)
    assert step.events == [BooksDistrusted((A, B), "sequence gap")]
    wanted = {"sid": BOOK_SID, "action": "get_snapshot", "market_tickers": [A, B]}
    assert line.sent_since(count) == [("update_subscription", wanted)]
    assert kinds(line.books("orderbook_snapshot", SNAPSHOT)) == [BookReplaced]
    newer = changed(DELTA, clock=4182099)
    assert kinds(line.books("orderbook_delta", newer)) == [BookChanged]
    assert kinds(line.books("orderbook_delta", changed(newer, market_ticker=B))) == []


def test_a_snapshot_that_reveals_a_gap_counts_itself(line: Line) -> None:
    line.seq += 1
    assert kinds(line.books("orderbook_snapshot", SNAPSHOT)) == [BooksDistrusted, BookReplaced]


@pytest.mark.parametrize("back", [0, 1])
def test_a_frame_that_is_repeated_or_overtaken_says_nothing(line: Line, back: int) -> None:
    line.books("orderbook_delta", DELTA)
    again = line.hear("orderbook_delta", DELTA, sid=BOOK_SID, seq=line.seq - back)
    assert (again.events, again.frames, again.notes) == ([], [], [])


def test_a_gap_in_the_lifecycle_makes_the_listing_stale(line: Line) -> None:
    assert not line.hear("market_lifecycle_v2", LIFECYCLE, sid=LIFECYCLE_SID, seq=1).listing_stale
    step = line.hear("market_lifecycle_v2", LIFECYCLE, sid=LIFECYCLE_SID, seq=3)
    assert step.listing_stale


def test_a_gap_elsewhere_is_worth_a_line_only(line: Line) -> None:
    line.hear("ok", {}, sid=99, seq=1)
    step = line.hear("ok", {}, sid=99, seq=5)
    assert [note.name for note in step.notes] == ["stream.gap"]
    assert (step.events, step.listing_stale) == ([], False)


# Repair


def test_a_book_is_repaired_by_a_new_snapshot(line: Line) -> None:
    count = len(line.sent)
    line.note(line.feed.repair((A,), line.now))
    wanted = {"sid": BOOK_SID, "action": "get_snapshot", "market_tickers": [A]}
    assert line.sent_since(count) == [("update_subscription", wanted)]
    assert line.feed.next_deadline == line.now + 3_000
    line.books("orderbook_snapshot", SNAPSHOT)
    assert line.feed.next_deadline is None


def test_several_books_are_asked_for_at_once(line: Line) -> None:
    count = len(line.sent)
    line.note(line.feed.repair((B, A, "C"), line.now))
    wanted = {"sid": BOOK_SID, "action": "get_snapshot", "market_tickers": [A, B]}
    assert line.sent_since(count) == [("update_subscription", wanted)]


def test_a_book_that_is_not_carried_cannot_be_repaired(line: Line) -> None:
    assert line.feed.repair(("C",), line.now).frames == []


def test_a_book_that_is_about_to_be_subscribed_needs_no_repair() -> None:
    line = Line(A)
    line.connect()
    assert line.feed.repair((A,), line.now).frames == []


def test_a_book_that_stays_corrupt_costs_the_connection(line: Line) -> None:
    line.feed.repair((A,), line.now)
    line.books("orderbook_snapshot", SNAPSHOT)
    assert line.feed.repair((A,), line.now + 2_999).reconnect


def test_a_book_that_is_corrupt_again_much_later_is_repaired_again(line: Line) -> None:
    line.feed.repair((A,), line.now)
    line.books("orderbook_snapshot", SNAPSHOT)
    assert not line.feed.repair((A,), line.now + 3_000).reconnect


def test_a_snapshot_that_does_not_come_means_subscribing_anew_and_then_reconnecting(
    line: Line,
) -> None:
    line.note(line.feed.repair((A,), line.now))
    count = len(line.sent)
    step = line.wait(3_000)
    assert step.events == [BooksDistrusted((A, B), "resubscribed")]
    (unsubscribe, subscribe) = line.sent_since(count)
    assert unsubscribe == ("unsubscribe", {"sids": [BOOK_SID]})
    assert subscribe[1]["market_tickers"] == [A, B]
    line.hear("subscribed", {"channel": "orderbook_delta", "sid": 77}, id=line.sent[-1]["id"])
    assert line.wait(3_000).reconnect


def test_subscribing_anew_that_helped_may_help_again(line: Line) -> None:
    for sid in (77, 78):
        line.note(line.feed.repair((A,), line.now))
        assert not line.wait(3_000).reconnect
        line.hear("subscribed", {"channel": "orderbook_delta", "sid": sid}, id=line.sent[-1]["id"])
        for seq, ticker in enumerate((A, B), start=1):
            snapshot = changed(SNAPSHOT, market_ticker=ticker)
            line.hear("orderbook_snapshot", snapshot, sid=sid, seq=seq)
        assert line.feed.next_deadline is None


@pytest.mark.parametrize("code", [10, 25])
def test_an_ended_book_subscription_is_subscribed_anew_but_once(line: Line, code: int) -> None:
    count = len(line.sent)
    step = line.hear("error", {"code": code, "msg": "ended"}, sid=BOOK_SID, seq=line.seq + 1)
    assert kinds(step) == [BooksDistrusted]
    ((cmd, _),) = line.sent_since(count)
    assert cmd == "subscribe"
    line.hear("subscribed", {"channel": "orderbook_delta", "sid": 77}, id=line.sent[-1]["id"])
    assert line.hear("error", {"code": code, "msg": "ended"}, sid=77).reconnect


@pytest.mark.parametrize("sid", [FILL_SID, ORDER_SID, LIFECYCLE_SID])
def test_another_channel_that_ends_costs_the_connection(line: Line, sid: int) -> None:
    assert line.hear("error", {"code": 25, "msg": "overflow"}, sid=sid).reconnect


def test_another_error_is_worth_a_line_only(line: Line) -> None:
    step = line.hear("error", {"code": 14, "msg": "Market Ticker required"}, id=99)
    assert [note.name for note in step.notes] == ["stream.error"]
    assert not step.reconnect


# Everything else


def test_fills_and_orders_are_passed_on(line: Line) -> None:
    assert kinds(line.hear("fill", FILL, sid=FILL_SID)) == [Filled]
    (event,) = line.hear("user_order", USER_ORDER, sid=ORDER_SID).events
    assert isinstance(event, OrderReported)
    assert not event.looked_up


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"event_type": "activated"}, MarketActivity(A, active=True)),
        ({"event_type": "deactivated"}, MarketActivity(A, active=False)),
        (
            {"event_type": "close_date_updated", "close_ts": 1795874400},
            MarketClosing(A, 1795874400000),
        ),
        ({"event_type": "determined", "result": "yes"}, MarketSettled(A, ONE_DOLLAR)),
        ({"event_type": "settled", "result": "no"}, MarketSettled(A, Price(0), final=True)),
    ],
)
def test_the_life_of_a_market_is_passed_on(
    line: Line, changes: dict[str, Any], event: InputEvent
) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, **changes), sid=LIFECYCLE_SID)
    assert step.events == [event]
    assert not step.listing_stale


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "created"},
        {"event_type": "metadata_updated"},
        {"event_type": "price_level_structure_updated"},
        {"event_type": "close_date_updated"},
        {"event_type": "something new"},
    ],
)
def test_what_only_the_listing_can_tell_makes_it_stale(line: Line, changes: dict[str, Any]) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, **changes), sid=LIFECYCLE_SID)
    assert step.listing_stale
    assert step.events == []


def test_a_settlement_without_a_result_settles_nothing(line: Line) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, event_type="settled"))
    assert (step.events, step.listing_stale) == ([], False)


@pytest.mark.parametrize("kind", ["event_lifecycle", "event_fee_update"])
def test_a_change_of_one_of_our_events_makes_the_listing_stale(line: Line, kind: str) -> None:
    assert line.hear(kind, {"event_ticker": "KXTSAW-26NOV29"}).listing_stale
    assert not line.hear(kind, {"event_ticker": "KXTSAWX-26NOV29"}).listing_stale


@pytest.mark.parametrize("other", ["KXBTC-1", "KXTSAWX-26NOV29-A2.7", None])
def test_the_life_of_other_markets_is_none_of_ours_and_may_be_odd(line: Line, other: str) -> None:
    odd = {"market_ticker": other, "event_type": 3, "close_ts": "soon"}
    step = line.hear("market_lifecycle_v2", odd, sid=LIFECYCLE_SID)
    assert (step.events, step.reconnect, step.listing_stale) == ([], False, False)


def test_frames_of_unknown_types_are_left_alone(line: Line) -> None:
    step = line.hear("something_new", {"x": 1})
    assert (step.events, step.notes, step.reconnect) == ([], [], False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        frame("fill", changed(FILL, order_id=...)),
        frame("user_order", changed(USER_ORDER, book_side="sideways")),
        frame("orderbook_delta", changed(DELTA, side="x"), sid=BOOK_SID, seq=3),
        frame("orderbook_snapshot", {"market_ticker": 3}, sid=BOOK_SID, seq=3),
        frame("subscribed", {}),
        frame("market_lifecycle_v2", {"market_ticker": A}),
        "\ud800",
    ],
)
def test_a_malformed_frame_costs_the_connection(line: Line, data: bytes | str) -> None:
    step = line.feed.received(data, line.now)
    assert step.reconnect
    assert step.events == []
    assert [note.level for note in step.notes] == ["warning"]


@given(
    st.lists(
        st.binary(max_size=30)
        | st.builds(
            frame,
            st.sampled_from((*MESSAGES, "subscribed", "error", "ok", "event_lifecycle")),
            st.sampled_from([FILL, USER_ORDER, DELTA, SNAPSHOT, LIFECYCLE, {}, {"code": 25}, 3]),
            sid=st.integers(0, 15),
            seq=st.integers(0, 5),
            id=st.integers(0, 5),
        ),
        max_size=12,
    )
)
def test_no_frame_whatever_makes_the_feed_fall(frames: list[bytes]) -> None:
    line = Line(A, B)
    line.start()
    for data in frames:
        line.feed.received(data, line.now)
        line.now += 700
        line.feed.woken(line.now)


# Order groups


@pytest.mark.parametrize("news", ["triggered", "reset", "deleted"])
def test_news_of_an_order_group(line: Line, news: str) -> None:
    message = {"event_type": news, "order_group_id": "g-1", "ts_ms": 1}
    (event,) = line.hear("order_group_updates", message, sid=GROUP_SID, seq=1).events
    assert isinstance(event, GroupChanged)
    assert (event.group, event.news) == ("g-1", news)


@pytest.mark.parametrize("news", ["created", "limit_updated", "something new"])
def test_what_does_not_concern_the_orders_of_a_group_is_no_news(line: Line, news: str) -> None:
    message = {"event_type": news, "order_group_id": "g-1"}
    assert line.hear("order_group_updates", message, sid=GROUP_SID, seq=1).events == []


def test_a_gap_in_the_news_of_groups_costs_the_connection(line: Line) -> None:
    message = {"event_type": "created", "order_group_id": "g-1"}
    assert not line.hear("order_group_updates", message, sid=GROUP_SID, seq=1).reconnect
    assert line.hear("order_group_updates", message, sid=GROUP_SID, seq=3).reconnect


# Other prices


def test_a_market_takes_other_prices(line: Line) -> None:
    ranges = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
    change = changed(LIFECYCLE, event_type="price_level_structure_updated", price_ranges=ranges)
    step = line.hear("market_lifecycle_v2", change, sid=LIFECYCLE_SID)
    (event,) = step.events
    assert isinstance(event, PriceGridChanged)
    assert (event.ticker, event.grid.floor(Price(4_567))) == (A, 4_560)
    assert not step.listing_stale


def test_other_prices_that_are_not_said_are_read(line: Line) -> None:
    change = changed(LIFECYCLE, event_type="price_level_structure_updated")
    assert line.hear("market_lifecycle_v2", change, sid=LIFECYCLE_SID).listing_stale


# The age of frames


def aged(line: Line, age: int) -> list[InputEvent]:
    return line.hear("ok", {}, sending_ts_ms=line.now - age).events


@pytest.fixture
def late_line(line: Line) -> Line:
    line.now = 1_000_000
    return line


def test_frames_that_come_late_are_told_once(late_line: Line) -> None:
    assert aged(late_line, 3_000) == []
    assert aged(late_line, 3_001) == [FeedLagged(3_001, late=True)]
    assert aged(late_line, 9_000) == []


def test_frames_come_in_time_again_only_when_they_are_well_in_time(late_line: Line) -> None:
    aged(late_line, 5_000)
    assert aged(late_line, 1_001) == []
    assert aged(late_line, 1_000) == [FeedLagged(1_000, late=False)]
    assert aged(late_line, 2_999) == []


def test_a_frame_from_a_clock_that_is_ahead_is_not_younger_than_new(late_line: Line) -> None:
    aged(late_line, -500)
    assert late_line.feed.age == 0


def test_a_frame_that_does_not_say_when_it_was_sent_says_nothing(late_line: Line) -> None:
    aged(late_line, 40)
    late_line.hear("ok", {})
    assert late_line.feed.age == 40


def test_a_change_of_a_book_says_when_it_happened(late_line: Line) -> None:
    step = late_line.books("orderbook_delta", changed(DELTA, ts_ms=late_line.now - 4_000))
    assert kinds(step) == [FeedLagged, BookChanged]


def test_a_frame_that_is_in_time_again_first_takes_back_what_it_must(late_line: Line) -> None:
    late_line.books("orderbook_snapshot", SNAPSHOT)
    aged(late_line, 5_000)
    late_line.seq += 1
    step = late_line.books("orderbook_delta", DELTA, sending_ts_ms=late_line.now)
    assert kinds(step)[0] is BooksDistrusted
    assert kinds(step)[-1] is FeedLagged


def test_when_a_frame_was_sent_counts_and_not_when_its_change_happened(late_line: Line) -> None:
    old = changed(DELTA, ts_ms=late_line.now - 4_000)
    step = late_line.books("orderbook_delta", old, sending_ts_ms=late_line.now - 7)
    assert kinds(step) == [BookChanged]
    assert late_line.feed.age == 7


def test_a_frame_that_ends_the_connection_says_nothing_of_its_age(late_line: Line) -> None:
    aged(late_line, 5_000)
    error = {"code": 10, "msg": "Channel error"}
    step = late_line.hear("error", error, sid=FILL_SID, sending_ts_ms=late_line.now)
    assert step.reconnect
    assert not step.events


def test_a_new_connection_begins_in_time(late_line: Line) -> None:
    aged(late_line, 5_000)
    late_line.feed.disconnected()
    late_line.start()
    assert aged(late_line, 5_000) == [FeedLagged(5_000, late=True)]
