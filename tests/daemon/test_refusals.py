"""A venue row that is missing or cannot be read keeps the daemon from starting, and is named.

A proxy on loopback stands between the daemon and the simulated exchange and spoils one answer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

START_SECONDS = 60

Spoil = Callable[[dict[str, Any]], dict[str, Any]]


async def proxy(origin: str, path: str, spoil: Spoil) -> tuple[web.AppRunner, str]:
    """Pass everything on to `origin`, and spoil what `path` answers."""

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        url = origin + request.raw_path
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, headers=request.headers, data=body) as answer,
        ):
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
    return runner, f"http://{host}:{port}"


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


@pytest.mark.parametrize(
    ("path", "spoil", "named"),
    [
        ("events", without_a_field("price_ranges", "events", "markets"), "price_ranges"),
        ("events", without_a_field("close_time", "events", "markets"), "close_time"),
        ("portfolio/orders", with_row("orders", {"order_id": "o-1"}), "ticker"),
        ("portfolio/fills", with_row("fills", {"trade_id": "t-1"}), "order_id"),
        ("portfolio/positions", with_row("market_positions", {"ticker": "X"}), "position_fp"),
        ("portfolio/balance", without_a_field("balance"), "balance"),
        ("series/KXTSAW", lambda _: {"series": {}}, "fee_type"),
    ],
)
async def test_a_row_that_cannot_be_read_is_named_and_nothing_is_traded(
    start_exchange: Callable[..., Any],
    quick_config: str,
    tmp_path: Path,
    path: str,
    spoil: Spoil,
    named: str,
) -> None:
    exchange = start_exchange("--quiet-crowd")
    origin = exchange.venue["rest_url"].removesuffix("/trade-api/v2")
    runner, url = await proxy(origin, f"/trade-api/v2/{path}", spoil)
    venue = exchange.changed_venue("spoilt.json", rest_url=f"{url}/trade-api/v2")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mmbot", "run", "--config", quick_config, "--venue", str(venue)),
        stderr=asyncio.subprocess.PIPE,
        env={"STATE_DIRECTORY": str(tmp_path / "state")},
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            _, log = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        await runner.cleanup()
    assert child.returncode == 3, log
    assert named.encode() in log
    assert b"order.place" not in log
