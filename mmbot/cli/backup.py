"""`mmbot backup` and `mmbot restore`: copies of the ledger."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.output import print_json
from mmbot.cli.place import state_directory
from mmbot.cli.whereabouts import locate
from mmbot.daemon.ledger import FILE_NAME
from mmbot.daemon.ledger_copies import back_up
from mmbot.daemon.ledger_copies import restore as put_back


def backup(
    target: Annotated[Path, typer.Argument(metavar="TO", help="A new file, or a directory.")],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Copy the ledger: fills, settlements, counts, halts and P&L marks.

    A daemon may be writing the ledger meanwhile. The copy is consistent, a
    single file, and readable by its owner only. Taxes and reports are made
    from it; of the rest of the state directory only recordings cannot be
    made again.

    Exit codes: 0 written, 2 it cannot be written.

    Example:
    mmbot backup /srv/backups
    """
    directory = _directory(config_path, venue_path)
    copy = back_up(directory, target, dt.datetime.now(dt.UTC))
    if as_json:
        print_json({"written": str(copy)})
        return
    print(f"written: {copy}")


def restore(
    source: Annotated[
        Path, typer.Argument(metavar="FROM", help="A file that `mmbot backup` wrote.")
    ],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Replace the ledger by a copy; the replaced ledger is kept beside it.

    Fills that the copy lacks are read from the account at the next start,
    unless their markets are settled. A halt is as it was in the copy.

    Exit codes: 0 restored, 2 the copy is not a ledger, 3 a daemon is
    running there.

    Example:
    systemctl stop mmbot && mmbot restore /srv/backups/ledger-20261127T180000.sqlite
    """
    directory = _directory(config_path, venue_path)
    kept = put_back(source, directory, dt.datetime.now(dt.UTC))
    ledger = directory / FILE_NAME
    if as_json:
        print_json({"ledger": str(ledger), "replaced": None if kept is None else str(kept)})
        return
    print(f"restored: {ledger}")
    if kept is not None:
        print(f"the replaced ledger is kept: {kept}")


def _directory(config_path: Path | None, venue_path: Path | None) -> Path:
    found = locate(config_path)
    simulated = venue_path is not None
    return state_directory(found.settings, found.environment, simulated=simulated)
