"""`mmbot status`: the daemon at a glance, once or live."""

from __future__ import annotations

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from mmbot import config
from mmbot.cli import output
from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.place import DaemonPlace, ask, expect, find
from mmbot.daemon.control_client import NotRunning
from mmbot.daemon_api import Status
from mmbot.errors import BadInput, NotReady
from mmbot.observe.status_view import status_view
from mmbot.status_report import StatusReport
from mmbot.texts import to_json
from mmbot.units import Milliseconds


def status(
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it live until q or Ctrl-C is pressed.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option(min=0.1, max=3600.0, help="Seconds between two updates of --watch."),
    ] = 1.0,
) -> None:
    """Show the daemon at a glance: quotes, positions, P&L, limits, shut gates.

    Each market's own orders are shown beside the best prices of others. P&L
    is at fair value, and in the worst outcome. Below the table each gate that
    is shut is explained.

    With --json it prints one line, described in docs/status.md; with
    --watch --json one line at each interval.

    Exit codes: 0 a daemon answered, 2 unusable input, 3 none is running
    (what its ledger has is shown), 4 it gave no answer.
    """
    place = find(config_path, venue_path)
    settings = place.settings
    if watch:
        _watch(place, settings, interval, as_json=as_json)
        return
    report, error = look(place, settings)
    _print(report, as_json=as_json)
    if error is not None:
        raise error


def look(place: DaemonPlace, settings: config.Settings) -> tuple[StatusReport, NotRunning | None]:
    """Return the daemon's status, or, if none runs, that of its ledger.

    Raises:
        NotRunning: There is neither a daemon nor a ledger.
    """
    try:
        return expect(StatusReport, ask(place, Status())), None
    except NotRunning as error:
        from mmbot.daemon.ledger import has_ledger  # noqa: PLC0415 (only needed without a daemon)
        from mmbot.daemon.ledger_status import status_of_ledger  # noqa: PLC0415

        if not has_ledger(place.directory):
            raise
        return status_of_ledger(place.directory, settings, now_ms()), error


def now_ms() -> Milliseconds:
    """Return the machine's time."""
    return time.time_ns() // 1_000_000


def _print(report: StatusReport, *, as_json: bool) -> None:
    if as_json:
        tree = msgspec.to_builtins(report)
        del tree["type"]
        print(to_json(tree).decode(), flush=True)
    else:
        output.console().print(status_view(report))


# Live


def _watch(
    place: DaemonPlace, settings: config.Settings, interval: float, *, as_json: bool
) -> None:
    if as_json:
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                _print(look(place, settings)[0], as_json=True)
                time.sleep(interval)
        return
    console = Console()
    if not console.is_terminal:
        raise BadInput("--watch needs a terminal; with --json it writes a line at each interval")
    with (
        _single_keys() as wait,
        contextlib.suppress(KeyboardInterrupt),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(_view(place, settings), refresh=True)
            if wait(interval):
                return


def _view(place: DaemonPlace, settings: config.Settings) -> RenderableType:
    try:
        report, error = look(place, settings)
    except (NotReady, BadInput) as failure:
        return Text(str(failure), style="red")
    foot = Text(f"{error or ''}\nq ends this", style="dim")
    return Group(status_view(report), foot)


@contextlib.contextmanager
def _single_keys() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits some seconds and returns whether q was pressed meanwhile."""
    if not sys.stdin.isatty():

        def sleep(seconds: float) -> bool:
            time.sleep(seconds)
            return False

        yield sleep
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield _quits_within
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _quits_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([sys.stdin], [], [], left)
        if ready and sys.stdin.read(1) in {"q", "Q", ""}:
            return True
    return False
