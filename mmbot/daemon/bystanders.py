"""Who is told of what the daemon does and never answers: systemd, Prometheus, people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from mmbot.daemon.alerts import Alerts
from mmbot.daemon.metrics import Measured, Metrics
from mmbot.daemon.service_manager import ServiceManager
from mmbot.daemon.watchdog import Watchdog

_RESTART_SECONDS = 60.0


class Bystanders:
    """Those of one process.

    Attributes:
        watchdog: Looks at this process, and tells systemd.
        metrics: What Prometheus reads.
        alerts: What a person is told; `None` if nobody is.
        log_dropped: Returns how many lines of the log were dropped.
    """

    def __init__(
        self,
        manager: ServiceManager | None = None,
        alerts: Alerts | None = None,
        log_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        """Begin with nothing told; without a manager no systemd is."""
        self.watchdog = Watchdog(manager or ServiceManager({}))
        self.metrics = Metrics()
        self.alerts = alerts
        self.log_dropped = log_dropped
        self._log = structlog.get_logger()

    def watch(self, measure: Callable[[], Measured]) -> None:
        """Look at a session's bot from now on."""
        self.metrics.measure = measure
        if self.alerts is not None:
            self.alerts.watch(measure)

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Pass on a line that the bot has logged."""
        self.metrics.heard(name, fields)
        if self.alerts is not None:
            self.alerts.heard(name, fields)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look and tell for as long as the context lasts."""
        parts = [self.watchdog.run, *([self.alerts.run] if self.alerts is not None else [])]
        tasks = [asyncio.create_task(self._keep(part)) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ended(self, how: str, why: str = "") -> None:
        """Tell a person that the process ends, and wait a moment for that to be sent."""
        if self.alerts is not None:
            await self.alerts.close(how, why)

    async def _keep(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part until cancelled; one that fails costs the bot nothing, and begins again."""
        while True:
            try:
                await part()
            except Exception:  # noqa: BLE001 (whatever it is, it must not end the bot)
                self._log.exception("bystander.died", part=part.__qualname__)
            await asyncio.sleep(_RESTART_SECONDS)
