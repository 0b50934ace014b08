"""A proxy on loopback between a command and the exchange, whose answers can be others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest

# What goes to the command in place of an answer; what it would have been is asked for if wanted.
Rewrite = Callable[[HttpRequest, HttpAnswer], HttpAnswer]


class FaultyRest:
    """Passes every request on, and gives back what `rewrite` makes of the answer."""

    def __init__(self) -> None:
        self.rest_url = ""
        self.rewrite: Rewrite = lambda _, answer: answer
        # The most rows of a page, if it is to have fewer than are asked for.
        self.rows_a_page = ""

    async def handle(self, request: web.Request, origin: str) -> web.Response:
        """Answer one request."""
        plain = HttpRequest(request.method, request.path, tuple(request.query.items()))
        query = [(k, v) for k, v in plain.query if k != "limit" or not self.rows_a_page]
        if self.rows_a_page and len(query) < len(plain.query):
            query.append(("limit", self.rows_a_page))
        headers = {k: v for k, v in request.headers.items() if k.startswith("KALSHI")}
        async with (
            aiohttp.ClientSession() as session,
            session.get(origin + request.path, params=query, headers=headers) as answer,
        ):
            found = self.rewrite(plain, HttpAnswer(answer.status, await answer.read()))
        return web.Response(status=found.status, body=found.body, headers=dict(found.headers))


@asynccontextmanager
async def faulty_rest(rest_url: str) -> AsyncIterator[FaultyRest]:
    """Run a proxy before an exchange."""
    proxy = FaultyRest()
    origin = rest_url.removesuffix(BASE_PATH)

    async def handle(request: web.Request) -> web.Response:
        return await proxy.handle(request, origin)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy.rest_url = f"http://127.0.0.1:{runner.addresses[0][1]}{BASE_PATH}"
    yield proxy
    await runner.cleanup()
