"""`mmbot cancel-all`: cancels the bot's orders without a daemon."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmbot import config
from mmbot.cli.daemon_options import DaemonConfig
from mmbot.cli.output import print_json
from mmbot.cli.place import choose_venue, state_directory
from mmbot.cli.run import interceptor_for
from mmbot.cli.whereabouts import locate
from mmbot.daemon import transport
from mmbot.daemon.account_client import AccountClient
from mmbot.daemon.account_lock import address_of, is_claimed
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.ledger import is_held, read_halt
from mmbot.errors import BadInput, ExitCode, NotReady
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.order_cancellation import CancellationResult
from mmbot.kalshi.readings import ReadingError

_PAPER = (
    "nothing to cancel: paper orders never reach an exchange; those of a running daemon end with "
    "`mmbot halt`, or when it stops"
)


def cancel_all(
    config_path: DaemonConfig = None,
    venue_path: Annotated[
        Path | None,
        typer.Option(
            "--venue", help="Cancel on the exchange of this file, which `mmbot exchange` printed."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a line.")] = False,
) -> None:
    """Cancel every resting order of the bot, and have the exchange confirm that none is left.

    Orders that the bot has not placed are left alone. It needs neither ledger nor daemon, and
    refuses while a daemon trades the account, because that would quote again: use `mmbot halt` or
    stop the daemon, which also cancels its orders. When systemd runs it after a daemon that refused
    to start (exit code 3), it does nothing, because the orders may belong to another daemon.

    Exit codes: 0 no order is left, 2 unusable input (option, config or key), 3 a daemon is running,
    4 it is unknown whether an order is left.
    """
    if os.environ.get("EXIT_STATUS") == str(int(ExitCode.NOT_READY)):
        print("mmbot: the daemon was not ready and has placed nothing", file=sys.stderr)
        raise typer.Exit(ExitCode.CLEAN)
    place = locate(config_path, lenient=True)
    settings, environment = place.settings, place.environment
    venue = choose_venue(settings, venue_path, live=settings.mode == "live")
    signer = find_signer(settings.credentials, venue, environment)
    state = state_directory(settings, environment, simulated=venue_path is not None)
    if settings.mode != "paper":
        _refuse_beside_daemon(state, address_of(settings, venue, signer.key_id))
    try:
        result = asyncio.run(_cancel(settings, venue, signer))
    except ReadingError as error:
        raise BadInput(f"{venue.rest_url} refuses to list the orders: {error}") from None
    if as_json:
        print_json(result)
    else:
        print(_PAPER if settings.mode == "paper" else _result_text(result))
    raise typer.Exit(ExitCode.CLEAN if result.clean else ExitCode.NOT_KNOWN)


def _refuse_beside_daemon(state: Path, account: str) -> None:
    held = is_held(state)
    if (held or is_claimed(account)) and not (held and read_halt(state)):
        where = f"in {state}" if held else "on this account, with another state directory"
        raise NotReady(
            f"a daemon is running {where} and would quote again; `mmbot halt` cancels its orders "
            "and keeps them off, and so does stopping it"
        )


async def _cancel(settings: config.Settings, venue: Venue, signer: Signer) -> CancellationResult:
    async with transport.RestClient(venue.origin, settings.orders.answer_timeout_seconds) as rest:
        account = AccountClient(settings, venue, signer, rest, interceptor_for(settings, ()))
        return await account.cancel_own_orders()


def _result_text(result: CancellationResult) -> str:
    found = f"{result.found} own orders found, {result.others} of others left alone"
    if result.clean:
        return f"{found}; none of the bot's is left"
    left = "it is unknown whether any is left" if result.left is None else f"{result.left} are left"
    return f"{found}; {left}: {result.reason}"
