"""The dashboard over real sockets: what it sends, whom it refuses, and that nothing waits."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from mmbot.config import DashboardSettings
from mmbot.daemon import viewers
from mmbot.daemon.dashboard import TOKEN_FILE, Dashboard
from mmbot.daemon.dashboard_events import DashboardParts, spread
from mmbot.daemon.web_guard import TOKEN_HEADER
from mmbot.daemon.web_server import serving as web_serving
from mmbot.daemon_api import DashboardReport, FindDashboard
from mmbot.observe.dashboard import event_course, page_files
from mmbot.observe.recent_lines import RecentLines
from mmbot.status_report import StatusReport
from mmbot.trading.commands import MarketView, RecordFill
from tests.daemon.builders import fill
from tests.daemon.test_operations import RunningDaemon
from tests.trading.builders import LOW, MIDDLE

FREE_PORT = DashboardSettings(port=0, names=("bot.example",))
HALT = {"type": "halt", "reason": "by the page"}


class Served:
    """A dashboard that is served for a bot that quotes."""

    def __init__(self, directory: Path, settings: DashboardSettings) -> None:
        self.daemon = RunningDaemon(directory)
        self.daemon.bench.rest()
        self.lines = RecentLines()
        parts = DashboardParts(page_files, event_course, self.lines.after)
        answer = self.daemon.operations.answer
        self.dashboard = Dashboard(settings, directory, parts, self.status, answer, [5.0])
        self.client = aiohttp.ClientSession()
        self.looks = 0

    def status(self) -> StatusReport:
        self.looks += 1
        return self.daemon.operations.status()

    @property
    def url(self) -> str:
        return self.dashboard.report().url

    @property
    def token(self) -> str:
        return Path(self.dashboard.report().token_file).read_text().strip()

    async def get(self, path: str = "", **headers: str) -> aiohttp.ClientResponse:
        async with self.client.get(self.url + path, headers=named(headers)) as answer:
            await answer.read()
            return answer

    async def command(self, body: object, **headers: str) -> tuple[int, Any]:
        sent = {TOKEN_HEADER: self.token, "Content-Type": "application/json"} | named(headers)
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        url = f"{self.url}api/command"
        async with self.client.post(url, data=data, headers=sent) as answer:
            text = await answer.text()
            json = answer.content_type == "application/json"
            return answer.status, orjson.loads(text) if json else text


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def serving(
    directory: Path, settings: DashboardSettings = FREE_PORT
) -> AsyncIterator[Served]:
    served = Served(directory, settings)
    async with served.client, web_serving([served.dashboard], settings.names):
        while not served.url:
            assert not served.dashboard.report().problem
            await asyncio.sleep(0.005)
        yield served
    served.daemon.writer.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as each:
        yield each


class Viewer:
    """Someone who reads the events."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, name: str) -> Any:
        """Return the next event of that name."""
        while True:
            line = (await self._answer.content.readline()).decode()
            assert line, "the stream has ended"
            if line == f"event: {name}\n":
                data = await self._answer.content.readuntil(b"\n\n")
                return orjson.loads(data.removeprefix(b"data: "))


@asynccontextmanager
async def viewing(served: Served) -> AsyncIterator[Viewer]:
    async with served.client.get(f"{served.url}api/events", read_bufsize=1 << 20) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield Viewer(answer)


# The page


async def test_every_answer_keeps_the_page_to_itself(served: Served) -> None:
    for path in ("", "app.js", "nowhere", "api/command"):
        headers = (await served.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers


async def test_the_page_is_asked_for_again_and_not_sent_again_while_it_is_the_same(
    served: Served,
) -> None:
    first = await served.get()
    assert (first.status, first.content_type) == (200, "text/html")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await served.get(If_None_Match=first.headers["ETag"])
    assert again.status == 304


def test_the_page_has_no_inline_script_or_style_and_asks_no_other_host() -> None:
    page = page_files()["index.html"].decode()
    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)
    assert page.count("<script") == page.count("<script src=")
    assert "//" not in page


# Who may ask


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8780", "127.0.0.1.evil.example", "", "[::1"]
)
async def test_a_name_that_could_be_led_here_by_another_site_is_refused(
    served: Served, host: str
) -> None:
    for path in ("", "api/events"):
        answer = await served.get(path, Host=host)
        assert answer.status == 421


