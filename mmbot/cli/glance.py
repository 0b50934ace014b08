"""`mmbot positions`, `pnl`, `orders` and `fills`: parts of the status, and the fills."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from mmbot.cli import output
from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.place import DaemonPlace, ask, expect, find
from mmbot.cli.status import look, now_ms
from mmbot.daemon.control_client import NotRunning
from mmbot.daemon_api import MOST_FILLS, FillsReport, ListFills
from mmbot.errors import BadInput
from mmbot.observe.status_view import price, signed
from mmbot.status_report import ShownFill, StatusReport
from mmbot.texts import to_json
from mmbot.underlying.calendar import EASTERN, Week, from_milliseconds

_POSITION_KEYS = (
    "market", "position", "position_left", "fair", "cash", "pnl_fair", "pnl_worst", "result",
    "settled",
)  # fmt: skip
_PNL_KEYS = ("market", "position", "cash", "pnl_fair", "pnl_worst", "settled")
_EVENT_PNL_KEYS = (
    "event", "week", "cash", "pnl_fair", "pnl_worst", "pnl_worst_if_filled", "pnl_today_fair",
    "pnl_today_worst", "settled",
)  # fmt: skip


def positions(
    config_path: DaemonConfig = None, venue_path: DaemonVenue = None, as_json: AsJson = False
) -> None:
    """List the position in each market (+ YES, - NO), its cost and its P&L.

    From the daemon, or from its ledger if none is running (exit code 3). The
    keys of --json are those of `mmbot status`.
    """
    report, error = _look(config_path, venue_path)
    held = [m for event in report.events for m in event.markets if float(m.position)]
    if as_json:
        _print_json(report, positions=[_picked(each, _POSITION_KEYS) for each in held])
    else:
        rows = [
            (
                each.market,
                f"{float(each.position):+g}",
                "" if each.fair is None else f"{each.fair:.3f}",
                signed(each.cash),
                signed(each.pnl_fair),
                signed(each.pnl_worst),
            )
            for each in held
        ]
        headings = ("market", "held", "fair", "cash", "P&L", "at worst")
        _print(_source(report), headings, rows, "No position is held.")
    _end(error)


def pnl(
    config_path: DaemonConfig = None, venue_path: DaemonVenue = None, as_json: AsJson = False
) -> None:
    """Show P&L today, by week and by market: at fair value, and in the worst outcome.

    From the daemon, or, if none is running (exit code 3), from its ledger,
    which has no fair values. The keys of --json are those of `mmbot status`.
    `mmbot report` says more about settled weeks.
    """
    report, error = _look(config_path, venue_path)
    traded = [m for event in report.events for m in event.markets if float(m.cash)]
    if as_json:
        _print_json(
            report,
            pnl=msgspec.to_builtins(report.pnl),
            events=[_picked(each, _EVENT_PNL_KEYS) for each in report.events],
            markets=[_picked(each, _PNL_KEYS) for each in traded],
        )
    else:
        rows = [("today", signed(report.pnl.today_fair), signed(report.pnl.today_worst))]
        for event in report.events:
            rows.append((event.event, signed(event.pnl_fair), signed(event.pnl_worst)))
            rows += [
                (f"  {m.market.rpartition('-')[2]}", signed(m.pnl_fair), signed(m.pnl_worst))
                for m in event.markets
                if float(m.cash)
            ]
        rows.append(("all", signed(report.pnl.total_fair), signed(report.pnl.total_worst)))
        _print(_source(report), ("", "P&L", "at worst"), rows, "")
    _end(error)


def orders(
    config_path: DaemonConfig = None, venue_path: DaemonVenue = None, as_json: AsJson = False
) -> None:
    """List the bot's live orders.

    They are in the daemon's memory: if none is running there are none to show
    (exit code 3), and `mmbot halt` says whether any rest on the account.
    """
    report, error = _look(config_path, venue_path)
    listed = [order for event in report.events for m in event.markets for order in m.quotes]
    if as_json:
        _print_json(report, orders=msgspec.to_builtins(listed))
    else:
        rows = [
            (
                each.market,
                each.side,
                f"{float(each.count):g}",
                price(each.price),
                f"{float(each.filled):g}",
                each.state,
                f"{from_milliseconds(each.placed):%a %H:%M:%S}",
            )
            for each in listed
        ]
        headings = ("market", "side", "count", "price", "filled", "state", "placed")
        _print(_source(report), headings, rows, "No order is live.")
    _end(error)


def fills(
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    event: Annotated[str, typer.Option(help="Only those of this event; all unless given.")] = "",
    most: Annotated[
        int, typer.Option(min=1, max=MOST_FILLS, help="How many to list, the latest ones.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """List the latest fills with their markouts after a minute and an hour.

    From the daemon, or from its ledger if none is running (exit code 3).
    Prices are of YES; to sell YES is to buy NO at one dollar less that
    price. `mmbot report` sums the fills up.
    """
    request = ListFills(_event_ticker(event) if event else "", most)
    listed, error = _look_for_fills(find(config_path, venue_path), request)
    if as_json:
        tree = msgspec.to_builtins(listed)
        del tree["type"]
        print(to_json(tree).decode())
    else:
        headings = ("time", "market", "side", "count", "price", "fee", "fair", "1min", "1h")
        left_out = f"; {listed.left_out} older ones are left out" if listed.left_out else ""
        count = "1 fill" if len(listed.fills) == 1 else f"{len(listed.fills)} fills"
        title = f"{count}{left_out}{_from_ledger(listed.running)}"
        _print(title, headings, [_fill_row(each) for each in listed.fills], "Nothing was filled.")
    _end(error)


def _event_ticker(text: str) -> str:
    ticker = text.strip().upper()
    try:
        Week.from_event_ticker(ticker)
    except ValueError as error:
        raise BadInput(f"--event: {error}") from None
    return ticker


def _look(
    config_path: Path | None, venue_path: Path | None
) -> tuple[StatusReport, NotRunning | None]:
    place = find(config_path, venue_path)
    return look(place, place.settings)


def _look_for_fills(
    place: DaemonPlace, request: ListFills
) -> tuple[FillsReport, NotRunning | None]:
    try:
        return expect(FillsReport, ask(place, request)), None
    except NotRunning as error:
        from mmbot.daemon.ledger import has_ledger  # noqa: PLC0415 (only needed without a daemon)
        from mmbot.daemon.ledger_fills import list_fills  # noqa: PLC0415

        if not has_ledger(place.directory):
            raise
        event, most = request.event, request.most
        return list_fills(place.directory, event, most, now_ms(), running=False), error


def _fill_row(fill: ShownFill) -> tuple[str, ...]:
    def fair(at: str) -> str:
        markout = fill.markouts.get(at)
        return "" if markout is None or markout.fair is None else f"{markout.fair:.3f}"

    return (
        f"{from_milliseconds(fill.at):%m-%d %H:%M:%S}",
        fill.market.partition("-")[2],
        "buy" if fill.side == "bid" else "sell",
        f"{float(fill.count):g}",
        price(fill.price),
        f"{float(fill.fee):.2f}",
        "" if fill.fair is None else f"{fill.fair:.3f}",
        fair("1min"),
        fair("1h"),
    )


# Output


def _picked(value: msgspec.Struct, keys: Sequence[str]) -> dict[str, Any]:
    tree = msgspec.to_builtins(value)
    return {key: tree[key] for key in keys}


def _print_json(report: StatusReport, **parts: object) -> None:
    print(to_json({"running": report.running, "at": report.at, **parts}).decode())


def _source(report: StatusReport) -> str:
    now = report.calendar.astimezone(EASTERN)
    return f"{now:%a %Y-%m-%d %H:%M:%S %Z}{_from_ledger(report.running)}"


def _from_ledger(running: bool) -> str:
    return "" if running else ", from the ledger"


def _print(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    console = output.console()
    if not rows:
        console.print(empty, highlight=False)
        return
    console.print(title, style="italic", highlight=False)
    table = output.figures(headings)
    table.columns[0].justify = "left"
    for row in rows:
        table.add_row(*row)
    output.print_whole(console, table)


def _end(error: NotRunning | None) -> None:
    if error is not None:
        raise error
