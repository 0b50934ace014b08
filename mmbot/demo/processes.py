"""`mmbot` commands as child processes: started, watched through their output, ended by SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from typing import IO, Any

import orjson

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_LONGEST_LINE_BYTES = 1024 * 1024


@contextlib.asynccontextmanager
async def run_command(
    arguments: list[str], *, stdout: int, stderr: int | IO[bytes], environment: dict[str, str]
) -> AsyncIterator[Process]:
    """Run `mmbot` with these arguments; the process is stopped when the block is left."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mmbot",
        *arguments,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **environment},
        limit=_LONGEST_LINE_BYTES,
    )
    try:
        yield child
    finally:
        await stop(child)


async def stop(child: Process) -> int:
    """Send SIGTERM, and SIGKILL after half a minute; return the exit code."""
    if child.returncode is None:
        child.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            # Its remaining output must be read, or it would block on a full pipe.
            await child.communicate()
    except TimeoutError:
        child.kill()
    return await child.wait()


async def first_line(child: Process) -> bytes:
    """Return the first line of standard output, empty if the process ended without one."""
    if child.stdout is None:
        raise RuntimeError("standard output is not in a pipe")
    async with asyncio.timeout(_START_SECONDS):
        return await child.stdout.readline()


async def log_lines(child: Process) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON log lines of standard error; pass any other line on to our own."""
    if child.stderr is None:
        raise RuntimeError("standard error is not in a pipe")
    async for line in child.stderr:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            sys.stderr.buffer.write(line)
