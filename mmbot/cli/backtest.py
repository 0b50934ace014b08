"""`mmbot backtest`: what strategies would have earned in real weeks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import track

from mmbot import config
from mmbot.cli import banks
from mmbot.cli.options import (
    CacheDirectory,
    CountsFile,
    JudgedConfig,
    load_counts,
)
from mmbot.cli.output import load_plots, show, write
from mmbot.cli.trade_again import trade_again
from mmbot.errors import BadInput
from mmbot.observe import backtest_report
from mmbot.research.backtest import WeekResult, play_week
from mmbot.research.cached_beliefs import FormedBeliefs
from mmbot.research.candles import HistoricalWeek, load_weeks
from mmbot.research.strategies import STRATEGIES


def backtest(
    *,
    counts: CountsFile,
    markets: Annotated[
        Path | None,
        typer.Option(help="CSV file of markets: event_ticker,ticker,floor_strike,result."),
    ] = None,
    candles: Annotated[
        Path | None, typer.Option(help="CSV file of the markets' daily candles.")
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            help="Trade again what a paper daemon or `mmbot record` captured: its state directory, "
            "or a .capture file."
        ),
    ] = None,
    config_path: JudgedConfig = None,
    strategy: Annotated[
        str | None,
        typer.Option(help=f"Backtest only this one: {', '.join(STRATEGIES)}; all unless given."),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")
    ] = None,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML report with plots to this file.")
    ] = None,
    cache: CacheDirectory = None,
) -> None:
    """Backtest: quote real weeks with the engine that trades, filled by daily candles.

    Orders are placed once a day, with what was published by then. On Monday,
    Saturday and Sunday they fill where a trade went strictly through their
    price, from Tuesday to Friday only where the day's last trade did; at most
    a fifth of the day's volume fills. Weeks without all their results are left
    out. The account starts each week with paper.balance_dollars.

    With --recording, frames that a daemon captured are the market instead, and
    the bot with the settings of --config, or those on record, trades it on paper
    from frame to frame: the same settings give the very fills that happened.
    Calendar, exchange and counts stay those of the recording.

    Examples:
    mmbot backtest --recording ~/.local/state/mmbot/paper --config edited.toml
    mmbot backtest --counts daily_counts.csv --markets markets.csv --candles daily_candles.csv
    """
    if recording is not None:
        if markets is not None or candles is not None or strategy is not None:
            raise BadInput(
                "--recording is the market, and its bot the strategy: leave out --markets, "
                "--candles and --strategy"
            )
        trade_again(recording, config_path, json_path, report_path, cache)
        return
    if markets is None or candles is None:
        raise BadInput("give --markets and --candles, or --recording")
    settings = config.Settings() if config_path is None else config.load(config_path)
    if strategy is not None and strategy not in STRATEGIES:
        raise BadInput(f"--strategy {strategy!r} is none; choose from {', '.join(STRATEGIES)}")
    plots = load_plots("--report") if report_path is not None else None
    weeks = load_weeks(markets, candles)
    directory = cache or banks.default_directory()
    believe = FormedBeliefs(
        load_counts(counts), lambda published, name: banks.fit(published, name, directory)
    )
    results = {
        name: _play(name, settings, weeks, believe)
        for name in (STRATEGIES if strategy is None else (strategy,))
    }
    show(backtest_report.sheets(results))
    if json_path is not None:
        content = orjson.dumps(backtest_report.as_json(results), option=orjson.OPT_INDENT_2)
        write(json_path, content)
    if report_path is not None and plots is not None:
        pictures = plots.backtest_pictures(results)
        write(report_path, backtest_report.html_page(results, pictures).encode())


def _play(
    name: str, settings: config.Settings, weeks: Sequence[HistoricalWeek], believe: FormedBeliefs
) -> list[WeekResult]:
    console = Console(stderr=True)
    quiet = not console.is_terminal
    tracked = track(weeks, f"Playing {name}", console=console, transient=True, disable=quiet)
    strategy = STRATEGIES[name](settings)
    return [play_week(strategy, week, believe) for week in tracked]
