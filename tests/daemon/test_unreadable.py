"""A real daemon on a real exchange that says much that is not ours or cannot be read."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.crowd import Pace
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.key_text import pem_of
from mmbot.exchange.market_actions import cancel_resting, determine, settle
from mmbot.exchange.server import Server, now_ms
from mmbot.trading.values import CLIENT_ID_PREFIX
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, Money, Price
from tests.daemon.processes import PATIENCE_SECONDS, Session, session

WEEK = Week(dt.date(2026, 4, 19))
NOON = dt.datetime.combine(WEEK.days[1], dt.time(12), EASTERN)
# So close that several of them are worth quoting.
STRIKES = tuple(range(2_540_000, 2_620_000, 10_000))
# Nothing of these is ours: another series, or another client.
FOREIGN: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("fill", "fill", {"trade_id": "f-1", "market_ticker": "KXHIGHNY-1", "book_side": None}),
    ("fill", "fill", {"trade_id": 7, "market_ticker": None, "yes_price_dollars": "0.004550"}),
    ("user_orders", "user_order", {"order_id": "x-1", "client_order_id": "app-1", "status": 3}),
    ("user_orders", "user_order", {"order_id": "x-2", "yes_price_dollars": "0.004550"}),
)


@asynccontextmanager
async def served(
    directory: Path, at: dt.datetime = NOON, speed: float = 1.0
) -> AsyncIterator[tuple[SimulatedExchange, Path]]:
    """Serve an exchange with a crowd; yield also the path of its venue file."""
    key = Ed25519PrivateKey.generate()
    clock = CalendarClock(now_ms(), to_milliseconds(at), speed)
    site = assemble(
        settings=SimulatedExchangeSettings(strikes=STRIKES),
        clock=clock,
        week=WEEK,
        published=synthetic_counts(WEEK, 3),
        public_key=key.public_key(),
        balance=Money(10_000 * MONEY_PER_DOLLAR),
        seed=3,
        pace=Pace(),
    )
    server = Server(site)
    await server.start()
    key_file = directory / "key.pem"
    key_file.write_bytes(pem_of(key))
    key_file.chmod(0o600)
    venue = directory / "venue.json"
    venue.write_bytes(
        orjson.dumps(
            {
                "rest_url": server.rest_url,
                "ws_url": server.ws_url,
                "key_id": site.key_id,
                "private_key_path": str(key_file),
                "events": list(site.venue.exchange.events),
                "counts_url": server.counts_url,
                "ledger_url": server.ledger_url,
                "clock": {"wall": clock.wall, "calendar": clock.calendar, "speed": clock.speed},
            }
        )
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield site, venue
    finally:
        await server.stop()


def resting(site: SimulatedExchange) -> dict[str, int]:
    """Return how many orders of the bot rest in each market, by the exchange's own book."""
    counts: dict[str, int] = {}
    for order in site.venue.exchange.engine.orders.values():
        if order.status == "resting" and order.client_order_id.startswith(CLIENT_ID_PREFIX):
            counts[order.ticker] = counts.get(order.ticker, 0) + 1
    return counts


async def until(daemon: Session, true: Callable[[], bool]) -> None:
    """Wait until something is true, while the daemon lives; the surrounding timeout bounds it."""
    while not true():
        assert daemon.process.returncode is None, daemon.log[-3:]
        await asyncio.sleep(0.05)


def blocked(daemon: Session, since: int) -> dict[str, str]:
    lines = (line for line in daemon.log[since:] if line["event"] == "quotes.blocked")
    return {
        market: line["reason"]
        for line in lines
        for market in line.get("tickers") or [line["market"]]
    }


async def test_what_is_not_ours_or_cannot_be_read_costs_only_itself(
    quick_config: str, tmp_path: Path
) -> None:
    async with (
        served(tmp_path) as (site, venue_file),
        session(quick_config, venue_file, tmp_path / "state") as daemon,
    ):
        await until(daemon, lambda: len(resting(site)) >= 3)
        odd_market, fraction, *_ = resting(site)
        venue, since = site.venue, len(daemon.log)
        odd = venue.exchange.oddities
        for channel, kind, row in FOREIGN:
            venue.send_row(site.user_id, channel, kind, row, now_ms())
            odd.orders.append(row)
            odd.positions.append(row)
        odd.events.append({"event_ticker": f"{venue.exchange.settings.series}-NOT-A-DAY"})
        venue.change_row(odd_market, {"strike_type": "between"}, now_ms())
        market = venue.exchange.market(fraction)
        market.scalar_value = Price(3_800)
        cancel_resting(venue.exchange.engine, market, now_ms(), "CloseCancel")
        determine(venue.exchange.engine, market, "scalar", "", now_ms())
        settle(venue.exchange.engine, market, now_ms())
        venue.publish(now_ms())
        await until(daemon, lambda: {odd_market, fraction} <= blocked(daemon, since).keys())
        await daemon.until("market.settled")
        await until(daemon, lambda: odd_market not in resting(site))
        (settled,) = (line for line in daemon.log if line["event"] == "market.settled")
        assert (settled["market"], settled["value"]) == (fraction, "0.3800")
        assert blocked(daemon, since) == {
            odd_market: f"unreadable: market {odd_market} is not of the kind "
            "'above a whole number'",
            fraction: "settled",
        }
        assert "stream.given_up" not in daemon.names
        assert set(resting(site)) - {odd_market, fraction}
        daemon.process.terminate()
        assert await daemon.ended() == 0
        assert resting(site) == {}
        # A start among all of this is no different.
        async with session(quick_config, venue_file, tmp_path / "state") as second:
            await until(second, lambda: bool(set(resting(site)) - {odd_market}))
            assert odd_market not in resting(site)
            second.process.terminate()
            assert await second.ended() == 0


async def test_an_unknown_status_has_the_order_queried_and_never_replaced(
    quick_config: str, tmp_path: Path
) -> None:
    async with (
        served(tmp_path) as (site, venue_file),
        session(quick_config, venue_file, tmp_path / "state") as daemon,
    ):
        await until(daemon, lambda: len(resting(site)) >= 3)
        for _ in range(5):
            for order in list(site.venue.exchange.engine.orders.values()):
                if not order.client_order_id.startswith(CLIENT_ID_PREFIX):
                    continue
                row = {
                    "order_id": order.order_id,
                    "ticker": order.ticker,
                    "client_order_id": order.client_order_id,
                    "status": "Pending",
                    "book_side": order.side,
                    "yes_price_dollars": "0.2200",
                    "remaining_count_fp": "10.00",
                    "fill_count_fp": "0.00",
                }
                site.venue.send_row(site.user_id, "user_orders", "user_order", row, now_ms())
            await asyncio.sleep(1)
            sides = [
                (order.ticker, order.side)
                for order in site.venue.exchange.engine.orders.values()
                if order.status == "resting" and order.client_order_id.startswith(CLIENT_ID_PREFIX)
            ]
            assert len(sides) == len(set(sides))
        assert "order.place" in daemon.names
        daemon.process.terminate()
        assert await daemon.ended() == 0
        assert resting(site) == {}
