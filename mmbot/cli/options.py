"""Options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmbot.history.store import default_directory, load_counts

__all__ = [
    "AsJson",
    "CacheDirectory",
    "CandlesFile",
    "Changes",
    "CountsFile",
    "DaemonConfig",
    "DaemonVenue",
    "JudgedConfig",
    "MarketsFile",
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
MarketsFile: TypeAlias = Annotated[
    Path, typer.Option(help="CSV file of markets: event_ticker,ticker,floor_strike,result.")
]
CandlesFile: TypeAlias = Annotated[
    Path, typer.Option(help="CSV file of the markets' daily candles.")
]
JudgedConfig: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", help="The settings to test; the defaults unless given."),
]
CacheDirectory: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Keep past forecasts here; the user's cache directory unless given."),
]
# What `whereabouts.locate` makes of it is the same for every command.
DaemonConfig: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The settings that the daemon runs with; else the file that MMBOT_CONFIG names, else "
        "/etc/mmbot/config.toml.",
        show_default=False,
    ),
]
Changes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another value for a key, as in quoting.margin=0.2; may be given several times.",
        show_default=False,
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DaemonVenue: TypeAlias = Annotated[
    Path | None, typer.Option("--venue", help="The venue file, if the daemon runs with one.")
]
