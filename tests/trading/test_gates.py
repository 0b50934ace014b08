from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from mmbot.trading.book import Book
from mmbot.trading.event_state import ReleaseWindow
from mmbot.trading.gate_checks import (
    belief_gate,
    final_gate,
    hold_gate,
    market_gate,
    service_gate,
    shard_gate,
)
from mmbot.trading.gates import (
    CLOSING_MARGIN_MS,
    NOT_LEARNT_YET,
    Gate,
    ShutGate,
    exchange_gate,
    task_gate,
)
from mmbot.trading.market_state import MarketState
from mmbot.trading.state import ServiceState, ShardState
from mmbot.trading.values import Refusal
from mmbot.units import Price
from tests.trading.builders import CLOSES, NOW, OPENS, belief, market

RUNNING = ServiceState(streaming=True, reconciled=True, exchange=None)


@pytest.mark.parametrize("gate", Gate)
def test_every_gate_says_what_is_wrong_and_what_ends_it(gate: Gate) -> None:
    wrong, _, end = gate.meaning.partition("; ")
    assert len(wrong.split()) >= 3
    assert len(end.split()) >= 3


@pytest.mark.parametrize("gate", Gate)
def test_a_gate_is_shown_as_its_value(gate: Gate) -> None:
    assert ShutGate(gate).text == gate.value == str(gate)
    assert msgspec.json.encode(gate) == f'"{gate.value}"'.encode()
    assert Gate(gate.value) is gate


@pytest.mark.parametrize("refusal", get_args(Refusal))
def test_every_refusal_has_a_gate(refusal: str) -> None:
    assert Gate(refusal) == refusal


@pytest.mark.parametrize("task", ["stream", "poller", "heartbeat", "tick"])
def test_every_task_of_the_daemon_has_a_gate(task: str) -> None:
    assert task_gate(task) == f"no_{task}"


def test_a_logged_reason_equals_its_gate() -> None:
    assert {"no_book", "reprice"} & NOT_LEARNT_YET == {Gate.NO_BOOK}


@pytest.mark.parametrize(
    ("shut", "gate", "meaning"),
    [
        ("exchange_paused", Gate.EXCHANGE_PAUSED, "paused trading"),
        ("listing_not_read", Gate.LISTING_NOT_READ, "could not be read"),
    ],
)
def test_what_the_exchange_shuts_is_shown_as_it_was_read(
    shut: str, gate: Gate, meaning: str
) -> None:
    read = exchange_gate(shut)
    assert read is not None
    assert (read.gate, read.text) == (gate, shut)
    assert meaning in read.gate.meaning


def test_an_exchange_that_shuts_nothing_is_open() -> None:
    assert exchange_gate("") is None


def test_a_gate_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="moat"):
        exchange_gate("moat")


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({}, None),
        ({"stopping": True}, Gate.STOPPING),
        ({"tasks_down": (Gate.NO_POLLER, Gate.NO_TICK)}, Gate.NO_POLLER),
        ({"ledger_behind": True, "lagging": True}, Gate.LEDGER_BEHIND),
        ({"halted": True}, Gate.HALTED),
        ({"halted": True, "streaming": False}, Gate.HALTED),
        ({"streaming": False}, Gate.NO_STREAM),
        ({"lagging": True}, Gate.STALE_FEED),
        ({"reconciled": False}, Gate.NOT_RECONCILED),
        ({"exchange": ShutGate(Gate.EXCHANGE_PAUSED)}, Gate.EXCHANGE_PAUSED),
        ({"exchange": ShutGate(Gate.FEE_TYPE, "flat")}, Gate.FEE_TYPE),
    ],
)
def test_one_shut_gate_of_the_service_is_the_reason(
    change: dict[str, object], gate: Gate | None
) -> None:
    assert service_gate(msgspec.structs.replace(RUNNING, **change)) is gate


@pytest.mark.parametrize(
    ("shard", "gate"),
    [
        (ShardState(0), Gate.NO_GROUP),
        (ShardState(0, "g"), None),
        (ShardState(0, "g", triggered=True), Gate.GROUP_TRIGGERED),
    ],
)
def test_a_shard_is_quoted_with_a_group_that_takes_orders(
    shard: ShardState, gate: Gate | None
) -> None:
    assert shard_gate(shard) is gate


def test_nothing_is_open_before_anything_was_read() -> None:
    assert service_gate(ServiceState()) is Gate.NO_STREAM


@pytest.mark.parametrize(
    ("known", "now", "gate"),
    [
        (0, 99, None),
        (0, 100, Gate.RELEASE_DUE),
        (1, 100, None),
        (1, 199, None),
        (1, 200, Gate.RELEASE_DUE),
        (2, 200, Gate.RELEASE_DUE),
        (3, 200, None),
    ],
)
def test_a_belief_must_know_every_day_that_may_be_out(
    known: int, now: int, gate: Gate | None
) -> None:
    assert belief_gate(belief(known=known), (100, 200, 200), (), now) is gate


@pytest.mark.parametrize(
    ("known", "now", "gate"),
    [
        (4, 299, None),
        (4, 300, Gate.RELEASE_POSSIBLE),
        (4, 399, Gate.RELEASE_POSSIBLE),
        (5, 300, None),
        (4, 400, None),
        (5, 500, Gate.RELEASE_POSSIBLE),
        (6, 500, None),
    ],
)
def test_a_count_that_need_not_come_is_waited_for_until_its_window_shuts(
    known: int, now: int, gate: Gate | None
) -> None:
    windows = (ReleaseWindow(300, 400, 5), ReleaseWindow(500, 600, 6))
    assert belief_gate(belief(known=known), (), windows, now) is gate


def test_without_a_belief_nothing_is_quoted() -> None:
    assert belief_gate(None, (), (), NOW) is Gate.NO_BELIEF


@pytest.mark.parametrize(
    ("state", "now", "gate"),
    [
        (MarketState(market(), Book()), NOW, None),
        (MarketState(market(), Book()), OPENS - 1, Gate.NOT_OPEN),
        (MarketState(market(), Book()), OPENS, None),
        (MarketState(market(active=False), Book()), NOW, Gate.MARKET_PAUSED),
        (MarketState(market()), NOW, Gate.NO_BOOK),
    ],
)
def test_one_shut_gate_of_a_market_is_the_reason(
    state: MarketState, now: int, gate: Gate | None
) -> None:
    assert market_gate(state, now) is gate


@pytest.mark.parametrize(
    ("state", "now", "gate"),
    [
        (MarketState(market()), CLOSES - CLOSING_MARGIN_MS - 1, None),
        (MarketState(market()), CLOSES - CLOSING_MARGIN_MS, Gate.CLOSED),
        (MarketState(market(), result=Price(0)), NOW, Gate.SETTLED),
        (MarketState(market(), result=Price(0)), CLOSES, Gate.SETTLED),
    ],
)
def test_a_market_that_is_over_is_not_quoted_again(
    state: MarketState, now: int, gate: Gate | None
) -> None:
    assert final_gate(state, now) is gate


def test_a_hold_ends_by_itself() -> None:
    state = MarketState(market(), Book())
    state.hold(NOW + 10, Gate.POST_ONLY_CROSS)
    assert hold_gate(state, NOW + 9) is Gate.POST_ONLY_CROSS
    assert hold_gate(state, NOW + 10) is None
    assert market_gate(state, NOW) is None
