"""`mmbot report`: performance of settled events."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, TypeAlias

import orjson
import typer

from mmbot.cli.options import DaemonConfig, DaemonVenue
from mmbot.cli.output import load_plots, say, show, write
from mmbot.cli.place import state_directory
from mmbot.cli.tables import write_csv
from mmbot.cli.week_report import performance_of, title_of
from mmbot.cli.whereabouts import locate
from mmbot.config import Settings
from mmbot.daemon.ledger_reader import TradeRecords, read_records
from mmbot.daemon.ledger_status import status_of_ledger
from mmbot.errors import BadInput
from mmbot.observe import performance_report, statements
from mmbot.observe.public_page import public_page
from mmbot.observe.sheets import Sheet
from mmbot.observe.status_view import signed
from mmbot.research.performance import PerformanceReport
from mmbot.trading.values import event_of

_Event: TypeAlias = Annotated[
    str | None,
    typer.Option(help="The event to report on; the last settled one unless given."),
]
_JsonPath: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")
]
_HtmlPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--html", help="Write a page to this file, with plots if matplotlib is installed."
    ),
]
_PublicPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--public",
        help="Write a page to publish: predictions as they were made, outcomes, calibration "
        "and P&L of all settled weeks, and nothing about the account.",
    ),
]
_CsvDirectory: TypeAlias = Annotated[
    Path | None,
    typer.Option("--csv", help="Write fills.csv and settlements.csv to this directory, for taxes."),
]


def report(
    *,
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    event: _Event = None,
    all_events: Annotated[bool, typer.Option("--all", help="Report on every event.")] = False,
    json_path: _JsonPath = None,
    html_path: _HtmlPath = None,
    public_path: _PublicPath = None,
    csv_directory: _CsvDirectory = None,
) -> None:
    """Report on settled events: P&L, edges, markouts, calibration and weights.

    Reads the ledger that `mmbot run` writes with the same config, also while it
    runs, and the forecasts that it keeps. Calibration, log scores and the
    proposed weights of belief and market are from every settled event in it.

    Example:
    mmbot report --config config/paper.toml --all --html report.html --csv taxes
    mmbot report --public predictions.html
    """
    place = locate(config_path)
    settings = place.settings
    directory = state_directory(settings, place.environment, simulated=venue_path is not None)
    records = read_records(directory)
    events = _choose(records, event, all_events=all_events)
    performance = performance_of(records, settings, directory, events)
    title = title_of(events)
    say([title, *performance_report.remarks(performance)])
    show(performance_report.sheets(performance))
    _show_open(directory, settings)
    if json_path is not None:
        figures = performance_report.as_json(performance)
        write(json_path, orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    if html_path is not None:
        page = performance_report.html_page(performance, title, _pictures(performance))
        write(html_path, page.encode())
    if public_path is not None:
        _write_public(public_path, records, settings, directory)
    if csv_directory is not None:
        _write_statements(csv_directory, records, events)


def _write_public(path: Path, records: TradeRecords, settings: Settings, directory: Path) -> None:
    every = performance_of(
        records, settings, directory, frozenset(event_of(e.ticker) for e in records.settlements)
    )
    page = public_page(every, records.samples, records.settlements, _pictures(every))
    write(path, page.encode())


def _show_open(directory: Path, settings: Settings) -> None:
    """Show the positions of unsettled events, and the most that they can still lose."""
    now = time.time_ns() // 1_000_000
    for each in status_of_ledger(directory, settings, now).events:
        if each.settled:
            continue
        rows = tuple(
            (
                market.market,
                f"{float(market.position):+g}",
                signed(market.cash),
                "settled" if market.settled else "open",
                signed(market.pnl_worst),
            )
            for market in each.markets
        )
        title = (
            f"Open: {each.event}, cash {signed(each.cash)}, at worst {signed(each.pnl_worst)} "
            "dollars"
        )
        note = "For their present value see `mmbot status` or `mmbot pnl`."
        show([Sheet(title, ("market", "held", "cash", "state", "at worst"), rows, note)])


def _choose(records: TradeRecords, event: str | None, *, all_events: bool) -> frozenset[str]:
    """Return the events to report on: the one named, all in the ledger, or the last settled."""
    if event is not None and all_events:
        raise BadInput("--event and --all contradict each other; give one of them")
    held = {event_of(each.fill.ticker) for each in records.fills}
    held |= {event_of(each.ticker) for each in records.samples}
    held |= {event_of(each.ticker) for each in records.settlements}
    if all_events:
        return frozenset(held)
    if event is not None:
        if event not in held:
            listed = ", ".join(sorted(held)) or "none at all"
            raise BadInput(f"--event {event}: the ledger knows {listed}")
        return frozenset({event})
    settled = [event_of(each.ticker) for each in records.settlements]
    return frozenset(settled[-1:])


def _pictures(performance: PerformanceReport) -> list[str]:
    if not performance.predictions:
        return []
    try:
        plots = load_plots("--html")
    except BadInput:
        # The page is complete without plots.
        return []
    pictures: list[str] = plots.calibration_pictures(performance.predictions)
    return pictures


def _write_statements(directory: Path, records: TradeRecords, events: frozenset[str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--csv {directory}: {error.strerror}") from None
    fills = [each for each in records.fills if event_of(each.fill.ticker) in events]
    settlements = [each for each in records.settlements if event_of(each.ticker) in events]
    for name, columns, rows in (
        ("fills.csv", statements.FILL_COLUMNS, statements.fill_rows(fills)),
        ("settlements.csv", statements.SETTLEMENT_COLUMNS, statements.settlement_rows(settlements)),
    ):
        write_csv(directory / name, columns, tuple(rows))
