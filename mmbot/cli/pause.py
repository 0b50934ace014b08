"""`mmbot pause` and `mmbot unpause`: stop and resume the quotes of one market."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.halt import ask_or_write
from mmbot.cli.place import find
from mmbot.daemon_api import MAX_TICKER_CHARACTERS, PauseMarket, PauseReport, UnpauseMarket
from mmbot.errors import BadInput, ExitCode
from mmbot.texts import to_json
from mmbot.underlying.calendar import Week

if TYPE_CHECKING:
    from mmbot.daemon.ledger import Ledger

_Ticker = Annotated[
    str,
    typer.Argument(
        metavar="MARKET",
        help="A market: KXTSAW-26NOV29-A2.70, or any unique part of its ticker: A2.70",
    ),
]


def pause(
    ticker: _Ticker,
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Take one market's quotes off and place none there until `mmbot unpause`.

    All other markets are still quoted. The pause survives restarts. If no
    daemon is running, it applies to the next one that starts in the state
    directory; the ticker has to be complete then.

    Exit codes: 0 no order is left there, 2 unusable input, 3 there is
    nothing to pause, 4 it is unknown whether an order is left.
    """
    _check(ticker)
    place = find(config_path, venue_path, lenient=True)

    def write(ledger: Ledger) -> PauseReport:
        whole = _whole(ticker, place.settings.exchange.series)
        changed = whole not in ledger.paused_markets()
        ledger.add_pause(whole, time.time_ns() // 1_000_000)
        return PauseReport(whole, changed, ledger.paused_markets())

    report = ask_or_write(place, PauseMarket(ticker), PauseReport, write)
    _print(report, "is paused" if report.changed else "was paused already", as_json=as_json)
    raise typer.Exit(ExitCode.NOT_KNOWN if report.left or report.not_kept else 0)


def unpause(
    ticker: _Ticker,
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """End the pause of a market: it is quoted again as soon as every gate is open."""
    _check(ticker)
    place = find(config_path, venue_path)

    def write(ledger: Ledger) -> PauseReport:
        whole = _whole(ticker, place.settings.exchange.series)
        changed = whole in ledger.paused_markets()
        ledger.end_pause(whole, time.time_ns() // 1_000_000)
        return PauseReport(whole, changed, ledger.paused_markets())

    report = ask_or_write(place, UnpauseMarket(ticker), PauseReport, write)
    _print(report, "is no longer paused" if report.changed else "was not paused", as_json=as_json)


def _check(ticker: str) -> None:
    if len(ticker) > MAX_TICKER_CHARACTERS:
        raise BadInput(f"there is no market {ticker[:40]!r}...")


def _whole(ticker: str, series: str) -> str:
    """Return the ticker, which has to be complete.

    Raises:
        BadInput: It is not, and no daemon is running that could complete it.
    """
    whole = ticker.strip().upper()
    try:
        Week.from_event_ticker(whole.rpartition("-")[0])
    except ValueError:
        raise BadInput(
            f"no mmbot is running that knows the listed markets: write the whole ticker instead of "
            f"{ticker!r}, such as {series}-26NOV29-A2.70"
        ) from None
    return whole


def _print(report: PauseReport, what: str, *, as_json: bool) -> None:
    if as_json:
        tree = msgspec.to_builtins(report)
        del tree["type"]
        print(to_json(tree).decode())
        return
    print(f"{report.market} {what}.")
    if report.not_kept:
        print(f"It was NOT stored ({report.not_kept}): a restart undoes it.")
    if not report.running:
        print("No mmbot is running: this takes effect at the next start.")
    elif report.live:
        off = "all are off" if not report.left else f"{report.left} may still rest"
        print(f"Of its {report.live} live orders {off}, after {report.seconds:.1f} s.")
    if report.paused:
        print(f"Paused: {', '.join(report.paused)}")
