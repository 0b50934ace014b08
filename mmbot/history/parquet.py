"""Tables as Parquet files, by DuckDB: written whole or not at all, read as a stream of rows."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mmbot.errors import BadInput
from mmbot.history.rows import Column, Row, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_R = TypeVar("_R", bound=Row)

_ROWS_AT_ONCE = 1_024
# About a month of minutes: how many rows a reader skips or holds at once.
_ROWS_IN_GROUP = 50_000
_PART = ".part"
_NUMPY = {"BIGINT": "int64", "BOOLEAN": "bool", "DATE": "datetime64[us]"}


class UnreadableFile(Exception):
    """A file is not what its table says; the message is a clause for the user."""


def connect() -> DuckDBPyConnection:
    """Return a connection to a database in memory that this process shares."""
    return _database(os.getpid()).cursor()


@functools.cache
def _database(_process: int) -> DuckDBPyConnection:
    """Return this process's database: a forked process needs its own."""
    # It is slow to import, and commands without history must not wait for it.
    duckdb = importlib.import_module("duckdb")
    database: DuckDBPyConnection = duckdb.connect(
        config={"threads": 1, "memory_limit": "1GB", "preserve_insertion_order": True}
    )
    return database


def encode(table: Table[_R], rows: Sequence[_R], path: Path) -> bytes:
    """Write rows, in their order, beside `path`; return the file's digest.

    The file is not in its place before `put_in_place`.

    Raises:
        BadInput: It cannot be written.
    """
    part = part_of(path)
    columns = {column.name: _array(column, rows) for column in table.columns}  # noqa: F841 (SQL)
    selected = ", ".join(
        f'"{column.name}"::{column.sql} AS "{column.name}"' for column in table.columns
    )
    options = (
        "FORMAT PARQUET, COMPRESSION ZSTD, "
        f"ROW_GROUP_SIZE {_ROWS_IN_GROUP}, KV_METADATA {{mmbot: '{table.schema}'}}"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with connect() as database:
            database.execute(
                f"COPY (SELECT {selected} FROM columns) TO {_quoted(part)} ({options})"
            )
        with part.open("rb+") as file:
            os.fsync(file.fileno())
            file.seek(0)
            return hashlib.file_digest(file, "sha256").digest()
    except (OSError, _duckdb_error()) as error:
        raise BadInput(
            f"{path} cannot be written: {error}; is there space, and may this user write there?"
        ) from None


def part_of(path: Path) -> Path:
    """Return where a file is written before it is complete."""
    return path.with_name(path.name + _PART)


def put_in_place(path: Path) -> None:
    """Move a completely written file into its place."""
    try:
        part_of(path).replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def write(table: Table[_R], rows: Sequence[_R], path: Path) -> None:
    """Write a whole file and put it in place.

    Raises:
        BadInput: It cannot be written.
    """
    encode(table, rows, path)
    put_in_place(path)


def read(table: Table[_R], paths: Sequence[Path], *, where: str = "") -> Iterator[_R]:
    """Yield the rows of some files, one file after the other, read lazily.

    Raises:
        UnreadableFile: A file is not of the table.
    """
    if not paths:
        return
    for path in paths:
        check_schema(table, path)
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    files = ", ".join(map(_quoted, paths))
    query = f"SELECT {names} FROM read_parquet([{files}]){f' WHERE {where}' if where else ''}"
    kind = table.kind
    try:
        with connect() as database:
            database.execute(query)
            while rows := database.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield kind(*row)
    except _duckdb_error() as error:
        raise UnreadableFile(f"{paths[0]} cannot be read: {_first_line(error)}") from None


def check_schema(table: Table[Any], path: Path) -> None:
    """Raise `UnreadableFile` unless a file is of the table."""
    try:
        with connect() as database:
            held = database.execute(
                f"SELECT value FROM parquet_kv_metadata({_quoted(path)}) WHERE key = 'mmbot'"
            ).fetchall()
            described = database.execute(
                f"DESCRIBE SELECT * FROM read_parquet({_quoted(path)})"
            ).fetchall()
    except _duckdb_error() as error:
        raise UnreadableFile(f"{path} cannot be read: {_first_line(error)}") from None
    schema = bytes(held[0][0]).decode(errors="replace") if held else "nothing"
    if schema != table.schema:
        raise UnreadableFile(f"{path} says that it is {schema[:40]!r}, not {table.schema!r}")
    found = [(name, kind) for name, kind, *_ in described]
    wanted = [(column.name, column.sql) for column in table.columns]
    if found != wanted:
        odd = next(pair for pair in (*found, *wanted) if pair not in wanted or pair not in found)
        raise UnreadableFile(
            f"{path} does not have the columns of {table.schema!r}: {' '.join(odd)}"
        )


def texts(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the names of any file's columns, then each row as texts, "" for what is missing.

    Raises:
        UnreadableFile: It is not a Parquet file.
    """
    try:
        with connect() as database:
            database.execute(f"SELECT * FROM read_parquet({_quoted(path)})")
            yield tuple(column[0] for column in database.description or ())
            while rows := database.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield tuple("" if cell is None else _as_text(cell) for cell in row)
    except _duckdb_error() as error:
        raise UnreadableFile(f"{path} cannot be read: {_first_line(error)}") from None


def _as_text(cell: object) -> str:
    if isinstance(cell, dt.datetime):
        # Without a zone it is UTC, as Parquet has it.
        return (cell if cell.tzinfo else cell.replace(tzinfo=dt.UTC)).isoformat()
    return str(cell)


def digest_of(path: Path) -> bytes:
    """Return a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _array(column: Column, rows: Iterable[Row]) -> Any:
    import numpy as np  # noqa: PLC0415 (only where something is written)

    values = [getattr(row, column.name) for row in rows]
    if column.sql == "VARCHAR":
        return np.array(values, dtype=object)
    kind = _NUMPY[column.sql]
    if not column.is_optional:
        return np.array(values, dtype=kind)
    missing = [value is None for value in values]
    filled = [0 if value is None else value for value in values]
    return np.ma.masked_array(np.array(filled, dtype=kind), mask=missing)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _duckdb_error() -> type[Exception]:
    kind: type[Exception] = importlib.import_module("duckdb").Error
    return kind
