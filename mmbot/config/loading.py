"""Reads settings from a TOML file, and refuses it unless every key makes sense.

Syntax errors, unknown keys, values out of range and contradictory combinations raise `BadConfig`,
which lists them all, each with its line, its key and what to write instead. No key is ignored and
no value is guessed.
"""

from __future__ import annotations

import bisect
import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mmbot.config.checking import check
from mmbot.config.mistakes import BYTE_ORDER_MARK, MARK_ADVICE, UTF_16_ADVICE, explain, not_text
from mmbot.config.problems import BadConfig, Problem
from mmbot.config.schema import Mode, Settings
from mmbot.config.statements import Statement, lines_of, statements
from mmbot.errors import BadInput

# A file of all keys with all remarks has some 20,000 bytes.
_MOST_BYTES = 1_000_000
# The tables that do not affect where a daemon is found.
_BESIDE = frozenset(
    [
        "counts",
        "forecast",
        "quoting",
        "limits",
        "orders",
        "paper",
        "log",
        "dashboard",
        "metrics",
        "alerts",
    ]
)


class LoadedConfig(msgspec.Struct, frozen=True):
    """The settings of a file.

    Attributes:
        settings: All settings, with the defaults for keys that the file does not name.
        lines: The line of each key that the file names, each as `table.key`.
    """

    settings: Settings
    lines: dict[str, int]


def shipped(mode: Mode) -> Path:
    """Return the shipped config file of a mode, which has only what differs from the defaults."""
    return Path(__file__).parent / "shipped" / f"{mode}.toml"


def load(path: Path) -> Settings:
    """Read the settings from a file.

    Raises:
        BadInput: It cannot be read, or its content is invalid.
    """
    return parse(read(path), str(path))


def load_with_lines(path: Path) -> LoadedConfig:
    """Read the settings from a file, and where it names them; raise as `load`."""
    text = read(path)
    return LoadedConfig(parse(text, str(path)), lines_of(statements(text)))


def load_place(path: Path) -> tuple[LoadedConfig, BadConfig | None]:
    """Read where a daemon is found, despite mistakes in tables that do not affect that.

    Return the settings, with the defaults in place of invalid values, and the mistakes.

    Raises:
        BadInput: It cannot be read, or a mistake may affect where the daemon is found.
    """
    text = read(path)
    settings, problems = _read(text)
    found = list(statements(text))
    mistakes = BadConfig(str(path), problems) if problems else None
    if mistakes is not None and not all(_is_beside(each, found) for each in problems):
        raise mistakes
    return LoadedConfig(settings, lines_of(found)), mistakes


def _is_beside(problem: Problem, found: Iterable[Statement]) -> bool:
    """Return whether a problem is in a table that does not affect where a daemon is found."""
    if problem.keys:
        return all(key.partition(".")[0] in _BESIDE for key in problem.keys)
    above = [each for each in found if each.header and each.first <= (problem.line or 0)]
    return bool(above) and above[-1].keys in {(table,) for table in _BESIDE}


def read(path: Path) -> str:
    """Read a file of settings as text.

    Raises:
        BadInput: It cannot be read, or is not text in UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read the config file {path}: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise BadInput(f"the config file {path} has more than {_MOST_BYTES:,} bytes")
    return decode(data, str(path))


def decode(data: bytes, source: str) -> str:
    """Return a file's bytes as text, or raise `BadConfig` with all of its mistakes."""
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line, what = not_text(data, error)
        first = Problem(what, (), line)
        if what == UTF_16_ADVICE:
            raise BadConfig(source, [first]) from None
        text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
        raise BadConfig(source, [first, *_read(text)[1]]) from None


def parse(text: str, source: str) -> Settings:
    """Read the settings from TOML text; `source` names it in errors.

    Raises:
        BadConfig: It is not TOML, or a key or value is invalid.
    """
    settings, problems = _read(text)
    if problems:
        raise BadConfig(source, problems)
    return settings


