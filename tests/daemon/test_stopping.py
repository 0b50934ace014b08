"""However and whenever it is told to stop, the daemon ends in time, with a code that is true."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmbot.daemon.process import STOP_SECONDS
from mmbot.daemon.signals import GRACE_SECONDS
from tests.daemon.outage import front
from tests.daemon.processes import PATIENCE_SECONDS, Account, Session, Start, session

PROMISE_SECONDS = STOP_SECONDS + GRACE_SECONDS
MOST_LOOKS = 1_000
BASE = "/trade-api/v2"


def origin_of(exchange: Any) -> str:
    origin: str = exchange.venue["rest_url"].removesuffix(BASE)
    return origin


async def until_quoting(account: Account) -> None:
    for _ in range(MOST_LOOKS):
        if await asyncio.to_thread(lambda: account.resting):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it does not quote")


@asynccontextmanager
async def quoting_before_silence(
    start_exchange: Start, config: str, directory: Path
) -> AsyncIterator[Session]:
    """Run a daemon until it quotes, then have REST accept everything and answer nothing."""
    exchange = start_exchange("--seed", "3", "--speed", "1")
    async with asyncio.timeout(PATIENCE_SECONDS), front(origin_of(exchange)) as rest:
        venue = exchange.changed_venue("front.json", rest_url=rest.url + BASE)
        async with session(config, venue, directory / "state") as daemon:
            await until_quoting(Account(exchange.venue))
            rest.fail(None)
            yield daemon


async def test_it_ends_within_its_promise_though_rest_has_gone_silent(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    async with quoting_before_silence(start_exchange, quick_config, tmp_path) as daemon:
        daemon.process.terminate()
        started = time.monotonic()
        assert await daemon.ended() == 4
        seconds = time.monotonic() - started
        print(f"{seconds:.1f} s from SIGTERM to the end")
    assert seconds < PROMISE_SECONDS


async def test_a_second_signal_ends_it_at_once(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    async with quoting_before_silence(start_exchange, quick_config, tmp_path) as daemon:
        daemon.process.terminate()
        await daemon.until("stop.asked")
        daemon.process.send_signal(signal.SIGINT)
        started = time.monotonic()
        assert await daemon.ended() == 4
        seconds = time.monotonic() - started
        print(f"{seconds:.1f} s from the second signal to the end")
    # A slow machine has some seconds; without the second signal it takes the whole promise.
    assert seconds < PROMISE_SECONDS / 2


async def test_signals_that_ask_for_no_stop_stop_nothing(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    account = Account(exchange.venue)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        session(quick_config, exchange.venue_file, tmp_path / "state") as daemon,
    ):
        await until_quoting(account)
        for name in ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE", "SIGHUP"):
            daemon.process.send_signal(signal.Signals[name])
        await daemon.until("config.reloaded")
        assert account.resting
        daemon.process.send_signal(signal.SIGQUIT)
        assert await daemon.ended() == 0
    assert account.resting == set()


def blocks_sigterm(pid: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigBlk:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
async def test_a_stop_before_anything_is_there_counts(
    start_exchange: Start, quick_config: str, tmp_path: Path, name: str
) -> None:
    exchange = start_exchange("--quiet-crowd")
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        # A whole start, from the interpreter on.
        session(
            quick_config, exchange.venue_file, tmp_path / "state", python=sys.executable
        ) as daemon,
    ):
        for _ in range(MOST_LOOKS):
            if blocks_sigterm(daemon.process.pid):
                break
            await asyncio.sleep(0.005)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.process.send_signal(signal.Signals[name])
        assert await daemon.ended() == 0
    assert "order.place" not in daemon.names


async def test_orders_that_the_bot_cannot_know_are_cancelled_at_its_end(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")
    account = Account(exchange.venue)
    event = account.call("GET", "/events?series_ticker=KXTSAW&with_nested_markets=true")["events"][
        0
    ]
    order = {
        "ticker": event["markets"][0]["ticker"],
        "side": "bid",
        "count": "1.00",
        "price": "0.0100",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "client_order_id": "mmbot-0-1",
        "post_only": True,
    }
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        front(exchange.venue["counts_url"]) as site,
    ):
        # Without counts the bot does not begin, so that it has read no list of orders.
        site.fail(None)
        venue = exchange.changed_venue("no-counts.json", counts_url=site.url)
        async with session(quick_config, venue, tmp_path / "state") as daemon:
            await daemon.until("check")
            account.call("POST", "/portfolio/events/orders", order)
            assert account.resting
            daemon.process.terminate()
            assert await daemon.ended() == 0
    assert account.resting == set()
