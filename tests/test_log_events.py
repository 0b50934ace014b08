"""The log is an interface: documented in one table, which the code keeps to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mmbot.log_events import COMMON, EVENTS, FIELDS, documentation, objection
from tests.log_page import PAGE

SOURCES = [path for path in Path("mmbot").rglob("*.py") if path.parent.name != "log_events"]
LOGGERS = {"debug", "info", "warning", "error", "exception"}
# What makes notes in the rooms that have no log.
NOTERS = {"Note", "log", "_log", "_note", "_note_once", "_tell"}
NAME = re.compile(r"[a-z_]+(\.[a-z_]+)?\Z")


def names_of(tree: ast.AST) -> set[str]:
    """Every string that stands in the code."""
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def logged(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield the event and the named fields of each call of a logger with a literal event."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOGGERS
            and "log" in ast.unparse(node.func.value)
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), [each.arg for each in node.keywords if each.arg]


def test_the_page_has_the_tables_as_they_are() -> None:
    assert documentation() in PAGE.read_text(encoding="utf-8")


def test_every_field_is_described_and_no_other() -> None:
    used = {f for event in EVENTS.values() for f in (*event.fields, *event.optional)}
    assert used == FIELDS.keys()
    assert not COMMON.keys() & FIELDS.keys()


def test_every_documented_event_is_written_somewhere() -> None:
    written = set().union(*(names_of(ast.parse(path.read_text())) for path in SOURCES))
    assert EVENTS.keys() - written == set()


def test_whatever_a_logger_is_told_is_documented() -> None:
    for path in SOURCES:
        for name, fields in logged(ast.parse(path.read_text())):
            assert name in EVENTS, (path, name)
            event = EVENTS[name]
            known = {*event.fields, *event.optional, "exc_info"}
            assert set(fields) <= known, (path, name)


def test_whatever_is_noted_by_its_name_is_documented() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=maker) | ast.Name(id=maker),
                    args=[ast.Constant(value=str() as name), *_],
                ) if maker in NOTERS and NAME.match(name):
                    assert name in EVENTS, (path, name)


def test_a_line_that_is_not_documented_is_objected_to() -> None:
    assert objection("stopped", "info", ["event", "level", "timestamp", "exit_code"]) == ""
    assert "no event 'stoped'" in objection("stoped", "info", [])
    assert "['more']" in objection("stopped", "info", ["exit_code", "more"])
    assert "absent ['exit_code']" in objection("stopped", "info", [])
    assert "at level error" in objection("stopped", "error", ["exit_code"])
