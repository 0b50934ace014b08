"""docs/history.md describes every column of every table as the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmbot.history.imports import REQUIRED
from mmbot.history.rows import TABLES, Table

PAGE = Path(__file__).parents[2] / "docs" / "history.md"


def described(table: Table[Any]) -> str:
    """Return the description of a table as the page has it."""
    order = ", ".join(f"`{name}`" for name in table.sorted_by)
    kinds = {True: " or null", False: ""}
    rows = [
        f"| `{column.name}` | {column.sql}{kinds[column.is_optional]} | {column.means} |"
        for column in table.columns
    ]
    head = (
        f"### {table.name}, `{table.schema}`, sorted by {order}",
        "",
        "| column | type | meaning |",
    )
    return "\n".join((*head, "|---|---|---|", *rows))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_is_described(table: Table[Any]) -> None:
    assert described(table) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", REQUIRED)
def test_every_column_that_an_import_needs_is_named(kind: str) -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Import")[1]
    assert all(f"`{name}`" in section for name in REQUIRED[kind] if "yes_" not in name)
