"""Frames cut out of the bytes as they come, however the bytes are divided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from mmbot.daemon import stream_connection
from mmbot.daemon.stream_connection import StreamConnection
from mmbot.daemon.transport import open_stream

Serving = Callable[[ServerConnection], Awaitable[None]]
PATIENCE_SECONDS = 20.0


@asynccontextmanager
async def connected(serving: Serving) -> AsyncIterator[StreamConnection]:
    async with serve(serving, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_stream(f"ws://127.0.0.1:{port}", ()) as connection:
            assert isinstance(connection, StreamConnection)
            yield connection


async def heard(serving: Serving) -> tuple[list[bytes], list[bytes | str]]:
    """What is handed over, and what the library puts together, until the server is done."""
    handed: list[bytes] = []
    async with connected(serving) as connection:
        connection.hand_over_to(handed.extend)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await connection.send("ready")
            try:
                rest = [message async for message in connection]
            except ConnectionClosed:
                rest = []
    return handed, rest


def raw(*parts: bytes) -> Serving:
    """A server that writes bytes as they are, a moment apart, once the client is ready."""

    async def write(connection: ServerConnection) -> None:
        await connection.recv()
        for part in parts:
            connection.transport.write(part)
            await asyncio.sleep(0.005)

    return write


def text(payload: bytes, head: int = 0x81) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((head, length)) + payload
    if length < 65_536:
        return bytes((head, 126)) + length.to_bytes(2, "big") + payload
    return bytes((head, 127)) + length.to_bytes(8, "big") + payload


async def test_messages_of_every_length_are_handed_over_whole() -> None:
    payloads = [b"x" * length for length in (0, 1, 125, 126, 300, 65_535, 65_536, 200_000)]
    handed, rest = await heard(raw(b"".join(map(text, payloads))))
    assert handed == payloads
    assert rest == []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
async def test_however_the_bytes_are_divided_the_messages_are_the_same(size: int) -> None:
    payloads = [b"a" * 3, b"b" * 130, b"c"]
    whole = b"".join(map(text, payloads)) + text(b"d" * 70_000)
    parts = [whole[at : at + size] for at in range(0, 150, size)]
    handed, _ = await heard(raw(*parts, whole[len(parts) * size :]))
    assert handed == [*payloads, b"d" * 70_000]


async def test_a_ping_between_messages_is_answered_and_handed_to_nobody() -> None:
    answered = asyncio.Event()

    async def serving(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("one")
        pong = await connection.ping()
        await connection.send("two")
        await pong
        answered.set()

    handed, rest = await heard(serving)
    assert (handed, rest) == ([b"one", b"two"], [])
    assert answered.is_set()


async def test_a_message_in_several_frames_is_put_together_by_the_library() -> None:
    async def serving(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(["in ", "two ", "parts"])
        await connection.send("whole")

    handed, rest = await heard(serving)
    assert handed == [b"whole"]
    assert rest == ["in two parts"]


async def test_more_than_is_read_at_a_time_lets_others_have_their_turn() -> None:
    frame = text(b"y" * 300)
    turns = 0
    handed: list[bytes] = []
    async with connected(raw(frame * 2_000)) as connection:
        connection.hand_over_to(handed.extend)
        await connection.send("ready")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(handed) < 2_000:
                await asyncio.sleep(0)
                turns += 1
    assert turns > 2_000 * len(frame) // stream_connection._READ_BYTES


@pytest.mark.parametrize(
    "damaged",
    [text(b"masked", 0x81)[:1] + b"\x86" + b"masked", b"\x81\x7f" + b"\x7f" * 8 + b"too long"],
    ids=["masked", "without end"],
)
async def test_a_frame_that_no_server_may_send_ends_the_connection(damaged: bytes) -> None:
    handed, rest = await heard(raw(text(b"good") + damaged, text(b"never read")))
    assert handed == [b"good"]
    assert rest == []


async def test_a_whole_message_amid_the_parts_of_another_ends_the_connection() -> None:
    begun, last = text(b"in ", 0x01), text(b"parts", 0x80)
    handed, rest = await heard(raw(text(b"good") + begun + text(b"amid") + last + text(b"late")))
    assert handed == [b"good"]
    assert rest == []


async def test_nothing_that_comes_after_a_close_is_a_message() -> None:
    close = b"\x88\x02" + (1000).to_bytes(2, "big")
    handed, rest = await heard(raw(text(b"last") + close + text(b"too late") + b"\x81"))
    assert handed == [b"last"]
    assert rest == []


async def test_what_came_before_there_was_a_receiver_is_the_library_s() -> None:
    async def serving(connection: ServerConnection) -> None:
        await connection.send("early")
        await connection.recv()
        await connection.send("later")

    handed: list[bytes] = []
    async with connected(serving) as connection, asyncio.timeout(PATIENCE_SECONDS):
        while not connection.recv_messages.frames:  # noqa: ASYNC110 (it has no event of its own)
            await asyncio.sleep(0.001)
        connection.hand_over_to(handed.extend)
        await connection.send("ready")
        assert [message async for message in connection] == ["early", "later"]
    assert handed == []
