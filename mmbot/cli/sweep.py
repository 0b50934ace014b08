"""`mmbot sweep`: the backtest over a grid of settings, on all cores or on a cluster."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from mmbot import config
from mmbot.cli import banks
from mmbot.cli.options import (
    CacheDirectory,
    CandlesFile,
    CountsFile,
    JudgedConfig,
    MarketsFile,
    load_counts,
)
from mmbot.cli.output import show
from mmbot.cli.tables import writer_for
from mmbot.cli.work import SchedulerAddress, work_through
from mmbot.errors import BadInput
from mmbot.observe.sheets import Sheet, interval
from mmbot.research import parameter_sweep
from mmbot.research.backtest import play_week
from mmbot.research.cached_beliefs import FormedBeliefs
from mmbot.research.candles import HistoricalWeek, load_weeks
from mmbot.research.parameter_sweep import Changes, SweepData, Trial
from mmbot.research.scoring import Interval
from mmbot.research.strategies import own

_SHOWN = 20
_COLUMNS = (
    "fills", "contracts", "spend", "pnl", "pnl_per_contract", "low95", "high95",
    "at_risk", "pnl_on_risk", "on_risk_low95", "on_risk_high95",
)  # fmt: skip


def sweep(
    *,
    counts: CountsFile,
    markets: MarketsFile,
    candles: CandlesFile,
    choices: Annotated[
        list[str],
        typer.Option("--set", help="A key and its values, as in quoting.margin=[0.05,0.1]."),
    ],
    config_path: JudgedConfig = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write every setting and its figures there: a .csv or .parquet file."),
    ] = None,
    scheduler: SchedulerAddress = None,
    cache: CacheDirectory = None,
) -> None:
    """Backtest every combination of the values given, and cross-validate the best one.

    The P&L of the best of many settings is biased upwards by the selection. It
    is shown beside the P&L of settings chosen without the week they are scored on.

    Example:
    mmbot sweep --counts c.csv --markets m.csv --candles d.csv --set quoting.margin=[0.05,0.1,0.2]
    """
    write = writer_for(output, "--output") if output is not None else None
    settings = config.Settings() if config_path is None else config.load(config_path)
    changes = parameter_sweep.grid(dict(map(_choice, choices)))
    directory = cache or banks.default_directory()
    believe = FormedBeliefs(
        load_counts(counts), lambda published, name: banks.fit(published, name, directory)
    )
    data = _prepare(settings, changes, load_weeks(markets, candles), believe)
    run = work_through(parameter_sweep.try_setting, data, changes, scheduler)
    trials = sorted(_tracked(run, len(changes)), key=lambda trial: -trial.statistics.pnl)
    show([_sheet(trials)])
    if output is not None and write is not None:
        keys = tuple(trials[0].changes)
        write(
            output,
            (*keys, *_COLUMNS),
            [(*map(_cell, t.changes.values()), *_row(t)) for t in trials],
        )


def _prepare(
    settings: config.Settings,
    changes: Sequence[Changes],
    weeks: tuple[HistoricalWeek, ...],
    believe: FormedBeliefs,
) -> SweepData:
    """Form the beliefs of every method among the changes, as the trials only look them up."""
    for method in {config.changed(settings, each, "--set").forecast.method for each in changes}:
        chosen = config.changed(settings, {"forecast.method": method}, "--set")
        for week in weeks:
            play_week(own(chosen), week, believe)
    return SweepData(settings, weeks, believe.cache)


def _choice(text: str) -> tuple[str, list[object]]:
    key, _, values = (part.strip() for part in text.partition("="))
    try:
        parsed = tomllib.loads(f"values = {values}")["values"]
    except tomllib.TOMLDecodeError:
        parsed = None
    if not key or not isinstance(parsed, list) or not parsed:
        raise BadInput(f"--set {text!r} is not a key and a list such as quoting.margin=[0.05,0.1]")
    return key, parsed


def _tracked(trials: Iterable[Trial], total: int) -> Iterator[Trial]:
    console = Console(stderr=True)
    quiet = not console.is_terminal
    return iter(
        track(trials, "Trying settings", total, console=console, transient=True, disable=quiet)
    )


def _sheet(trials: Sequence[Trial]) -> Sheet:
    keys = tuple(trials[0].changes)
    weeks, best, held_out = len(trials[0].pnl), trials[0], parameter_sweep.held_out(trials)
    return Sheet(
        "Settings, best first",
        (*keys, "fills", "contracts", "P&L", "P&L/risk", "95 %"),
        tuple((*map(str, trial.changes.values()), *_figures(trial)) for trial in trials[:_SHOWN]),
        f"{len(trials)} settings were tried on {weeks} weeks. The best made "
        f"{best.statistics.pnl:+.2f} dollars there, and it was chosen for that. Choosing on the "
        f"other weeks each time, the week left out made {held_out.pnl:+.2f} dollars in all, on "
        f"{held_out.contracts:g} contracts: that is what the choice can be trusted for. Weeks are "
        "filled by daily candles, which cannot tell much before Saturday; P&L/risk is over the "
        "most that each week's fills could have lost.",
    )


def _figures(trial: Trial) -> tuple[str, ...]:
    found = trial.statistics
    on_risk = interval(trial.earned.on_risk)
    return (str(found.fills), f"{found.contracts:g}", f"{found.pnl:+.2f}", *on_risk)


def _row(trial: Trial) -> tuple[object, ...]:
    found = trial.statistics
    each, on_risk = _bounds(found.per_contract), _bounds(trial.earned.on_risk)
    risk = trial.earned.at_risk
    return (found.fills, found.contracts, found.spend, found.pnl, *each, risk, *on_risk)


def _bounds(found: Interval | None) -> tuple[float | None, ...]:
    return (found.estimate, found.low, found.high) if found else (None,) * 3


def _cell(value: object) -> object:
    """Return a setting's value as a cell, a list as it is written in the config."""
    return str(value) if isinstance(value, list) else value
