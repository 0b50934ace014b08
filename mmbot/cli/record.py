"""`mmbot record`: the market and the counts, captured without a quote."""

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
        typer.Option("--venue", help="Record where this file says: what `mmbot exchange` printed."),
    ] = None,
) -> None:
    """Record the market and the counts until SIGTERM or Ctrl-C, without a single quote.

    The API key needs no scope but read, whatever mode the config says: nothing is
    ever written to the exchange. It may run beside a daemon that trades, with a
    state directory of its own, "record" beside that of "paper" and "live". The
    recordings are in its directory "capture", up to state.capture_megabytes, from
    which the oldest give way to new ones.

    `mmbot backtest --recording` trades them with whatever settings.

    Exit codes: as of `mmbot run`.
    """
    serve(config_path, venue_path, only_records=True)
