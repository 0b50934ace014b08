"""`mmbot run`: the daemon."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import structlog
import typer
import uvloop

from mmbot import config
from mmbot.cli.options import DaemonConfig
from mmbot.cli.whereabouts import locate
from mmbot.daemon import signals
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon.interceptor import Interceptor, PassThrough
from mmbot.daemon.operations import Observer
from mmbot.daemon.patience import Reminder, pauses
from mmbot.daemon.process import Process
from mmbot.daemon.reloading import ConfigFile
from mmbot.daemon.trade_tape import TradeTape
from mmbot.errors import BadInput, ExitCode, NotReady, Unavailable
from mmbot.kalshi.auth import Signer
from mmbot.observe import log
from mmbot.observe.explain import explain
from mmbot.observe.plan import plan
from mmbot.observe.status import status
from mmbot.paper.paper_trading import PaperTrading
from mmbot.recording.outside import PaperBegan
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill


def run(
    config_path: DaemonConfig = None,
    live: Annotated[
        bool, typer.Option("--live", help="Trade real money; the config must say mode = live too.")
    ] = False,
    venue_path: Annotated[
        Path | None,
        typer.Option("--venue", help="Trade where this file says: what `mmbot exchange` printed."),
    ] = None,
) -> None:
    """Make markets until SIGTERM, SIGQUIT or Ctrl-C, then take every order off.

    What time heals is waited for with no quote out: an exchange or tsa.gov that cannot be reached,
    a clock not set yet, a locked ledger, a full disk. A second signal ends it at once. The user
    signals do nothing.

    The config may be edited while it trades: a change of the file, SIGHUP or `mmbot reload` puts
    the edited one in force. Quoting changes at once, a limit only where it becomes tighter; all
    else waits for a restart, and the log says which keys do (`config.reloaded`). A file that
    cannot be used changes nothing (`config.refused`).

    Exit codes: 0 no order is left, 2 something given cannot be used, 3 not ready to trade,
    4 stopped without knowing whether an order is left, 5 a part failed (again and again, or one
    that nothing can go on without), and no order is left. A person must mend what ends with 2 or 3;
    after 4 and 5 it can be started again at once.
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
        if only_records:
            settings, venue = only_recording(settings, venue_path)
        else:
            venue = choose_venue(settings, venue_path, live=live)
        # From here on no thread may be there that a signal could end the process by, and soon there
        # is something to be taken off before it may end.
        signals.hold()
        log.configure(settings.log.level)
        signer = _await_signer(settings, venue, environment)
        simulated = venue_path is not None
        state = state_directory(
            settings, environment, simulated=simulated, only_records=only_records
        )
        observer = Observer(_heartbeat, explain, plan)
        process = Process(
            settings,
            venue,
            signer,
            state,
            interceptor_for,
            observer,
            only_records=only_records,
            config_file=ConfigFile(place.path),
        )
        code = uvloop.run(process.run())
    except (BadInput, NotReady, typer.Exit):
        raise
    except Exception:  # noqa: BLE001 (an edge: the exit code must be one of the documented)
        traceback.print_exc()
    raise typer.Exit(code)


def _await_signer(
    settings: config.Settings, venue: Venue, environment: Mapping[str, str]
) -> Signer:
    """Return the account's signer once the key can be had.

    A signal that asks for a stop ends the process meanwhile: what may be left is not known.
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


def _heartbeat(state: TradingState) -> dict[str, Any]:
    return status(state) | log.figures()


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


def only_recording(settings: config.Settings, path: Path | None) -> tuple[config.Settings, Venue]:
    """Return the settings with which the market is only recorded, and the venue.

    That is the venue of the configured mode, but whatever is written stays inside, as on paper.

    Raises:
        BadInput: The settings keep no capture.
    """
    if not settings.state.capture_megabytes:
        raise BadInput("state.capture_megabytes = 0 keeps no recording; give it some megabytes")
    venue = real_venue(settings) if path is None else read_venue(path)
    return msgspec.structs.replace(settings, mode="paper"), venue


def state_directory(
    settings: config.Settings,
    environment: Mapping[str, str],
    *,
    simulated: bool,
    only_records: bool = False,
) -> Path:
    """Return the ledger's directory: the config's, systemd's, or one in the user's home.

    A simulated exchange has a ledger of its own: its counts and fills are not real. So has a
    daemon that only records, which may run beside one that trades.
    """
    mode = "record" if only_records else settings.mode
    if settings.state.directory:
        directory = Path(settings.state.directory).expanduser()
        directory = directory / mode if only_records else directory
    elif "STATE_DIRECTORY" in environment:
        directory = Path(environment["STATE_DIRECTORY"]) / mode
    else:
        home = environment.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        directory = Path(home) / "mmbot" / mode
    return directory / "simulated" if simulated else directory
