"""The command line in this process, where nothing has to run beside it; a user's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmbot.cli import main

Mmbot = Callable[..., "subprocess.CompletedProcess[str]"]

# Each of these would lead a command out of the home directory that it is given.
_ELSEWHERE = ("STATE_DIRECTORY", "MMBOT_HISTORY", "MMBOT_CONFIG", "XDG_")


def user_environment(home: Path) -> dict[str, str]:
    """Return the environment of a user who has nothing but a home directory."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_ELSEWHERE)}
    return inherited | {"HOME": str(home)}


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Mmbot:
    """Return a function that does what the fixture `mmbot` does, without a process of its own."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["mmbot", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run
