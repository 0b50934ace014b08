"""Output of the commands: tables and sentences on the terminal, and files."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import msgspec
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mmbot.errors import BadInput
from mmbot.texts import to_json

if TYPE_CHECKING:
    from rich.progress import Progress

    # It imports all of research, which most commands do not need.
    from mmbot.observe.sheets import Sheet

_T = TypeVar("_T")
# The width of the output into a file or a pipe, and the least on a terminal.
_WIDTH, _LEAST_WIDTH = 110, 80
# More than any table of figures needs.
_ANY_WIDTH = 1_000


def console(*, highlight: bool = True) -> Console:
    """Return standard output with the terminal's width, or the width of tables if that is larger.

    A narrower terminal wraps lines by itself; a table that is fitted to it would cut figures off.
    """
    made = Console(highlight=highlight)
    made.width = max(made.width, _LEAST_WIDTH)
    return made


def show(sheets: Iterable[Sheet]) -> None:
    """Print tables, each with its note."""
    paper = console()
    if not paper.is_terminal:
        paper.width = _WIDTH
    for sheet in sheets:
        put(paper, sheet)


def put(paper: Console, sheet: Sheet) -> None:
    """Print a table and its note."""
    table = figures(sheet.columns, sheet.title)
    table.columns[0].justify = "left"
    for row in sheet.rows:
        table.add_row(*row)
    print_whole(paper, table)
    if sheet.note:
        paper.print(sheet.note, style="dim", highlight=False, markup=False)
    paper.print()


def figures(headings: Iterable[str], title: str = "") -> Table:
    """Return a table without rows for figures, which `print_whole` prints."""
    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.show_edge = table.pad_edge = False
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def print_whole(paper: Console, table: Table) -> None:
    """Print a table as wide as its figures need: a narrower terminal wraps its lines by itself."""
    width, paper.width = paper.width, _ANY_WIDTH
    paper.print(table)
    paper.width = width


def say(sentences: Iterable[str]) -> None:
    """Print sentences, one on a line."""
    paper = Console()
    for sentence in sentences:
        paper.print(sentence, highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a report as a line of JSON, whatever characters it contains."""
    print(to_json(value).decode())


def print_answer(report: object) -> None:
    """Print a daemon's answer as a line of JSON, without its type tag."""
    tree = msgspec.to_builtins(report)
    del tree["type"]
    print_json(tree)


def never_refuse_a_character() -> None:
    """Make standard output escape characters that its encoding does not have."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


# The bar on the terminal: a second one would overwrite it.
_shown: list[Progress] = []


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a bar on standard error; it is hidden in a worker, within another bar and in a pipe."""
    # Imported only here: most commands show no bar.
    from multiprocessing import parent_process  # noqa: PLC0415

    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    is_quiet = bool(_shown) or not console.is_terminal or parent_process() is not None
    bar = Progress(console=console, transient=True, disable=is_quiet)
    held = _shown[:]
    _shown.append(bar)
    try:
        with bar:
            yield bar
    finally:
        _shown[:] = held


def tracked(items: Iterable[_T], label: str, total: int) -> Iterator[_T]:
    """Yield the items, and show the progress."""
    with progress() as bar:
        yield from bar.track(items, total=total, description=label)


def write(path: Path, content: bytes) -> None:
    """Write a file, creating its directories; raise `BadInput` if that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def write_figures(path: Path, figures: object) -> None:
    """Write figures to a file as indented JSON; raise `BadInput` like `write`."""
    write(path, orjson.dumps(figures, option=orjson.OPT_INDENT_2))


def write_new(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        BadInput: It exists, or cannot be written; nothing has changed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise BadInput(f"{path} exists and is not overwritten; name another file") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def load_plots(option: str) -> ModuleType:
    """Return the module of the plots; raise `BadInput`, naming `option`, without matplotlib."""
    try:
        return importlib.import_module("mmbot.cli.plots")
    except ModuleNotFoundError:
        raise BadInput(f"{option} needs matplotlib; install mmbot with its extra 'plots'") from None
