"""Tables as files for other programs: CSV or Parquet, by the suffix of the file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import duckdb

from mmbot.errors import BadInput

Cell: TypeAlias = object
Rows: TypeAlias = Sequence[Sequence[Cell]]
Writer: TypeAlias = Callable[[Path, Sequence[str], Rows], None]

_SQL_TYPES = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}


def writer_for(path: Path, option: str) -> Writer:
    """Return the function that writes a table in the format of the suffix of `path`.

    Raises:
        BadInput: The suffix is neither .csv nor .parquet.
    """
    match path.suffix:
        case ".csv":
            return write_csv
        case ".parquet":
            return _write_parquet
        case _:
            raise BadInput(f"{option} {path}: name a file that ends in .csv or .parquet")


def write_csv(path: Path, columns: Sequence[str], rows: Rows) -> None:
    """Write a table as CSV, with `None` as an empty cell."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def _write_parquet(path: Path, columns: Sequence[str], rows: Rows) -> None:
    sql_types = [_sql_type([row[i] for row in rows]) for i in range(len(columns))]
    quoted = ['"' + column.replace('"', '""') + '"' for column in columns]
    declared = ", ".join(" ".join(pair) for pair in zip(quoted, sql_types, strict=True))
    marks = ", ".join("?" * len(columns))
    typed = [list(map(_as_type, row, sql_types)) for row in rows]
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE result ({declared})")
        if typed:
            db.executemany(f"INSERT INTO result VALUES ({marks})", typed)  # noqa: S608
        try:
            db.table("result").write_parquet(str(path))
        except duckdb.IOException as error:
            raise BadInput(f"{path} cannot be written: {error}") from None


def _sql_type(cells: Sequence[Cell]) -> str:
    """Return the narrowest SQL type that holds every cell."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int, float}:
        return "DOUBLE"
    return _SQL_TYPES.get(kinds.pop(), "VARCHAR") if len(kinds) == 1 else "VARCHAR"


def _as_type(cell: Cell, sql_type: str) -> Cell:
    return str(cell) if sql_type == "VARCHAR" and cell is not None else cell
