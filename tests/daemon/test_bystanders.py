"""Those who are told of what the daemon does can neither stop it nor be lost for good."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mmbot.config import AlertSettings
from mmbot.daemon import alerts, bystanders
from mmbot.daemon.alert_sender import Delivery, Letter
from mmbot.daemon.alerts import Alerts
from mmbot.daemon.bystanders import Bystanders
from mmbot.daemon.metrics import Measured
from tests.daemon.test_metrics import read, report
from tests.trading.builders import Bench


async def test_a_part_that_fails_is_logged_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bystanders, "_RESTART_SECONDS", 0.0)
    monkeypatch.setattr(alerts, "_PAUSE_SECONDS", 0.0)
    sent = asyncio.Event()

    async def send(_letter: Letter) -> tuple[Delivery, ...]:
        sent.set()
        return (Delivery("json"),)

    bench = Bench()
    bench.start()
    failures = iter([True, True])

    def measure() -> Measured:
        if next(failures, False):
            raise RuntimeError("not now")
        return Measured(report(bench))

    async def drain() -> None:
        pass

    told = Bystanders(alerts=Alerts(AlertSettings(), lambda _: ("json://x",), tmp_path, send))
    told.watch(measure, drain)
    with capture_logs() as log:
        async with told.running():
            await asyncio.wait_for(sent.wait(), 60)
    died = [line["helper"] for line in log if line["event"] == "bystander.died"]
    assert died == ["Alerts.run", "Alerts.run"]


async def test_without_anybody_to_tell_nothing_is_told_and_metrics_are_there() -> None:
    told = Bystanders()
    told.heard("fill", {"count": "1.00"})
    await told.ended("Stopped: no order is left")
    assert told.problems == ()
    assert read(told.metrics)["mmbot_fills_total", ()] == 1
