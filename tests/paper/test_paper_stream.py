"""The stream that paper trading puts between bot and exchange."""

from __future__ import annotations

import orjson
import pytest

from mmbot.kalshi.feed import Feed
from tests.paper.bench import (
    BOOK_SID,
    EVENT,
    NOW,
    OWN,
    TICKER,
    TRADE_SID,
    Bench,
    of_type,
    snapshot_frame,
    subscribed,
)


def test_private_channels_are_answered_inside() -> None:
    bench = Bench()
    bench.venue.connected()
    channels = ["fill", "user_orders", "market_positions", "order_group_updates"]
    assert bench.send(7, "subscribe", channels=channels) == []
    answers = bench.take()
    assert [answer["msg"]["channel"] for answer in answers] == channels
    assert all(answer["id"] == 7 and answer["msg"]["sid"] > OWN for answer in answers)


def test_of_mixed_channels_only_the_public_ones_go_out() -> None:
    bench = Bench()
    bench.venue.connected()
    (sent,) = bench.send(7, "subscribe", channels=["fill", "market_lifecycle_v2"])
    assert sent["params"]["channels"] == ["market_lifecycle_v2"]
    assert [answer["msg"]["channel"] for answer in bench.take()] == ["fill"]


def test_with_the_books_the_trades_of_the_same_markets_are_subscribed_once() -> None:
    bench = Bench()
    bench.venue.connected()
    books, trades = bench.subscribe_books(4)
    assert books["id"] == 4
    assert trades["id"] > OWN
    assert trades["params"] == {"channels": ["trade"], "market_tickers": [TICKER]}
    bench.hear(subscribed(4, "orderbook_delta", BOOK_SID))
    other = f"{EVENT}-A2.75"
    params = {"sid": BOOK_SID, "action": "add_markets", "market_tickers": [TICKER, other]}
    _, more = bench.send(5, "update_subscription", **params)
    assert more["params"]["market_tickers"] == [other]


def test_the_answer_to_the_layers_own_command_is_not_forwarded() -> None:
    bench = Bench()
    heard = bench.connect()
    assert {frame["id"] for frame in heard} == {1, 2, 3, 4}


@pytest.mark.parametrize("scope", ["id", "sid"])
def test_when_the_trade_channel_ends_the_fill_channel_does_too(bench: Bench, scope: str) -> None:
    number = {"id": {"id": OWN + 1}, "sid": {"sid": TRADE_SID}}[scope]
    heard = bench.hear({"type": "error", **number, "msg": {"code": 10, "msg": "Channel error"}})
    feed = Feed("KXTSAW")
    feed.connected(NOW)
    feed.received(orjson.dumps(subscribed(1, "fill", OWN + 1)), NOW)
    assert [feed.received(orjson.dumps(frame), NOW).reconnect for frame in heard] == [True]


def test_an_overdue_trade_subscription_ends_the_fill_channel() -> None:
    bench = Bench()
    bench.venue.connected()
    bench.send(1, "subscribe", channels=["fill"])
    bench.subscribe_books(4)
    bench.take()
    bench.venue.advance(NOW + 5_000)
    assert [m["code"] for m in of_type(bench.take(), "error")] == [10]


def test_a_snapshot_has_the_own_orders_in_it(bench: Bench) -> None:
    bench.place("bid", "0.4200")
    bench.place("ask", "0.4400")
    bench.take()
    (heard,) = of_type(bench.snapshot({"0.4200": "5.00"}, {"0.4600": "7.00"}), "orderbook_snapshot")
    assert heard["yes_dollars_fp"] == [["0.4200", "15.00"]]
    assert heard["no_dollars_fp"] == [["0.4600", "7.00"], ["0.4400", "10.00"]]


def test_a_placed_order_appears_in_the_book_as_the_bots_own(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    (frame,) = [f for f in bench.take() if f["type"] == "orderbook_delta"]
    message = frame["msg"]
    assert (frame["sid"], frame["seq"]) == (BOOK_SID, 2)
    assert (message["side"], message["price_dollars"], message["delta_fp"]) == (
        "yes",
        "0.4300",
        "10.00",
    )
    assert message["client_order_id"] == "mmbot-bid-4300"
    assert bench.delta("no", "0.4600", "-1.00")[0]["seq"] == 3


def test_an_order_that_the_real_book_comes_to_cross_is_hidden_until_it_no_longer_does(
    bench: Bench,
) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    hidden = bench.delta("no", "0.4300", "5.00")
    assert [m["delta_fp"] for m in of_type(hidden, "orderbook_delta")] == ["-10.00", "5.00"]
    shown = bench.delta("no", "0.4300", "-5.00")
    assert [m["delta_fp"] for m in of_type(shown, "orderbook_delta")] == ["-5.00", "10.00"]


def test_a_new_connection_starts_a_new_sequence(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.venue.disconnected()
    assert bench.take() == []
    bench.connect()
    (frame,) = bench.snapshot({"0.4200": "5.00"}, {"0.4600": "7.00"})
    assert frame["seq"] == 1
    assert frame["msg"]["yes_dollars_fp"] == [["0.4200", "5.00"], ["0.4300", "10.00"]]


def test_an_inserted_snapshot_is_numbered_between_the_frames_of_the_exchange(bench: Bench) -> None:
    snapshot = orjson.dumps(snapshot_frame({"0.4200": "5.00"}, {"0.4600": "7.00"}))
    (inserted,) = (orjson.loads(data) for data in bench.venue.insert(snapshot, NOW))
    (change,) = bench.delta("no", "0.4600", "-1.00")
    assert (inserted["seq"], change["seq"]) == (2, 3)


@pytest.mark.parametrize("data", [b"{", b'{"type":"orderbook_delta","sid":2,"seq":2,"msg":{}}'])
def test_an_unreadable_frame_is_forwarded(bench: Bench, data: bytes) -> None:
    assert bench.venue.incoming(data, NOW) == [data]


def test_an_unreadable_frame_keeps_its_place_in_the_sequence(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    (frame,) = bench.hear(bench.numbered({"type": "orderbook_delta", "sid": BOOK_SID, "msg": {}}))
    assert frame["seq"] == 3
