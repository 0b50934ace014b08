"""Moving bytes over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from mmbot.daemon import http_connection, transport
from mmbot.kalshi.http import HttpRequest

# More than fits into the buffers between two sockets, so that it comes in many pieces.
LONG = bytes(range(256)) * 8192


async def answer_at_length(_request: web.Request) -> web.Response:
    return web.Response(body=LONG)


@pytest.fixture
async def rest() -> AsyncIterator[transport.RestClient]:
    app = web.Application()
    app.router.add_get("/long", answer_at_length)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with transport.RestClient(f"http://{host}:{port}", 10) as rest:
        yield rest
    await runner.cleanup()


async def test_an_answer_is_read_to_its_end_in_however_many_pieces_it_comes(
    rest: transport.RestClient,
) -> None:
    assert (await rest.call(HttpRequest("GET", "/long"))).body == LONG


async def test_an_answer_longer_than_any_that_makes_sense_is_none(
    rest: transport.RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "MOST_BODY_BYTES", len(LONG) - 1)
    with pytest.raises(ConnectionError, match="more than"):
        await rest.call(HttpRequest("GET", "/long"))
    assert await rest.try_call(HttpRequest("GET", "/long")) is None
