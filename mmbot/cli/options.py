"""Options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmbot.cli.daemon_options import DaemonConfig, DaemonVenue
from mmbot.history.store import default_directory, load_counts

__all__ = [
    "CacheDirectory",
    "CountsFile",
    "DaemonConfig",
    "DaemonVenue",
    "JudgedConfig",
    "load_counts",
]

# Without one it is the directory that `mmbot history fetch` fills; `load_counts` reads both.
CountsFile: TypeAlias = Annotated[
    Path,
    typer.Option(
        help="Daily counts: a directory of `mmbot history`, the user's unless given; or a CSV file "
        "of date,as_published,archived.",
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
    typer.Option(help="Keep past forecasts here; the user's cache directory unless given."),
]
