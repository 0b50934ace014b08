"""A front on loopback between the daemon and an exchange or a site, which can fail in many ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web


class Front:
    """Passes everything on, until it is told otherwise."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.url = ""
        # What is answered instead; `None` never answers.
        self.failing: Callable[[], web.Response] | None = None
        self.is_whole = True
        self.requests = 0
        self._client: aiohttp.ClientSession | None = None

    def fail(self, answer: Callable[[], web.Response] | None) -> None:
        """Answer so from now on; not at all with `None`."""
        self.failing, self.is_whole = answer, False

    def heal(self) -> None:
        self.is_whole = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        body = await request.read()
        if not self.is_whole:
            if self.failing is None:
                await asyncio.Event().wait()
                raise AssertionError
            return self.failing()
        assert self._client is not None
        headers = {k: v for k, v in request.headers.items() if k != "Host"}
        url = self.origin + request.raw_path
        async with self._client.request(request.method, url, headers=headers, data=body) as answer:
            content = await answer.read()
            kept = ("Date", "ETag", "Last-Modified")
            passed = {name: answer.headers[name] for name in kept if name in answer.headers}
            return web.Response(status=answer.status, body=content, headers=passed)


@asynccontextmanager
async def front(origin: str) -> AsyncIterator[Front]:
    """Stand in front of an origin, its base path included in what is asked for."""
    standing = Front(origin)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", standing.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    standing.url = f"http://{host}:{port}"
    try:
        async with aiohttp.ClientSession() as client:
            standing._client = client
            yield standing
    finally:
        await runner.cleanup()