@pytest.mark.parametrize(
    "host", ["localhost:9000", "LOCALHOST", "127.0.0.1", "[::1]:1", "10.1.2.3:80", "bot.example"]
)
async def test_an_address_and_a_configured_name_are_answered(served: Served, host: str) -> None:
    assert (await served.get(Host=host)).status == 200


async def test_what_another_sites_page_asks_for_is_refused(served: Served) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        assert (await served.get("api/events", **headers)).status == 403
        status, _ = await served.command(HALT, **headers)
        assert status == 403
    assert (await served.get(Origin="null")).status == 403
    # A link to the page may be anywhere.
    assert (await served.get(Sec_Fetch_Site="cross-site")).status == 200
    assert served.daemon.inputs == []


async def test_a_failure_of_its_own_is_logged(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.daemon.operations, "_resume", lambda: 1 / 0)
    status, _ = await served.command({"type": "resume"})
    assert status == 500
    assert [record.name for record in caplog.records] == ["mmbot.web"]


# Looking


async def test_a_viewer_is_sent_status_courses_and_the_log_and_then_what_is_new(
    served: Served,
) -> None:
    served.lines(None, "info", {"event": "before"})
    bought = RecordFill(fill(ticker=MIDDLE, at=served.daemon.bench.now), 1, MarketView(fair=0.5))
    await served.daemon.writer.submit(lambda ledger: ledger.add_fill(bought))
    async with viewing(served) as viewer:
        assert await viewer.next("lines") == []
        look = await viewer.next("look")
        (event,) = look["status"]["events"]
        assert event["markets"][0]["market"] == LOW
        assert len(event["markets"][1]["quotes"]) == 2
        assert (look["answers"]["median_ms"], look["viewers"]) == (5.0, 1)
        (line,) = await viewer.next("lines")
        assert line["fields"]["event"] == "before"
        (course,) = await viewer.next("courses")
        assert [each["trade_id"] for each in course["fills"]] == ["t1"]
        assert course["pnl"][0]["fair"] is not None
        served.lines(None, "info", {"event": "after"})
        (line,) = await viewer.next("lines")
        assert (line["number"], line["fields"]["event"]) == (2, "after")


async def test_whoever_comes_later_is_told_at_once_what_the_others_know(served: Served) -> None:
    served.lines(None, "info", {"event": "before"})
    async with viewing(served) as first:
        await first.next("courses")
        async with viewing(served) as second:
            await second.next("look")
            assert [each["event"] for each in await second.next("courses")]
            assert [each["number"] for each in await second.next("lines")] == [1]


async def nobody_looks() -> None:
    """Wait until the task that looks has ended."""
    while any("Viewers._look" in repr(task) for task in asyncio.all_tasks()):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_nothing_is_made_while_nobody_looks(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "LOOK_SECONDS", 0.01)
    await served.get("app.js")
    assert served.looks == 0
    async with viewing(served) as viewer:
        await viewer.next("look")
    await nobody_looks()


async def test_whoever_comes_and_goes_does_not_have_it_look_more_often(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "LOOK_SECONDS", 60.0)
    for _ in range(3):
        async with viewing(served) as viewer:
            await viewer.next("look")
    assert served.looks == 1


async def test_a_look_that_fails_is_logged_and_the_next_viewer_is_served(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "LOOK_SECONDS", 0.01)
    whole = served.daemon.operations.status
    monkeypatch.setattr(served.daemon.operations, "status", lambda: 1 / 0)
    with pytest.raises((aiohttp.ClientPayloadError, AssertionError)):
        async with viewing(served) as viewer:
            await viewer.next("look")
    monkeypatch.setattr(served.daemon.operations, "status", whole)
    async with viewing(served) as viewer:
        await viewer.next("look")


async def test_too_many_viewers_are_told_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "MOST_VIEWERS", 1)
    async with viewing(served) as viewer:
        await viewer.next("look")
        refused = await served.get("api/events")
        assert refused.status == 503


