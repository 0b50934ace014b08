from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.events import (
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    Filled,
    FillUnreadable,
    InputEvent,
    OrderReported,
    OrderUnreadable,
)
from mmbot.trading.values import Side
from mmbot.units import Count, Price
from tests.kalshi.builders import DELTA, FILL, SNAPSHOT, USER_ORDER, A, B, changed, frame, levels
from tests.kalshi.stream_line import (
    BOOK_SID,
    FILL_SID,
    GROUP_SID,
    LIFECYCLE,
    LIFECYCLE_SID,
    MESSAGES,
    ORDER_SID,
    Line,
    kinds,
)


def book_changed(side: Side, price: int, delta: int, client_id: str = "") -> BookChanged:
    return BookChanged(A, side, Price(price), Count(delta), client_id)


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
    own = book_changed("bid", 4200, -5400, "mmbot-1")
    assert line.books("orderbook_delta", DELTA).events == [own]
    other = changed(
        DELTA, side="no", price_dollars="0.4600", delta_fp="3.00", clock=4182062,
        client_order_id=...,
    )  # fmt: skip
    assert line.books("orderbook_delta", other).events == [book_changed("ask", 4600, 300)]


def test_a_delta_that_the_snapshot_includes_is_ignored(line: Line) -> None:
    stale = changed(DELTA, clock=SNAPSHOT["clock"])
    assert line.books("orderbook_delta", stale).events == []


def test_a_delta_without_a_clock_is_applied(line: Line) -> None:
    assert kinds(line.books("orderbook_delta", changed(DELTA, clock=...))) == [BookChanged]


def test_a_delta_is_applied_even_if_the_clock_was_set_back_meanwhile(line: Line) -> None:
    line.books("orderbook_delta", DELTA)
    assert kinds(line.books("orderbook_delta", changed(DELTA, clock=5))) == [BookChanged]


def test_a_delta_before_its_snapshot_is_ignored() -> None:
    line = Line(A)
    line.connect()
    line.confirm("orderbook_delta", BOOK_SID)
    assert line.books("orderbook_delta", DELTA).events == []
    assert kinds(line.books("orderbook_snapshot", SNAPSHOT)) == [BookReplaced]


def test_books_of_another_subscription_are_ignored(line: Line) -> None:
    assert line.hear("orderbook_snapshot", SNAPSHOT, sid=99, seq=1).events == []
    assert line.hear("orderbook_delta", DELTA, sid=99, seq=2).events == []


# Sequence numbers


def test_the_numbering_runs_across_markets_and_replies(line: Line) -> None:
    line.books("orderbook_delta", DELTA)
    line.books("ok", {"market_tickers": [A, B]}, id=9)
    step = line.books("orderbook_delta", changed(DELTA, market_ticker=B))
    assert kinds(step) == [BookChanged]


def test_after_a_gap_no_book_is_trusted_until_it_is_replaced(line: Line) -> None:
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


def test_a_snapshot_that_reveals_a_gap_is_applied(line: Line) -> None:
    line.seq += 1
    assert kinds(line.books("orderbook_snapshot", SNAPSHOT)) == [BooksDistrusted, BookReplaced]


@pytest.mark.parametrize("back", [0, 1])
def test_a_frame_that_is_repeated_or_overtaken_is_ignored(line: Line, back: int) -> None:
    line.books("orderbook_delta", DELTA)
    again = line.hear("orderbook_delta", DELTA, sid=BOOK_SID, seq=line.seq - back)
    assert (again.events, again.frames, again.notes) == ([], [], [])


def test_after_numbers_that_begin_anew_only_another_connection_tells_what_is_new(
    line: Line,
) -> None:
    line.seq = 50
    line.books("orderbook_snapshot", SNAPSHOT)
    assert not line.hear("orderbook_delta", DELTA, sid=BOOK_SID, seq=1).reconnect
    assert line.hear("orderbook_snapshot", SNAPSHOT, sid=BOOK_SID, seq=2).reconnect


