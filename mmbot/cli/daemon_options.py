"""Options of the commands that ask a daemon; they import next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DaemonConfig: TypeAlias = Annotated[
    Path, typer.Option("--config", help="The settings that the daemon runs with.")
]
DaemonVenue: TypeAlias = Annotated[
    Path | None, typer.Option("--venue", help="The venue file, if the daemon runs with one.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
