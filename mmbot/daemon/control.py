"""The operator's socket: how a command reaches the running daemon.

A Unix socket in the state directory, for the daemon's own user and root only. One connection
carries one request and one answer, a line of JSON each, limited in size, number and time; a bad
request is answered with a sentence. The holder of the ledger's lock owns the directory, so a socket
found there at the start is that of a dead daemon and is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from mmbot.daemon_api import Answer, Refused, Request
from mmbot.errors import BadInput, NotReady
from mmbot.texts import to_json

SOCKET_NAME = "control.sock"

# The largest request carries a whole tree of settings, some three thousand bytes.
MOST_REQUEST_BYTES = 65_536
_MOST_ANSWER_BYTES = 8 * 1024 * 1024
MOST_CONNECTIONS = 8
# For the request to arrive, for the answer to be made and sent, and for a client to wait.
READ_SECONDS = 5.0
_ANSWER_SECONDS = 40.0
_CLIENT_SECONDS = 45.0

_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
# `struct ucred`, the other end according to the kernel: process, user, group.
_PEER = struct.Struct("3i")

Answerer = Callable[[Request], Awaitable[Answer]]


class NotRunning(NotReady):
    """No daemon listens in the state directory."""


class Unanswered(NotReady):
    """A daemon is there and gave no answer, so that it is not known what it did."""

    exit_code = 4


# Server


@contextlib.asynccontextmanager
async def listening(
    directory: Path, answer: Answerer, account: socket.socket | None = None
) -> AsyncIterator[None]:
    """Answer requests for as long as the context lasts.

    Args:
        directory: The state directory, whose ledger this process holds.
        answer: Makes the answer to a request; cancelled if it takes too long.
        account: Bound to the account's address, to answer there as well.

    Raises:
        BadInput: The socket cannot be made.
        Unavailable: Neither can it, for a reason that time heals.
    """
    connections = _Connections(answer)
    bound = [_bound(directory), *([account] if account is not None else [])]
    servers = [
        await asyncio.start_unix_server(connections.accept, sock=each, limit=MOST_REQUEST_BYTES)
        for each in bound
    ]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        with contextlib.suppress(OSError):
            (directory / SOCKET_NAME).unlink(missing_ok=True)
        await connections.close()


def _bound(directory: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        (directory / SOCKET_NAME).unlink(missing_ok=True)
        with _address(directory) as address:
            listener.bind(address)
        # Nobody can connect before the socket listens, and by then it is the owner's alone.
        (directory / SOCKET_NAME).chmod(0o600)
    except OSError as error:
        listener.close()
        # Only a server needs it, and a client would wait for its import.
        from mmbot.daemon.patience import refusal  # noqa: PLC0415

        sentence = f"cannot open the operator's socket in {directory}: {error}"
        raise refusal(error, sentence, directory) from None
    return listener


class _Connections:
    """The open connections, one task each."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        # Those that have not sent their request yet, the oldest first.
        self._idle: dict[asyncio.Task[None], None] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, or refuse it.

        Where there are too many, the one that has been silent for longest has to go: silence must
        not lock a halt out.
        """
        crowded = len(self._tasks) >= MOST_CONNECTIONS
        trusted = _is_trusted(writer)
        if crowded and trusted and self._idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            self._tasks.discard(oldest)
            oldest.cancel()
            crowded = False
        if crowded or not trusted:
            error = "too many commands at once; try again" if crowded else "not your daemon"
            writer.write(_line(Refused(error)))
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        self._idle[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._idle.pop(task, None)

    async def close(self) -> None:
        """Cancel whatever is in progress."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that hung up needs no answer, and one that is too slow gets none.
        with contextlib.suppress(TimeoutError, OSError), contextlib.closing(writer):
            request = await _read(reader)
            if (serving := asyncio.current_task()) is not None:
                self._idle.pop(serving, None)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = request if isinstance(request, Refused) else await self._answer(request)
                writer.write(_line(answer))
                await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request | Refused:
    """Read a request, or return what is wrong with it."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            line = await reader.readuntil(b"\n")
        return _REQUESTS.decode(line)
    except TimeoutError:
        return Refused(f"no whole line came within {READ_SECONDS:.0f} seconds")
    except asyncio.IncompleteReadError:
        return Refused("the request ended before its line did")
    except asyncio.LimitOverrunError:
        return Refused(f"a request has at most {MOST_REQUEST_BYTES} bytes")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refused(f"that is no request that this mmbot knows: {error}")


def _is_trusted(writer: asyncio.StreamWriter) -> bool:
    _, user = _peer(writer.get_extra_info("socket"))
    return user in {os.geteuid(), 0}


# Client


def ask(directory: Path, request: Request, account: str | None = None) -> Answer:
    """Send a request to the daemon, and wait for its answer.

    Args:
        directory: The state directory, where a daemon is looked for that the account has not shown.
        request: What is asked.
        account: The account's address, if it is known: the daemon that trades it answers,
            whatever its state directory is.

    Raises:
        NotRunning: There is none.
        Unanswered: It did not answer in time, or ended meanwhile.
        BadInput: It refused the request, or belongs to another user.
    """
    if account is not None:
        with contextlib.suppress(NotRunning):
            return _converse(request, "on this account", lambda line: line.connect(account))

    def connect(line: socket.socket) -> None:
        with _address(directory) as address:
            line.connect(address)

    return _converse(request, f"in {directory}", connect)


def _converse(request: Request, where: str, connect: Callable[[socket.socket], None]) -> Answer:
    deadline = time.monotonic() + _CLIENT_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CLIENT_SECONDS)
        _connect(connection, where, connect)
        process, user = _peer(connection)
        if os.geteuid() not in {user, 0} and user != 0:
            raise BadInput(
                f"the mmbot at work {where} (process {process}) runs as another user; ask as that "
                "user, or as root"
            )
        try:
            # A refused connection is closed by the daemon, and has the reason still to be read.
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(_line(request))
            answer = _ANSWERS.decode(_read_line(connection, deadline))
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            raise Unanswered(
                f"the mmbot at work {where} (process {process}) gave no answer "
                f"({error or type(error).__name__}); look at its log, and stop it if it hangs"
            ) from None
    if isinstance(answer, Refused):
        raise BadInput(answer.error)
    return answer


def _connect(
    connection: socket.socket, where: str, connect: Callable[[socket.socket], None]
) -> None:
    try:
        connect(connection)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise NotRunning(
            f"no mmbot is at work {where}; give the --config, --venue and STATE_DIRECTORY "
            "that it runs with, or start it with `mmbot run`"
        ) from None
    except OSError as error:
        raise BadInput(
            f"cannot reach the mmbot at work {where}: {error.strerror}; ask as the user "
            "that it runs as, or as root"
        ) from None


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(65_536)
        if not part:
            raise ConnectionResetError("it hung up")
        data += part
        if len(data) > _MOST_ANSWER_BYTES:
            raise ConnectionAbortedError("its answer has no end")
    return bytes(data)


# Both


def _line(message: Request | Answer) -> bytes:
    return to_json(message) + b"\n"


@contextlib.contextmanager
def _address(directory: Path) -> Iterator[str]:
    """Yield a short path to the socket, as its address is limited to about a hundred bytes."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return the process id and the user id of the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    process, user, _ = _PEER.unpack(credentials)
    return process, user
