"""Options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

CountsFile: TypeAlias = Annotated[
    Path, typer.Option(help="CSV file of daily counts: date,as_published,archived.")
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
DaemonConfig: TypeAlias = Annotated[
    Path, typer.Option("--config", help="The settings that the daemon runs with.")
]
DaemonVenue: TypeAlias = Annotated[
    Path | None, typer.Option("--venue", help="The venue file, if the daemon runs with one.")
]
