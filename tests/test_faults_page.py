"""Every test, command, gate and exit code that docs/faults.md names is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import typer.core
import typer.main

from mmbot.cli import app
from mmbot.errors import ExitCode
from mmbot.faultlab.faults import FAULTS
from mmbot.faultlab.guards import GUARDS
from mmbot.trading.gates import Gate

PAGE = Path("docs/faults.md")
COLUMNS = 6


def rows() -> list[list[str]]:
    """Return the cells of every row of the page's tables but headings and rules."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "fault" and set(row[0]) - set("-: ")]


def measures() -> list[str]:
    return [name for row in rows() for name in re.findall(r"`([^`]+)`", row[-1])]


def test_every_row_is_whole_and_measured_by_something() -> None:
    assert len(rows()) > 10
    for row in rows():
        assert len(row) == COLUMNS, row
        assert all(row), row
        assert re.findall(r"`([^`]+)`", row[-1]), row


def test_its_exit_codes_are_the_daemons() -> None:
    codes = {int(code) for row in rows() for code in re.findall(r"^\d+", row[4])}
    assert codes <= set(ExitCode)


def test_its_gates_are_gates() -> None:
    named = {name for row in rows() for name in re.findall(r"`([a-z_]+)`", row[1])}
    assert named <= {str(gate) for gate in Gate}


def test_its_tests_are_there() -> None:
    tests = sorted({name for name in measures() if name.startswith("tests/")})
    assert tests
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-cov", *tests],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert listed.returncode == 0, listed.stdout + listed.stderr


@pytest.mark.parametrize(
    "command", sorted({name for name in measures() if not name.startswith("tests/")})
)
def test_its_commands_are_there(command: str) -> None:
    words = shlex.split(command)
    if words[:2] == ["python", "-m"]:
        assert Path(*words[2].split(".")).with_suffix(".py").is_file()
        return
    assert words[0] == "mmbot"
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    named = group.commands[words[1]]
    options = {option for each in named.params for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= options
    given = dict(pairwise(words))
    faults = given.get("--faults", "all")
    assert faults in {"all", "none"} or set(faults.split(",")) <= set(FAULTS)
    for option in ("--without", "--compare"):
        assert option not in given or given[option] in GUARDS
