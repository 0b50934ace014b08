"""A week in which the daemon is killed again and again: nothing is lost, no order outlives it.

`MMBOT_KILLS` asks for more kills in a longer week than the twenty of CI, `MMBOT_SEED` for others.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import orjson
import pytest

from mmbot.demo.play import DemoWeek, compare
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.units import parse_money
from tests.daemon.processes import Start, session, worst_case

KILLS = int(os.environ.get("MMBOT_KILLS", "20"))
SEED = int(os.environ.get("MMBOT_SEED", "1"))
# Calendar seconds a wall second: the week takes about as long as so many sessions.
SPEED = 12_000 * 20 / KILLS
# What a session has logged when it is killed, up to so many seconds later.
MILESTONES = ("", "starting", "quotes.open", "order.place", "order.place")
LONGEST_DELAY_SECONDS = 1.5
WEEK = Week.from_event_ticker("KXTSAW-26APR19")
LIFETIME_SECONDS = 5
EVENT_LOSS = 60
SAMPLE_SECONDS = 0.1
LONGEST_SECONDS = 60.0 + 12.0 * KILLS

CHANGES = {
    "lifetime_seconds = 60": f"lifetime_seconds = {LIFETIME_SECONDS}",
    "answer_timeout_seconds = 5.0": "answer_timeout_seconds = 2.0",
    "event_loss_dollars = 500.0": f"event_loss_dollars = {EVENT_LOSS}.0",
}


class Watch:
    """Checks the exchange's own ledger ten times a second."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.samples = 0
        self.orders_seen: set[str] = set()
        self.worst = 0
        self.violations: list[str] = []
        self.latest: dict[str, Any] = {}

    async def run(self) -> None:
        async with aiohttp.ClientSession() as client:
            while True:
                await self.look(client)
                await asyncio.sleep(SAMPLE_SECONDS)

    async def look(self, client: aiohttp.ClientSession) -> None:
        async with client.get(self._url) as answer:
            self.latest = ledger = orjson.loads(await answer.read())
        self.samples += 1
        self.orders_seen |= {order["order_id"] for order in ledger["orders"]}
        self.worst = min(self.worst, worst_case(ledger))
        if self.worst < -parse_money(str(EVENT_LOSS)):
            self.violations.append(f"worst case {self.worst} at {ledger['ts_ms']}")
        for order in ledger["orders"]:
            left = (order["expires_ms"] or 0) - ledger["ts_ms"]
            # Expiries are whole seconds.
            if not 0 < left <= (LIFETIME_SECONDS + 1) * 1000:
                self.violations.append(f"{order['client_order_id']} has {left} ms to live")


@pytest.fixture
def short_lived_config(quick_config: str) -> Path:
    """Return settings under which orders expire soon and the loss limit matters."""
    config = Path(quick_config)
    text = config.read_text()
    for before, after in CHANGES.items():
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    return config


async def test_a_week_of_kills_loses_nothing_and_leaves_nothing(
    start_exchange: Start, short_lived_config: Path, tmp_path: Path
) -> None:
    options = ("--seed", str(SEED), "--speed", str(SPEED), "--week", str(WEEK.sunday))
    exchange = start_exchange(*options, "--at", f"{WEEK.monday}T02:00")
    watch = Watch(exchange.venue["ledger_url"])
    start = partial(session, short_lived_config, exchange.venue_file, tmp_path / "state")
    clock = msgspec.convert(exchange.venue["clock"], CalendarClock)
    closes = clock.wall_time(WEEK.closes) / 1000
    rng = random.Random(SEED)
    orphaned = 0

    async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch.run())
        for number in range(KILLS):
            milestone, delay = rng.choice(MILESTONES), rng.uniform(0.0, LONGEST_DELAY_SECONDS)
            async with start() as running:
                # However slow the machine is; once the event has closed there are no quotes.
                with suppress(TimeoutError):
                    await asyncio.wait_for(running.until(milestone), max(0.0, closes - time.time()))
                await asyncio.sleep(delay)
                running.process.kill()
            orphaned += bool(watch.latest["orders"])
            if number == KILLS // 2:
                # No session renews them.
                await asyncio.sleep(LIFETIME_SECONDS + 2)
                assert watch.latest["orders"] == []
        async with start() as running:
            await running.until("event.settled")
            running.process.terminate()
            assert await running.process.wait() == 0
        watching.cancel()

    assert watch.violations == []
    async with aiohttp.ClientSession() as client:
        await watch.look(client)
    played = DemoWeek(WEEK, SEED, short_lived_config)
    result = compare(played, tmp_path / "state", len(watch.orders_seen), watch.latest)
    print(f"{result} {orphaned=} samples={watch.samples} worst={watch.worst}")
    assert result.differences == []
    assert result.fills > 0
    assert orphaned > 0
