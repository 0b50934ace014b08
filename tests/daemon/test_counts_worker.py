"""Pages read over a real socket, and forecasters fitted beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import http.server
import resource
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from mmbot.bot.inputs import ForecastFitted, PageFetched
from mmbot.bot.outputs import FetchPage, FitForecast
from mmbot.daemon.bank_file import bank_path
from mmbot.daemon.counts_worker import CountsWorker
from mmbot.forecast.pooled import POOLED
from mmbot.tsa.releases import assumed_release
from mmbot.tsa.synthetic import daily_counts
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts, Vintage
from mmbot.underlying.pages import MOST_BYTES

PATH = "/travel/passenger-volumes"
WEEK = Week(dt.date(2026, 4, 19))


class Site(http.server.ThreadingHTTPServer):
    """Answers every request with one body, or with 304 to one that bears its tag."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = b"<table></table>"
        self.status = 200
        self.seen: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Any = self.server
        site.seen.append(dict(self.headers))
        known = self.headers.get("If-None-Match") == '"1"'
        self.send_response(304 if known else site.status)
        if not known:
            self.send_header("ETag", '"1"')
        self.end_headers()
        if not known and site.status == 200:
            self.wfile.write(site.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


class Results:
    """What a worker has handed out so far."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[PageFetched | ForecastFitted] = asyncio.Queue()

    async def page(self) -> PageFetched:
        async with asyncio.timeout(30):
            result = await self.queue.get()
        assert isinstance(result, PageFetched)
        return result


@asynccontextmanager
async def working(url: str, directory: Path) -> AsyncIterator[tuple[CountsWorker, Results]]:
    results = Results()
    worker = CountsWorker(url, directory, POOLED, results.queue.put_nowait)
    task = asyncio.create_task(worker.run())
    try:
        yield worker, results
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def fetch(number: int, *headers: tuple[str, str]) -> FetchPage:
    return FetchPage(number, PATH, headers)


async def test_a_page_is_read_whole_with_its_validators(site: Site, tmp_path: Path) -> None:
    site.body = b"<table>" + b" " * 1_500_000 + b"</table>"
    async with working(site.url, tmp_path) as (worker, results):
        worker.submit(fetch(7, ("User-Agent", "a browser")))
        page = await results.page()
    assert page.answer is not None
    assert (page.id, page.answer.status, page.answer.body) == (7, 200, site.body)
    assert page.answer.headers == (("ETag", '"1"'),)
    assert site.seen[0]["User-Agent"] == "a browser"


async def test_an_unchanged_page_costs_no_body(site: Site, tmp_path: Path) -> None:
    async with working(site.url, tmp_path) as (worker, results):
        worker.submit(fetch(1, ("If-None-Match", '"1"')))
        page = await results.page()
    assert page.answer is not None
    assert (page.answer.status, page.answer.body) == (304, b"")


@pytest.mark.parametrize("status", [403, 503])
async def test_a_refusal_is_an_answer(site: Site, tmp_path: Path, status: int) -> None:
    site.status = status
    async with working(site.url, tmp_path) as (worker, results):
        worker.submit(fetch(1))
        page = await results.page()
    assert page.answer is not None
    assert page.answer.status == status


async def test_a_page_without_end_is_not_read(site: Site, tmp_path: Path) -> None:
    site.body = b" " * (MOST_BYTES + 1)
    async with working(site.url, tmp_path) as (worker, results):
        worker.submit(fetch(1))
        page = await results.page()
    assert page.answer is None
    assert "more than 2,000,000 bytes" in page.failure


# Redirects, and answers that no honest site gives


class Script:
    """A server that answers each path with the next of its raw answers, and remembers the paths."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        self.asked.append(path)
        answer = self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.write(answer.replace(b"PORT", str(self.port).encode()))
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    def moved(self, path: str, location: bytes) -> None:
        head = b"HTTP/1.1 302 Found\r\nLocation: " + location
        self.answers[path] = head + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def shows(self, path: str, body: bytes, *headers: bytes) -> None:
        head = b"".join(header + b"\r\n" for header in (*headers, b"Connection: close"))
        self.answers[path] = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body


@asynccontextmanager
async def scripted(directory: Path) -> AsyncIterator[tuple[Script, CountsWorker, Results]]:
    script = Script()
    async with await asyncio.start_server(script.serve, "127.0.0.1", 0) as server:
        script.port = server.sockets[0].getsockname()[1]
        async with working(f"http://127.0.0.1:{script.port}", directory) as (worker, results):
            yield script, worker, results


@pytest.mark.parametrize(
    "location", [b"/moved", b"moved", b"//127.0.0.1:PORT/moved", b"http://127.0.0.1:PORT/moved#x"]
)
async def test_a_redirect_on_the_same_site_is_followed(location: bytes, tmp_path: Path) -> None:
    async with scripted(tmp_path) as (script, worker, results):
        script.moved(PATH, location)
        moved = "/travel/moved" if location == b"moved" else "/moved"
        script.shows(moved, b"<p>here</p>")
        worker.submit(fetch(1))
        page = await results.page()
    assert page.answer is not None, page.failure
    assert (page.answer.status, page.answer.body) == (200, b"<p>here</p>")
    assert script.asked == [PATH, moved]


@pytest.mark.parametrize(
    "location",
    [
        b"",
        b" ",
        b"http://",
        b"http:///moved",
        b"http://[::1",
        b"http://[",
        b"http://127.0.0.1:99999/moved",
        b"http://127.0.0.1:-1/moved",
        b"http://127.0.0.1:x/moved",
        b"http://127.0.0.1/moved",
        b"https://127.0.0.1:PORT/moved",
        b"http://localhost:PORT/moved",
        b"http://x@127.0.0.1:PORT/moved",
        b"http://127.0.0.1:PORT@localhost/moved",
        b"//localhost:PORT/moved",
        b"\\\\localhost:PORT/moved",
        b"/\\localhost:PORT/moved",
        b"ftp://127.0.0.1:PORT/moved",
        b"file:///etc/passwd",
        b"javascript:alert(1)",
        b"data:text/html,<table>",
        b"http://\xc3\xa4.example/moved",
        b"/\xff\xfe",
        b"http://xn--/moved",
        b"http://" + b"a" * 3_000 + b"/",
        b"http://%zz/",
    ],
)
async def test_any_other_redirect_is_refused_in_a_sentence(location: bytes, tmp_path: Path) -> None:
    async with scripted(tmp_path) as (script, worker, results):
        script.moved(PATH, location)
        for path in ("/moved", "//localhost/moved"):
            script.shows(path, b"<p>elsewhere</p>")
        worker.submit(fetch(1))
        page = await results.page()
        worker.submit(fetch(2))
        assert (await results.page()).id == 2
    assert page.answer is None
    assert page.failure.startswith("it redirects to ")
    assert page.failure.isascii()
    assert script.asked == [PATH, PATH]


async def test_a_redirect_without_an_end_is_given_up(tmp_path: Path) -> None:
    async with scripted(tmp_path) as (script, worker, results):
        script.moved(PATH, PATH.encode())
        worker.submit(fetch(1))
        page = await results.page()
    assert page.failure == "it redirects more than 3 times"
    assert script.asked == [PATH] * 4


def bomb() -> bytes:
    """Half a gigabyte of nothing, in half a megabyte."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 999999 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<table>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n<table>",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nConnection: close\r\n\r\n\x00\xff",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nConnection: close\r\n\r\n\x00\xff",
        b"HTTP/1.1 200 OK\r\nContent-Type: \xff\xfe; charset=\x01\r\nX" + b"x" * 70_000,
        b"HTTP/1.1 200 \xff\xfe\r\nSet-Cookie: \xff=;;=\r\nContent-Length: 3\r\n\r\n",
        pytest.param(None, id="a bomb"),
    ],
)
async def test_an_answer_that_is_no_page_ends_nothing(answer: bytes | None, tmp_path: Path) -> None:
    async with scripted(tmp_path) as (script, worker, results):
        if answer is None:
            script.shows(PATH, bomb(), b"Content-Encoding: gzip")
        else:
            script.answers[PATH] = answer
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        worker.submit(fetch(1))
        page = await results.page()
        worker.submit(FetchPage(2, "/other", ()))
        other = await results.page()
    assert page.answer is None or len(page.answer.body) < 100
    assert page.failure.isascii()
    assert other.answer is not None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("tag", [b'"\xff"', '"ä"'.encode(), b'"' + b"x" * 5_000 + b'"', b'"\t"'])
async def test_a_validator_that_no_request_could_send_back_is_dropped(
    tag: bytes, tmp_path: Path
) -> None:
    async with scripted(tmp_path) as (script, worker, results):
        script.shows(PATH, b"<table>", b"ETag: " + tag, b"Last-Modified: then")
        worker.submit(fetch(1))
        page = await results.page()
    assert page.answer is not None, page.failure
    assert page.answer.headers == (("Last-Modified", "then"),)


async def test_a_site_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    async with working("http://127.0.0.1:9", tmp_path) as (worker, results):
        worker.submit(fetch(1))
        page = await results.page()
    assert page.answer is None
    assert "127.0.0.1:9" in page.failure


async def test_a_request_that_failed_unexpectedly_is_served_by_the_next_run(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> PageFetched:
        raise LookupError("once")

    results = Results()
    worker = CountsWorker(site.url, tmp_path, POOLED, results.queue.put_nowait)
    worker.submit(fetch(1))
    with monkeypatch.context() as broken:
        broken.setattr(worker, "_fetch", fail)
        with pytest.raises(LookupError):
            await worker.run()
    task = asyncio.create_task(worker.run())
    assert (await results.page()).id == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_newer_request_replaces_those_of_its_kind_that_wait(
    site: Site, tmp_path: Path
) -> None:
    results = Results()
    worker = CountsWorker(site.url, tmp_path, POOLED, results.queue.put_nowait)
    for number in range(1, 6):
        worker.submit(fetch(number))
    task = asyncio.create_task(worker.run())
    assert [(await results.page()).id for _ in range(2)] == [1, 5]
    assert results.queue.empty()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_forecaster_is_fitted_and_its_bank_kept(tmp_path: Path) -> None:
    made = daily_counts(WEEK.monday - dt.timedelta(days=1), 1)
    counts = Counts({day: (Vintage(n, assumed_release(day)),) for day, n in made.items()})
    with structlog.testing.capture_logs() as logged:
        async with working("http://127.0.0.1:9", tmp_path) as (worker, results):
            worker.submit(FitForecast("seed", counts, WEEK))
            async with asyncio.timeout(60):
                fitted = await results.queue.get()
    (said,) = (each for each in logged if each["event"] == "forecast.fitted")
    assert (said["method"], said["without"]) == ("seed", [])
    assert isinstance(fitted, ForecastFitted)
    assert fitted.week == WEEK
    assert fitted.predictor.belief(counts, WEEK, (2_500_000,)).week == WEEK
    assert bank_path(tmp_path, "seed").exists()


async def test_a_forecast_that_left_its_band_is_a_warning(tmp_path: Path) -> None:
    """For half a year every other week is far above what all the weeks before it let expect."""
    made = daily_counts(WEEK.monday - dt.timedelta(days=1), 1)
    wild = {
        day: round(n * (1.2 if weeks < 26 and weeks % 2 else 1.0))
        for day, n in made.items()
        for weeks in [(WEEK.monday - day).days // 7]
    }
    counts = Counts({day: (Vintage(n, assumed_release(day)),) for day, n in wild.items()})
    with structlog.testing.capture_logs() as logged:
        async with working("http://127.0.0.1:9", tmp_path) as (worker, results):
            worker.submit(FitForecast("seed", counts, WEEK))
            async with asyncio.timeout(60):
                await results.queue.get()
    warned = [each for each in logged if each["event"] == "forecast.uncalibrated"]
    assert warned
    assert {each["log_level"] for each in warned} == {"warning"}
