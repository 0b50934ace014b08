"""Who is told of what the daemon does and never answers: systemd, Prometheus, people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mmbot.daemon.metrics import Metrics
from mmbot.daemon.service_manager import ServiceManager
from mmbot.daemon.watchdog import Watchdog


class Bystanders:
    """Those of one process.

    Attributes:
        watchdog: Looks at this process, and tells systemd.
        metrics: What Prometheus reads.
        log_dropped: Returns how many lines of the log were dropped.
    """

    def __init__(
        self, manager: ServiceManager | None = None, log_dropped: Callable[[], int] = lambda: 0
    ) -> None:
        """Begin with nothing told; without a manager no systemd is."""
        self.watchdog = Watchdog(manager or ServiceManager({}))
        self.metrics = Metrics()
        self.log_dropped = log_dropped

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Pass on a line that the bot has logged."""
        self.metrics.heard(name, fields)
