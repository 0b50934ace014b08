"""What the daemon finds out about the venue before it trades, and when it does not start.

A proxy on loopback stands between the daemon and the simulated exchange and changes one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tests.daemon.processes import PATIENCE_SECONDS, Session, session

START_SECONDS = PATIENCE_SECONDS

Spoil = Callable[[dict[str, Any]], dict[str, Any]]
Start = Callable[..., Any]


@asynccontextmanager
async def proxy(
    exchange: Any, path: str, spoil: Spoil, refusals: Iterator[int]
) -> AsyncIterator[Path]:
    """Pass everything on; refuse `path` with each status of `refusals`, then spoil its answer."""
    origin = exchange.venue["rest_url"].removesuffix("/trade-api/v2")
    path = f"/trade-api/v2/{path}"

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        if request.path == path and (refusal := next(refusals, None)):
            return web.Response(status=refusal)
        async with client.request(
            request.method, origin + request.raw_path, headers=request.headers, data=body
        ) as answer:
            content = await answer.read()
            if request.path == path and answer.status == 200:
                content = orjson.dumps(spoil(orjson.loads(content)))
            headers = {"Date": answer.headers["Date"]}
            return web.Response(status=answer.status, body=content, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}/trade-api/v2"
    try:
        async with aiohttp.ClientSession() as client, asyncio.timeout(START_SECONDS):
            yield exchange.changed_venue(f"venue-{port}.json", rest_url=url)
    finally:
        await runner.cleanup()


def unspoilt(answer: dict[str, Any]) -> dict[str, Any]:
    return answer


def without_a_field(field: str, *path: str) -> Spoil:
    """Return what takes a field out of the first row found along `path`."""

    def spoil(answer: dict[str, Any]) -> dict[str, Any]:
        row: Any = answer
        for step in path:
            row = row[step][0]
        del row[field]
        return answer

    return spoil


def with_row(name: str, row: dict[str, Any]) -> Spoil:
    return lambda answer: answer | {name: [*answer[name], row]}


async def assert_refused(process: Session) -> None:
    assert await process.ended() == 3
    assert "order.place" not in process.names


SPOILT: dict[str, tuple[str, Spoil]] = {
    "balance": ("portfolio/balance", without_a_field("balance")),
    "fee_type": ("series/KXTSAW", lambda _: {"series": {}}),
}


# What cannot be read and costs only itself, or is not ours and costs nothing.
ODD: dict[str, Spoil] = {
    "events": without_a_field("price_ranges", "events", "markets"),
    "portfolio/orders": with_row("orders", {"order_id": "o-1"}),
    "portfolio/fills": with_row("fills", {"trade_id": "t-1"}),
    "portfolio/positions": with_row("market_positions", {"ticker": "X"}),
}


async def test_a_row_that_costs_only_itself_keeps_no_daemon_from_quoting(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange()

    async def quote_with(path: str) -> int:
        async with (
            proxy(exchange, path, ODD[path], iter(())) as venue,
            session(quick_config, venue, tmp_path / path) as daemon,
        ):
            await daemon.until("order.place")
            daemon.process.terminate()
            return await daemon.ended()

    # One after another, as they trade on one account.
    assert [await quote_with(path) for path in ODD] == [0] * len(ODD)


async def test_a_row_that_cannot_be_read_is_named_and_nothing_is_traded(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")

    async def start_with(named: str) -> str:
        path, spoil = SPOILT[named]
        async with (
            proxy(exchange, path, spoil, iter(())) as venue,
            session(quick_config, venue, tmp_path / named) as daemon,
        ):
            await assert_refused(daemon)
        return daemon.last_words

    # Side by side, as each of them waits for a while before it gives up.
    last_words = await asyncio.gather(*map(start_with, SPOILT))
    unnamed = [words for named, words in zip(SPOILT, last_words, strict=True) if named not in words]
    assert unnamed == []


async def test_too_little_money_is_found_though_the_balance_is_refused_at_first(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd", "--balance", "499.99")
    async with (
        proxy(exchange, "portfolio/balance", unspoilt, repeat(429, 2)) as venue,
        session(quick_config, venue, tmp_path / "state") as daemon,
    ):
        await assert_refused(daemon)
    assert daemon.names.count("check.unknown") == 1
    assert daemon.last_words.startswith("mmbot: not ready to trade: balance: $499.99 on shard 0")


async def test_the_daemon_starts_once_the_balance_is_answered(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")
    async with (
        proxy(exchange, "portfolio/balance", unspoilt, repeat(429, 1)) as venue,
        session(quick_config, venue, tmp_path / "state") as daemon,
    ):
        await daemon.until("event.listed")
        daemon.process.terminate()
        assert await daemon.ended() == 0
    assert daemon.names.count("check.unknown") == 1


async def test_sigterm_ends_a_start_that_waits_for_a_check(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd")
    async with (
        proxy(exchange, "portfolio/balance", unspoilt, repeat(429)) as venue,
        session(quick_config, venue, tmp_path / "state") as daemon,
    ):
        await daemon.until("check.unknown")
        daemon.process.terminate()
        assert await daemon.ended() == 0
    assert "order.place" not in daemon.names
