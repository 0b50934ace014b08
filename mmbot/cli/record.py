"""`mmbot record`: captures the market and the counts without quoting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmbot.cli.daemon_options import DaemonConfig
from mmbot.cli.run import serve


def record(
    config_path: DaemonConfig = None,
    venue_path: Annotated[
        Path | None,
        typer.Option(
            "--venue", help="Record the exchange of this file, which `mmbot exchange` printed."
        ),
    ] = None,
) -> None:
    """Record the market and the counts until SIGTERM or Ctrl-C, without quoting.

    The API key needs only the scope read, whatever mode the config has: nothing is
    ever written to the exchange. It may run beside a daemon that trades; its state
    directory is "record", beside those of "paper" and "live". The recordings are
    in its directory "capture", up to state.capture_megabytes; the oldest are
    deleted first.

    `mmbot backtest --recording` trades them with any settings.

    Exit codes: those of `mmbot run`.
    """
    serve(config_path, venue_path, only_records=True)
