"""Every fenced block of the README and of docs/ is run: here, or by the test that is named.

Commands are run as they stand, in a home directory of their own, by the shell. Where a user would
have the real exchange they are led to a simulated one, and what takes minutes is made shorter.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from typer.testing import CliRunner

from mmbot import config
from mmbot.cli import app
from tests.cli.conftest import user_environment
from tests.conftest import PROCESS_SECONDS, USUAL_TIME, exchanges
from tests.daemon.processes import log_until

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# The blocks, and of others the lines, that another test runs, by how they begin, and that test.
BLOCKS_ELSEWHERE = {
    "python3 -m venv .venv && ": ".ci/nightly::pythons",
    'python3 -m venv .venv\n.venv/bin/pip install --quiet --editable ".[test,plots]"': ".ci/run",
    "cp config/paper.toml mine.toml": "tests/cli/test_evidence.py::evening",
    "apt-get install": "tests/systemd/test_install.py::lines_of_readme",
}
LINES_ELSEWHERE = {
    # Its fit of all past weeks takes most of a minute; there one bank serves several tests.
    "mmbot forecast  ": "tests/cli/test_forecast_commands.py"
    "::test_the_forecast_is_shown_as_tables_and_bars",
    "mmbot simulate --seeds 20 --faults all": ".ci/nightly::seeds",
    "mmbot simulate --seeds 5 --replay": ".ci/nightly::replay",
}
# What of a line is another here than it stands there, and why.
OTHERWISE = {
    "--config FILE": "--config mmbot.toml",
    "STATE/": "$HOME/.local/state/mmbot/paper/simulated/",
    # The simulated exchange has one series, and two weeks of it.
    "--from 2026-01-05": "--from 2026-04-06 --candles 60",
    "TSAW --from 2023-01-02 --to 2024-10-20": "KXTSAW --from 2026-04-06 --candles 60",
    # A second each.
    "--seeds 20 ": "--seeds 1 ",
    ":8780/": ":$PORT/",
}
# What a page uses that a machine may not have; lines with it are not run there.
NOT_HERE = tuple(tool for tool in ("jq", "curl") if shutil.which(tool) is None)
# Takes the place of what the user's machine has: the exchange, a free port, a forecast without a
# long fit.
MMBOT = """#!/bin/sh
case "$1 $*" in
  exchange*|simulate*|*--venue*) ;;
  init*) set -- "$@" --set forecast.method=seed --set dashboard.port=$PORT ;;
  markets*) set -- "$@" --venue "$VENUE" --config seed.toml ;;
  *) set -- "$@" --venue "$VENUE" ;;
esac
exec {python} -m mmbot "$@"
"""


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield page, language and text of every fenced block."""
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            yield page.name, language, text


