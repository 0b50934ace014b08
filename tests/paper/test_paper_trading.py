from __future__ import annotations

import random
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.kalshi.feed import Feed
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.paper.paper_trading import PaperTrading, passes
from mmbot.trading.book import Book
from mmbot.trading.events import BookChanged, BookReplaced, BooksDistrusted
from mmbot.trading.values import Fill
from mmbot.units import (
    MONEY_PER_DOLLAR,
    Count,
    Money,
    Price,
    format_count,
    format_price,
    parse_count,
    parse_price,
)

Frame: TypeAlias = dict[str, Any]

EVENT = "KXTSAW-26NOV29"
TICKER = f"{EVENT}-A2.70"
NOW = 1_795_874_400_000
ORDERS = f"{BASE_PATH}/portfolio/events/orders"
BOOK_SID, LIFECYCLE_SID, TRADE_SID = 2, 3, 4
OWN = 1_000_000_000
PRIVATE = frozenset({"fill", "user_orders", "market_positions", "order_group_updates"})


class Bench:
    """Paper trading between a bot and an exchange that are both scripted by the test."""

    def __init__(self, balance: float = 1000.0, fills: tuple[Fill, ...] = ()) -> None:
        rng = random.Random(1)
        self.venue = PaperTrading("KXTSAW", 0, Money(round(balance * MONEY_PER_DOLLAR)), fills, rng)
        self.now = NOW
        self.real_seq = self.trades = self.changes = 0
        self.sent: list[Frame] = []

    def connect(self) -> list[Frame]:
        """Subscribe as the bot does, and answer as the exchange does."""
        self.venue.connected()
        self.real_seq = self.trades = self.changes = 0
        for number, channel in enumerate(("fill", "user_orders", "market_lifecycle_v2"), 1):
            self.send(number, "subscribe", channels=[channel])
        self.subscribe_books(4)
        heard = self.take()
        heard += self.hear(subscribed(4, "orderbook_delta", BOOK_SID))
        heard += self.hear(subscribed(3, "market_lifecycle_v2", LIFECYCLE_SID))
        return heard + self.hear(subscribed(self.sent[-1]["id"], "trade", TRADE_SID))

    def subscribe_books(self, number: int) -> list[Frame]:
        return self.send(
            number,
            "subscribe",
            channels=["orderbook_delta"],
            market_tickers=[TICKER],
            use_yes_price=True,
        )

    def send(self, number: int, cmd: str, **params: Any) -> list[Frame]:
        frame = orjson.dumps({"id": number, "cmd": cmd, "params": params})
        sent = [orjson.loads(data) for data in self.venue.outgoing(frame, self.now)]
        self.sent += sent
        return sent

    def hear(self, frame: Frame) -> list[Frame]:
        return [orjson.loads(f) for f in self.venue.incoming(orjson.dumps(frame), self.now)]

    def take(self) -> list[Frame]:
        return [orjson.loads(data) for data in self.venue.take()]

    def snapshot(self, bids: dict[str, str], asks: dict[str, str]) -> list[Frame]:
        return self.hear(self.numbered(snapshot_frame(bids, asks)))

    def delta(self, side: str, price: str, delta: str) -> list[Frame]:
        return self.hear(self.numbered(delta_frame(side, price, delta)))

    def numbered(self, frame: Frame, skipped: int = 0) -> Frame:
        self.real_seq += 1 + skipped
        return frame | {"seq": self.real_seq}

    def trade(self, price: str, count: str, **fields: Any) -> list[Frame]:
        message = {
            "trade_id": "d91b",
            "market_ticker": TICKER,
            "yes_price_dollars": price,
            "count_fp": count,
            "taker_book_side": "ask",
            "is_block_trade": False,
            **fields,
        }
        self.trades += 1
        return self.hear({"type": "trade", "sid": TRADE_SID, "seq": self.trades, "msg": message})

    def lifecycle(self, event_type: str, **fields: Any) -> list[Frame]:
        message = {"event_type": event_type, "market_ticker": TICKER, **fields}
        self.changes += 1
        frame = {"type": "market_lifecycle_v2", "sid": LIFECYCLE_SID, "seq": self.changes}
        return self.hear(frame | {"msg": message})

    def call(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        content = b"" if body is None else orjson.dumps(body)
        request = HttpRequest(method, path, tuple(query.items()), (), content)
        answer = self.venue.answer(request, self.now)
        assert answer is not None
        return answer.status, orjson.loads(answer.body) if answer.body else None

    def place(self, side: str, price: str, count: str = "10.00", **fields: Any) -> tuple[int, Any]:
        body = {
            "ticker": TICKER,
            "side": side,
            "count": count,
            "price": price,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": f"mmbot-{side}-{price[2:]}",
            "post_only": True,
            "cancel_order_on_pause": True,
            "expiration_time": self.now // 1000 + 60,
            "subaccount": 0,
            "exchange_index": 0,
        }
        return self.call("POST", ORDERS, body | fields)

    def rest(self, name: str, **query: str) -> Any:
        status, body = self.call("GET", f"{BASE_PATH}/portfolio/{name}", **query)
        assert status == 200
        return body

    def position(self) -> str:
        positions = self.rest("positions")["market_positions"]
        return str(positions[0]["position_fp"]) if positions else "0.00"


def subscribed(number: int, channel: str, sid: int) -> Frame:
    return {"id": number, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}


def snapshot_frame(bids: dict[str, str], asks: dict[str, str]) -> Frame:
    message: Frame = {"market_ticker": TICKER, "market_id": "9b0f", "clock": 4_182_057}
    message |= {"yes_dollars_fp": list(bids.items())} if bids else {}
    message |= {"no_dollars_fp": list(asks.items())} if asks else {}
    return {"type": "orderbook_snapshot", "sid": BOOK_SID, "msg": message}


def delta_frame(side: str, price: str, delta: str) -> Frame:
    message = {
        "market_ticker": TICKER,
        "market_id": "9b0f",
        "clock": 4_182_061,
        "price_dollars": price,
        "delta_fp": delta,
        "side": side,
    }
    return {"type": "orderbook_delta", "sid": BOOK_SID, "msg": message}


def of_type(frames: list[Frame], kind: str) -> list[Frame]:
    return [frame["msg"] for frame in frames if frame["type"] == kind]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.connect()
    bench.snapshot({"0.4000": "30.00", "0.4200": "103.00"}, {"0.4600": "146.00"})
    return bench


# Orders


def test_a_post_only_order_rests_and_is_listed(bench: Bench) -> None:
    status, created = bench.place("bid", "0.4300")
    assert (status, created["fill_count"], created["remaining_count"]) == (201, "0.00", "10.00")
    (order,) = bench.rest("orders", status="resting", ticker=TICKER, min_ts=str(NOW // 1000 - 60))[
        "orders"
    ]
    assert order["order_id"] == created["order_id"]
    assert (order["book_side"], order["yes_price_dollars"]) == ("bid", "0.4300")
    assert bench.rest(f"orders/{created['order_id']}")["order"] == order


@pytest.mark.parametrize(("side", "price"), [("bid", "0.4600"), ("ask", "0.4200")])
def test_an_order_that_meets_the_real_book_is_refused(bench: Bench, side: str, price: str) -> None:
    status, body = bench.place(side, price)
    assert (status, body["error"]["details"]) == (400, "post only cross")


def test_an_order_that_meets_an_own_one_is_refused(bench: Bench) -> None:
    bench.place("ask", "0.4400")
    assert bench.place("bid", "0.4400")[1]["error"]["details"] == "post only cross"


def test_a_taking_order_is_refused(bench: Bench) -> None:
    status, body = bench.place("bid", "0.4600", post_only=False)
    assert (status, body["error"]["details"]) == (400, "paper: orders only rest")


def test_without_a_book_every_order_is_refused() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(bench.numbered(snapshot_frame({"0.5000": "1.00"}, {"0.4000": "1.00"})))
    status, body = bench.place("bid", "0.3000")
    assert (status, body["error"]["code"]) == (400, "invalid_order")


def test_after_a_gap_nothing_is_placed_until_there_is_a_snapshot(bench: Bench) -> None:
    bench.hear(bench.numbered(delta_frame("yes", "0.4200", "1.00"), skipped=1))
    assert bench.place("bid", "0.4100")[0] == 400
    bench.snapshot({"0.4200": "5.00"}, {"0.4600": "7.00"})
    assert bench.place("bid", "0.4000")[0] == 201


def test_a_change_that_the_snapshot_includes_already_is_not_counted_twice(bench: Bench) -> None:
    stale = delta_frame("no", "0.4300", "5.00")
    stale["msg"]["clock"] = 4_182_057
    bench.hear(bench.numbered(stale))
    assert bench.place("bid", "0.4300")[0] == 201


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"client_order_id": "mmbot-bid-4100"}, 409, "order_already_exists"),
        ({"count": "3000.00"}, 400, "insufficient_balance"),
        ({"expiration_time": NOW // 1000 - 1}, 400, "invalid_parameters"),
        ({"count": "0.00"}, 400, "invalid_parameters"),
        ({"ticker": "KXTSAW-26NOV29-A9.99"}, 404, "not_found"),
    ],
)
def test_bad_orders_are_refused_as_the_exchange_does(
    bench: Bench, fields: Frame, status: int, code: str
) -> None:
    bench.place("bid", "0.4100")
    answer = bench.place("bid", "0.4000", **fields)
    assert (answer[0], answer[1]["error"]["code"]) == (status, code)