async def test_a_viewer_that_reads_nothing_is_dropped_and_the_others_are_not(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "LOOK_SECONDS", 0.001)
    where = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1024)
    writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    async with viewing(served) as other:
        for number in (2, 1):
            while (await other.next("look"))["viewers"] != number:
                pass
    writer.close()


# Commands


async def test_a_halt_needs_the_token(served: Served) -> None:
    for token in ("", "guess", "é"):
        status, sentence = await served.command(HALT, **{TOKEN_HEADER: token})
        assert status == 401
        assert "`mmbot dashboard` says where it is" in sentence
    assert served.daemon.inputs == []


async def test_with_the_token_it_halts_and_resumes(served: Served) -> None:
    status, report = await served.command(HALT)
    assert (status, report["type"], report["reason"]) == (200, "halt", "by the page")
    assert served.daemon.bench.engine.state.service.halted
    assert (await served.command({"type": "resume"}))[0] == 200
    assert not served.daemon.bench.engine.state.service.halted


async def test_with_the_token_it_pauses_a_market_and_ends_that(served: Served) -> None:
    status, report = await served.command({"type": "pause", "ticker": MIDDLE})
    assert (status, report["paused"]) == (200, [MIDDLE])
    status, report = await served.command({"type": "unpause", "ticker": MIDDLE})
    assert (status, report["paused"]) == (200, [])


async def test_what_is_refused_says_why(served: Served) -> None:
    status, answer = await served.command({"type": "pause", "ticker": "nothing"})
    assert (status, answer["type"]) == (409, "refused")
    assert "there is no market 'nothing'" in answer["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "plan", "settings": {}}, 400),
        ({"type": "halt", "more": 1}, 400),
        (b"\xff{", 400),
        (b"x" * 5000, 413),
    ],
)
async def test_what_is_no_command_changes_nothing(
    served: Served, body: object, status: int
) -> None:
    assert (await served.command(body))[0] == status
    assert served.daemon.inputs == []


async def test_a_form_is_no_command_and_neither_is_a_get(served: Served) -> None:
    assert (await served.command(HALT, Content_Type="text/plain"))[0] == 415
    assert (await served.get("api/command")).status == 405


# The token and the address


async def test_the_token_is_new_at_each_start_for_its_owner_alone_and_gone_at_the_end(
    tmp_path: Path,
) -> None:
    path, tokens = tmp_path / TOKEN_FILE, set()
    for _ in range(2):
        async with serving(tmp_path) as served:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            tokens.add(served.token)
        assert not path.exists()
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 43


async def test_without_a_token_it_can_only_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).mkdir()
    async with serving(tmp_path) as served:
        assert served.dashboard.report().token_file == ""
        async with served.client.post(
            f"{served.url}api/command", json=HALT, headers={TOKEN_HEADER: ""}
        ) as answer:
            assert answer.status == 401


async def test_an_address_that_is_taken_is_told(served: Served, tmp_path: Path) -> None:
    port = urlsplit(served.url).port
    assert port
    (tmp_path / "other").mkdir()
    other = Served(tmp_path / "other", DashboardSettings(port=port))
    async with other.client, web_serving([other.dashboard], ()):
        while not other.dashboard.report().problem:  # noqa: ASYNC110 (nobody is told of it)
            await asyncio.sleep(0.005)
        assert f"cannot listen on 127.0.0.1:{port}" in other.dashboard.report().problem
    other.daemon.writer.close()


async def test_the_operator_is_told_where_it_is_or_why_it_is_not(tmp_path: Path) -> None:
    served = Served(tmp_path, DashboardSettings(enabled=False))
    assert not served.dashboard.is_wanted
    assert "enabled = false" in served.dashboard.report().problem
    operations = served.daemon.operations
    none = Dashboard(DashboardSettings(), tmp_path, None, served.status, operations.answer, [])
    assert not none.is_wanted
    assert "only records" in none.report().problem
    assert isinstance(await operations.answer(FindDashboard()), DashboardReport)
    served.daemon.writer.close()
    await served.client.close()


def test_durations_are_spread_by_median_and_95th_percentile() -> None:
    assert spread([]) is None
    found = spread(range(1, 101))
    assert found is not None
    assert (found.count, found.median_ms, found.p95_ms, found.most_ms) == (100, 50.5, 96, 100)
