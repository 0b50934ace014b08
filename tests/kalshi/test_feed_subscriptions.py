"""What the feed subscribes to, and how it repairs books."""

from __future__ import annotations

import pytest

from mmbot.trading.events import BookChanged, BooksDistrusted, StreamUp
from tests.kalshi.builders import DELTA, FILL, SNAPSHOT, A, B, changed
from tests.kalshi.stream_line import (
    BOOK_SID,
    CHANNELS,
    FILL_SID,
    LIFECYCLE_SID,
    ORDER_SID,
    Line,
    kinds,
)

# Subscribing


def test_a_new_connection_subscribes_every_channel_and_books_with_yes_prices() -> None:
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


def test_the_stream_is_up_once_every_channel_but_the_books_is_confirmed() -> None:
    line = Line()
    line.connect()
    assert kinds(line.confirm("fill", 1)) == []
    assert kinds(line.confirm("user_orders", 2)) == []
    assert kinds(line.confirm("order_group_updates", 4)) == []
    assert kinds(line.confirm("market_lifecycle_v2", 3)) == [StreamUp]


def test_a_new_connection_restarts_command_ids_and_sequence(line: Line) -> None:
    line.feed.disconnected()
    line.start()
    assert [command["id"] for command in line.sent[:5]] == [1, 2, 3, 4, 5]
    step = line.hear("orderbook_delta", DELTA, sid=BOOK_SID, seq=line.seq + 1)
    assert kinds(step) == [BookChanged]


def test_without_markets_no_books_are_subscribed() -> None:
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
    assert not line.wait(3_000).frames[1:]
    line.feed.disconnected()
    line.connect()
    assert line.sent[-1]["params"]["market_tickers"] == [A]


def test_a_market_that_is_dropped_before_the_books_are_confirmed_is_not_waited_for() -> None:
    line = Line(A)
    line.connect()
    line.feed.watch((), line.now)
    for channel, sid in (*zip(CHANNELS, (1, 2, 4, 3), strict=True), ("orderbook_delta", BOOK_SID)):
        line.confirm(channel, sid)
    assert not line.wait(3_000).frames[1:]


def test_a_subscription_that_is_not_answered_ends_the_connection() -> None:
    line = Line()
    line.connect()
    assert line.feed.next_deadline is not None
    assert line.feed.next_deadline <= line.now + 3_000
    assert not line.wait(2_999).reconnect
    assert line.wait(1).reconnect


def test_a_subscription_that_is_refused_ends_the_connection() -> None:
    line = Line()
    line.connect()
    assert line.hear("error", {"code": 9, "msg": "Auth required"}, id=1).reconnect


def test_a_connection_that_was_given_up_is_given_up_once() -> None:
    line = Line(A)
    line.connect()
    assert line.wait(3_000).reconnect
    assert not line.wait(3_000).frames[1:]
    assert not line.wait(3_000).reconnect
    assert line.hear("fill", FILL, sid=FILL_SID).events == []


# Repair


def test_a_book_is_repaired_by_a_new_snapshot(line: Line) -> None:
    count = len(line.sent)
    line.note(line.feed.repair((A,), line.now))
    wanted = {"sid": BOOK_SID, "action": "get_snapshot", "market_tickers": [A]}
    assert line.sent_since(count) == [("update_subscription", wanted)]
    assert line.feed.next_deadline is not None
    assert line.feed.next_deadline <= line.now + 3_000
    line.books("orderbook_snapshot", SNAPSHOT)
    assert not line.wait(3_000).frames[1:]


def test_several_snapshots_are_requested_in_one_command(line: Line) -> None:
    count = len(line.sent)
    line.note(line.feed.repair((B, A, "C"), line.now))
    wanted = {"sid": BOOK_SID, "action": "get_snapshot", "market_tickers": [A, B]}
    assert line.sent_since(count) == [("update_subscription", wanted)]


def test_a_book_that_is_not_subscribed_cannot_be_repaired(line: Line) -> None:
    assert line.feed.repair(("C",), line.now).frames == []


def test_a_book_that_is_about_to_be_subscribed_needs_no_repair() -> None:
    line = Line(A)
    line.connect()
    assert line.feed.repair((A,), line.now).frames == []


def test_a_book_that_stays_corrupt_ends_the_connection(line: Line) -> None:
    line.feed.repair((A,), line.now)
    line.books("orderbook_snapshot", SNAPSHOT)
    assert line.feed.repair((A,), line.now + 2_999).reconnect