def test_a_price_off_the_listed_grid_is_refused(bench: Bench) -> None:
    bench.venue.learn(HttpRequest("GET", f"{BASE_PATH}/events"), listing(), NOW)
    assert bench.place("bid", "0.4150")[1]["error"]["details"] == "invalid price"


def test_an_order_is_cancelled_once(bench: Bench) -> None:
    _, created = bench.place("bid", "0.4300")
    path = f"{ORDERS}/{created['order_id']}"
    bench.take()
    status, body = bench.call("DELETE", path, market_ticker=TICKER, exchange_index="0")
    assert (status, body["reduced_by"]) == (200, "10.00")
    assert [m["status"] for m in of_type(bench.take(), "user_order")] == ["canceled"]
    assert bench.call("DELETE", path, market_ticker=TICKER)[0] == 404


def test_an_amend_of_the_expiry_alone_keeps_the_place_in_the_queue(bench: Bench) -> None:
    _, first = bench.place("bid", "0.4300", client_order_id="a")
    _, second = bench.place("bid", "0.4300", client_order_id="b")
    body = {"ticker": TICKER, "side": "bid", "price": "0.4300", "count": "10.00"}
    expires = bench.now // 1000 + 90
    status, _ = bench.call(
        "POST", f"{ORDERS}/{first['order_id']}/amend", body | {"expiration_time": expires}
    )
    assert status == 200
    bench.now += 70_000
    bench.venue.advance(bench.now)
    assert bench.rest(f"orders/{first['order_id']}")["order"]["status"] == "resting"
    assert bench.rest(f"orders/{second['order_id']}")["order"]["status"] == "canceled"


