"""Processes that begin with mmbot imported: forked off one of this worker's that imported it.

Importing takes most of the time of a process that serves a test. One that is started with
`PRELOADED` in the place of `sys.executable` is for the rest what `subprocess` and `asyncio` start:
a child of the test's own process with its own standard streams, environment and working directory,
whose signals, exit codes and exit handlers are the interpreter's. How mmbot starts by itself is
seen wherever `sys.executable` stands, and in `tests/systemd/`. Where `MMBOT_TESTS_FORK` is 0, all
are started by the interpreter: the oldest libraries that mmbot works with do not survive a fork.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.origin import Request

PRELOADED = sys.executable if os.environ.get("MMBOT_TESTS_FORK") == "0" else "mmbot-preloaded"
_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None)
# One request at a time, from whichever thread.
_ASKING = threading.Lock()


def _fork_or_execute(process: Any, args: Any, *rest: Any) -> None:
    """Do what `Popen` does to start a process, unless it is to be forked."""
    if isinstance(args, str) or args[0] != PRELOADED or sys.executable == PRELOADED:
        _execute(process, args, *rest)
        return
    _executable, _preexec, _close_fds, _pass_fds, directory, environment, *_ = rest
    from_stdin, _, _, to_stdout, _, to_stderr = pipes = rest[9:15]
    request = Request(
        [os.fspath(argument) for argument in args[1:]],
        dict(os.environ if environment is None else environment),
        str(Path.cwd() if directory is None else directory),
    )
    given = (from_stdin, to_stdout, to_stderr)
    process.pid = _fork(request, [own if pipe == -1 else pipe for own, pipe in enumerate(given)])
    process._child_created = True
    process._close_pipe_fds(*pipes)


_EXECUTE_CHILD = "_execute_child"
_execute = getattr(subprocess.Popen, _EXECUTE_CHILD)
setattr(subprocess.Popen, _EXECUTE_CHILD, _fork_or_execute)


def _fork(request: Request, streams: list[int]) -> int:
    """Have a process forked off with these standard streams; return its id."""
    with _ASKING:
        origin = _origin()
        # A process whose parent ends becomes the child of this one, which waits for it as for any.
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(origin, [pickle.dumps(request)], streams)
            answer = origin.recv(32)
        finally:
            _LIBC.prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert answer, "what processes are forked off has ended"
    return int(answer)


@functools.cache
def _origin() -> socket.socket:
    """Start what processes are forked off; it ends when this process does."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.origin", str(its.fileno())],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    atexit.register(process.wait)
    atexit.register(mine.close)
    return mine
