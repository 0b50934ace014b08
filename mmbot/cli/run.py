"""`mmbot run`: the daemon."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from mmbot import config
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon.interceptor import Interceptor, PassThrough
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.operations import Observer
from mmbot.daemon.service import Service
from mmbot.errors import BadInput
from mmbot.observe import log
from mmbot.observe.explain import explain
from mmbot.observe.plan import plan
from mmbot.observe.status import status
from mmbot.paper.paper_trading import PaperTrading
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill


def run(
    config_path: Annotated[
        Path, typer.Option("--config", help="The settings; see config/paper.toml for every key.")
    ],
    live: Annotated[
        bool, typer.Option("--live", help="Trade real money; the config must say mode = live too.")
    ] = False,
    venue_path: Annotated[
        Path | None,
        typer.Option("--venue", help="Trade where this file says: what `mmbot exchange` printed."),
    ] = None,
) -> None:
    """Make markets until SIGTERM or Ctrl-C, then take every order off.

    Exit codes: 0 no order is left, 2 something given cannot be used, 3 not ready to trade,
    4 stopped without knowing whether an order is left, 5 a part failed again and again, and no
    order is left.
    """
    settings = config.load(config_path)
    venue = choose_venue(settings, venue_path, live=live)
    signer = find_signer(settings.credentials, venue, os.environ)
    log.configure(settings.log.level)
    state = state_directory(settings, os.environ, simulated=venue_path is not None)
    opened = Ledger(state)
    inside = interceptor_for(settings, opened.unsettled_fills())
    ledger = LedgerWriter(opened)
    try:
        service = Service(
            settings, venue, signer, ledger, state, inside, Observer(_heartbeat, explain, plan)
        )
        code = uvloop.run(service.run())
    finally:
        ledger.close()
    raise typer.Exit(code)


def _heartbeat(state: TradingState) -> dict[str, Any]:
    return status(state) | log.figures()


def interceptor_for(settings: config.Settings, fills: Iterable[Fill]) -> Interceptor:
    """Return the paper exchange in paper mode, otherwise a pass-through."""
    if settings.mode != "paper":
        return PassThrough()
    exchange = settings.exchange
    return PaperTrading(
        exchange.series, exchange.subaccount, settings.paper.balance, fills, random.SystemRandom()
    )


def choose_venue(settings: config.Settings, path: Path | None, *, live: bool) -> Venue:
    """Return the venue to trade at; raise `BadInput` if it contradicts the mode."""
    if live != (settings.mode == "live"):
        raise BadInput(
            'real money needs both `mode = "live"` in the config and --live on the command '
            f"line; the config says {settings.mode!r} and --live is {'' if live else 'not '}given"
        )
    if path is None:
        return real_venue(settings)
    if settings.mode == "live":
        raise BadInput("--venue is refused in live mode: it could lead real orders anywhere")
    return read_venue(path)


def state_directory(
    settings: config.Settings, environment: Mapping[str, str], *, simulated: bool
) -> Path:
    """Return the ledger's directory: the config's, systemd's, or one in the user's home.

    A simulated exchange has a ledger of its own: its counts and fills are not real.
    """
    if settings.state.directory:
        directory = Path(settings.state.directory).expanduser()
    elif "STATE_DIRECTORY" in environment:
        directory = Path(environment["STATE_DIRECTORY"]) / settings.mode
    else:
        home = environment.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        directory = Path(home) / "mmbot" / settings.mode
    return directory / "simulated" if simulated else directory
