"""The metrics over HTTP on loopback, on the daemon's own loop."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from mmbot.config import MetricsSettings

PATH = "/metrics"


class MetricsPage:
    """The page that Prometheus reads."""

    def __init__(self, settings: MetricsSettings, page: Callable[[], bytes]) -> None:
        """Serve nothing yet.

        Args:
            settings: Where to serve it.
            page: Returns all metrics in Prometheus' text format.
        """
        self.address, self.port = settings.address, settings.port
        self._page = page
        self._log = structlog.get_logger()

    def add_to(self, app: web.Application) -> None:
        """Add the page."""
        app.router.add_get(PATH, self._answer)

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def served(self, url: str) -> None:
        """Log its address."""
        if url:
            self._log.info("metrics.served", url=url + PATH)

    def unavailable(self, reason: str) -> None:
        """Log why it is not served."""
        self._log.warning("metrics.unavailable", port=self.port, reason=reason)
