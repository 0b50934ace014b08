"""Options of the commands that talk to a daemon; with few imports, as a halt waits for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

# Every command finds the file in the same way: `whereabouts.locate`.
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
        help="A value for a key, as in quoting.margin=0.2; repeatable.",
        show_default=False,
    ),
]
DaemonVenue: TypeAlias = Annotated[
    Path | None, typer.Option("--venue", help="The venue file, if the daemon runs with one.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
