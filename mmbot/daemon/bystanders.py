"""Those that follow what the daemon does and never answer: systemd, Prometheus, people, reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from mmbot.config import Settings
from mmbot.daemon.alerts import Alerts
from mmbot.daemon.metrics import Measured, Metrics
from mmbot.daemon.outbox import Alert
from mmbot.daemon.service_manager import ServiceManager
from mmbot.daemon.watchdog import Watchdog
from mmbot.daemon.week_ends import Render, WeekEnds

_RESTART_SECONDS = 60.0


class Bystanders:
    """The bystanders of one process.

    Attributes:
        watchdog: Checks this process and reports to systemd.
        metrics: The metrics that Prometheus reads.
        alerts: Alerts to people; `None` if there are none.
    """

    def __init__(
        self,
        manager: ServiceManager | None = None,
        alerts: Alerts | None = None,
        render: tuple[Path, Render] | None = None,
    ) -> None:
        """Begin with nothing reported.

        Args:
            manager: systemd; without it there are no reports to systemd.
            alerts: Alerts to people; without them there are none.
            render: The state directory, and the function that makes a week's report; without it
                none is written.
        """
        self.watchdog = Watchdog(manager or ServiceManager({}))
        self.metrics = Metrics()
        self.alerts = alerts
        self.week_ends = WeekEnds(*render, self.tell) if render is not None else None
        self._log = structlog.get_logger()

    @property
    def problems(self) -> tuple[str, ...]:
        """Problems that a person should look at, in sentences."""
        return () if self.alerts is None else self.alerts.problems

    def waits_for(self, what: str) -> None:
        """Report what the start waits for."""
        self.watchdog.waits_for(what)
        if self.alerts is not None:
            self.alerts.waits_for(what)

    def tell(self, alert: Alert) -> None:
        """Send an alert, if there are alerts."""
        if self.alerts is not None:
            self.alerts.tell(alert)

    def change(self, settings: Settings) -> None:
        """Use other settings from now on."""
        if self.alerts is not None:
            self.alerts.change(settings.alerts)

    def watch(
        self, measure: Callable[[], Measured], drain: Callable[[], Awaitable[object]]
    ) -> None:
        """Watch a session's bot from now on; `drain` waits for its ledger."""
        if self.week_ends is not None:
            self.week_ends.watch(drain)
        self.metrics.measure = measure
        if self.alerts is not None:
            self.alerts.watch(measure)

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Pass on a line that the bot has logged."""
        self.metrics.heard(name, fields)
        if self.week_ends is not None:
            self.week_ends.heard(name, fields)
        if self.alerts is not None:
            self.alerts.heard(name, fields)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all bystanders for as long as the context lasts."""
        parts = [self.watchdog.run]
        if self.alerts is not None:
            parts.append(self.alerts.run)
        if self.week_ends is not None:
            parts.append(self.week_ends.run)
        try:
            async with self.beside(*parts):
                yield
        finally:
            if self.week_ends is not None:
                await self.week_ends.close()

    @asynccontextmanager
    async def beside(self, *parts: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run parts for as long as the context lasts; their failures do not affect the bot."""
        tasks = [asyncio.create_task(self._keep(part)) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ended(self, how: str, why: str = "") -> None:
        """Send an alert that the process ends, and wait a moment for it to be sent."""
        if self.alerts is not None:
            await self.alerts.close(how, why)

    async def _keep(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part until cancelled; restart it if it fails, without affecting the bot."""
        while True:
            try:
                await part()
            except Exception:  # noqa: BLE001 (whatever it is, it must not end the bot)
                self._log.exception("bystander.died", helper=part.__qualname__)
            await asyncio.sleep(_RESTART_SECONDS)
