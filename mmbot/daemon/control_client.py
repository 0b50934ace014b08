"""The commands' end of the operator's socket: sends a request and waits for the answer.

It is separate from the daemon's end (`control`), because every command waits for its imports.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mmbot.daemon_api import Answer, Refused, Request
from mmbot.errors import BadInput, NotReady
from mmbot.texts import to_json

SOCKET_NAME = "control.sock"

_MOST_ANSWER_BYTES = 8 * 1024 * 1024
# How long a client waits.
_CLIENT_SECONDS = 45.0

_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
# `struct ucred`: process, user and group of the other end, according to the kernel.
_PEER = struct.Struct("3i")


class NotRunning(NotReady):
    """No daemon listens in the state directory."""


class Unanswered(NotReady):
    """A daemon runs but did not answer, so it is not known what it did."""

    exit_code = 4


def ask(directory: Path, request: Request, account: str | None = None) -> Answer:
    """Send a request to the daemon, and wait for its answer.

    Args:
        directory: The state directory, where a daemon is looked for if none has the account.
        request: The request.
        account: The account's address, if it is known: the daemon that trades it answers,
            whatever its state directory is.

    Raises:
        NotRunning: No daemon runs.
        Unanswered: It did not answer in time, or ended meanwhile.
        BadInput: It refused the request, or belongs to another user.
    """
    if account is not None:
        with contextlib.suppress(NotRunning):
            return _converse(request, "on this account", lambda end: end.connect(account))

    def connect(connection: socket.socket) -> None:
        with address(directory) as short:
            connection.connect(short)

    return _converse(request, f"in {directory}", connect)


def _converse(request: Request, where: str, connect: Callable[[socket.socket], None]) -> Answer:
    deadline = time.monotonic() + _CLIENT_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CLIENT_SECONDS)
        _connect(connection, where, connect)
        process, user = peer(connection)
        if os.geteuid() not in {user, 0} and user != 0:
            raise BadInput(
                f"the mmbot running {where} (process {process}) is another user's; run this as "
                "that user, or as root"
            )
        try:
            # The daemon closes a connection that it refuses, but the reason can still be read.
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(as_line(request))
            answer = _ANSWERS.decode(_read_line(connection, deadline))
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            raise Unanswered(
                f"the mmbot running {where} (process {process}) gave no answer "
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
            f"no mmbot is running {where}; give the --config, --venue and STATE_DIRECTORY "
            "that it runs with, or start it with `mmbot run`"
        ) from None
    except OSError as error:
        raise BadInput(
            f"cannot reach the mmbot running {where}: {error.strerror}; run this as its user, or "
            "as root"
        ) from None


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(65_536)
        if not part:
            raise ConnectionResetError("it closed the connection")
        data += part
        if len(data) > _MOST_ANSWER_BYTES:
            raise ConnectionAbortedError("its answer is incomplete")
    return bytes(data)


def as_line(message: Request | Answer) -> bytes:
    """Return a message as it is sent over the socket."""
    return to_json(message) + b"\n"


@contextlib.contextmanager
def address(directory: Path) -> Iterator[str]:
    """Yield a short path to the socket, because an address has at most about a hundred bytes."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return the process id and the user id of the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    process, user, _ = _PEER.unpack(credentials)
    return process, user
