"""The operator's socket, both ends, with whatever bytes may arrive."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmbot.config import Settings
from mmbot.daemon import control, control_client
from mmbot.daemon_api import (
    MAX_REASON_CHARACTERS,
    Answer,
    Halt,
    HaltReport,
    Plan,
    PlanReport,
    Refused,
    Request,
    Resume,
    ResumeReport,
)
from mmbot.errors import BadInput

WAIT = 20.0


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A directory whose path is longer than a socket address may be."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir(mode=0o700)
    return directory


async def answer(request: Request) -> Answer:
    match request:
        case Halt():
            return HaltReport(1, request.reason, running=True)
        case Resume():
            return ResumeReport(None)
        case Plan():
            return PlanReport(())
    return Refused("not today")


async def ask(directory: Path, request: Request) -> Answer:
    return await asyncio.to_thread(control_client.ask, directory, request)


async def answer_to(directory: Path, *parts: bytes) -> dict[str, str]:
    """Send raw bytes, end the line there, and read what comes back."""
    descriptor = os.open(directory, os.O_PATH)
    path = f"/proc/self/fd/{descriptor}/{control_client.SOCKET_NAME}"
    reader, writer = await asyncio.open_unix_connection(path)
    os.close(descriptor)
    for part in parts:
        writer.write(part)
    writer.write_eof()
    line = await asyncio.wait_for(reader.readline(), WAIT)
    writer.close()
    decoded: dict[str, str] = msgspec.json.decode(line)
    return decoded


async def test_a_request_is_answered_however_deep_the_directory_lies(deep: Path) -> None:
    async with control.listening(deep, answer):
        assert await ask(deep, Halt("storm")) == HaltReport(1, "storm", running=True)
        assert await ask(deep, Plan(Settings())) == PlanReport(())


async def test_text_that_is_no_unicode_stops_no_request_and_no_answer(tmp_path: Path) -> None:
    async def quote(request: Request) -> Answer:
        return Refused("the directory caf\udce9")

    async with control.listening(tmp_path, answer):
        longest = "\udce9" * MAX_REASON_CHARACTERS
        report = await ask(tmp_path, Halt(longest))
        assert report == HaltReport(1, "?" * MAX_REASON_CHARACTERS, running=True)
    async with control.listening(tmp_path, quote):
        with pytest.raises(BadInput, match="the directory caf"):
            await ask(tmp_path, Resume())


async def test_the_socket_is_its_owners_alone_and_goes_with_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / control_client.SOCKET_NAME
    async with control.listening(tmp_path, answer):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with control.listening(tmp_path, answer):
        for end in (control, control_client):
            monkeypatch.setattr(end, "peer", lambda line: (1, 4_000_000_000))
        with pytest.raises(BadInput, match="not your daemon"):
            await ask(tmp_path, Halt())


async def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / control_client.SOCKET_NAME))
    dead.close()
    with pytest.raises(control_client.NotRunning, match="no mmbot is running"):
        await ask(tmp_path, Resume())
    async with control.listening(tmp_path, answer):
        assert await ask(tmp_path, Resume()) == ResumeReport(None)


def test_where_no_daemon_listens_the_error_names_the_directory(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(control_client.NotRunning, match=str(directory)):
            control_client.ask(directory, Resume())


async def test_a_refusal_is_the_error_of_the_command(tmp_path: Path) -> None:
    async def refuse(request: Request) -> Answer:
        return Refused("no, because")

    async with control.listening(tmp_path, refuse):
        with pytest.raises(BadInput, match="no, because"):
            await ask(tmp_path, Resume())


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"\n", "this mmbot does not know that request"),
        (b"{}\n", "this mmbot does not know that request"),
        (b"\xff\xfe\n", "this mmbot does not know that request"),
        (b'{"type":"dance"}\n', "dance"),
        (b'{"type":"halt","reasn":"x"}\n', "reasn"),
        (b'{"type":"halt","reason":"' + b"x" * 300 + b'"}\n', "200"),
        (b'{"type":"counts none","day":"tomorrow"}\n', "day"),
        (b'{"type":"resume"}', "ended in the middle of its line"),
        (b"x" * (2 * control.MOST_REQUEST_BYTES), "at most"),
        (b"[" * 60_000 + b"\n", "this mmbot does not know that request"),
    ],
)
async def test_a_malformed_request_is_refused_in_a_sentence_and_the_next_is_served(
    tmp_path: Path, line: bytes, sentence: str
) -> None:
    async with control.listening(tmp_path, answer):
        refused = await answer_to(tmp_path, line)
        assert refused["type"] == "refused"
        assert sentence in refused["error"]
        assert await ask(tmp_path, Resume()) == ResumeReport(None)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200).filter(lambda data: b"\n" not in data))
def test_whatever_bytes_come_the_next_request_is_served(tmp_path: Path, data: bytes) -> None:
    async def once() -> None:
        async with control.listening(tmp_path, answer):
            assert (await answer_to(tmp_path, data + b"\n"))["type"] == "refused"
            assert await ask(tmp_path, Resume()) == ResumeReport(None)

    asyncio.run(once())


async def test_a_line_that_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "READ_SECONDS", 0.0)
    async with control.listening(tmp_path, answer):
        reader, writer = await asyncio.open_unix_connection(tmp_path / control_client.SOCKET_NAME)
        writer.write(b'{"type"')
        line = await asyncio.wait_for(reader.readline(), WAIT)
        assert b"no whole line came" in line
        writer.close()


async def test_idle_conversations_do_not_lock_a_request_out(tmp_path: Path) -> None:
    async with control.listening(tmp_path, answer):
        idle = [
            await asyncio.open_unix_connection(tmp_path / control_client.SOCKET_NAME)
            for _ in range(control.MOST_CONNECTIONS)
        ]
        for _ in range(3):
            assert await ask(tmp_path, Halt()) == HaltReport(1, "", running=True)
        # The oldest had to go.
        assert await asyncio.wait_for(idle[0][0].read(), WAIT) == b""
        for _, writer in idle:
            writer.close()


async def test_too_many_requests_at_once_are_refused(tmp_path: Path) -> None:
    begun = 0
    every = asyncio.Event()

    async def never(request: Request) -> Answer:
        nonlocal begun
        begun += 1
        if begun == control.MOST_CONNECTIONS:
            every.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    writers = []
    async with control.listening(tmp_path, never):
        for _ in range(control.MOST_CONNECTIONS):
            _, writer = await asyncio.open_unix_connection(tmp_path / control_client.SOCKET_NAME)
            writers.append(writer)
            writer.write(b'{"type":"resume"}\n')
        await asyncio.wait_for(every.wait(), WAIT)
        with pytest.raises(BadInput, match="too many"):
            await ask(tmp_path, Resume())
        for writer in writers:
            writer.close()


async def test_a_daemon_that_ends_before_it_answers_leaves_it_unknown(
    tmp_path: Path,
) -> None:
    begun = asyncio.Event()

    async def never(request: Request) -> Answer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with control.listening(tmp_path, never):
        asking = asyncio.create_task(ask(tmp_path, Halt()))
        await asyncio.wait_for(begun.wait(), WAIT)
    with pytest.raises(control_client.Unanswered, match=f"process {os.getpid()}") as caught:
        await asking
    assert caught.value.exit_code == 4


async def test_a_place_where_no_socket_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / control_client.SOCKET_NAME).mkdir()
    with pytest.raises(BadInput, match="cannot open the operator's socket"):
        async with control.listening(tmp_path, answer):
            pass
