"""When the watchdog is fed: what a look at the process shows, as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmbot.daemon.service_manager import ServiceManager
from mmbot.daemon.watchdog import (
    MOST_LATE_SECONDS,
    MOST_SILENT_MS,
    START_EXTENSION_SECONDS,
    Condition,
    Watchdog,
    unattended,
)
from mmbot.trading.events import BooksDistrusted, StreamLost, WriteUnknown
from mmbot.trading.gates import Gate, ShutGate
from mmbot.trading.operator_events import Halted
from mmbot.trading.order import OrderState
from mmbot.trading.state import TradingState
from tests.daemon.test_service_manager import Listener
from tests.trading.builders import CLOSES, MIDDLE, Bench

FRESH_MS = 100


@pytest.fixture
def quoting() -> Bench:
    """An engine whose two orders rest in one market."""
    bench = Bench()
    bench.rest()
    assert {order.state for order in bench.engine.state.orders} == {OrderState.RESTING}
    return bench


def look(bench: Bench, feed_age_ms: int | None = FRESH_MS) -> str:
    return unattended(bench.engine.state, feed_age_ms, bench.now)


def test_quotes_on_all_that_they_may_stand_on_are_attended(quoting: Bench) -> None:
    assert look(quoting) == ""


def _service(name: str, value: object) -> Callable[[TradingState], None]:
    return lambda state: setattr(state.service, name, value)


def _no_book(state: TradingState) -> None:
    state.market(MIDDLE).book = None


def _no_belief(state: TradingState) -> None:
    state.event_of_market[MIDDLE].belief = None


def _contradiction(state: TradingState) -> None:
    state.market(MIDDLE).contradiction = "2 booked, 3 held"


def _paused(state: TradingState) -> None:
    state.paused = frozenset({MIDDLE})


def _not_listed(state: TradingState) -> None:
    del state.event_of_market[MIDDLE]


def _count_is_out(state: TradingState) -> None:
    state.event_of_market[MIDDLE].releases = (0, 0, 0)


# As if the engine had missed what it acts on: the quotes would have been off otherwise.
@pytest.mark.parametrize(
    ("missed", "gate"),
    [
        (_service("halted", True), Gate.HALTED),
        (_service("tasks_down", (Gate.NO_POLLER,)), Gate.NO_POLLER),
        (_service("clocks_off", frozenset({"exchange"})), Gate.CLOCK_OFF),
        (_service("ledger_behind", True), Gate.LEDGER_BEHIND),
        (_service("streaming", False), Gate.NO_STREAM),
        (_service("lagging", True), Gate.STALE_FEED),
        (_service("reconciled", False), Gate.NOT_RECONCILED),
        (_service("exchange", ShutGate(Gate.EXCHANGE_PAUSED)), Gate.EXCHANGE_PAUSED),
        (_no_book, Gate.NO_BOOK),
        (_not_listed, Gate.NO_BOOK),
        (_contradiction, Gate.POSITION_CONTRADICTS),
        (_paused, Gate.PAUSED_BY_OPERATOR),
        (_no_belief, Gate.NO_BELIEF),
        (_count_is_out, Gate.RELEASE_DUE),
    ],
)
def test_quotes_that_stand_without_it_are_unattended(
    quoting: Bench, missed: Callable[[TradingState], None], gate: Gate
) -> None:
    missed(quoting.engine.state)
    assert look(quoting) == f"2 quotes stand, but {gate.meaning}"


@pytest.mark.parametrize("age_ms", [None, MOST_SILENT_MS + 1])
def test_quotes_that_stand_on_a_silent_stream_are_unattended(
    quoting: Bench, age_ms: int | None
) -> None:
    assert Gate.NO_STREAM.meaning in look(quoting, age_ms)


def test_quotes_that_are_being_taken_off_are_attended(quoting: Bench) -> None:
    quoting.handle(Halted(quoting.now, "lunch"))
    assert {order.state for order in quoting.engine.state.orders} == {OrderState.CANCELLING}
    assert look(quoting, None) == ""


def test_quotes_whose_cancels_a_cut_network_does_not_answer_are_attended(quoting: Bench) -> None:
    quoting.handle(StreamLost())
    for order in quoting.engine.state.orders:
        quoting.handle(WriteUnknown(order.client_id, "cancel", "timeout"))
    assert {order.state for order in quoting.engine.state.orders} == {OrderState.UNKNOWN}
    assert look(quoting, 3_600_000) == ""


def test_quotes_without_their_book_are_taken_off_and_so_attended(quoting: Bench) -> None:
    quoting.handle(BooksDistrusted((MIDDLE,), "gap"))
    assert look(quoting) == ""


def test_quotes_whose_cancel_the_exchange_has_just_refused_are_attended(quoting: Bench) -> None:
    _service("exchange", ShutGate(Gate.EXCHANGE_PAUSED))(quoting.engine.state)
    for order in quoting.engine.state.orders:
        order.cancel_after = quoting.now
    assert look(quoting) == ""


def test_adopted_quotes_that_are_spared_for_a_moment_are_attended(quoting: Bench) -> None:
    _no_belief(quoting.engine.state)
    for order in quoting.engine.state.orders:
        order.spared_until = quoting.now + 1
    assert look(quoting) == ""


def test_quotes_in_a_market_that_has_closed_stand_no_more(quoting: Bench) -> None:
    _no_book(quoting.engine.state)
    for order in quoting.engine.state.orders:
        order.expires = CLOSES + 60_000
    quoting.now = CLOSES - 1
    assert look(quoting) != ""
    quoting.now = CLOSES
    assert look(quoting) == ""


def test_quotes_that_have_expired_stand_no_more(quoting: Bench) -> None:
    _service("halted", True)(quoting.engine.state)
    quoting.now = max(order.expires for order in quoting.engine.state.orders) + 10_000
    assert look(quoting) == ""


@pytest.mark.parametrize("name", ["halted", "streaming", "reconciled", "exchange", "lagging"])
def test_nothing_is_unattended_where_no_quote_stands(name: str) -> None:
    bench = Bench()
    bench.start()
    _service(name, ShutGate(Gate.EXCHANGE_PAUSED) if name == "exchange" else name != "streaming")(
        bench.engine.state
    )
    assert look(bench, None) == ""


# The looks


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    heard = Listener(str(tmp_path / "notify"))
    yield heard
    heard.close()


@pytest.fixture
def watchdog(listener: Listener) -> Watchdog:
    return Watchdog(ServiceManager({"NOTIFY_SOCKET": listener.address}))


def test_before_it_is_ready_it_says_what_it_waits_for_and_asks_for_time(
    watchdog: Watchdog, listener: Listener
) -> None:
    watchdog.waits_for("there is no exchange")
    extension = f"EXTEND_TIMEOUT_USEC={round(START_EXTENSION_SECONDS * 1e6)}"
    assert listener.heard() == ["STATUS=waits: there is no exchange", extension, "WATCHDOG=1"]


def test_it_is_ready_once_and_stays_it(watchdog: Watchdog, listener: Listener) -> None:
    watchdog.examine(lambda: Condition("quotes 3 markets", ready=True))
    assert listener.heard() == ["STATUS=quotes 3 markets", "READY=1", "WATCHDOG=1"]
    watchdog.examine(lambda: Condition("quotes nothing: the exchange's stream is not up"))
    assert listener.heard()[1:] == ["WATCHDOG=1"]


def test_unattended_quotes_do_not_feed_it(watchdog: Watchdog, listener: Listener) -> None:
    watchdog.examine(lambda: Condition("quotes", ready=True, unattended="2 quotes stand"))
    assert "WATCHDOG=1" not in listener.heard()


def test_a_loop_that_hangs_does_not_feed_it_until_it_is_in_time_again(
    watchdog: Watchdog, listener: Listener
) -> None:
    watchdog.examine(lambda: Condition("quotes", ready=True))
    listener.heard()
    watchdog.look(MOST_LATE_SECONDS + 0.1)
    assert listener.heard() == []
    watchdog.look(0.1)
    assert listener.heard() == ["WATCHDOG=1"]


def test_a_reload_before_it_is_ready_does_not_make_it_so(
    watchdog: Watchdog, listener: Listener
) -> None:
    with watchdog.reloading():
        pass
    assert listener.heard() == []
    watchdog.examine(lambda: Condition("quotes", ready=True))
    listener.heard()
    with watchdog.reloading():
        assert listener.heard()[0].startswith("RELOADING=1\n")
    assert listener.heard() == ["READY=1"]


def test_once_it_stops_it_says_nothing_else(watchdog: Watchdog, listener: Listener) -> None:
    watchdog.stops()
    watchdog.waits_for("there is no exchange")
    assert listener.heard()[:2] == ["STOPPING=1", "STATUS=stopping: cancelling every order"]
    watchdog.look()
    assert not any("exchange" in message for message in listener.heard())


async def test_it_looks_some_times_within_what_systemd_allows(listener: Listener) -> None:
    slept: list[float] = []

    class Enough(Exception):
        pass

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 3:
            raise Enough

    told = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "8000000"}
    watchdog = Watchdog(ServiceManager(told), clock=lambda: sum(slept), sleep=sleep)
    watchdog.examine(lambda: Condition("quotes", ready=True))
    with pytest.raises(Enough):
        await watchdog.run()
    assert slept == [2.0] * 4
    assert watchdog.lag_seconds == 0.0
