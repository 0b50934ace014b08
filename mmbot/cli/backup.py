"""`mmbot backup` and `mmbot restore`: copies of the ledger."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from mmbot.cli.options import DaemonConfig, DaemonVenue
from mmbot.cli.place import state_directory
from mmbot.cli.whereabouts import locate
from mmbot.daemon.ledger_copies import back_up
from mmbot.daemon.ledger_copies import restore as put_back


def backup(
    target: Annotated[Path, typer.Argument(metavar="TO", help="A new file, or a directory.")],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
) -> None:
    """Copy the ledger: fills, settlements, counts, halts and P&L marks.

    A daemon may be writing it meanwhile; the copy is of one moment, one
    file, and its owner's alone. It is what taxes and reports are made of;
    nothing else in the state directory is lost with it but recordings.

    Exit codes: 0 it is written, 2 it cannot be.

    Example:
    mmbot backup /srv/backups
    """
    directory = _directory(config_path, venue_path)
    print(f"written: {back_up(directory, target, dt.datetime.now(dt.UTC))}")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="What `mmbot backup` wrote.")],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
) -> None:
    """Put a copy in the place of the ledger, which is kept beside it.

    Fills that the copy lacks are read from the account at the next start,
    as far as their markets are not settled. A halt is as it was then.

    Exit codes: 0 it is in its place, 2 it is no ledger, 3 a daemon is at
    work there.

    Example:
    systemctl stop mmbot && mmbot restore /srv/backups/ledger-20261127T180000.sqlite
    """
    directory = _directory(config_path, venue_path)
    kept = put_back(source, directory, dt.datetime.now(dt.UTC))
    print(f"in its place: {directory / 'ledger.sqlite'}")
    if kept is not None:
        print(f"the one before: {kept}")


def _directory(config_path: Path | None, venue_path: Path | None) -> Path:
    found = locate(config_path)
    simulated = venue_path is not None
    return state_directory(found.settings, found.environment, simulated=simulated)
