"""Reading tsa.gov over a real socket, the clock handed in."""

from __future__ import annotations

import datetime as dt
import http.server
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mmbot.config import CountsSettings
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.poller import CountsPoller
from mmbot.errors import BadInput
from mmbot.tsa.calendar import EASTERN, CalendarClock, to_milliseconds
from mmbot.tsa.counts import Counts
from mmbot.tsa.pages import MOST_BYTES

TUESDAY = dt.date(2026, 4, 14)
NINE = dt.datetime(2026, 4, 15, 9, 0, tzinfo=EASTERN)


class Site(http.server.ThreadingHTTPServer):
    """The current year's page, its rows set by the test; answers conditional requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: dict[dt.date, int] = {}
        self.status = 200
        self.padding = 0
        self.seen: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def page(self) -> bytes:
        rows = "".join(
            f"<tr><td>{day.month}/{day.day}/{day.year}</td><td>{count:,}</td></tr>"
            for day, count in sorted(self.rows.items(), reverse=True)
        )
        head = "<tr><th>Date</th><th>Numbers</th></tr>"
        padding = "<!-- " + "-" * self.padding + " -->"
        return f"{padding}<table><thead>{head}</thead><tbody>{rows}</tbody></table>".encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Any = self.server
        site.seen.append(dict(self.headers))
        body = site.page()
        tag = f'"{hash(body)}"'
        if self.path != "/travel/passenger-volumes":
            self.send_response(404)
        elif site.status != 200:
            self.send_response(site.status)
        elif self.headers.get("If-None-Match") == tag:
            self.send_response(304)
        else:
            self.send_response(200)
            self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)
            return
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Desk:
    """A poller, its site, its ledger and its clock."""

    def __init__(self, site: Site, state: Path) -> None:
        self.site = site
        self.now = to_milliseconds(NINE)
        self.deviations = 0.0
        self.ledger = Ledger(state)
        self.poller = self.new_poller()

    def new_poller(self) -> CountsPoller:
        return CountsPoller(
            CountsSettings(first_year=2026),
            self.site.url,
            CalendarClock(),
            self.ledger,
            random.Random(1),
            lambda: self.now,
            self.judge,
        )

    def judge(self, _counts: Counts, _day: dt.date, _count: int) -> float:
        return self.deviations

    async def poll(self, minutes: int = 0) -> Counts:
        self.now += minutes * 60_000
        async with aiohttp.ClientSession() as session:
            await self.poller.poll(session)
        return self.poller.counts


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Desk]:
    with Site() as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        state = Desk(site, tmp_path)
        yield state
        state.ledger.close()
        site.shutdown()


async def test_a_new_count_is_kept_with_the_time_it_was_seen(state: Desk) -> None:
    state.site.rows = {TUESDAY: 2_044_781}
    assert (await state.poll()).first(TUESDAY) == 2_044_781
    assert state.ledger.counts() == [(TUESDAY, 2_044_781, NINE, False)]


async def test_a_page_is_read_to_its_end_in_however_many_pieces_it_comes(state: Desk) -> None:
    state.site.rows = {TUESDAY: 2_044_781}
    state.site.padding = 1_500_000
    assert (await state.poll()).first(TUESDAY) == 2_044_781


async def test_a_page_without_end_is_not_read(state: Desk) -> None:
    state.site.padding = MOST_BYTES
    with pytest.raises(BadInput, match="more than 2,000,000 bytes"):
        await state.poll()


async def test_a_revision_does_not_replace_what_was_first_published(state: Desk) -> None:
    state.site.rows = {TUESDAY: 2_044_781}
    await state.poll()
    state.site.rows = {TUESDAY: 2_100_000}
    counts = await state.poll(minutes=60)
    assert (counts.first(TUESDAY), counts.latest(TUESDAY)) == (2_044_781, 2_100_000)
    assert [count for _, count, _, _ in state.ledger.counts()] == [2_044_781, 2_100_000]


async def test_an_unchanged_page_is_asked_for_conditionally(state: Desk) -> None:
    state.site.rows = {TUESDAY: 2_044_781}
    first = await state.poll()
    assert await state.poll(minutes=10) is first
    assert "If-None-Match" not in state.site.seen[0]
    assert "If-None-Match" in state.site.seen[1]


async def test_the_site_is_asked_under_a_browsers_name(state: Desk) -> None:
    state.site.rows = {TUESDAY: 2_044_781}
    await state.poll()
    assert state.site.seen[0]["User-Agent"].startswith("Mozilla/5.0")


async def test_an_implausible_count_waits_for_a_second_reading(state: Desk) -> None:
    state.site.rows = {TUESDAY: 4_044_781}
    state.deviations = 9.0
    assert TUESDAY not in await state.poll()
    assert TUESDAY not in await state.poll(minutes=10)
    assert (await state.poll(minutes=1)).first(TUESDAY) == 4_044_781


async def test_an_implausible_count_that_is_corrected_was_never_believed(state: Desk) -> None:
    state.site.rows = {TUESDAY: 4_044_781}
    state.deviations = 9.0
    await state.poll()
    state.site.rows = {TUESDAY: 2_044_781}
    state.deviations = 0.5
    assert (await state.poll(minutes=5)).first(TUESDAY) == 2_044_781
    assert [count for _, count, _, _ in state.ledger.counts()] == [2_044_781]


async def test_a_refusal_of_the_site_is_named(state: Desk) -> None:
    state.site.status = 403
    with pytest.raises(BadInput, match="/travel/passenger-volumes answered 403"):
        await state.poll()


async def test_history_believes_the_running_week_only_from_the_ledger(state: Desk) -> None:
    before = dt.date(2026, 4, 12)
    state.site.rows = {before: 2_822_290, TUESDAY: 2_044_781}
    await state.poller.read_history()
    assert before in state.poller.counts
    assert TUESDAY not in state.poller.counts
    await state.poll()
    fresh = state.new_poller()
    await fresh.read_history()
    assert TUESDAY in fresh.counts


async def test_on_a_holiday_weekend_the_page_is_read_often_while_a_count_may_come(
    state: Desk,
) -> None:
    thanksgiving = dt.date(2026, 11, 26)
    state.now = to_milliseconds(dt.datetime(2026, 11, 28, 8, 0, tzinfo=EASTERN))
    state.site.rows = {thanksgiving - dt.timedelta(days=back): 2_500_000 for back in range(14)}
    await state.poll()
    assert state.poller._wait() < 120
    await state.poll(minutes=3 * 60)
    assert state.poller._wait() > 120
    state.now = to_milliseconds(dt.datetime(2026, 11, 28, 8, 0, tzinfo=EASTERN))
    state.site.rows[thanksgiving + dt.timedelta(days=1)] = 2_500_000
    await state.poll()
    assert state.poller._wait() > 120
