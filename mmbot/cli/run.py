"""`mmbot run`: the daemon."""

from __future__ import annotations

import faulthandler
import os
import secrets
import traceback
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import typer
import uvloop

from mmbot import config
from mmbot.cli.daemon_options import DaemonConfig
from mmbot.cli.place import choose_venue, state_directory
from mmbot.cli.week_report import renderer
from mmbot.cli.whereabouts import locate
from mmbot.daemon import signals
from mmbot.daemon.alert_addresses import find_addresses
from mmbot.daemon.alerts import Alerts
from mmbot.daemon.bystanders import Bystanders
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.dashboard_events import DashboardParts
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon.interceptor import Interceptor, PassThrough
from mmbot.daemon.operations import Observer
from mmbot.daemon.patience import Reminder, pauses
from mmbot.daemon.process import Process
from mmbot.daemon.reloading import ConfigFile
from mmbot.daemon.service_manager import ServiceManager
from mmbot.daemon.setup import Setup
from mmbot.daemon.trade_tape import TradeTape
from mmbot.errors import BadInput, ExitCode, NotReady, Unavailable
from mmbot.kalshi.auth import Signer
from mmbot.observe import log
from mmbot.observe.dashboard import event_course, page_files
from mmbot.observe.explain import explain
from mmbot.observe.heartbeat import Heartbeat
from mmbot.observe.plan import plan
from mmbot.observe.status import status_steps
from mmbot.paper.paper_trading import PaperTrading
from mmbot.recording.outside import PaperBegan
from mmbot.status_report import StatusSteps, Surroundings
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill
from mmbot.underlying.counts import Counts
from mmbot.underlyings.registry import known
from mmbot.units import Milliseconds

DASHBOARD = DashboardParts(page_files, event_course, log.recent_lines.after)


def run(
    config_path: DaemonConfig = None,
    live: Annotated[
        bool, typer.Option("--live", help="Trade real money; the config must say mode = live too.")
    ] = False,
    venue_path: Annotated[
        Path | None,
        typer.Option(
            "--venue", help="Trade on the exchange of this file, which `mmbot exchange` printed."
        ),
    ] = None,
) -> None:
    """Make markets until SIGTERM, SIGQUIT or Ctrl-C, then cancel every order.

    While the exchange or tsa.gov cannot be reached, the clock is not set, the ledger is locked or
    the disk is full, it waits without quoting. A second signal ends it at once. SIGUSR1 and SIGUSR2
    do nothing.

    The config may be edited while it trades: saving the file, SIGHUP or `mmbot reload` applies the
    changes. Quoting changes at once, a limit only if it becomes tighter; everything else waits for
    a restart, and the log says which keys do (`config.reloaded`). An invalid file changes nothing
    (`config.refused`).

    Exit codes: 0 no order is left, 2 unusable input (option, config or key), 3 not ready to trade,
    4 stopped without knowing whether an order is left, 5 a part failed (repeatedly, or an essential
    one), and no order is left. After 2 and 3 a person must fix something; after 4 and 5 it can be
    started again at once.
    """
    serve(config_path, venue_path, live=live)


def serve(
    config_path: Path | None,
    venue_path: Path | None,
    *,
    live: bool = False,
    only_records: bool = False,
) -> None:
    """Run the daemon to its end, and exit with its code."""
    code = ExitCode.NOT_KNOWN
    try:
        place = locate(config_path)
        settings, environment = place.settings, place.environment
        known(settings)
        if only_records:
            settings, venue = only_recording(settings, venue_path)
        else:
            venue = choose_venue(settings, venue_path, live=live)
        find = partial(find_addresses, environment=environment)
        find(settings.alerts)
        # From here on signals must not end the process by themselves, in any thread: soon there are
        # orders to cancel first.
        signals.hold()
        log.configure(settings.log.level)
        signer = _await_signer(settings, venue, environment)
        simulated = venue_path is not None
        state = state_directory(
            settings, environment, simulated=simulated, only_records=only_records
        )
        alerts = Alerts(settings.alerts, find, state)
        observer = Observer(Heartbeat().lines, _status, explain, plan, DASHBOARD)
        # The watchdog kills a loop that hangs by SIGABRT; the log then shows where it hung.
        faulthandler.enable(log.STANDARD_ERROR)
        reports = (state, renderer(settings, state))
        setup = Setup(
            settings,
            venue,
            signer,
            state,
            interceptor_for,
            observer,
            Bystanders(ServiceManager(os.environ), alerts, reports),
            only_records=only_records,
            config_file=ConfigFile(place.path, environment),
        )
        code = uvloop.run(Process(setup).run())
    except (BadInput, NotReady, typer.Exit):
        raise
    except Exception:  # noqa: BLE001 (an edge: the exit code must be one of the documented)
        traceback.print_exc()
    raise typer.Exit(code)


def _await_signer(
    settings: config.Settings, venue: Venue, environment: Mapping[str, str]
) -> Signer:
    """Return the account's signer once the key can be read.

    A stop signal ends the process meanwhile, with the code for orders that may be left.
    """
    reminder = Reminder()
    for seconds in pauses():
        try:
            return find_signer(settings.credentials, venue, environment)
        except Unavailable as error:
            if reminder.is_due(str(error)):
                structlog.get_logger().warning("start.waits", waits_for=str(error))
            if signals.stop_asked_within(seconds):
                break
    raise typer.Exit(ExitCode.NOT_KNOWN)


def _status(
    state: TradingState, counts: Counts, around: Surroundings, now: Milliseconds
) -> StatusSteps:
    around = msgspec.structs.replace(around, log_dropped=log.dropped())
    return status_steps(state, counts, around, now)


def interceptor_for(settings: config.Settings, fills: Iterable[Fill]) -> Interceptor:
    """Return the paper exchange in paper mode, otherwise one that leaves all orders alone."""
    if settings.mode != "paper":
        return TradeTape() if settings.state.capture_megabytes else PassThrough()
    exchange = settings.exchange
    return PaperTrading(
        PaperBegan(
            exchange.series,
            exchange.subaccount,
            settings.paper.balance,
            tuple(fills),
            secrets.randbits(63),
        )
    )


def only_recording(settings: config.Settings, path: Path | None) -> tuple[config.Settings, Venue]:
    """Return the settings to record the market with, and the venue.

    The venue is that of the configured mode, but nothing is written to it, as on paper.

    Raises:
        BadInput: The settings switch the capture off.
    """
    if not settings.state.capture_megabytes:
        raise BadInput("state.capture_megabytes = 0 keeps no recording; give it some megabytes")
    venue = real_venue(settings) if path is None else read_venue(path)
    return msgspec.structs.replace(settings, mode="paper"), venue
