"""What every channel of the stream publishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmbot.exchange.fees import FeeSchedule

TICKER = "KXTSAW-26APR19-A2.45"
OTHER = "KXTSAW-26APR19-A2.50"


def code(frames: list[dict[str, Any]]) -> int:
    (frame,) = frames
    assert frame["type"] == "error"
    return int(frame["msg"]["code"])


# The book


def test_deltas_carry_the_change_the_clock_and_one_sequence_for_all_markets(
    maker: Any, taker: Any
) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER, OTHER])
    maker.place("bid", "0.4200")
    taker.place("ask", "0.4200", "4")
    taker.place("ask", "0.6000", "3", ticker=OTHER)
    frames = stream.frames()
    assert [f["seq"] for f in frames] == [3, 4, 5]
    assert [(f["msg"]["price_dollars"], f["msg"]["delta_fp"]) for f in frames] == [
        ("0.4200", "10.00"),
        ("0.4200", "-4.00"),
        ("0.4000", "3.00"),
    ]
    clocks = [f["msg"]["clock"] for f in frames]
    assert clocks == sorted(set(clocks))


def test_no_levels_can_be_asked_for_on_the_yes_scale(maker: Any) -> None:
    maker.place("ask", "0.6000")
    stream = maker.stream()
    _, snapshot = stream.subscribe("orderbook_delta", market_tickers=[TICKER], use_yes_price=True)
    assert snapshot["msg"]["no_dollars_fp"] == [["0.6000", "10.00"]]
    maker.place("ask", "0.6000", "1")
    (delta,) = stream.frames()
    assert (delta["msg"]["price_dollars"], delta["msg"]["side"]) == ("0.6000", "no")


def test_only_the_owner_of_a_deltas_order_is_shown_its_client_order_id(
    maker: Any, taker: Any
) -> None:
    streams = [maker.stream(), taker.stream()]
    for stream in streams:
        stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    maker.place("bid", "0.4200", client_order_id="mine")
    mine, theirs = (stream.frames()[0]["msg"] for stream in streams)
    assert (mine["client_order_id"], mine["subaccount"]) == ("mine", 0)
    assert "client_order_id" not in theirs


def test_snapshot_and_deltas_rebuild_the_book(maker: Any, taker: Any) -> None:
    maker.place("bid", "0.4000", "5")
    stream = taker.stream()
    _, snapshot = stream.subscribe("orderbook_delta", market_tickers=[TICKER], use_yes_price=True)
    for side, price in (("bid", "0.42"), ("ask", "0.45"), ("ask", "0.41"), ("bid", "0.50")):
        maker.place(side, price, self_trade_prevention_type="maker")
        taker.place(side, price, "3", self_trade_prevention_type="maker")
    book = {("yes", p): float(c) for p, c in snapshot["msg"]["yes_dollars_fp"]}
    for frame in stream.frames("orderbook_delta"):
        message = frame["msg"]
        assert message["clock"] > snapshot["msg"]["clock"]
        place = (message["side"], message["price_dollars"])
        book[place] = round(book.get(place, 0.0) + float(message["delta_fp"]), 2)
    _, fresh = taker.stream().subscribe(
        "orderbook_delta", market_tickers=[TICKER], use_yes_price=True
    )
    rebuilt = {place: count for place, count in book.items() if count}
    assert rebuilt == {
        (side, p): float(c)
        for side in ("yes", "no")
        for p, c in fresh["msg"].get(f"{side}_dollars_fp", [])
    }


# The other channels


def test_a_trade_reaches_the_tape_the_ticker_and_both_members(maker: Any, taker: Any) -> None:
    streams = [maker.stream(), taker.stream()]
    for stream in streams:
        stream.subscribe("trade", "ticker", "fill", "market_positions")
    order = maker.place("bid", "0.4200")
    for stream in streams:
        stream.frames()
    taker.place("ask", "0.4200", "4")
    mine = {f["type"]: f for f in streams[0].frames()}
    theirs = {f["type"]: f for f in streams[1].frames()}
    assert mine["trade"]["msg"]["taker_book_side"] == "ask"
    assert mine["ticker"]["msg"]["yes_bid_size_fp"] == "6.00"
    assert mine["fill"]["msg"]["order_id"] == order["order_id"]
    assert mine["fill"]["msg"]["client_order_id"] == order["client_order_id"]
    assert (mine["fill"]["msg"]["post_position_fp"], mine["fill"]["msg"]["is_taker"]) == (
        "4.00",
        False,
    )
    assert (theirs["fill"]["msg"]["post_position_fp"], theirs["fill"]["msg"]["is_taker"]) == (
        "-4.00",
        True,
    )
    assert mine["market_position"]["msg"]["position_cost_dollars"] == "1.680000"
    assert ["seq" in mine[kind] for kind in ("trade", "ticker", "fill", "market_position")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_ticker_snapshot_comes_only_on_request(maker: Any) -> None:
    stream = maker.stream()
    assert len(stream.subscribe("ticker", market_tickers=[TICKER])) == 1
    frames = stream.subscribe("ticker", market_tickers=[TICKER], send_initial_snapshot=True)
    assert [f["type"] for f in frames] == ["subscribed", "ticker"]


def test_a_market_can_be_named_by_its_id(maker: Any) -> None:
    stream = maker.stream()
    _, snapshot = stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    market_id = snapshot["msg"]["market_id"]
    stream.subscribe("ticker", market_id=market_id)
    maker.place("bid", "0.4200")
    maker.place("bid", "0.4200", ticker=OTHER)
    assert [f["msg"]["market_ticker"] for f in stream.frames("ticker")] == [TICKER]


def test_every_change_of_an_order_is_published_with_its_reason(
    bench: Any, maker: Any, taker: Any
) -> None:
    stream = maker.stream()
    stream.subscribe("user_orders")
    order = maker.place("bid", "0.4200", expiration_time=bench.now // 1000 + 5)
    path = f"/portfolio/events/orders/{order['order_id']}"
    maker.call("POST", f"{path}/decrease", {"reduce_to": "9"})
    amendment = {"ticker": TICKER, "side": "bid", "price": "0.4300", "count": "9"}
    maker.call("POST", f"{path}/amend", amendment)
    taker.place("ask", "0.4300", "4")
    bench.wait(5_000)
    told = [
        (f["msg"]["status"], f["msg"]["remaining_count_fp"], f["msg"].get("last_update_reason"))
        for f in stream.frames("user_order")
    ]
    assert told == [
        ("resting", "10.00", None),
        ("resting", "9.00", "Decrease"),
        ("resting", "9.00", "Amend"),
        ("resting", "5.00", "Trade"),
        ("canceled", "0.00", "ExpiryCancel"),
    ]


def test_private_channels_contain_nothing_of_other_members(maker: Any, taker: Any) -> None:
    stream = taker.stream()
    stream.subscribe("user_orders", "fill", "market_positions", "order_group_updates")
    maker.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})
    maker.place("bid", "0.4200")
    assert stream.frames() == []


def test_private_channels_can_be_filtered_by_market(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("user_orders", market_tickers=[OTHER])
    maker.place("bid", "0.4200")
    maker.place("bid", "0.4200", ticker=OTHER)
    assert [f["msg"]["ticker"] for f in stream.frames()] == [OTHER]


def test_changes_of_order_groups_are_published(maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("order_group_updates")
    _, body = maker.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})
    path = f"/portfolio/order_groups/{body['order_group_id']}"
    maker.call("PUT", f"{path}/limit", {"contracts_limit": 6})
    maker.call("PUT", f"{path}/trigger")
    maker.call("PUT", f"{path}/reset")
    maker.call("DELETE", path)
    frames = stream.frames()
    assert [f["msg"]["event_type"] for f in frames] == [
        "created",
        "limit_updated",
        "triggered",
        "reset",
        "deleted",
    ]
    assert [f["seq"] for f in frames] == [1, 2, 3, 4, 5]


def test_pauses_moved_closes_and_grids_are_published(bench: Any, maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("market_lifecycle_v2")
    bench.venue.pause_market(TICKER, bench.now)
    bench.venue.unpause_market(TICKER, bench.now)
    bench.venue.move_close(TICKER, bench.now + 60_000, bench.now)
    bench.venue.change_grid(TICKER, "deci_cent", bench.now)
    messages = [f["msg"] for f in stream.frames("market_lifecycle_v2")]
    assert [m["event_type"] for m in messages] == [
        "deactivated",
        "activated",
        "close_date_updated",
        "price_level_structure_updated",
    ]
    assert messages[2]["close_ts"] == (bench.now + 60_000) // 1000
    assert messages[3]["price_ranges"] == [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]


# Failures


@pytest.mark.parametrize("terminal", [10, 25])
def test_a_killed_channel_is_dead_and_can_be_subscribed_again(
    bench: Any, maker: Any, terminal: int
) -> None:
    stream = maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    bench.venue.kill_channel(stream.session, 1, terminal, bench.now)
    (frame,) = stream.frames()
    assert (frame["msg"]["code"], frame["sid"]) == (terminal, 1)
    maker.place("bid", "0.4200")
    assert stream.frames() == []
    frames = stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    assert (frames[0]["msg"]["sid"], frames[1]["seq"]) == (2, 1)


def test_a_consumer_that_is_too_slow_loses_its_subscription(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(outbox_frames=10)
    stream = bench.maker.stream()
    stream.subscribe("orderbook_delta", market_tickers=[TICKER])
    for _ in range(20):
        bench.maker.place("bid", "0.0100", "1")
    frames = stream.frames()
    assert len(frames) == 11
    assert frames[-1]["msg"]["code"] == 25


def test_dropped_sessions_are_closed(bench: Any, maker: Any) -> None:
    stream = maker.stream()
    bench.venue.drop_sessions()
    assert stream.session.closed
    assert bench.venue.sessions == []


def test_an_events_fee_override_and_its_end_are_published(bench: Any, maker: Any) -> None:
    stream = maker.stream()
    stream.subscribe("market_lifecycle_v2")
    event = TICKER.rpartition("-")[0]
    bench.venue.override_fees(event, FeeSchedule("quadratic_with_maker_fees", 0.5), bench.now)
    bench.venue.override_fees(event, None, bench.now)
    told = [frame["msg"] for frame in stream.frames("event_fee_update")]
    assert told == [
        {
            "event_ticker": event,
            "fee_type_override": kind,
            "fee_multiplier_override": multiplier,
        }
        for kind, multiplier in (("quadratic_with_maker_fees", 0.5), (None, None))
    ]
