"""`mmbot check`: whether everything is ready to trade. It places no order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmbot import config
from mmbot.cli import output
from mmbot.cli.daemon_options import DaemonConfig
from mmbot.cli.output import print_json
from mmbot.cli.place import choose_venue, state_directory
from mmbot.cli.run import interceptor_for
from mmbot.cli.whereabouts import locate
from mmbot.daemon import transport
from mmbot.daemon.account_client import CHECK_ATTEMPTS, AccountClient
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.ledger import read_halt
from mmbot.daemon.ledger_reader import read_unsettled
from mmbot.errors import NotReady
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.selfcheck import Finding, FindingState, is_ready
from mmbot.trading.operator_events import Halted
from mmbot.trading.values import Fill
from mmbot.underlying.calendar import from_milliseconds
from mmbot.underlyings.registry import known

_COLOURS: dict[FindingState, str] = {
    "ok": "green",
    "warn": "yellow",
    "wait": "yellow",
    "fail": "red",
}


def check(
    config_path: DaemonConfig = None,
    venue_path: Annotated[
        Path | None,
        typer.Option(
            "--venue", help="Check the exchange of this file, which `mmbot exchange` printed."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check clock, key, exchange, fees, markets, account, ledger and stream; place no order.

    The daemon makes the same checks when it starts.

    Exit codes: 0 ready, 2 unusable input (option, config or key), 3 not ready: a check has failed,
    or the exchange cannot be reached (for which the daemon would wait).
    """
    place = locate(config_path)
    settings, environment = place.settings, place.environment
    known(settings)
    venue = choose_venue(settings, venue_path, live=settings.mode == "live")
    signer = find_signer(settings.credentials, venue, environment)
    state = state_directory(settings, environment, simulated=venue_path is not None)
    examined = asyncio.run(_examine(settings, venue, signer, *read_unsettled(state)))
    findings = (*examined, *_halt_findings(read_halt(state)))
    ready = is_ready(findings)
    if as_json:
        rows = [{"name": f.name, "state": f.state, "detail": f.detail} for f in findings]
        print_json({"ready": ready, "findings": rows})
    else:
        _print_table(findings, venue, ready=ready)
    raise typer.Exit(0 if ready else NotReady.exit_code)


def _halt_findings(halt: Halted | None) -> tuple[Finding, ...]:
    if halt is None:
        return ()
    since = f"{from_milliseconds(halt.since):%Y-%m-%d %H:%M %Z}"
    reason = f" ({halt.reason})" if halt.reason else ""
    detail = f"halted since {since}{reason}: nothing is quoted until `mmbot resume`"
    return (Finding("halt", "warn", detail),)


async def _examine(
    settings: config.Settings,
    venue: Venue,
    signer: Signer,
    held: tuple[str, ...],
    recorded: tuple[Fill, ...],
) -> tuple[Finding, ...]:
    """Make the daemon's checks; `held` and `recorded` are the ledger's events and their fills."""
    async with transport.RestClient(venue.origin, settings.orders.answer_timeout_seconds) as rest:
        interceptor = interceptor_for(settings, recorded)
        account = AccountClient(settings, venue, signer, rest, interceptor)
        await account.refuse_bad_key()
        examination, findings = await account.examine(held, recorded, most_attempts=CHECK_ATTEMPTS)
        tickers = tuple(m.ticker for event in examination.listed for m in event.markets)
        return (*findings, await account.try_stream(tickers))


def _print_table(findings: tuple[Finding, ...], venue: Venue, *, ready: bool) -> None:
    table = Table(title=venue.rest_url)
    for heading in ("check", "", "what was found"):
        table.add_column(heading)
    for finding in findings:
        colour = _COLOURS[finding.state]
        table.add_row(finding.name, Text(finding.state, colour), Text(finding.detail))
    console = output.console()
    console.print(table)
    console.print("READY" if ready else "NOT READY")
    if not ready:
        for finding in findings:
            if finding.state in {"fail", "wait"}:
                console.print(f"- {finding.name}: {finding.detail}", markup=False)