def test_single_frames_that_are_repeated_do_not_begin_the_numbers_anew(line: Line) -> None:
    for _ in range(3):
        line.books("orderbook_delta", DELTA)
        assert line.hear("orderbook_delta", DELTA, sid=BOOK_SID, seq=line.seq - 1).events == []


@pytest.mark.parametrize(
    ("kind", "message"), [("orderbook_delta", DELTA), ("orderbook_snapshot", SNAPSHOT)]
)
def test_a_frame_of_the_books_without_its_number_asks_for_another_connection(
    line: Line, kind: str, message: dict[str, Any]
) -> None:
    step = line.hear(kind, message, sid=BOOK_SID)
    assert step.reconnect
    assert step.events == []
    assert [note.fields for note in step.notes] == [
        {"reason": f"{kind} without its sequence number"}
    ]


def test_before_the_books_are_subscribed_to_nothing_is_a_book() -> None:
    line = Line(A)
    line.connect()
    assert line.hear("orderbook_snapshot", SNAPSHOT, seq=1).events == []


def test_a_gap_in_the_lifecycle_makes_the_listing_stale(line: Line) -> None:
    assert not line.hear("market_lifecycle_v2", LIFECYCLE, sid=LIFECYCLE_SID, seq=1).listing_stale
    step = line.hear("market_lifecycle_v2", LIFECYCLE, sid=LIFECYCLE_SID, seq=3)
    assert step.listing_stale


def test_a_gap_in_another_channel_is_only_logged(line: Line) -> None:
    line.hear("ok", {}, sid=99, seq=1)
    step = line.hear("ok", {}, sid=99, seq=5)
    assert [note.name for note in step.notes] == ["stream.gap"]
    assert (step.events, step.listing_stale) == ([], False)


def test_a_gap_in_the_order_group_updates_ends_the_connection(line: Line) -> None:
    message = {"event_type": "created", "order_group_id": "g-1"}
    assert not line.hear("order_group_updates", message, sid=GROUP_SID, seq=1).reconnect
    assert line.hear("order_group_updates", message, sid=GROUP_SID, seq=3).reconnect


# Other messages


def test_fills_and_orders_are_passed_on(line: Line) -> None:
    assert kinds(line.hear("fill", FILL, sid=FILL_SID)) == [Filled]
    (event,) = line.hear("user_order", USER_ORDER, sid=ORDER_SID).events
    assert isinstance(event, OrderReported)
    assert not event.queried


def test_frames_of_unknown_types_are_ignored(line: Line) -> None:
    step = line.hear("something_new", {"x": 1})
    assert (step.events, step.notes, step.reconnect) == ([], [], False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        frame("subscribed", {}),
        "\ud800",
    ],
)
def test_a_malformed_frame_ends_the_connection(line: Line, data: bytes | str) -> None:
    step = line.feed.received(data, line.now)
    assert step.reconnect
    assert step.events == []
    assert [note.level for note in step.notes] == ["warning"]


# What cannot be read costs only itself, and what is not ours nothing


FOREIGN = [
    frame("fill", changed(FILL, market_ticker="KXBTC-1", yes_price_dollars="0.004550")),
    frame("fill", changed(FILL, market_ticker="KXBTC-1", book_side=...)),
    frame("fill", changed(FILL, market_ticker=..., client_order_id="by-hand", order_id=...)),
    frame("fill", changed(FILL, market_ticker=3, client_order_id=...)),
    frame("fill", [1]),
    frame("user_order", changed(USER_ORDER, client_order_id="by-hand", book_side=...)),
    frame("user_order", changed(USER_ORDER, client_order_id=..., yes_price_dollars="0.004550")),
    frame("user_order", changed(USER_ORDER, client_order_id={"a": 1})),
    frame("user_order", "order"),
]


@pytest.mark.parametrize("data", FOREIGN)
def test_what_is_not_ours_costs_nothing(line: Line, data: bytes) -> None:
    step = line.feed.received(data, line.now)
    assert (step.events, step.notes, step.reconnect) == ([], [], False)


