"""A daemon killed and restarted in a market that stands still: everything is as it was."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.audit import ledger_json
from mmbot.exchange.crowd import Crowd, Pace
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.key_text import pem_of
from mmbot.exchange.server import Server, now_ms
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, Money
from tests.daemon.processes import session, worst_case

WEEK = Week.from_event_ticker("KXTSAW-26APR19")
TUESDAY_NOON = dt.datetime.combine(WEEK.days[1], dt.time(12), EASTERN)
SPEED = 100.0
SEED = 3
# Many takers, so that the first fill comes soon.
PACE = Pace(takers=200.0)
NEVER = 1 << 62
PATIENCE_SECONDS = 150.0
ATTEMPTS = 2
LOOK_SECONDS = 0.25
# Quotes that have stood so many looks are where they will stay.
STILL_LOOKS, MOST_LOOKS = 20, 240


@asynccontextmanager
async def running_exchange(directory: Path) -> AsyncIterator[tuple[SimulatedExchange, Path]]:
    """Serve an exchange out of this process, so that its crowd can be sent home."""
    key = Ed25519PrivateKey.generate()
    key_file = directory / "key.pem"
    key_file.touch(mode=0o600)
    key_file.write_bytes(pem_of(key))
    clock = CalendarClock(now_ms(), to_milliseconds(TUESDAY_NOON), SPEED)
    site = assemble(
        settings=SimulatedExchangeSettings(tier="advanced"),
        clock=clock,
        week=WEEK,
        published=synthetic_counts(WEEK, SEED),
        public_key=key.public_key(),
        balance=Money(10_000 * MONEY_PER_DOLLAR),
        seed=SEED,
        pace=PACE,
    )
    server = Server(site)
    await server.start()
    venue = {
        "rest_url": server.rest_url,
        "ws_url": server.ws_url,
        "counts_url": server.counts_url,
        "key_id": site.key_id,
        "private_key_path": str(key_file),
        "clock": {"wall": clock.wall, "calendar": clock.calendar, "speed": clock.speed},
    }
    venue_file = directory / "venue.json"
    venue_file.write_bytes(orjson.dumps(venue))
    try:
        yield site, venue_file
    finally:
        await server.stop()


async def send_crowd_home(site: SimulatedExchange) -> None:
    """Have every maker quote every market once more, and nobody trade from then on."""
    crowd = site.venue.participants
    assert isinstance(crowd, Crowd)
    gone = asyncio.Event()

    def quote_and_go(now: int) -> None:
        crowd._first_quotes(now)
        crowd._actions = [(NEVER, 0, quote_and_go)]
        gone.set()

    crowd._plan(0.0, now_ms(), quote_and_go)
    await gone.wait()


def standing(site: SimulatedExchange) -> dict[str, tuple[object, ...]]:
    """Return each resting order with its price, its size and what is ahead of it in the queue."""
    engine = site.venue.exchange.engine
    orders = engine.resting(site.venue.account(site.user_id))
    return {
        order.order_id: (order.ticker, order.side, order.price, order.remaining, ahead)
        for order in orders
        for ahead in (engine.queue_ahead(order),)
    }


async def until_still(site: SimulatedExchange) -> dict[str, tuple[object, ...]] | None:
    """Return the quotes once they have stood for a while; None if they moved or there were none."""
    looks = 0
    before: dict[str, tuple[object, ...]] = {}
    for _ in range(MOST_LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        now = standing(site)
        looks = looks + 1 if now and now == before else 0
        before = now
        if looks == STILL_LOOKS:
            return before
    return None


async def restarted(config: str, directory: Path) -> bool:
    """Bring a market to a standstill, restart the daemon in it, and compare.

    Return whether the market came to a standstill before the restart.
    """
    async with running_exchange(directory) as (site, venue_file):
        async with session(config, venue_file, directory / "state") as running:
            await running.until("fill")
            await send_crowd_home(site)
            before = await until_still(site)
        if before is None:
            return False
        worst_before = worst_case(ledger_json(site.venue, site.user_id, now_ms()))

        started = time.monotonic()
        async with session(config, venue_file, directory / "state") as running:
            await running.until("quotes.open")
            print(f"quotes open {time.monotonic() - started:.2f} s after the start")
            after = await until_still(site)
        ledger = ledger_json(site.venue, site.user_id, now_ms())
    assert any(position["position"] != "0.00" for position in ledger["positions"])
    assert after == before
    assert worst_case(ledger) == worst_before < 0
    assert running.names.count("order.adopted") == len(before)
    return True


async def test_every_order_keeps_its_place_and_the_worst_case_is_the_same(
    quick_config: str, tmp_path: Path
) -> None:
    # Where the market does not come to a standstill there is nothing to compare: another is tried.
    for attempt in range(ATTEMPTS):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        async with asyncio.timeout(PATIENCE_SECONDS):
            if await restarted(quick_config, directory):
                return
    pytest.skip(
        f"no market of {ATTEMPTS} came to a standstill, so that there is nothing to compare"
    )