def test_an_amend_into_the_real_book_is_refused(bench: Bench) -> None:
    _, created = bench.place("bid", "0.4300")
    body = {"ticker": TICKER, "side": "bid", "price": "0.4600", "count": "10.00"}
    status, answer = bench.call("POST", f"{ORDERS}/{created['order_id']}/amend", body)
    assert (status, answer["error"]["details"]) == (400, "post only cross")


def test_an_orders_expiry_is_published(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    bench.now += 60_000
    bench.venue.advance(bench.now)
    (report,) = of_type(bench.take(), "user_order")
    assert (report["status"], report["last_update_reason"]) == ("canceled", "ExpiryCancel")


# Fills


def test_a_trade_at_the_orders_own_price_does_not_fill_it(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert of_type(bench.trade("0.4300", "50.00"), "fill") == []


@pytest.mark.parametrize(
    ("side", "own", "traded", "position"),
    [("bid", "0.4300", "0.4299", "10.00"), ("ask", "0.4400", "0.4401", "-10.00")],
)
def test_a_trade_through_an_order_fills_it_at_its_own_price(
    bench: Bench, side: str, own: str, traded: str, position: str
) -> None:
    _, created = bench.place(side, own)
    bench.take()
    heard = bench.trade(traded, "50.00")
    (fill,) = of_type(heard, "fill")
    (report,) = of_type(heard, "user_order")
    (change,) = of_type(heard, "orderbook_delta")
    assert fill["order_id"] == created["order_id"]
    assert (fill["yes_price_dollars"], fill["count_fp"], fill["fee_cost"]) == (
        own,
        "10.00",
        "0.000000",
    )
    assert (report["status"], change["delta_fp"]) == ("executed", "-10.00")
    assert bench.position() == fill["post_position_fp"] == position


def test_a_trades_count_is_used_once_best_price_first_then_oldest(bench: Bench) -> None:
    for name, price in (("late", "0.4300"), ("best", "0.4400"), ("later", "0.4300")):
        bench.place("bid", price, client_order_id=name)
    heard = bench.trade("0.4100", "15.00")
    fills = [(f["client_order_id"], f["count_fp"]) for f in of_type(heard, "fill")]
    assert fills == [("best", "10.00"), ("late", "5.00")]


def test_a_repeated_trade_fills_once(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert of_type(bench.trade("0.4100", "5.00"), "fill")
    bench.trades -= 1
    assert of_type(bench.trade("0.4100", "5.00"), "fill") == []


def test_a_block_trade_fills_nothing(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert of_type(bench.trade("0.3000", "50.00", is_block_trade=True), "fill") == []


def test_trades_are_not_shown_to_the_bot(bench: Bench) -> None:
    assert bench.trade("0.3000", "50.00") == []


def test_the_balance_pays_for_fills_and_settlement_pays_back(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    assert bench.rest("balance")["balance"] == 100_000
    bench.trade("0.4000", "10.00")
    assert bench.rest("balance")["balance"] == 99_570
    bench.lifecycle("determined", result="yes")
    assert bench.rest("balance")["balance"] == 100_570
    assert bench.position() == "0.00"


def test_positions_of_earlier_sessions_are_restored_from_their_fills() -> None:
    fill = Fill("t-1", "o-1", TICKER, "ask", Price(4400), Count(500), Money(0), at=NOW - 5_000)
    bench = Bench(fills=(fill,))
    assert bench.position() == "-5.00"
    (listed,) = bench.rest("fills", ticker=TICKER)["fills"]
    assert (listed["trade_id"], listed["order_id"], listed["book_side"]) == ("t-1", "o-1", "ask")
    assert bench.rest("balance")["balance"] == 100_000 - 280


# The life of a market


def test_a_pause_cancels_orders_and_refuses_new_ones(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    heard = bench.lifecycle("deactivated")
    assert [m["status"] for m in of_type(heard, "user_order")] == ["canceled"]
    assert of_type(heard, "market_lifecycle_v2")
    assert bench.place("bid", "0.4100")[1]["error"]["code"] == "MARKET_INACTIVE"
    bench.lifecycle("activated")
    assert bench.place("bid", "0.4000")[0] == 201


def test_the_close_cancels_orders(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.lifecycle("close_date_updated", close_ts=NOW // 1000 + 5)
    bench.take()
    bench.now += 5_000
    bench.venue.advance(bench.now)
    (report,) = of_type(bench.take(), "user_order")
    assert report["last_update_reason"] == "CloseCancel"


def test_a_pause_of_all_trading_is_read_from_the_exchange_status(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    body = orjson.dumps({"exchange_active": True, "trading_active": False})
    request = HttpRequest("GET", f"{BASE_PATH}/exchange/status")
    bench.venue.learn(request, HttpAnswer(200, body), NOW)
    assert bench.place("bid", "0.4100")[1]["error"]["code"] == "trading_is_paused"
    assert bench.rest("orders", status="resting")["orders"] == []


def test_a_result_is_read_from_a_listing(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.trade("0.4000", "10.00")
    request = HttpRequest("GET", f"{BASE_PATH}/events/{EVENT}")
    bench.venue.learn(request, listing(status="finalized", result="no"), NOW)
    assert (bench.position(), bench.rest("balance")["balance"]) == ("0.00", 99_570)


def listing(status: str = "active", result: str = "") -> HttpAnswer:
    market = {
        "ticker": TICKER,
        "status": status,
        "result": result,
        "open_time": "2026-11-23T15:00:00Z",
        "close_time": "2026-11-30T04:59:00Z",
        "strike_type": "greater",
        "floor_strike": 2_700_000,
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "exchange_index": 0,
    }
    event = {"event_ticker": EVENT, "markets": [market]}
    return HttpAnswer(200, orjson.dumps({"events": [event], "event": event}))


# The stream


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


@pytest.mark.parametrize("data", [b"{", b'{"type":"orderbook_delta","sid":2,"seq":2,"msg":{}}'])
def test_an_unreadable_frame_is_forwarded(bench: Bench, data: bytes) -> None:
    assert bench.venue.incoming(data, NOW) == [data]


def test_an_unreadable_frame_keeps_its_place_in_the_sequence(bench: Bench) -> None:
    bench.place("bid", "0.4300")
    bench.take()
    (frame,) = bench.hear(bench.numbered({"type": "orderbook_delta", "sid": BOOK_SID, "msg": {}}))
    assert frame["seq"] == 3


# Invariants

_METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"])
_SEGMENTS = st.sampled_from(
    [
        "portfolio",
        "events",
        "orders",
        "markets",
        "account",
        "api_keys",
        "..",
        ".",
        "%2e%2e",
        "order_groups",
        "batched",
        "exchange",
        "subaccounts",
        "transfer",
        "historical",
        "fills",
        "x",
        "",
    ]
)
_PATHS = st.lists(_SEGMENTS, max_size=5).map(lambda parts: "/".join([BASE_PATH, *parts]))
_ANY_PATH = _PATHS | st.text(max_size=30)
_VENUE = Bench().venue


@given(method=_METHODS, path=_ANY_PATH, body=st.binary(max_size=40))
def test_nothing_but_public_reads_ever_goes_out(method: str, path: str, body: bytes) -> None:
    request = HttpRequest(method, path, body=body)
    answer = _VENUE.answer(request, NOW)
    if answer is None:
        assert method == "GET"
        assert not path.startswith(f"{BASE_PATH}/portfolio")
        assert ".." not in path
    elif method != "GET":
        assert answer.status >= 400 or path.startswith(f"{BASE_PATH}/portfolio/")


_CHANNELS = [*PRIVATE, "orderbook_delta", "trade", "ticker", "market_lifecycle_v2"]


@given(channels=st.lists(st.sampled_from(_CHANNELS)), connected=st.booleans())
def test_no_private_channel_is_ever_asked_for_outside(channels: list[str], connected: bool) -> None:
    bench = Bench()
    if connected:
        bench.venue.connected()
    for sent in bench.send(1, "subscribe", channels=channels, market_tickers=[TICKER]):
        assert PRIVATE.isdisjoint(sent["params"]["channels"])


@pytest.mark.parametrize(
    "path", ["/exchange/status", "/account/limits", "/events", f"/markets/{TICKER}/orderbook"]
)
def test_public_reads_go_out(path: str) -> None:
    assert passes(HttpRequest("GET", BASE_PATH + path))


_PRICES = st.integers(1, 99).map(lambda cents: cents * 100)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(["bid", "ask"]), _PRICES),
        st.tuples(st.just("real"), st.sampled_from(["yes", "no"]), _PRICES),
        st.tuples(st.just("trade"), st.just(""), _PRICES),
        st.tuples(st.just("expire"), st.just(""), st.just(0)),
        st.tuples(st.just("gap"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("again"), st.just(""), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps=_STEPS)
def test_the_bots_book_stays_whole_and_only_real_gaps_are_gaps(
    steps: list[tuple[str, str, int]],
) -> None:
    run = Replay()
    for step in steps:
        run.play(*step)
    assert run.gaps_seen == run.gaps_made


class Replay:
    """The bot's own feed and book, behind paper trading, on a real book kept by the test."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.feed = Feed("KXTSAW")
        self.feed.watch([TICKER], NOW)
        self.real: dict[tuple[str, Price], Count] = {
            ("yes", Price(3000)): Count(500),
            ("no", Price(7000)): Count(500),
        }
        self.book: Book | None = None
        self.gaps_made = self.gaps_seen = self.placed = 0
        self.bench.venue.connected()
        for command in self.feed.connected(NOW).frames:
            self.bench.venue.outgoing(command, NOW)
        self.deliver(self.bench.take())
        for frame in (
            subscribed(3, "market_lifecycle_v2", LIFECYCLE_SID),
            subscribed(4, "orderbook_delta", BOOK_SID),
            subscribed(OWN + 1, "trade", TRADE_SID),
        ):
            self.deliver(self.bench.hear(frame))
        self.resync()

    def play(self, kind: str, side: str, number: int) -> None:
        match kind:
            case "place":
                self.placed += 1
                self.bench.place(
                    side, format_price(Price(number)), client_order_id=f"mmbot-{self.placed}"
                )
                self.deliver(self.bench.take())
            case "real":
                self.change(side, Price(number))
            case "trade":
                self.deliver(self.bench.trade(format_price(Price(number)), "7.00"))
            case "expire":
                self.bench.now += 61_000
                self.bench.venue.advance(self.bench.now)
                self.deliver(self.bench.take())
            case "gap":
                self.gaps_made += 1
                after = self.bench.numbered(delta_frame("yes", "0.0100", "1.00"), number)
                self.deliver(self.bench.hear(after))
                self.resync()
            case "again":
                repeated = delta_frame("yes", "0.0100", "1.00") | {"seq": self.bench.real_seq}
                self.deliver(self.bench.hear(repeated))
        self.check()

    def change(self, side: str, price: Price) -> None:
        """Add to a level, or empty it, where that does not cross the real book."""
        bids = [p for (s, p) in self.real if s == "yes"]
        asks = [p for (s, p) in self.real if s == "no"]
        if side == "yes" and any(ask <= price for ask in asks):
            return
        if side == "no" and any(bid >= price for bid in bids):
            return
        emptied = self.real.pop((side, price), None)
        if emptied is None:
            delta = self.real[side, price] = Count(300)
        else:
            delta = Count(-emptied)
        self.deliver(self.bench.delta(side, format_price(price), format_count(delta)))

    def resync(self) -> None:
        levels = {
            side: {format_price(p): format_count(c) for (s, p), c in self.real.items() if s == side}
            for side in ("yes", "no")
        }
        self.deliver(self.bench.snapshot(levels["yes"], levels["no"]))

    def deliver(self, frames: list[Frame]) -> None:
        for frame in frames:
            step = self.feed.received(orjson.dumps(frame), self.bench.now)
            assert not step.reconnect
            for event in step.events:
                match event:
                    case BookReplaced():
                        self.book = Book(event.bids, event.asks)
                    case BookChanged() if self.book is not None:
                        self.book.change(event.side, event.price, event.delta)
                    case BooksDistrusted():
                        self.gaps_seen += 1
                        self.book = None

    def check(self) -> None:
        """The book that the bot is shown less its own orders must be the real book."""
        assert self.book is not None
        orders = self.bench.rest("orders", status="resting")["orders"]
        own: dict[tuple[str, Price], Count] = {}
        for order in orders:
            level = order["outcome_side"], parse_price(order["yes_price_dollars"])
            own[level] = Count(own.get(level, 0) + parse_count(order["remaining_count_fp"]))
        seen = {("yes", p): c for p, c in self.book.levels("bid")}
        seen |= {("no", p): c for p, c in self.book.levels("ask")}
        lowest = min((p for s, p in self.real if s == "no"), default=10_000)
        highest = max((p for s, p in self.real if s == "yes"), default=0)
        shown = {
            (side, price): count
            for (side, price), count in own.items()
            if (price < lowest if side == "yes" else price > highest)
        }
        together = self.real.keys() | shown.keys()
        assert seen == {at: self.real.get(at, 0) + shown.get(at, 0) for at in together}
