"""The web pages of one session, served at the addresses in the settings.

A change of `[dashboard]` or `[metrics]` closes all pages and opens them again, independently of
trading. Each opening of the dashboard makes a new token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mmbot.config import DashboardSettings, Settings
from mmbot.daemon.dashboard import Dashboard
from mmbot.daemon.metrics_page import MetricsPage
from mmbot.daemon.web_server import Page, serving
from mmbot.daemon_api import DashboardReport


class WebPages:
    """Serves dashboard and metrics for as long as `run` runs."""

    def __init__(
        self,
        settings: Settings,
        make_dashboard: Callable[[DashboardSettings], Dashboard],
        metrics: Callable[[], bytes],
    ) -> None:
        """Serve nothing yet.

        Args:
            settings: Which pages are served, and where.
            make_dashboard: Returns the dashboard for given settings.
            metrics: Returns all metrics in Prometheus' text format.
        """
        self._settings = settings
        self._make_dashboard = make_dashboard
        self._metrics = metrics
        self._changed = asyncio.Event()
        self._dashboard = make_dashboard(settings.dashboard)

    def report(self) -> DashboardReport:
        """Return where the dashboard is, or why it is not."""
        return self._dashboard.report()

    def change(self, settings: Settings) -> None:
        """Use other settings from now on; pages without a change stay open."""
        before, self._settings = self._settings, settings
        if (settings.dashboard, settings.metrics) != (before.dashboard, before.metrics):
            self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._changed.clear()
            self._dashboard = self._make_dashboard(self._settings.dashboard)
            async with serving(self._pages(), self._settings.dashboard.names):
                await self._changed.wait()

    def _pages(self) -> list[Page]:
        pages: list[Page] = [self._dashboard] if self._dashboard.is_wanted else []
        if self._settings.metrics.port:
            pages.append(MetricsPage(self._settings.metrics, self._metrics))
        return pages
