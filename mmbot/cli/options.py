"""Options that several commands share, each described once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmbot.cli.daemon_options import DaemonConfig, DaemonVenue
from mmbot.errors import BadInput
from mmbot.exchange.fees import FeeSchedule
from mmbot.history import store
from mmbot.history.store import default_directory
from mmbot.underlying.counts import Counts, missing_days

__all__ = [
    "CacheDirectory",
    "CountsFile",
    "DaemonConfig",
    "DaemonVenue",
    "FeesOfSeries",
    "JudgedConfig",
    "ResultPath",
    "load_counts",
    "read_fees",
]

# Unless given it is the directory of `mmbot history fetch`; `load_counts` reads both.
CountsFile: TypeAlias = Annotated[
    Path,
    typer.Option(
        help="Daily counts: a directory of `mmbot history`, the user's unless given; or a CSV file "
        "with the columns date and as_published, archived, or both.",
        default_factory=default_directory,
        show_default=False,
    ),
]
JudgedConfig: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", help="The settings to test; the defaults unless given."),
]
CacheDirectory: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Store past forecasts in this directory; the user's cache directory unless given."
    ),
]
FeesOfSeries: TypeAlias = Annotated[
    str,
    typer.Option(
        "--fees",
        metavar="KIND[:MULTIPLIER]",
        help="The fees of the series: a kind of docs/fees.md and its multiplier, 1 unless given. "
        "Without this option makers pay none.",
        show_default=False,
    ),
]

ResultPath: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the result to this file as JSON.")
]


def read_fees(text: str) -> FeeSchedule:
    """Read `FeesOfSeries`; empty means that makers pay nothing.

    Raises:
        BadInput: It cannot be read.
    """
    try:
        return FeeSchedule.parse(text) if text else FeeSchedule()
    except ValueError as error:
        raise BadInput(f"--fees {text!r}: {error}") from None


# The most missing days that are named.
_MOST_NAMED = 5


def load_counts(path: Path) -> Counts:
    """Return the counts of a directory of history or of a file; report missing days.

    Raises:
        BadInput: There are none, or the file is not in that format.
    """
    counts = store.load_counts(path)
    missing = missing_days(counts)
    if missing:
        named = ", ".join(map(str, missing[:_MOST_NAMED]))
        more = ", ..." if len(missing) > _MOST_NAMED else ""
        print(
            f"mmbot: {path} has no count of {len(missing)} days between its first and its last "
            f"({named}{more}); forecasts are made without them",
            file=sys.stderr,
        )
    return counts
