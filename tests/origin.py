"""The process that others are forked off: it has imported what any of mmbot's commands needs.

A child leaves the loop that forks and goes on as the interpreter does that was started with its
arguments, to the end. It is forked by a process that ends at once, so that it is adopted by
whoever asked for it (`tests/preloaded.py`).
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import runpy
import socket
import sys
from contextlib import suppress
from typing import NamedTuple

_LARGEST_REQUEST = 1 << 17
# More than all descriptors that it has.
_HIGHEST = 256
# Beside the modules of the commands: what is imported when it is first needed, where there is such.
_LATER = ("typer._adapters",)


class Request(NamedTuple):
    """What a process is started with.

    Attributes:
        arguments: `-m` and a module, or `-c` and code; then those of the program.
        environment: All of its variables.
        directory: Where it works.
    """

    arguments: list[str]
    environment: dict[str, str]
    directory: str


def import_all() -> None:
    """Import every command, and what it imports only later."""
    from mmbot import cli  # noqa: PLC0415

    commands = {module for panel in cli._PANELS.values() for module in panel.values()}
    for command in sorted(commands):
        importlib.import_module(f"mmbot.cli.{command}")
    for module in _LATER:
        with suppress(ImportError):
            importlib.import_module(module)


def next_child(requests: socket.socket) -> Request | None:
    """Fork for each request; return it in the child, and nothing when there will be no more."""
    while True:
        encoded, streams, _, _ = socket.recv_fds(requests, _LARGEST_REQUEST, 3)
        if not encoded:
            return None
        reading, writing = os.pipe()
        if between := os.fork():
            for descriptor in (writing, *streams):
                os.close(descriptor)
            with os.fdopen(reading, "rb") as told:
                child = told.read()
            os.waitpid(between, 0)
            requests.send(child)
        elif child_id := os.fork():
            os.write(writing, b"%d" % child_id)
            os._exit(0)
        else:
            requests.detach()
            for own, stream in enumerate(streams):
                os.dup2(stream, own)
            os.closerange(3, _HIGHEST)
            request: Request = pickle.loads(encoded)  # noqa: S301 (of the process that started this)
            return request


def become(request: Request) -> None:
    """Be the interpreter that was started so."""
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.directory)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as the interpreter has it)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    option, program, *arguments = request.arguments
    if option == "-m":
        sys.argv = [program, *arguments]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *arguments]
        exec(program, {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    import_all()
    # What is never collected is never written to, and so stays shared with those that are forked.
    gc.freeze()
    if (request := next_child(socket.socket(fileno=int(sys.argv[1])))) is not None:
        become(request)
