"""The commands under "From a key to evidence" in the README, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import user_environment
from tests.conftest import PROCESS_SECONDS, exchanges
from tests.daemon.processes import log_until
from tests.preloaded import PRELOADED

# They are run where they are told of: the README names no venue, and a user's key is in place.
# So many trades of others fill some order of a new bot.
_TRADES = 150


class Evening:
    """A user's home directory, in which the commands are run one after the other."""

    def __init__(self, home: Path, venue: Path) -> None:
        self.home = home
        self.output: dict[str, str] = {}
        shutil.copytree("config", home / "config")
        self.env = user_environment(home) | {"VENUE": str(venue)}

    def words(self, command: str) -> list[str]:
        words = [word.replace("~", str(self.home)) for word in shlex.split(command)]
        if words[0] != "mmbot":
            return words
        asks = words[1:3] == ["history", "fetch"] or words[1] == "record"
        venue = ("--venue", self.env["VENUE"]) if asks else ()
        return [PRELOADED, "-m", *words, *venue]

    def run(self, command: str) -> None:
        if command.startswith("mmbot record"):
            self.record(command)
            return
        done = subprocess.run(
            self.words(command), cwd=self.home, env=self.env, capture_output=True, text=True,
            timeout=PROCESS_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        self.output[command] = done.stdout
        if command.startswith("cp "):
            # A forecast that needs no fit of a minute.
            with (self.home / "mine.toml").open("a") as mine:
                mine.write('\n[forecast]\nmethod = "seed"\n')

    def record(self, command: str) -> None:
        """Record until the market has traded often enough, then press Ctrl-C."""
        with subprocess.Popen(
            self.words(command), cwd=self.home, env=self.env, stderr=subprocess.PIPE
        ) as process:
            try:
                log_until(process, lambda line: bool(line["event"] == "recording"))
                deadline = time.monotonic() + PROCESS_SECONDS
                enough = len(self.tape()) + _TRADES
                while len(self.tape()) < enough and time.monotonic() < deadline:
                    time.sleep(0.1)
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=PROCESS_SECONDS)
            finally:
                process.kill()
        assert process.returncode == 0
        # Only a simulated exchange has a directory of its own in it.
        state = self.home / ".local/state/mmbot/record"
        (state / "simulated/capture").rename(state / "capture")

    def tape(self) -> list[Any]:
        """Return the exchange's own trades."""
        venue = json.loads(Path(self.env["VENUE"]).read_text())
        with urllib.request.urlopen(f"{venue['ledger_url']}/tape") as answer:
            trades: list[Any] = json.loads(answer.read())["trades"]
        return trades


def commands() -> list[str]:
    readme = Path("README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- evidence -->\n```sh\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    return found[1].splitlines()


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    home = tmp_path_factory.mktemp("home")
    with exchanges(home) as start:
        evening = Evening(home, start("--seed", "3", "--past-weeks", "1").venue_file)
        for command in commands():
            if command.startswith("mmbot record"):
                # Weeks pass.
                evening.env["VENUE"] = str(start("--seed", "3", "--speed", "8000").venue_file)
            evening.run(command)
        yield evening


def test_it_goes_from_the_fetch_to_the_recording_that_is_traded_again(evening: Evening) -> None:
    tried = [text for command, text in evening.output.items() if "mmbot sweep" in command]
    assert len(tried) == 2
    for text in tried:
        assert "2 settings were tried on 1 week." in " ".join(text.split())
    assert "1 by trades" in tried[0]
    assert "1 by the frames of a recording" in " ".join(tried[1].split())


def test_each_page_has_the_week_in_it(evening: Evening) -> None:
    pytest.importorskip("matplotlib")
    pictures = {
        name: (evening.home / name).read_text().count("<svg")
        for name in ("backtest.html", "sweep.html", "again.html")
    }
    assert pictures == {"backtest.html": 2, "sweep.html": 1, "again.html": 2}
