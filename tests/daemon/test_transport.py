"""Bytes are moved whole, or it is said that they were not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mmbot.daemon import transport
from mmbot.daemon.transport import Rest
from mmbot.kalshi.http import HttpRequest

WHOLE = b"x" * 3_000_000
GET = HttpRequest("GET", "/portfolio/orders")


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[Rest]:
    """Serve one answer, byte for byte, to whoever asks; yield a client of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, Rest(f"http://127.0.0.1:{port}", 5.0) as rest:
        yield rest


def head(length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()


async def test_an_answer_that_comes_in_many_pieces_is_read_whole() -> None:
    async with server(head(len(WHOLE)) + WHOLE) as rest:
        answer = await rest.call(GET)
    assert answer.body == WHOLE


async def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async with server(head(len(WHOLE)) + WHOLE[:-1]) as rest:
        assert await rest.try_call(GET) is None


async def test_an_answer_without_bounds_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_LARGEST_ANSWER", 1_000_000)
    async with server(head(len(WHOLE)) + WHOLE) as rest:
        assert await rest.try_call(GET) is None


async def test_what_is_no_http_is_no_answer() -> None:
    async with server(b"good morning\r\n\r\n") as rest:
        assert await rest.try_call(GET) is None


async def test_a_connection_that_nobody_takes_is_no_answer() -> None:
    async with Rest("http://127.0.0.1:9", 5.0) as rest:
        assert await rest.try_call(GET) is None
