"""Splits a TOML text into its statements, so that every key has its line.

The TOML parser reports neither the line of a key nor more than one mistake. Here it gets each
statement alone: the shortest run of lines that it accepts is a whole statement; if it accepts none
before the next one begins, that statement is a mistake.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

# No valid value has more lines than this; a longer one is taken for a mistake.
_MOST_LINES = 200
# How a statement may begin, in case the one before it was not closed.
_BEGINNING = re.compile(r"""\s*(\[\[?[A-Za-z_]|[\w."'-]+\s*[=:])""")


class Statement(msgspec.Struct, frozen=True):
    """A table's header, or a key with its value.

    Attributes:
        first: Its first line, counted from 1.
        last: Its last line.
        text: Its lines.
        tree: What it sets, from the top; empty for a mistake, and below a header that is one.
        header: Whether it is a table's header.
        error: The parser's error, or empty.
    """

    first: int
    last: int
    text: str
    tree: dict[str, Any]
    header: bool
    error: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that it sets, each as `table.key`; for a header the table's name."""
        return tuple(_leaves(self.tree))


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a TOML text in order, without comments and empty lines."""
    lines = text.split("\n")
    # The header above the keys; `None` if it is a mistake.
    header: str | None = ""
    number = 0
    while number < len(lines):
        if _parsed(lines[number]) == {}:
            number += 1
            continue
        statement = _statement(lines, number, header)
        if statement.header:
            header = None if statement.error else statement.text
        yield statement
        number = statement.last


def lines_of(found: Iterable[Statement]) -> dict[str, int]:
    """Return the line of each key and of each table, the first if there are several."""
    lines: dict[str, int] = {}
    for statement in found:
        for key in statement.keys:
            parts = key.split(".")
            for length in range(1, len(parts) + 1):
                lines.setdefault(".".join(parts[:length]), statement.first)
    return lines


def _statement(lines: list[str], at: int, table: str | None) -> Statement:
    """Return the statement that begins in line `at`, counted from 0, below the header `table`."""
    header = lines[at].lstrip().startswith("[")
    for end in range(at + 1, min(len(lines), at + _MOST_LINES) + 1):
        text = "\n".join(lines[at:end])
        tree = _parsed(text)
        if tree is None:
            continue
        if not header:
            tree = {} if table is None else _parsed(f"{table}\n{text}") or {}
        return Statement(at + 1, end, text, tree, header)
    end = at + 1
    while end < len(lines) and not _BEGINNING.match(lines[end]):
        end += 1
    text = "\n".join(lines[at:end])
    return Statement(at + 1, end, text, {}, header, _error(lines[at]))


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _error(line: str) -> str:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError as error:
        what = str(error).partition(" (at ")[0]
        return f"{what[:1].lower()}{what[1:]}"
    return "it has no end"


def _leaves(tree: dict[str, Any]) -> Iterator[str]:
    """Yield the keys that a statement sets, each with its tables as a dotted name."""
    for name, value in tree.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict) and inner:
            for below in _leaves(inner):
                yield f"{name}.{below}"
        else:
            yield name