def test_a_fill_by_hand_in_one_of_our_markets_is_read(line: Line) -> None:
    (event,) = line.hear("fill", changed(FILL, client_order_id=...)).events
    assert isinstance(event, Filled)


@pytest.mark.parametrize(
    ("message", "ticker"),
    [
        (changed(FILL, order_id=...), A),
        (changed(FILL, yes_price_dollars="0.004550"), A),
        (changed(FILL, market_ticker=...), ""),
    ],
)
def test_a_fill_of_ours_that_cannot_be_read_is_told(
    line: Line, message: dict[str, Any], ticker: str
) -> None:
    step = line.hear("fill", message)
    assert not step.reconnect
    (event,) = step.events
    assert isinstance(event, FillUnreadable)
    assert event.ticker == ticker


def test_an_own_order_that_cannot_be_read_is_told(line: Line) -> None:
    step = line.hear("user_order", changed(USER_ORDER, fill_count_fp="1.005", exchange_index="x"))
    assert not step.reconnect
    (event,) = step.events
    assert isinstance(event, OrderUnreadable)
    assert (event.client_id, event.order_id, event.ticker, event.shard) == (
        "mmbot-1",
        "ee58",
        A,
        0,
    )


def test_a_book_that_cannot_be_read_is_dropped_alone_and_requested_after_a_while(
    line: Line,
) -> None:
    odd = changed(SNAPSHOT, yes_dollars_fp=[["0.004550", "1.00"]])
    step = line.books("orderbook_snapshot", odd)
    (event,) = step.events
    assert isinstance(event, BooksDistrusted)
    assert event.tickers == (A,)
    assert (step.frames, step.reconnect) == ([], False)
    # Changes of it are not read meanwhile, and nothing more is told.
    assert line.books("orderbook_delta", DELTA).events == []
    assert line.books("orderbook_delta", changed(DELTA, side="x")).events == []
    assert kinds(line.books("orderbook_delta", changed(DELTA, market_ticker=B))) == [BookChanged]
    sent = len(line.sent)
    assert line.feed.repair((A,), line.now).frames == []
    for _ in range(29):
        line.wait(2_000)
        line.books("orderbook_snapshot", changed(SNAPSHOT, market_ticker=B))
    assert all(params["market_tickers"] == [B] for _, params in line.sent_since(sent))
    sent = len(line.sent)
    line.wait(2_000)
    command, params = line.sent_since(sent)[0]
    assert (command, params["action"], params["market_tickers"]) == (
        "update_subscription",
        "get_snapshot",
        [A],
    )
    assert line.books("orderbook_snapshot", odd).events == []
    line.wait(60_000)
    assert kinds(line.books("orderbook_snapshot", SNAPSHOT)) == [BookReplaced]


def test_a_book_that_could_not_be_read_is_forgotten_with_its_market(line: Line) -> None:
    line.books("orderbook_snapshot", changed(SNAPSHOT, yes_dollars_fp=3))
    line.feed.watch((B,), line.now)
    sent = len(line.sent)
    for _ in range(31):
        line.wait(2_000)
        line.books("orderbook_snapshot", changed(SNAPSHOT, market_ticker=B))
    assert all(params["market_tickers"] == [B] for _, params in line.sent_since(sent))


def test_a_change_of_no_market_that_can_be_told_has_every_book_renewed_once(line: Line) -> None:
    step = line.books("orderbook_delta", changed(DELTA, market_ticker=...))
    (event,) = step.events
    assert isinstance(event, BooksDistrusted)
    assert event.tickers == (A, B)
    assert len(step.frames) == 1
    assert line.books("orderbook_delta", changed(DELTA, market_ticker=3)).frames == []


@pytest.mark.parametrize(
    "message",
    [changed(SNAPSHOT, market_ticker=3), changed(SNAPSHOT, market_ticker="OTHER", clock="x")],
)
def test_a_snapshot_of_no_market_of_ours_changes_nothing(
    line: Line, message: dict[str, Any]
) -> None:
    step = line.books("orderbook_snapshot", message)
    assert (step.events, step.frames, step.reconnect) == ([], [], False)


