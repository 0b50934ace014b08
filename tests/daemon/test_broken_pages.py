"""A real daemon on a simulated exchange whose page of counts shows the day that is due wrongly."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from mmbot.exchange.assembly import SimulatedExchange
from mmbot.faultlab.faulty_pages import broken_page
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.underlying.calendar import EASTERN
from mmbot.units import Milliseconds
from tests.daemon.processes import session
from tests.daemon.test_unreadable import WEEK, resting, served, until

MONDAY = WEEK.days[0]
BEFORE_THE_RELEASE = dt.datetime.combine(WEEK.days[1], dt.time(5, 50), EASTERN)
# Calendar seconds in a wall second: the release comes a quarter of a minute after the start.
SPEED = 500.0
AGENT = (("User-Agent", "Mozilla/5.0"),)
FAULTS = ("row_blank", "row_doubled", "row_misdated", "table_empty")


class BrokenPages:
    """The site's pages; once the due day is out, each has the next fault, and the last stays."""

    def __init__(self, site: SimulatedExchange) -> None:
        self._answer = site.website.answer
        self.faults_left = list(FAULTS)
        self.served_broken = 0
        self.healed = False

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Serve a page; the validators of a whole one are not passed on with a broken one."""
        plain = HttpRequest(request.method, request.path, headers=AGENT)
        answer = self._answer(request if self.healed else plain, now)
        is_out = f">{MONDAY.month}/{MONDAY.day}/{MONDAY.year}<".encode() in answer.body
        if self.healed or not is_out:
            return answer
        self.served_broken += 1
        fault = self.faults_left.pop(0) if self.faults_left else FAULTS[-1]
        return HttpAnswer(200, broken_page(fault, answer.body.decode(), MONDAY).encode())


async def test_quotes_stay_off_while_the_due_count_cannot_be_read(
    quick_config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        served(tmp_path, BEFORE_THE_RELEASE, SPEED) as (site, venue_file),
        session(quick_config, venue_file, tmp_path / "state") as daemon,
    ):
        pages = BrokenPages(site)
        monkeypatch.setattr(site.website, "answer", pages.answer)
        await until(daemon, lambda: pages.served_broken > len(FAULTS))
        assert not resting(site)
        pages.healed, healed_at = True, time.monotonic()
        await until(daemon, lambda: bool(resting(site)))
        print(f"seconds until it quotes again: {time.monotonic() - healed_at:.1f}")
        daemon.process.terminate()
        assert await daemon.ended() == 0
