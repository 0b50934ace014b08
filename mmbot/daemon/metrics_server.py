"""Serves the metrics over HTTP on loopback, on the daemon's own loop.

An address that cannot be had costs the metrics, never the quotes: it is tried again every while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from mmbot.config import MetricsSettings

PATH = "/metrics"
_RETRY_SECONDS = 30.0
_CLOSE_SECONDS = 1.0


@asynccontextmanager
async def serving(settings: MetricsSettings, page: Callable[[], bytes]) -> AsyncIterator[None]:
    """Serve for as long as the context lasts, if the settings name a port.

    Args:
        settings: Where.
        page: Returns all metrics in Prometheus' text format.
    """
    if not settings.port:
        yield
        return
    task = asyncio.create_task(_serve(settings, page))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _serve(settings: MetricsSettings, page: Callable[[], bytes]) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get(PATH, answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    log = structlog.get_logger()
    try:
        failed = False
        while True:
            try:
                await web.TCPSite(runner, settings.address, settings.port).start()
                break
            except OSError as error:
                if not failed:
                    log.warning("metrics.unavailable", port=settings.port, reason=error.strerror)
                failed = True
            await asyncio.sleep(_RETRY_SECONDS)
        log.info("metrics.served", url=f"http://{settings.address}:{settings.port}{PATH}")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
