"""The stream's connections to a real server that turns them away, each in its own way."""

from __future__ import annotations

import asyncio
import http
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from mmbot.bot import backoff
from mmbot.daemon.stream_client import StreamClient

# The waits are a hundredth of the real ones, and so is the minute.
SHRINK = 100.0
MINUTE_SECONDS = 60.0 / SHRINK
# 0.5 + 1 + 2 + 4 + 8 + 16 s are the waits of half a minute; each may be halved by its jitter.
MOST_A_MINUTE = 9


class Listener:
    """One that is subscribed once it has received so many frames."""

    def __init__(self, subscribed_after: int) -> None:
        self.subscribed_after = subscribed_after
        self.frames = 0

    def stream_headers(self) -> tuple[tuple[str, str], ...]:
        return ()

    def connected(self) -> None:
        self.frames = 0

    def received(self, frames: Sequence[bytes | str]) -> bool:
        self.frames += len(frames)
        return self.frames >= self.subscribed_after

    def disconnected(self) -> None:
        pass


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_MS", "LONGEST_MS", "USEFUL_MS"):
        monkeypatch.setattr(backoff, name, getattr(backoff, name) / SHRINK)


async def attempts_of_a_minute(
    serving: Callable[[ServerConnection], Awaitable[None]], *, refuse: bool = False
) -> int:
    attempts, _ = await minute_of(serving, refuse=refuse)
    return attempts


async def minute_of(
    serving: Callable[[ServerConnection], Awaitable[None]], *, refuse: bool
) -> tuple[int, list[MutableMapping[str, Any]]]:
    """The attempts of a minute, and what was logged meanwhile."""
    attempted: list[float] = []

    def process_request(connection: ServerConnection, request: Request) -> Response | None:
        attempted.append(time.monotonic())
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no") if refuse else None

    async with serve(serving, "127.0.0.1", 0, process_request=process_request) as server:
        client = StreamClient(url_of(server), Listener(2), random.Random(1))
        with capture_logs() as logged:
            running = asyncio.create_task(client.run())
            await asyncio.sleep(MINUTE_SECONDS)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    # A busy machine may end the wait late.
    attempts = sum(at <= attempted[0] + MINUTE_SECONDS for at in attempted)
    print(f"{attempts} attempts in a minute, shrunk to {MINUTE_SECONDS:.1f} s")
    return attempts, logged


def url_of(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()
    return f"ws://{host}:{port}"


async def closed_at_once(connection: ServerConnection) -> None:
    await connection.close()


async def subscribed_and_closed(connection: ServerConnection) -> None:
    await connection.send("{}")
    await connection.send("{}")
    await connection.close()


async def served_and_closed(connection: ServerConnection) -> None:
    for _ in range(3):
        await connection.send("{}")
    await connection.close()


@pytest.mark.usefixtures("quick")
async def test_a_refused_handshake_is_tried_ever_more_rarely() -> None:
    assert 1 < await attempts_of_a_minute(closed_at_once, refuse=True) <= MOST_A_MINUTE


@pytest.mark.usefixtures("quick")
async def test_an_outage_in_which_every_attempt_fails_alike_is_logged_once() -> None:
    attempts, logged = await minute_of(closed_at_once, refuse=True)
    assert attempts > 1
    assert [each["event"] for each in logged] == ["stream.failed"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("serving", [closed_at_once, subscribed_and_closed, served_and_closed])
async def test_so_is_a_connection_that_is_of_no_use(
    serving: Callable[[ServerConnection], Awaitable[None]],
) -> None:
    assert 1 < await attempts_of_a_minute(serving) <= MOST_A_MINUTE


@pytest.mark.usefixtures("quick")
async def test_refusals_after_a_connection_that_served_are_tried_as_rarely() -> None:
    first = True
    attempts = 0

    def process_request(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal attempts
        attempts += 1
        return None if first else connection.respond(http.HTTPStatus.FORBIDDEN, "no")

    async def serve_once(connection: ServerConnection) -> None:
        nonlocal first
        for _ in range(5):
            await connection.send("{}")
            await asyncio.sleep(0.02)
        first = False

    async with serve(serve_once, "127.0.0.1", 0, process_request=process_request) as server:
        client = StreamClient(url_of(server), Listener(2), random.Random(1))
        with capture_logs():
            running = asyncio.create_task(client.run())
            await asyncio.sleep(0.1 + MINUTE_SECONDS)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert 2 < attempts <= MOST_A_MINUTE + 1


@pytest.mark.usefixtures("quick")
async def test_so_is_a_connection_that_serves_and_is_given_up_each_time() -> None:
    """As the bot does where a channel is silent, long after the wait that it had cost."""
    attempts = 0

    async def serve_and_wait(connection: ServerConnection) -> None:
        nonlocal attempts
        attempts += 1
        for _ in range(3):
            await connection.send("{}")
        await asyncio.sleep(2 / SHRINK)
        client.reconnect()
        await connection.wait_closed()

    async with serve(serve_and_wait, "127.0.0.1", 0) as server:
        client = StreamClient(url_of(server), Listener(2), random.Random(1))
        with capture_logs():
            running = asyncio.create_task(client.run())
            await asyncio.sleep(MINUTE_SECONDS)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert 1 < attempts <= MOST_A_MINUTE
