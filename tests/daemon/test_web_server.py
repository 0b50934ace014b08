"""The daemon's web server over real sockets: which addresses it serves, and what it costs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from mmbot.config import MetricsSettings
from mmbot.daemon import web_server
from mmbot.daemon.metrics_page import MetricsPage
from mmbot.daemon.web_server import serving

METRICS = b"mmbot_quotes 4.0\n"


class Hello:
    """A page of one word."""

    def __init__(self, port: int = 0, address: str = "127.0.0.1") -> None:
        self.address, self.port = address, port
        self.url = self.reason = ""

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/hello", self._answer)

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(text="hello")

    def served(self, url: str) -> None:
        self.url = url

    def unavailable(self, reason: str) -> None:
        self.reason = reason


def metrics_at(port: int) -> MetricsPage:
    return MetricsPage(MetricsSettings(port=port), lambda: METRICS)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def until_served(client: aiohttp.ClientSession, url: str) -> None:
    for _ in range(1_000):
        try:
            async with client.get(url):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.01)
    raise AssertionError("it is not served")


async def read(client: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, bytes]:
    async with client.get(url, headers=headers) as answer:
        return answer.status, await answer.read()


@asynccontextmanager
async def hello(*beside: MetricsPage, names: Collection[str] = ()) -> AsyncIterator[Hello]:
    page = Hello(beside[0].port if beside else 0)
    async with serving([*beside, page], names):
        while not page.url:
            assert not page.reason
            await asyncio.sleep(0.005)
        yield page
    assert page.url == ""


def port_of(page: Hello) -> int:
    return int(page.url.rpartition(":")[2])


# Where


async def test_the_metrics_are_served_on_loopback_and_gone_in_the_end() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as client:
        with capture_logs() as log:
            async with serving([metrics_at(port)], ()):
                await until_served(client, url)
                async with client.get(url) as answer:
                    assert answer.status == 200
                    assert answer.headers["Content-Type"].startswith("text/plain")
                    assert await answer.read() == METRICS
        assert log == [{"event": "metrics.served", "log_level": "info", "url": url}]
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(url)


async def test_two_pages_with_one_port_are_served_there_together() -> None:
    async with hello(metrics_at(free_port())) as page, aiohttp.ClientSession() as client:
        assert await read(client, f"{page.url}/hello") == (200, b"hello")
        assert await read(client, f"{page.url}/metrics") == (200, METRICS)


async def test_two_pages_with_a_port_each_are_served_there_alone() -> None:
    port, page = free_port(), Hello()
    other = f"http://127.0.0.1:{port}"
    async with serving([metrics_at(port), page], ()), aiohttp.ClientSession() as client:
        await until_served(client, f"{other}/metrics")
        while not page.url:  # noqa: ASYNC110 (nobody is told of it)
            await asyncio.sleep(0.005)
        assert (await read(client, f"{page.url}/metrics"))[0] == 404
        assert (await read(client, f"{other}/hello"))[0] == 404


async def test_a_page_on_every_address_takes_the_one_on_loopback_with_it() -> None:
    port = free_port()
    wide = Hello(port, "0.0.0.0")  # noqa: S104 (that is what is tested)
    async with serving([metrics_at(port), wide], ()), aiohttp.ClientSession() as client:
        await until_served(client, f"http://127.0.0.1:{port}/metrics")
        assert (await read(client, f"http://127.0.0.1:{port}/hello"))[0] == 200
    assert wide.reason == ""


async def test_a_port_that_is_taken_costs_what_is_served_there_alone() -> None:
    with socket.socket() as taken, capture_logs() as log:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, page = taken.getsockname()[1], Hello()
        async with serving([metrics_at(port), page], ()):
            for _ in range(1_000):
                if log and page.url:
                    break
                await asyncio.sleep(0.01)
    (line,) = log
    assert line["event"] == "metrics.unavailable"
    assert f"cannot listen on 127.0.0.1:{port}" in line["reason"]


async def test_without_a_page_nothing_is_opened() -> None:
    before = asyncio.all_tasks()
    async with serving([], ()):
        assert asyncio.all_tasks() == before


# Whom it refuses, and what that costs


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:9464", ""])
async def test_the_metrics_too_are_kept_from_a_name_that_another_site_could_lead_here(
    host: str,
) -> None:
    async with (
        hello(metrics_at(free_port()), names=["bot.example"]) as page,
        aiohttp.ClientSession() as client,
    ):
        assert (await read(client, f"{page.url}/metrics", Host=host))[0] == 421
        assert (await read(client, f"{page.url}/metrics", Host="bot.example"))[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"\x00" * 4096,
        b"GET /hello HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
        b"GET /hello HTTP/1.1\r\na: " + b"b" * 20_000,
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["TLS", "zeros", "many headers", "a long header", "a long path"],
)
async def test_what_is_no_http_is_ended_and_costs_a_line_at_debug_at_the_most(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with hello() as page:
        with capture_logs() as log:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(page))
            writer.write(sent)
            assert (await reader.readline()).startswith(b"HTTP/1.")
            assert await reader.read() is not None
            writer.close()
        assert caplog.records == []
        assert {(line["event"], line["log_level"]) for line in log} <= {("http.refused", "debug")}


@pytest.mark.parametrize(
    "sent", [b"", b"GET /hello HTTP/1.1\r\na: b\r\n"], ids=["nothing", "half a request"]
)
async def test_a_connection_on_which_no_request_comes_is_ended(
    sent: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web_server, "IDLE_SECONDS", 0.05)
    async with hello() as page:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(page))
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
    assert caplog.records == []


async def test_a_client_that_leaves_at_once_costs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with hello() as page, aiohttp.ClientSession() as client:
        with capture_logs() as log:
            for sent in (b"", b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"):
                _, writer = await asyncio.open_connection("127.0.0.1", port_of(page))
                writer.write(sent)
                writer.transport.abort()
            assert (await read(client, f"{page.url}/hello"))[0] == 200
    assert (log, caplog.records) == ([], [])


async def test_no_more_connections_are_held_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 3)
    async with hello() as page, AsyncExitStack() as held:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(page))
            held.callback(writer.close)
            writer.write(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        with capture_logs() as log:
            async with aiohttp.ClientSession() as client:
                with pytest.raises(aiohttp.ClientConnectionError):
                    await client.get(f"{page.url}/hello")
        assert {line["reason"] for line in log} == {"too many connections"}
