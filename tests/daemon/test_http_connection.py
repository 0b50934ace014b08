"""Requests as bytes, and answers as hosts and fronts send them, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from mmbot.daemon import transport
from mmbot.daemon.http_connection import HttpConnection, host_lines, render
from mmbot.kalshi.http import HttpAnswer, HttpRequest

GET = HttpRequest("GET", "/path")
POST = HttpRequest("POST", "/path", body=b"{}")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Host:
    """A host whose answers are bytes; counts connections and requests.

    Attributes:
        answers: The next answers: bytes, in pieces; an empty one closes the connection.
        came: Released with every request.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[bytes, ...]] = []
        self.requests: list[bytes] = []
        self.came = asyncio.Semaphore(0)
        self.connections = 0
        self.origin = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.came.release()
                for piece in self.answers.pop(0):
                    if not piece:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hosting(*answers: tuple[bytes, ...]) -> AsyncIterator[tuple[Host, transport.RestClient]]:
    host = Host()
    host.answers += answers
    async with await asyncio.start_server(host.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        host.origin = f"http://127.0.0.1:{port}"
        async with transport.RestClient(host.origin, 5.0) as rest:
            yield host, rest
        await asyncio.gather(*host.tasks)


ANSWERS = {
    "whole": (OK,),
    "byte by byte": tuple(OK[i : i + 1] for i in range(len(OK))),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ),
    "up to the end": (b"HTTP/1.1 200 OK\r\n\r\n{}", b""),
    "of an old host": (b"HTTP/1.0 200 OK\r\n\r\n{}", b""),
    "closing": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", b""),
    "after a word that it will come": (b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + OK,),
}


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_read_however_its_length_is_said(pieces: tuple[bytes, ...]) -> None:
    async with hosting(pieces) as (_, rest):
        assert await rest.call(GET) == HttpAnswer(200, b"{}")


BROKEN = {
    "cut off": (OK[:-1], b""),
    "cut off amid its headers": (OK[:20], b""),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n",),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",),
    "a length below zero": (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",),
    "a chunk without a size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
    "headers without an end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,),
}


