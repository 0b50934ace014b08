"""The pages: links lead somewhere, and every command that is shown exists, with its options."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mmbot.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
# What a page shows in place of a value.
SEPARATORS = re.compile(r"\s(?:\||>|&&|;|#)\s?|\s\.\.\.")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@by_page
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    local = [each for each in targets if not each.startswith(("https://", "http://", "mailto:"))]
    missing = [each for each in local if not (page.parent / each).exists()]
    assert not missing


def commands(text: str) -> Iterator[str]:
    """Yield every command line of mmbot's, from blocks and from the running text."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.match(r"(?:\S*/)?mmbot (.+)", line.strip()):
                yield found[1]
    for found in re.finditer(
        r"`mmbot ([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    ):
        yield found[1].replace("\n", " ")


def problem(line: str) -> str:
    """Return what is wrong with a command line, or ""."""
    words = shlex.split(SEPARATORS.split(line + " ")[0])
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        alternatives = name.split("|")
        for each in alternatives:
            if each == "COMMAND":
                return ""
            if each not in command.commands:
                return f"{each!r} is no command"
        command = command.commands[alternatives[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    known |= {"--help", "-h"}
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return f"{command.name} has no {unknown[0]}" if unknown else ""


@by_page
def test_commands_that_are_shown_exist_with_their_options(page: Path) -> None:
    lines = list(commands(page.read_text(encoding="utf-8")))
    problems = {line: found for line in lines if (found := problem(line))}
    assert not problems


def test_a_command_that_is_gone_is_found() -> None:
    assert problem("traed --config x.toml") == "'traed' is no command"
    assert problem("run --margin .1") == "run has no --margin"
    assert not problem("history fetch --from 2026-01-05   counts, and every week")


FILE = r"[\w/]+(\.(py|md|toml|yml|json|service)|/)"


def named_in_architecture() -> list[str]:
    return re.findall(r"`([^`\n]+)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))


def test_the_files_that_the_architecture_names_are_there() -> None:
    files = [name for name in named_in_architecture() if re.fullmatch(FILE, name)]
    places = (ROOT, ROOT / "mmbot")
    assert len(files) > 30
    assert [name for name in files if not any((place / name).exists() for place in places)] == []


def test_the_names_that_the_architecture_uses_are_defined() -> None:
    names = {name for name in named_in_architecture() if re.fullmatch(r"[A-Z]\w+(\.\w+)?", name)}
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mmbot").rglob("*.py"))
    parts = {part for name in names for part in name.split(".")}
    unknown = {part for part in parts if not re.search(rf"\b{part}\b *[(:=]", text)}
    assert len(names) > 15
    assert not unknown


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    options = ("--strict", "--quiet", "--config-file", ".ci/mkdocs.yml", "--site-dir", tmp_path)
    built = subprocess.run(
        (sys.executable, "-m", "mkdocs", "build", *options),
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in tmp_path.glob("*.html")}


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == pages
