"""What is forked off behaves as a process of Python that a test has started."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.preloaded import PRELOADED

ABOUT_ITSELF = """
import os, signal, sys
open_files = [int(name) for name in os.listdir("/proc/self/fd")]
print(sys.stdin.read(), sys.argv[1:], os.environ["GIVEN"], "HOME" in os.environ, os.getcwd())
print(max(open_files), signal.getsignal(signal.SIGINT), os.getppid(), file=sys.stderr)
import atexit
atexit.register(print, "at the end")
sys.exit(7)
"""


def run(code: str, *arguments: str, python: str = PRELOADED) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", code, *arguments],
        input="in",
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"GIVEN": "x"},
    )


def test_it_is_what_an_interpreter_is_that_was_started_so() -> None:
    forked, started = (run(ABOUT_ITSELF, "a", "b", python=p) for p in (PRELOADED, sys.executable))
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_it_has_mmbot_imported() -> None:
    assert run("import sys; print('mmbot.cli.run' in sys.modules)").stdout == "True\n"


def test_an_error_ends_it_as_it_ends_an_interpreter() -> None:
    ended = run("1 / 0")
    assert ended.returncode == 1
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT"])
async def test_a_signal_ends_it_and_its_parent_is_told_which(name: str) -> None:
    # Where the tests are run in the background, SIGINT may be ignored by all that they start.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "print('begun', flush=True); signal.pause()"
    )
    process = await asyncio.create_subprocess_exec(
        PRELOADED, "-c", code, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    process.send_signal(signal.Signals[name])
    assert await process.wait() == -signal.Signals[name]


def test_each_of_many_at_once_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    def code_of(number: int) -> int:
        return run("import sys; sys.exit(int(sys.argv[1]))", str(number)).returncode

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(code_of, range(12))) == list(range(12))


def test_what_cannot_be_found_is_told_as_ever() -> None:
    with pytest.raises(FileNotFoundError):
        subprocess.run(["/no/such/program"], check=False)