@pytest.mark.parametrize("pieces", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_none_and_the_next_request_has_a_connection_of_its_own(
    pieces: tuple[bytes, ...],
) -> None:
    async with hosting(pieces, (OK,)) as (host, rest):
        with pytest.raises(ConnectionError):
            await rest.call(POST)
        assert (await rest.call(GET)).body == b"{}"
        assert host.connections == 2


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with hosting((OK,), (OK,), (OK,)) as (host, rest):
        for request in (GET, HttpRequest("DELETE", "/path"), GET):
            assert (await rest.call(request)).status == 200
        assert host.connections == 1


async def test_requests_at_the_same_time_have_a_connection_each() -> None:
    async with hosting((OK,), (OK,), (OK,)) as (host, rest):
        await asyncio.gather(rest.call(GET), rest.call(GET), rest.call(GET))
        assert host.connections == 3


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_a_kept_connection_dies_of_is_asked_again_over_a_new_one(method: str) -> None:
    async with hosting((OK,), (b"",), (OK,)) as (host, rest):
        await rest.call(GET)
        assert (await rest.call(HttpRequest(method, "/path"))).status == 200
        assert host.connections == 2


async def test_an_order_is_never_sent_twice() -> None:
    async with hosting((OK,), (b"",), (OK,)) as (host, rest):
        await rest.call(GET)
        assert await rest.try_call(POST) is None
        assert len(host.requests) == 2


async def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    async with hosting((b"",), (OK,)) as (host, rest):
        assert await rest.try_call(GET) is None
        assert host.connections == 1


async def test_an_answer_too_many_ends_the_connection() -> None:
    async with hosting((OK + OK,), (OK,)) as (host, rest):
        assert (await rest.call(GET)).status == 200
        assert (await rest.call(GET)).status == 200
        assert host.connections == 2


async def test_an_answer_that_nobody_awaits_any_more_is_no_answer_to_the_next_request() -> None:
    async with hosting(()) as (host, _):
        connection = await HttpConnection.open(URL(host.origin), None)
        connection.begin(render(GET, host_lines(URL(host.origin))))
        awaited = asyncio.create_task(connection.answer())
        await asyncio.sleep(0)
        awaited.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaited
        assert not connection.usable


async def test_a_request_is_on_its_way_before_anybody_awaits_its_answer() -> None:
    async with hosting((OK,), (OK,)) as (host, rest):
        await rest.call(GET)
        sending = rest.begin(GET)
        async with asyncio.timeout(5):
            await host.came.acquire()
            await host.came.acquire()
        assert await rest.finish(sending) == HttpAnswer(200, b"{}")
        assert host.connections == 1


async def test_a_request_whose_answer_nobody_awaits_ends_with_the_client() -> None:
    async with asyncio.timeout(5), hosting((OK,), ()) as (_, rest):
        await rest.call(GET)
        assert rest.begin(GET).connection is not None


async def test_requests_beyond_the_connections_that_may_be_open_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_MOST_CONNECTIONS", 1)
    async with hosting((OK,), (OK,), (OK,)) as (host, rest):
        await asyncio.gather(rest.call(GET), rest.call(GET), rest.call(GET))
        assert host.connections == 1


async def test_a_connection_that_was_idle_for_long_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_KEPT_SECONDS", -1.0)
    async with hosting((OK,), (OK,)) as (host, rest):
        await rest.call(GET)
        await rest.call(GET)
        assert host.connections == 2


async def test_a_host_that_says_nothing_is_given_up_in_time() -> None:
    async with hosting(()) as (host, _), transport.RestClient(host.origin, 0.05) as rest:
        with pytest.raises(TimeoutError):
            await rest.call(POST)


async def test_only_the_headers_that_are_read_are_kept() -> None:
    told = b"HTTP/1.1 429 Too Many\r\nX-A: b\r\nRETRY-AFTER: 2\r\nContent-Length: 0\r\n\r\n"
    async with hosting((told,)) as (_, rest):
        assert await rest.call(GET) == HttpAnswer(429, b"", (("retry-after", "2"),))


def test_a_request_says_its_host_length_and_headers() -> None:
    request = HttpRequest("POST", "/a", (("b", "c d"),), (("X", "y"),), b"{}")
    assert render(request, host_lines(URL("https://example.com"))) == (
        b"POST /a?b=c%20d HTTP/1.1\r\nHost: example.com\r\nUser-Agent: mmbot\r\nAccept: */*\r\n"
        b"X: y\r\nContent-Length: 2\r\n\r\n{}"
    )


@given(*(st.text(st.characters(codec="utf-8")) for _ in range(3)))
def test_what_is_asked_for_is_read_by_the_host_as_it_was_meant(
    path: str, name: str, value: str
) -> None:
    line = render(HttpRequest("GET", f"/{path}", ((name, value),)), "").split(b"\r\n")[0].decode()
    asked, _, query = line.removeprefix("GET ").partition("?")
    assert unquote(asked) == f"/{path}"
    assert parse_qsl(query, keep_blank_values=True) == [(name, value)]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://[::1]:8080", b"[::1]:8080"),
        ("https://a.b:443", b"a.b"),
        ("http://a.b:81", b"a.b:81"),
    ],
)
def test_a_port_is_said_where_it_is_not_the_usual_one(origin: str, host: bytes) -> None:
    assert b"\r\nHost: " + host + b"\r\n" in render(GET, host_lines(URL(origin)))


@given(st.text(), st.text())
def test_no_text_of_the_exchange_becomes_a_line_of_the_request(order_id: str, ticker: str) -> None:
    order_id = order_id.encode("utf-8", "ignore").decode()
    ticker = ticker.encode("utf-8", "ignore").decode()
    request = HttpRequest("DELETE", f"/orders/{order_id}", (("market_ticker", ticker),))
    line, _, rest = render(request, host_lines(URL("http://a.b"))).partition(b"\r\n")
    assert line.count(b" ") == 2
    assert rest == render(GET, host_lines(URL("http://a.b"))).partition(b"\r\n")[2]
    (target,) = line.split(b" ")[1:2]
    read = URL(f"http://a.b{target.decode()}", encoded=True)
    assert read.raw_fragment == ""
    assert read.query["market_ticker"] == ticker


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        render(HttpRequest("GET", "/", headers=(("A", "b\r\nC: d"),)), "")
