"""`mmbot backtest`: what strategies would have earned in real weeks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

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
from mmbot.history.store import HOW_TO_FETCH, HistoryStore, default_directory
from mmbot.observe import backtest_report
from mmbot.research.backtest import WeekResult, play_week
from mmbot.research.cached_beliefs import FormedBeliefs
from mmbot.research.candles import load_weeks
from mmbot.research.past_history import Forecasters, PastWeeks, past_weeks, replay_strategy
from mmbot.research.strategies import STRATEGIES
from mmbot.research.week_replay import FillRules
from mmbot.tsa.counts import Counts
from mmbot.units import ONE_CONTRACT, Count

_T = TypeVar("_T")
# No order of it is off while a count is due, which the bot that trades cannot do.
_BY_CANDLES_ONLY = "seed-resting-always"


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
    history: Annotated[
        Path | None,
        typer.Option(
            help="The directory of `mmbot history` with the weeks; the user's unless given. "
            "Not read with --markets and --candles."
        ),
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
    delay_ms: Annotated[
        int, typer.Option(min=1, max=60_000, help="By trades: from a decision to its effect.")
    ] = FillRules().delay_ms,
    queue_contracts: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="By trades: fill at an order's own price too, once so many contracts traded there "
            "before it; unless given only where a trade goes strictly through the price.",
        ),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")
    ] = None,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML report with plots to this file.")
    ] = None,
    cache: CacheDirectory = None,
) -> None:
    """Backtest: trade real weeks again with the engine that trades.

    By trades, where the directory of history has a week's trades: the bot that
    trades, from page to order, in the order of time. Its orders fill where a
    trade went strictly through their price, for no more than its size. Books
    come from candles of a minute and the last trades; where they are not known
    nothing is quoted.

    By daily candles, where there is nothing else, or with --markets and
    --candles: orders are placed once a day, with what was published by then.
    On Monday, Saturday and Sunday they fill where a trade went strictly through
    their price, from Tuesday to Friday only where the day's last trade did; at
    most a fifth of the day's volume fills.

    With --recording, frames that a daemon captured are the market instead, and
    the bot with the settings of --config, or those on record, trades it on paper
    from frame to frame: the same settings give the very fills that happened.
    Calendar, exchange and counts stay those of the recording.

    Weeks without all their results are left out. The account starts each week
    with paper.balance_dollars. Every output says which rule a week was filled by.

    Examples:
    mmbot backtest
    mmbot backtest --recording ~/.local/state/mmbot/paper --config edited.toml
    mmbot backtest --counts daily_counts.csv --markets markets.csv --candles daily_candles.csv
    """
    if recording is not None:
        if any(each is not None for each in (markets, candles, history, strategy)):
            raise BadInput(
                "--recording is the market, and its bot the strategy: leave out --markets, "
                "--candles, --history and --strategy"
            )
        trade_again(recording, config_path, json_path, report_path, cache)
        return
    settings = config.Settings() if config_path is None else config.load(config_path)
    if strategy is not None and strategy not in STRATEGIES:
        raise BadInput(f"--strategy {strategy!r} is none; choose from {', '.join(STRATEGIES)}")
    plots = load_plots("--report") if report_path is not None else None
    queue = None if queue_contracts is None else Count(queue_contracts * ONE_CONTRACT)
    player = _Player(settings, load_counts(counts), cache, FillRules(delay_ms, queue))
    if markets is not None and candles is not None:
        weeks = PastWeeks((), load_weeks(markets, candles), {})
    elif markets is None and candles is None:
        weeks = _of_history(history, settings.exchange.series, player.counts)
    else:
        raise BadInput("--markets and --candles belong together; give both, or neither")
    if weeks.by_trades and strategy == _BY_CANDLES_ONLY:
        raise BadInput(
            f"{_BY_CANDLES_ONLY} rests through releases, which the bot that trades never does; it "
            "is backtested by daily candles only (--markets and --candles)"
        )
    names = tuple(STRATEGIES) if strategy is None else (strategy,)
    if weeks.by_trades:
        names = tuple(name for name in names if name != _BY_CANDLES_ONLY)
    results = {name: player.play(name, weeks) for name in names}
    compared = results.get("seed") or player.play("seed", weeks)
    show(backtest_report.sheets(results, compared))
    if json_path is not None:
        content = backtest_report.as_json(results, compared, weeks.left_out)
        write(json_path, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    if report_path is not None and plots is not None:
        pictures = plots.backtest_pictures(results)
        write(report_path, backtest_report.html_page(results, pictures, compared).encode())


def _of_history(directory: Path | None, series: str, counts: Counts) -> PastWeeks:
    store = HistoryStore(directory or default_directory())
    weeks = past_weeks(store, series, counts)
    for event, why in weeks.left_out.items():
        Console(stderr=True).print(f"{event} is left out: {why}", markup=False, highlight=False)
    if not weeks.by_trades and not weeks.by_candles:
        raise BadInput(
            f"{store.directory} has no week of {series} that could be backtested; {HOW_TO_FETCH}, "
            "or name files with --markets and --candles"
        )
    return weeks


class _Player:
    """Plays strategies, fitting each forecast once."""

    def __init__(
        self, settings: config.Settings, counts: Counts, cache: Path | None, rules: FillRules
    ) -> None:
        directory = cache or banks.default_directory()
        self.counts = counts
        self._settings = settings
        self._rules = rules
        self._believe = FormedBeliefs(counts, lambda held, name: banks.fit(held, name, directory))
        self._fit = Forecasters(lambda held, name: banks.fit(held, name, directory))

    def play(self, name: str, weeks: PastWeeks) -> list[WeekResult]:
        """Return a strategy's weeks, in their order."""
        strategy = STRATEGIES[name](self._settings)
        by_trades = _tracked(
            name,
            weeks.by_trades,
            lambda week: replay_strategy(strategy, week, self._fit, self._rules),
        )
        by_candles = _tracked(
            name, weeks.by_candles, lambda week: play_week(strategy, week, self._believe)
        )
        order = {week.past.event.event_ticker: week.past.week for week in weeks.by_trades}
        order |= {week.ticker: week.week for week in weeks.by_candles}
        return sorted(by_trades + by_candles, key=lambda result: order[result.week])


def _tracked(name: str, weeks: Sequence[_T], play: Callable[[_T], WeekResult]) -> list[WeekResult]:
    console = Console(stderr=True)
    quiet = not console.is_terminal
    tracked = track(weeks, f"Playing {name}", console=console, transient=True, disable=quiet)
    return [play(week) for week in tracked]
