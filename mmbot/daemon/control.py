"""The daemon's end of the operator's socket; `control_client` is the commands' end.

A Unix socket in the state directory, for the daemon's own user and root only. One connection
carries one request and one answer, a line of JSON each, limited in size, number and time; a bad
request is answered with a sentence. The holder of the ledger's lock owns the directory, so a socket
that exists there at the start belongs to a dead daemon and is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from mmbot.daemon.control_client import SOCKET_NAME, address, as_line, peer
from mmbot.daemon.patience import refusal
from mmbot.daemon_api import Answer, Refused, Request
from mmbot.errors import reason

# The largest request carries a whole tree of settings, some three thousand bytes.
MOST_REQUEST_BYTES = 65_536
MOST_CONNECTIONS = 8
# Time for the request to arrive, and for the answer to be made and sent.
READ_SECONDS = 5.0
_ANSWER_SECONDS = 40.0

_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)

Answerer = Callable[[Request], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def listening(
    directory: Path, answer: Answerer, account: socket.socket | None = None
) -> AsyncIterator[None]:
    """Answer requests for as long as the context lasts.

    Args:
        directory: The state directory, whose ledger this process holds.
        answer: Returns the answer to a request; cancelled if it takes too long.
        account: A socket bound to the account's address, to answer there as well.

    Raises:
        BadInput: The socket cannot be created.
        Unavailable: The same, for a reason that time heals.
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
        with address(directory) as short:
            listener.bind(short)
        # Nobody can connect before the socket listens; by then only its owner has access.
        (directory / SOCKET_NAME).chmod(0o600)
    except OSError as error:
        listener.close()
        sentence = f"cannot open the operator's socket in {directory}: {reason(error)}"
        raise refusal(error, sentence, directory) from None
    return listener


class _Connections:
    """The open connections, one task each."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        # The connections that have not sent their request yet, the oldest first.
        self._idle: dict[asyncio.Task[None], None] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, or refuse it.

        If there are too many, the one that has been silent for longest is closed, so that silent
        connections cannot keep a halt out.
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
            writer.write(as_line(Refused(error)))
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
        """Cancel every connection."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that hung up needs no answer, and a client that is too slow gets none.
        with contextlib.suppress(TimeoutError, OSError), contextlib.closing(writer):
            request = await _read(reader)
            if (serving := asyncio.current_task()) is not None:
                self._idle.pop(serving, None)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = request if isinstance(request, Refused) else await self._answer(request)
                writer.write(as_line(answer))
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
        return Refused("the request ended in the middle of its line")
    except asyncio.LimitOverrunError:
        return Refused(f"a request has at most {MOST_REQUEST_BYTES} bytes")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refused(f"this mmbot does not know that request: {error}")


def _is_trusted(writer: asyncio.StreamWriter) -> bool:
    _, user = peer(writer.get_extra_info("socket"))
    return user in {os.geteuid(), 0}