def lines_of(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def run_here() -> list[str]:
    """Return the lines that no other test runs, each command once."""
    lines: dict[str, str] = {}
    for _, language, text in blocks():
        if language == "sh" and not text.startswith((*BLOCKS_ELSEWHERE,)):
            for line in lines_of(text):
                needs = set(line.split()) & set(NOT_HERE)
                if not needs and not line.startswith((*LINES_ELSEWHERE,)):
                    lines.setdefault(line.partition(" #")[0].strip(), line)
    return [*lines.values()]


def as_run_here(line: str) -> str:
    for written, here in OTHERWISE.items():
        line = line.replace(written, here)
    return line


class Home:
    """A user's home directory, beside a simulated exchange with a settled week in its past."""

    def __init__(self, directory: Path, venue: Path) -> None:
        self.directory = directory
        (directory / ".venv/bin").mkdir(parents=True)
        shutil.copytree(ROOT / "config", directory / "config")
        (directory / "seed.toml").write_text('[forecast]\nmethod = "seed"\n')
        (directory / ".venv/bin/activate").write_text("PATH=$PWD/.venv/bin:$PATH\n")
        mmbot = directory / ".venv/bin/mmbot"
        mmbot.write_text(MMBOT.format(python=sys.executable))
        mmbot.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.environment = user_environment(directory) | {
            "PYTHONPATH": str(ROOT),
            "VENUE": str(venue),
            "PORT": str(port),
        }
        self.printed: dict[str, str] = {}

    def start(self, line: str, **streams: Any) -> subprocess.Popen[bytes]:
        script = f"set -euo pipefail; {as_run_here(line)}"
        # A process group of its own, as the shell does not pass signals on.
        process: subprocess.Popen[bytes] = subprocess.Popen(
            ["/bin/bash", "-c", script], cwd=self.directory, env=self.environment,
            start_new_session=True, **streams,
        )  # fmt: skip
        return process

    def run(self, line: str) -> None:
        """Run a line to its end, as a user does."""
        if line.startswith((". ", "export ")):
            self.environment = dict(self.variables_after(line))
        elif "--watch" in line:
            self.watch(line)
        elif line.startswith("mmbot simulate"):
            # What it needs is imported here already.
            done = CliRunner().invoke(app, shlex.split(as_run_here(line))[1:])
            assert done.exit_code == 0, f"{line}: {done.output}"
            self.printed[line] = done.output
        else:
            process = self.start(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, errors = process.communicate(timeout=PROCESS_SECONDS)
            assert process.returncode == 0, f"{line}: {out.decode()}{errors.decode()}"
            self.printed[line] = out.decode()

    def variables_after(self, line: str) -> Iterator[tuple[str, str]]:
        """Yield the variables that the shell has after a line that sets some."""
        shell = self.start(f"{line.partition(' #')[0]}; env -0", stdout=subprocess.PIPE)
        out, _ = shell.communicate(timeout=PROCESS_SECONDS)
        assert shell.returncode == 0, line
        for each in out.decode().strip("\0").split("\0"):
            name, _, value = each.partition("=")
            yield name, value

    def watch(self, line: str) -> None:
        """Look at it on a terminal until it shows something, and leave with Ctrl-C."""
        terminal, theirs = pty.openpty()
        process = self.start(line, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        try:
            deadline = time.monotonic() + PROCESS_SECONDS
            while b"paper" not in seen.lower() and time.monotonic() < deadline:
                if select.select([terminal], [], [], 1.0)[0]:
                    seen += os.read(terminal, 65536)
            end(process, signal.SIGINT)
        finally:
            os.close(terminal)
        self.printed[line] = seen.decode(errors="replace")
        assert "paper" in self.printed[line].lower(), line

    @contextlib.contextmanager
    def running(self, line: str) -> Iterator[None]:
        """Have a daemon trade meanwhile; end it as systemd does."""
        with self.start(line, stderr=subprocess.PIPE) as process:
            try:
                log_until(process, lambda told: bool(told["event"] == "account.reconciled"))
                yield
                os.killpg(process.pid, signal.SIGTERM)
                process.communicate(timeout=PROCESS_SECONDS)
                assert process.returncode == 0
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Run all lines that are run here, the first hour first, and halt the daemon last."""
    directory = tmp_path_factory.mktemp("home")
    with exchanges(directory) as start:
        home = Home(directory, start("--seed", "3", "--past-weeks", "1", *USUAL_TIME).venue_file)
        daemon = "mmbot run  "
        here = run_here()
        before = next(place for place, line in enumerate(here) if line.startswith(daemon))
        for line in here[:before]:
            home.run(line)
        later = sorted(here[before + 1 :], key=lambda line: line.startswith("curl"))
        with home.running(here[before]):
            for line in later:
                if "--underlying ferries" not in line and "ferries.toml" not in line:
                    home.run(line)
        exchange, ferries = [line for line in later if "ferries" in line]
        process = home.start(exchange)
        try:
            wait_for_a_line(directory / "venue.json")
            with home.running(ferries):
                pass
        finally:
            end(process, signal.SIGTERM)
        yield home


def wait_for_a_line(path: Path) -> None:
    deadline = time.monotonic() + PROCESS_SECONDS
    while not (path.exists() and path.read_bytes().endswith(b"\n")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_line_that_is_run_here_ends_well_and_says_something(home: Home) -> None:
    assert len(home.printed) > 10
    silent = {line for line, printed in home.printed.items() if not printed.strip()}
    # Nothing is held yet.
    assert not {line for line in silent if 'select(.position != "0.00")' not in line}


@pytest.mark.skipif("jq" in NOT_HERE, reason="there is no jq")
def test_what_is_asked_of_the_status_is_there(home: Home) -> None:
    asked = {line: printed for line, printed in home.printed.items() if "| jq" in line}
    assert asked
    pnl = next(orjson.loads(printed) for line, printed in asked.items() if "'.pnl'" in line)
    assert pnl


@pytest.mark.skipif("curl" in NOT_HERE, reason="there is no curl")
def test_the_page_halts_it(home: Home) -> None:
    (answer,) = (printed for line, printed in home.printed.items() if line.startswith("curl"))
    assert orjson.loads(answer)["reason"] == "a storm"


def test_the_query_reads_what_was_fetched(home: Home) -> None:
    (query,) = (text for _, language, text in blocks() if language == "sql")
    found = duckdb.connect()
    here = home.directory / ".local/share/mmbot/history"
    rows = found.execute(query.replace("'KXTSAW/", f"'{here}/KXTSAW/")).fetchall()
    assert rows
    assert all(contracts > 0 and 0 < dollars < 1 for _, _, contracts, dollars in rows)


@pytest.mark.parametrize("text", [text for _, language, text in blocks() if language == "toml"])
def test_what_is_shown_of_a_config_is_taken(text: str) -> None:
    assert config.parse(text, "the page") != config.Settings()


def test_every_fenced_block_is_of_a_kind_that_is_run() -> None:
    assert {language for _, language, _ in blocks()} <= {"sh", "sql", "toml"}


def test_commands_stand_in_fences() -> None:
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        assert not re.findall(r"^    (?:\S*/)?mmbot \w.*$", text, re.MULTILINE), page.name


def test_what_runs_elsewhere_is_run_there() -> None:
    texts = [text for _, language, text in blocks() if language == "sh"]
    lines = [line for text in texts for line in lines_of(text)]
    for told, elsewhere in ((texts, BLOCKS_ELSEWHERE), (lines, LINES_ELSEWHERE)):
        for beginning, test in elsewhere.items():
            assert any(each.startswith(beginning) for each in told), f"{beginning} is gone"
            file, _, name = test.partition("::")
            assert name in (ROOT / file).read_text(encoding="utf-8"), test