def test_a_book_that_is_corrupt_again_much_later_is_repaired_again(line: Line) -> None:
    line.feed.repair((A,), line.now)
    line.books("orderbook_snapshot", SNAPSHOT)
    assert not line.feed.repair((A,), line.now + 3_000).reconnect


def test_a_snapshot_that_does_not_come_leads_to_resubscribing_and_then_reconnecting(
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


def test_resubscribing_that_helped_may_be_done_again(line: Line) -> None:
    for sid in (77, 78):
        line.note(line.feed.repair((A,), line.now))
        assert not line.wait(3_000).reconnect
        line.hear("subscribed", {"channel": "orderbook_delta", "sid": sid}, id=line.sent[-1]["id"])
        for seq, ticker in enumerate((A, B), start=1):
            snapshot = changed(SNAPSHOT, market_ticker=ticker)
            line.hear("orderbook_snapshot", snapshot, sid=sid, seq=seq)


@pytest.mark.parametrize("code", [10, 25])
def test_an_ended_book_subscription_is_resubscribed_once(line: Line, code: int) -> None:
    count = len(line.sent)
    step = line.hear("error", {"code": code, "msg": "ended"}, sid=BOOK_SID, seq=line.seq + 1)
    assert kinds(step) == [BooksDistrusted]
    ((cmd, _),) = line.sent_since(count)
    assert cmd == "subscribe"
    line.hear("subscribed", {"channel": "orderbook_delta", "sid": 77}, id=line.sent[-1]["id"])
    assert line.hear("error", {"code": code, "msg": "ended"}, sid=77).reconnect


@pytest.mark.parametrize("sid", [FILL_SID, ORDER_SID, LIFECYCLE_SID])
def test_another_channel_that_ends_ends_the_connection(line: Line, sid: int) -> None:
    assert line.hear("error", {"code": 25, "msg": "overflow"}, sid=sid).reconnect


def test_another_error_is_only_logged(line: Line) -> None:
    step = line.hear("error", {"code": 14, "msg": "Market Ticker required"}, id=99)
    assert [note.name for note in step.notes] == ["stream.error"]
    assert not step.reconnect


# A channel of books that may have died on a connection that lives


def probes(line: Line, count: int) -> list[str]:
    """The markets whose book was asked for since the command number `count`."""
    asked = [params for cmd, params in line.sent_since(count) if cmd == "update_subscription"]
    return [
        t
        for params in asked
        if params["action"] == "get_snapshot"
        for t in params["market_tickers"]
    ]


def test_a_silent_channel_of_books_is_asked_for_one_book_after_another(line: Line) -> None:
    count = len(line.sent)
    for _ in range(2):
        line.wait(2_000)
        line.books("orderbook_snapshot", changed(SNAPSHOT, market_ticker=probes(line, count)[-1]))
    assert sorted(probes(line, count)) == [A, B]


def test_a_channel_that_is_heard_is_not_probed(line: Line) -> None:
    count = len(line.sent)
    line.now += 1_500
    line.books("ok", {})
    assert not line.wait(1_000).frames
    assert line.feed.next_deadline == line.now + 1_000
    line.wait(1_000)
    assert len(probes(line, count)) == 1


@pytest.mark.parametrize(("whose", "asked"), [(..., 0), ("mmbot-1", 1)])
def test_only_changes_by_others_show_that_the_channel_is_heard(
    line: Line, whose: object, asked: int
) -> None:
    count = len(line.sent)
    line.now += 1_500
    line.books("orderbook_delta", changed(DELTA, client_order_id=whose))
    line.wait(500)
    assert len(probes(line, count)) == asked


def test_within_four_seconds_of_silence_no_book_is_trusted(line: Line) -> None:
    line.wait(2_000)
    step = line.wait(2_000)
    assert [type(each) for each in step.events] == [BooksDistrusted]


def test_without_markets_nothing_is_probed() -> None:
    line = Line(A)
    line.connect()
    line.feed.watch((), line.now)
    for channel, sid in (*zip(CHANNELS, (1, 2, 4, 3), strict=True), ("orderbook_delta", BOOK_SID)):
        line.confirm(channel, sid)
    assert not line.wait(2_000).frames


def test_a_connection_is_replaced_on_request_unless_it_is_gone(line: Line) -> None:
    assert line.feed.renew("it is silent", line.now).reconnect
    assert not line.feed.renew("it is silent", line.now).reconnect