def changed(settings: Settings, changes: Mapping[str, object], source: str) -> Settings:
    """Return the settings with other values for some keys, each written as `section.key`.

    Raises:
        BadInput: There is no such key, or its value is invalid; `source` names the origin.
    """
    tree = msgspec.to_builtins(settings, builtin_types=(dt.time,))
    for key, value in changes.items():
        *sections, name = key.split(".")
        holder = tree
        for section in sections:
            holder = holder.setdefault(section, {})
            if not isinstance(holder, dict):
                raise BadInput(f"{source}: there is no table `{section}`")
        holder[name] = value
    settings, problems = check(tree)
    if problems:
        raise BadConfig(source, problems)
    return settings


def parse_change(text: str) -> tuple[str, object]:
    """Read a key and its value, as in `quoting.margin=0.2`; text needs no quotes.

    Raises:
        BadInput: It is not a key and a value.
    """
    key, sign, written = text.partition("=")
    if not sign or not key.strip() or "\n" in written:
        raise BadInput(f"{text[:60]!r} is not a key and a value such as quoting.margin=0.2")
    try:
        return key.strip(), tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), written.strip()


def _read(text: str) -> tuple[Settings, list[Problem]]:
    """Return the settings of a text and its problems."""
    problems = []
    if text.startswith(BYTE_ORDER_MARK):
        problems.append(Problem(MARK_ADVICE, (), 1))
        text = text[1:]
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        tree, mistakes = _without_mistakes(text)
        problems += mistakes or [_contradiction(text, str(error))]
    settings, found = check(tree)
    if found:
        lines = lines_of(statements(text))
        problems += (
            msgspec.structs.replace(
                each, line=max((lines.get(key, 0) for key in each.keys), default=0) or None
            )
            for each in found
        )
    return settings, problems


def _without_mistakes(text: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the keys that can be read from a text, and the mistakes in the rest."""
    tree: dict[str, Any] = {}
    problems = []
    first_of: dict[str, Statement] = {}
    for statement in statements(text):
        problem = _mistake(statement, first_of)
        if problem is not None:
            problems.append(problem)
        elif not _joined(tree, statement.tree):
            what = f"{', '.join(statement.keys)} contradicts an earlier line"
            problems.append(Problem(what, statement.keys, statement.first))
        first_of = dict.fromkeys(statement.keys, statement) | first_of
    return tree, problems


def _contradiction(text: str, error: str) -> Problem:
    """Return the problem with statements that are valid alone but not together."""
    parts = list(statements(text))

    def refused(number: int) -> bool:
        try:
            tomllib.loads("\n".join(part.text for part in parts[:number]))
        except tomllib.TOMLDecodeError:
            return True
        return False

    number = bisect.bisect_left(range(len(parts)), x=True, key=lambda index: refused(index + 1))
    line = parts[number].first if number < len(parts) else None
    return Problem(f"it contradicts an earlier line: {error.partition(' (at ')[0]}", (), line)


def _joined(tree: dict[str, Any], other: Mapping[str, Any]) -> bool:
    """Merge keys into a tree; return whether none was set before."""
    fits = True
    for name, value in other.items():
        before = tree.setdefault(name, value)
        if before is not value:
            both = isinstance(before, dict) and isinstance(value, dict)
            fits &= both and _joined(before, value)
    return fits


def _mistake(statement: Statement, first_of: Mapping[str, Statement]) -> Problem | None:
    if statement.error:
        return Problem(explain(statement.text, statement.error), (), statement.first)
    for key in statement.keys:
        before = first_of.get(key)
        if before is not None:
            name, advice = (
                (f"[{key}]", "put its keys together")
                if statement.header
                else (
                    key,
                    "keep one",
                )
            )
            text = f"{name} is already set in line {before.first}; {advice}"
            return Problem(text, (key,), statement.first)
    return None
