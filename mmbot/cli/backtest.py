"""`mmbot backtest`: what strategies would have earned in real weeks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmbot import config
from mmbot.cli import banks
from mmbot.cli.options import (
    CacheDirectory,
    CountsFile,
    JudgedConfig,
    load_counts,
)
from mmbot.cli.output import load_plots, show, tracked, write, write_figures
from mmbot.cli.past import (
    USUAL_DELAY_MS,
    CandlesOption,
    DelayOption,
    FiguresPath,
    HistoryOption,
    MarketsOption,
    QueueOption,
    RecordingOption,
    WeeksGiven,
    fill_rules,
    weeks_given,
)
from mmbot.cli.trade_again import trade_again
from mmbot.errors import BadInput
from mmbot.observe import backtest_report
from mmbot.research.backtest import WeekResult
from mmbot.research.past_history import PastMarket, PastWeeks
from mmbot.research.replayed_week import FillRules
from mmbot.research.strategies import STRATEGIES
from mmbot.research.week_path import PathKeeper
from mmbot.underlyings.registry import refuse_others

# Its orders rest while a count is due, which the whole bot never allows.
_BY_CANDLES_ONLY = "seed-resting-always"
_BESIDE_RECORDING = (
    "--recording provides the market and the strategy: leave out --markets, --candles, "
    "--history and --strategy"
)

_StrategyName: TypeAlias = Annotated[
    str | None,
    typer.Option(help=f"Backtest only this one: {', '.join(STRATEGIES)}; all unless given."),
]
_ReportPath: TypeAlias = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML report with plots to this file.")
]


def backtest(
    *,
    counts: CountsFile,
    markets: MarketsOption = None,
    candles: CandlesOption = None,
    history: HistoryOption = None,
    recording: RecordingOption = None,
    config_path: JudgedConfig = None,
    strategy: _StrategyName = None,
    delay_ms: DelayOption = USUAL_DELAY_MS,
    queue_contracts: QueueOption = None,
    json_path: FiguresPath = None,
    report_path: _ReportPath = None,
    cache: CacheDirectory = None,
) -> None:
    """Replay real weeks with the bot that trades, and report what it would have earned.

    By trades, for weeks whose trades are in the history: the whole bot runs, from
    page to order, in the order of time. Its orders fill where a trade went
    strictly through their price, for no more than the trade's size. Books come
    from minute candles and the last trades; where a book is not known, nothing
    is quoted.

    By daily candles, for weeks that have nothing else, or with --markets and
    --candles: orders are placed once a day, with what was published by then.
    On Monday, Saturday and Sunday they fill where a trade went strictly through
    their price, from Tuesday to Friday only where the day's last trade did; at
    most a fifth of the day's volume fills.

    With --recording, the bot trades a market that a daemon captured, on paper,
    frame by frame, with the settings of --config or those on record: the same
    settings give exactly the fills that happened. Calendar, exchange and counts
    are those of the recording.

    Weeks without all their results are left out. The account starts each week
    with paper.balance_dollars. Every output says which rule a week was filled by.

    Examples:
    mmbot backtest
    mmbot backtest --recording ~/.local/state/mmbot/paper --config edited.toml
    mmbot backtest --counts daily_counts.csv --markets markets.csv --candles daily_candles.csv
    """
    if recording is not None:
        if any(each is not None for each in (markets, candles, history, strategy)):
            raise BadInput(_BESIDE_RECORDING)
        trade_again(recording, config_path, json_path, report_path, cache)
        return
    given = WeeksGiven(counts, markets, candles, history)
    rules = fill_rules(delay_ms, queue_contracts)
    _trade_weeks(given, rules, strategy, config_path, json_path, report_path, cache)


def _trade_weeks(
    given: WeeksGiven,
    rules: FillRules,
    strategy: str | None,
    config_path: Path | None,
    json_path: Path | None,
    report_path: Path | None,
    cache: Path | None,
) -> None:
    """Replay past weeks; show and write the results."""
    settings = config.Settings() if config_path is None else config.load(config_path)
    refuse_others(settings)
    if strategy is not None and strategy not in STRATEGIES:
        raise BadInput(
            f"--strategy {strategy!r} does not exist; choose from {', '.join(STRATEGIES)}"
        )
    plots = load_plots("--report") if report_path is not None else None
    held = load_counts(given.counts)
    weeks = weeks_given(given, settings.exchange.series, held)
    names = _strategies(strategy, weeks)
    fit = banks.Fits(cache or banks.default_directory())
    market = PastMarket(weeks, held, fit, rules)
    drawn = names[0] if plots is not None else None
    results = {name: _play(market, name, settings, has_path=name == drawn) for name in names}
    compared = results.get("seed") or _play(market, "seed", settings)
    show(backtest_report.sheets(results, compared))
    if json_path is not None:
        write_figures(json_path, backtest_report.as_json(results, compared, weeks.left_out))
    if report_path is not None and plots is not None:
        pictures = plots.backtest_pictures(results)
        write(report_path, backtest_report.html_page(results, pictures, compared).encode())


def _strategies(wanted: str | None, weeks: PastWeeks) -> tuple[str, ...]:
    """Return the strategies to run: the chosen one, or all that these weeks allow."""
    if wanted == _BY_CANDLES_ONLY and weeks.by_trades:
        raise BadInput(
            f"{_BY_CANDLES_ONLY} rests through releases, which the whole bot never does; it "
            "is backtested by daily candles only (--markets and --candles)"
        )
    if wanted is not None:
        return (wanted,)
    return tuple(name for name in STRATEGIES if not weeks.by_trades or name != _BY_CANDLES_ONLY)


def _play(
    market: PastMarket, name: str, settings: config.Settings, *, has_path: bool = False
) -> list[WeekResult]:
    strategy = STRATEGIES[name](settings)
    weeks = tracked(range(len(market)), f"Playing {name}", len(market))
    return [market.play(strategy, week, PathKeeper() if has_path else None) for week in weeks]
