"""The WebSocket: every command, reply and error of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TICKER = "KXTSAW-26APR19-A2.45"
OTHER = "KXTSAW-26APR19-A2.50"


def code(frames: list[dict[str, Any]]) -> int:
    (frame,) = frames
    assert frame["type"] == "error"
    return int(frame["msg"]["code"])


# Commands


def test_each_channel_is_acknowledged_with_a_sid_of_its_own(maker: Any) -> None:
    frames = maker.stream().subscribe("fill", "user_orders")
    assert [(f["type"], f["id"], f["msg"]) for f in frames] == [
        ("subscribed", 1, {"channel": "fill", "sid": 1}),
        ("subscribed", 1, {"channel": "user_orders", "sid": 2}),
    ]


def test_a_book_subscription_starts_with_snapshots(maker: Any) -> None:
    maker.place("bid", "0.4200", "25")
    frames = maker.stream().subscribe("orderbook_delta", market_tickers=[TICKER, OTHER])
    assert [f["type"] for f in frames] == ["subscribed"] + ["orderbook_snapshot"] * 2
    assert [f["seq"] for f in frames[1:]] == [1, 2]
    assert frames[1]["msg"]["yes_dollars_fp"] == [["0.4200", "25.00"]]
    assert "no_dollars_fp" not in frames[1]["msg"]
    assert "id" not in frames[1]


def test_subscriptions_are_listed(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("fill")
    (frame,) = stream.send("list_subscriptions")
    assert (frame["type"], frame["msg"]) == ("ok", [{"channel": "fill", "sid": 1}])


def test_unsubscribing_ends_the_frames(maker: Any, taker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("trade")
    (frame,) = stream.send("unsubscribe", {"sids": [1]})
    assert (frame["type"], frame["sid"], frame["seq"]) == ("unsubscribed", 1, 1)
    maker.place("bid", "0.4200")
    taker.place("ask", "0.4200")
    assert stream.frames() == []


def test_added_markets_are_acknowledged_in_sequence_and_then_shown(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    ok, snapshot = stream.send(
        "update_subscription", {"sid": 1, "action": "add_markets", "market_tickers": [OTHER]}
    )
    assert (ok["type"], ok["seq"], ok["msg"]["market_tickers"]) == ("ok", 2, [TICKER, OTHER])
    assert (snapshot["seq"], snapshot["msg"]["market_ticker"]) == (3, OTHER)


def test_deleted_markets_get_no_more_frames(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER, OTHER])
    (ok,) = stream.send(
        "update_subscription", {"sids": [1], "action": "delete_markets", "market_tickers": [OTHER]}
    )
    assert ok["msg"]["market_tickers"] == [TICKER]
    maker.place("bid", "0.4200", ticker=OTHER)
    assert stream.frames() == []


def test_adding_to_a_subscription_of_every_market_does_not_narrow_it(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("ticker")
    stream.send(
        "update_subscription", {"sid": 1, "action": "add_markets", "market_tickers": [TICKER]}
    )
    maker.place("bid", "0.4200", ticker=OTHER)
    assert [f["msg"]["market_ticker"] for f in stream.frames("ticker")] == [OTHER]


def test_a_snapshot_on_request_carries_the_commands_id_and_goes_on_counting(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER, OTHER])
    (snapshot,) = stream.send(
        "update_subscription", {"sid": 1, "action": "get_snapshot", "market_tickers": [OTHER]}
    )
    assert (snapshot["id"], snapshot["seq"]) == (2, 3)


def test_the_acknowledgement_omits_tickers_on_request(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("trade", market_tickers=[TICKER], skip_ticker_ack=True)
    (ok,) = stream.send(
        "update_subscription", {"sid": 1, "action": "add_markets", "market_tickers": [OTHER]}
    )
    assert "msg" not in ok


@pytest.mark.parametrize(
    ("cmd", "params", "error"),
    [
        ("dance", {}, 5),
        ("subscribe", None, 2),
        ("subscribe", {}, 3),
        ("subscribe", {"channels": ["weather"]}, 8),
        ("subscribe", {"channels": ["orderbook_delta"]}, 14),
        ("subscribe", {"channels": ["trade"], "market_tickers": "A"}, 11),
        ("subscribe", {"channels": ["trade"], "market_ticker": "A", "market_tickers": ["A"]}, 11),
        (
            "subscribe",
            {"channels": ["orderbook_delta"], "market_tickers": ["A"], "use_yes_price": "yes"},
            11,
        ),
        ("unsubscribe", {}, 4),
        ("unsubscribe", {"sids": [9]}, 7),
        ("update_subscription", {"action": "add_markets", "market_tickers": ["A"]}, 12),
        ("update_subscription", {"sid": 1, "sids": [1], "action": "add_markets"}, 12),
        ("update_subscription", {"sid": 9, "action": "add_markets"}, 7),
        ("update_subscription", {"sid": 1}, 15),
        ("update_subscription", {"sid": 1, "action": "paint"}, 13),
        ("update_subscription", {"sid": 1, "action": "add_markets"}, 14),
        ("update_subscription", {"sid": 2, "action": "get_snapshot", "market_ticker": "A"}, 13),
    ],
)
def test_a_wrong_command_is_answered_with_its_code(
    maker: Any, cmd: str, params: Any, error: int
) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    stream.subscribe("ticker")
    assert code(stream.send(cmd, params)) == error


def test_what_is_not_a_command_is_answered_with_code_one(bench: Any, maker: Any) -> None:
    stream = maker.stream()
    bench.venue.receive(stream.session, "{nonsense", bench.now)
    assert code(stream.frames()) == 1


def test_an_error_of_a_subscription_names_it_and_keeps_its_sequence(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    (frame,) = stream.send("update_subscription", {"sid": 1})
    assert (frame["sid"], frame["seq"]) == (1, 2)


def test_too_many_markets_and_too_many_commands_are_refused(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(markets_per_subscription=1, commands_per_second=3)
    stream = bench.maker.stream()
    assert code(stream.subscribe("trade", market_tickers=[TICKER, OTHER])) == 26
    stream.subscribe("trade", market_tickers=[TICKER])
    add = {"sid": 1, "action": "add_markets", "market_tickers": [OTHER]}
    assert code(stream.send("update_subscription", add)) == 26
    assert code(stream.send("list_subscriptions")) == 27
    bench.wait(1_000)
    assert stream.send("list_subscriptions")[0]["type"] == "ok"
