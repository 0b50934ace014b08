"""`mmbot backtest`: what strategies would have earned in real weeks."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated

import orjson
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmbot import config
from mmbot.cli import banks
from mmbot.errors import BadInput
from mmbot.research import report
from mmbot.research.backtest import WeekResult, play_week
from mmbot.research.beliefs import Formed
from mmbot.research.candles import RealWeek, load_weeks
from mmbot.research.report import Sheet
from mmbot.research.strategies import STRATEGIES
from mmbot.tsa.counts import load_counts

# Of tables that go to a file or a pipe.
_WIDTH = 110


def backtest(
    *,
    counts: Annotated[
        Path, typer.Option(help="CSV file of daily counts: date,as_published,archived.")
    ],
    markets: Annotated[
        Path, typer.Option(help="CSV file of markets: event_ticker,ticker,floor_strike,result.")
    ],
    candles: Annotated[Path, typer.Option(help="CSV file of the markets' daily candles.")],
    config_path: Annotated[
        Path | None,
        typer.Option("--config", help="The settings to judge; the defaults unless given."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help=f"Judge this one alone: {', '.join(STRATEGIES)}; all unless given."),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")
    ] = None,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML report with plots to this file.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Keep past forecasts here; the user's cache directory unless given."),
    ] = None,
) -> None:
    """Quote real weeks with the engine that trades, and fill by their daily candles.

    Orders are placed once a day, with what was published by then. On Monday,
    Saturday and Sunday they fill where a trade went strictly through their
    price, from Tuesday to Friday only where the day's last trade did; a fifth
    of the day's volume at the most. Weeks that are not decided in full are
    left out. The account starts each week with paper.balance_dollars.

    Example:
    mmbot backtest --counts daily_counts.csv --markets markets.csv --candles daily_candles.csv
    """
    settings = config.Settings() if config_path is None else config.load(config_path)
    if strategy is not None and strategy not in STRATEGIES:
        raise BadInput(f"--strategy {strategy!r} is none; choose from {', '.join(STRATEGIES)}")
    plots = _load_plots() if report_path is not None else None
    weeks = load_weeks(markets, candles)
    directory = cache or banks.default_directory()
    believe = Formed(load_counts(counts), lambda known, name: banks.fit(known, name, directory))
    outcome = {
        name: _play(name, settings, weeks, believe)
        for name in (STRATEGIES if strategy is None else (strategy,))
    }
    tables = report.sheets(outcome)
    for sheet in tables:
        _show(sheet)
    if json_path is not None:
        _write(json_path, orjson.dumps(report.plain(outcome), option=orjson.OPT_INDENT_2))
    if report_path is not None and plots is not None:
        pictures = plots.backtest_pictures(outcome)
        page = report.page("Backtest on real weeks", tables, pictures)
        _write(report_path, page.encode())


def _play(
    name: str, settings: config.Settings, weeks: Sequence[RealWeek], believe: Formed
) -> list[WeekResult]:
    console = Console(stderr=True)
    quiet = not console.is_terminal
    shown = track(weeks, f"Playing {name}", console=console, transient=True, disable=quiet)
    chosen = STRATEGIES[name](settings)
    return [play_week(chosen, week, believe) for week in shown]


def _show(sheet: Sheet) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table(*sheet.columns, title=sheet.title, title_justify="left", box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in sheet.rows:
        table.add_row(*row)
    console.print(table)


def _load_plots() -> ModuleType:
    try:
        return importlib.import_module("mmbot.cli.plots")
    except ModuleNotFoundError:
        raise BadInput("--report needs matplotlib; install mmbot with its extra 'plots'") from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