def test_a_change_of_another_subscription_costs_nothing(line: Line) -> None:
    step = line.hear("orderbook_delta", changed(DELTA, side="x"), sid=99, seq=1)
    assert (step.events, step.frames, step.reconnect) == ([], [], False)


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
def test_no_sequence_of_frames_makes_the_feed_raise(frames: list[bytes]) -> None:
    line = Line(A, B)
    line.start()
    for data in frames:
        line.feed.received(data, line.now)
        line.now += 700
        line.feed.woken(line.now)


# The age of frames


def aged(line: Line, age: int) -> list[InputEvent]:
    return line.hear("ok", {}, sending_ts_ms=line.now - age).events


@pytest.fixture
def late_line(line: Line) -> Line:
    line.now = 1_000_000
    return line


def test_the_begin_of_a_lag_is_reported_once(late_line: Line) -> None:
    assert aged(late_line, 3_000) == []
    assert aged(late_line, 3_001) == [FeedLagged(3_001, late=True)]
    assert aged(late_line, 9_000) == []


def test_a_lag_ends_only_with_a_frame_that_is_well_in_time(late_line: Line) -> None:
    aged(late_line, 5_000)
    assert aged(late_line, 1_001) == []
    assert aged(late_line, 1_000) == [FeedLagged(1_000, late=False)]
    assert aged(late_line, 2_999) == []


def test_the_age_of_a_frame_from_a_clock_that_is_ahead_is_zero(late_line: Line) -> None:
    aged(late_line, -500)
    assert late_line.feed.age(late_line.now) == 0


def test_the_age_of_what_was_told_of_own_orders_is_that_of_the_last_order_or_fill(
    line: Line,
) -> None:
    assert line.feed.own_age(line.now) is None
    line.hear("fill", FILL, sid=FILL_SID)
    assert line.feed.own_age(line.now + 70) == 70


def test_a_frame_without_a_sending_time_leaves_the_age_as_it_is(late_line: Line) -> None:
    aged(late_line, 40)
    late_line.hear("ok", {})
    assert late_line.feed.age(late_line.now) == 40


def test_without_a_sending_time_a_deltas_own_time_gives_the_age(late_line: Line) -> None:
    step = late_line.books("orderbook_delta", changed(DELTA, ts_ms=late_line.now - 4_000))
    assert kinds(step) == [FeedLagged, BookChanged]


def test_the_end_of_a_lag_is_reported_after_the_gap_that_its_frame_reveals(late_line: Line) -> None:
    late_line.books("orderbook_snapshot", SNAPSHOT)
    aged(late_line, 5_000)
    late_line.seq += 1
    step = late_line.books("orderbook_delta", DELTA, sending_ts_ms=late_line.now)
    assert kinds(step)[0] is BooksDistrusted
    assert kinds(step)[-1] is FeedLagged


def test_the_sending_time_takes_precedence_over_a_deltas_own_time(late_line: Line) -> None:
    old = changed(DELTA, ts_ms=late_line.now - 4_000)
    step = late_line.books("orderbook_delta", old, sending_ts_ms=late_line.now - 7)
    assert kinds(step) == [BookChanged]
    assert late_line.feed.age(late_line.now) == 7


def test_a_frame_that_ends_the_connection_does_not_end_a_lag(late_line: Line) -> None:
    aged(late_line, 5_000)
    error = {"code": 10, "msg": "Channel error"}
    step = late_line.hear("error", error, sid=FILL_SID, sending_ts_ms=late_line.now)
    assert step.reconnect
    assert not step.events


def test_a_new_connection_starts_without_a_lag(late_line: Line) -> None:
    aged(late_line, 5_000)
    late_line.feed.disconnected()
    late_line.start()
    assert aged(late_line, 5_000) == [FeedLagged(5_000, late=True)]
