from __future__ import annotations

import msgspec
import pytest

from mmbot.trading.book import Book
from mmbot.trading.gates import (
    CLOSING_MARGIN,
    MarketState,
    ReleaseWindow,
    ServiceState,
    ShardState,
    belief_gate,
    final_gate,
    hold_reason,
    market_gate,
    service_gate,
    shard_gate,
)
from tests.trading.builders import CLOSES, NOW, OPENS, belief, market

RUNNING = ServiceState(streaming=True, reconciled=True, shut="")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"stopping": True}, "stopping"),
        ({"missing": ("poller", "tick")}, "no_poller"),
        ({"halted": True}, "halted"),
        ({"halted": True, "streaming": False}, "halted"),
        ({"streaming": False}, "no_stream"),
        ({"lagging": True}, "stale_feed"),
        ({"reconciled": False}, "not_reconciled"),
        ({"shut": "exchange_paused"}, "exchange_paused"),
    ],
)
def test_one_shut_gate_of_the_service_names_the_reason(
    change: dict[str, object], reason: str
) -> None:
    assert service_gate(msgspec.structs.replace(RUNNING, **change)) == reason


@pytest.mark.parametrize(
    ("shard", "reason"),
    [
        (ShardState(0), "no_group"),
        (ShardState(0, "g"), ""),
        (ShardState(0, "g", triggered=True), "group_triggered"),
    ],
)
def test_a_shard_is_quoted_with_a_group_that_takes_orders(shard: ShardState, reason: str) -> None:
    assert shard_gate(shard) == reason


def test_nothing_is_open_before_anything_was_read() -> None:
    assert service_gate(ServiceState()) == "no_stream"


@pytest.mark.parametrize(
    ("known", "now", "reason"),
    [
        (0, 99, ""),
        (0, 100, "release_due"),
        (1, 100, ""),
        (1, 199, ""),
        (1, 200, "release_due"),
        (2, 200, "release_due"),
        (3, 200, ""),
    ],
)
def test_a_belief_must_know_every_day_that_may_be_out(known: int, now: int, reason: str) -> None:
    assert belief_gate(belief(known=known), (100, 200, 200), (), now) == reason


@pytest.mark.parametrize(
    ("known", "now", "reason"),
    [
        (4, 299, ""),
        (4, 300, "release_possible"),
        (4, 399, "release_possible"),
        (5, 300, ""),
        (4, 400, ""),
        (5, 500, "release_possible"),
        (6, 500, ""),
    ],
)
def test_a_count_that_need_not_come_is_waited_for_until_its_window_shuts(
    known: int, now: int, reason: str
) -> None:
    windows = (ReleaseWindow(300, 400, 5), ReleaseWindow(500, 600, 6))
    assert belief_gate(belief(known=known), (), windows, now) == reason


def test_without_a_belief_nothing_is_quoted() -> None:
    assert belief_gate(None, (), (), NOW) == "no_belief"


@pytest.mark.parametrize(
    ("listing", "now", "reason"),
    [
        (MarketState(market(), Book()), NOW, ""),
        (MarketState(market(), Book()), OPENS - 1, "not_open"),
        (MarketState(market(), Book()), OPENS, ""),
        (MarketState(market(active=False), Book()), NOW, "market_paused"),
        (MarketState(market()), NOW, "no_book"),
    ],
)
def test_one_shut_gate_of_a_market_names_the_reason(
    listing: MarketState, now: int, reason: str
) -> None:
    assert market_gate(listing, now) == reason


@pytest.mark.parametrize(
    ("listing", "now", "reason"),
    [
        (MarketState(market()), CLOSES - CLOSING_MARGIN - 1, ""),
        (MarketState(market()), CLOSES - CLOSING_MARGIN, "closed"),
        (MarketState(market(), result=0), NOW, "settled"),
        (MarketState(market(), result=0), CLOSES, "settled"),
    ],
)
def test_a_market_that_is_over_is_not_quoted_again(
    listing: MarketState, now: int, reason: str
) -> None:
    assert final_gate(listing, now) == reason


def test_a_hold_ends_by_itself() -> None:
    listing = MarketState(market(), Book(), held_until=NOW + 10, held_because="post_only_cross")
    assert hold_reason(listing, NOW + 9) == "post_only_cross"
    assert hold_reason(listing, NOW + 10) == ""
    assert market_gate(listing, NOW) == ""
