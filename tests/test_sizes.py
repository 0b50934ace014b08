"""No module above 400 lines, and no function above 50."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mmbot

ROOT = Path(mmbot.__file__).parent
MOST_MODULE_LINES, MOST_FUNCTION_LINES = 400, 50


def too_long(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > MOST_MODULE_LINES:
        yield f"{path.name}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                yield f"{path.name}: {node.name} has {length} lines"


def test_modules_and_functions_can_be_read_at_a_glance() -> None:
    assert [each for path in ROOT.rglob("*.py") for each in too_long(path)] == []
