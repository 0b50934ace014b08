"""`mmbot sweep`: the backtest over a grid of settings, on all cores or on a cluster."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import typer

from mmbot import config
from mmbot.bot.outputs import FitForecast
from mmbot.cli import banks
from mmbot.cli.options import CacheDirectory, CountsFile, JudgedConfig, load_counts
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
from mmbot.cli.tables import writer_for
from mmbot.cli.trade_again import RecordedMarket, settings_on_record
from mmbot.cli.work import SchedulerAddress, work_through
from mmbot.errors import BadInput
from mmbot.observe.backtest_report import free_weeks
from mmbot.observe.sheets import Sheet, counted, interval, page
from mmbot.research import parameter_sweep
from mmbot.research.backtest import Rule
from mmbot.research.parameter_sweep import Changes, HeldOut, MarketOfWeeks, Sweep, Trial
from mmbot.research.past_history import PastMarket
from mmbot.research.replayed_week import FillRules
from mmbot.research.scoring import Interval
from mmbot.underlying.counts import Counts
from mmbot.underlyings.registry import refuse_others

_SHOWN = 20
_TOLD: Mapping[Rule, str] = {
    "trades": "trades",
    "daily candles": "daily candles, which show little before Saturday",
    "recording": "the frames of a recording",
}
_COLUMNS = (
    "fills", "contracts", "spend", "pnl", "pnl_per_contract", "low95", "high95",
    "at_risk", "pnl_on_risk", "on_risk_low95", "on_risk_high95", "weeks_without_fees",
)  # fmt: skip

_Choices: TypeAlias = Annotated[
    list[str],
    typer.Option("--set", help="A key and a list of its values, as in the examples; repeatable."),
]
_TablePath: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Write every setting and its figures to this .csv or .parquet file."),
]
_ReportPath: TypeAlias = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML page with a plot to this file.")
]


def sweep(
    *,
    counts: CountsFile,
    choices: _Choices,
    markets: MarketsOption = None,
    candles: CandlesOption = None,
    history: HistoryOption = None,
    recording: RecordingOption = None,
    config_path: JudgedConfig = None,
    delay_ms: DelayOption = USUAL_DELAY_MS,
    queue_contracts: QueueOption = None,
    output: _TablePath = None,
    json_path: FiguresPath = None,
    report_path: _ReportPath = None,
    scheduler: SchedulerAddress = None,
    cache: CacheDirectory = None,
) -> None:
    """Backtest every combination of the given values, and cross-validate the best one.

    It uses the weeks of the history by their trades, daily candles, or a
    recording, as `mmbot backtest` does. The P&L of the best of many settings is
    biased upwards by the selection; it is shown beside the P&L of settings
    chosen without the week on which they are scored.

    It uses all cores, or with --scheduler the workers of a Dask cluster, which
    must find the history or the recording under the same path. Positions that a
    recording does not settle are valued at its last mid.

    Examples:
    mmbot sweep --set quoting.margin=[0.05,0.1,0.2]
    mmbot sweep --recording ~/.local/state/mmbot/record --set quoting.margin=[0.05,0.1,0.2]
    mmbot sweep --counts c.csv --markets m.csv --candles d.csv --set quoting.margin=[0.05,0.1,0.2]
    """
    tell = _teller(output, json_path, report_path)
    changes = parameter_sweep.grid(dict(map(_choice, choices)))
    directory = cache or banks.default_directory()
    settings = _settings(config_path)
    if recording is not None:
        if any(each is not None for each in (markets, candles, history)):
            raise BadInput(
                "--recording provides the market: leave out --markets, --candles, --history"
            )
        work = _on_recording(recording, settings, directory)
    else:
        rules = fill_rules(delay_ms, queue_contracts)
        given = WeeksGiven(counts, markets, candles, history)
        work = _on_weeks(given, settings or config.Settings(), changes, rules, directory)
    tell(_trials(work, changes, scheduler), work.settings)


def _teller(
    output: Path | None, json_path: Path | None, report_path: Path | None
) -> Callable[[Sequence[Trial], config.Settings], None]:
    """Return the function that shows the trials and writes them to the given files.

    Raises:
        BadInput: They could not be written; this is checked before the long run.
    """
    write_table = writer_for(output, "--output") if output is not None else None
    plots = load_plots("--report") if report_path is not None else None

    def tell(trials: Sequence[Trial], settings: config.Settings) -> None:
        held_out = parameter_sweep.held_out(trials)
        table = _sheet(trials, held_out)
        show([table])
        if output is not None and write_table is not None:
            write_table(output, (*trials[0].changes, *_COLUMNS), [*map(_line, trials)])
        if json_path is not None:
            write_figures(json_path, _figures(trials, held_out))
        if report_path is not None and plots is not None:
            pictures = plots.sweep_pictures(trials, held_out, settings)
            write(report_path, page("Sweep", table.note, [table], pictures).encode())

    return tell


def _on_recording(recording: Path, settings: config.Settings | None, cache: Path) -> Sweep:
    """Return a sweep on a recording, starting from its own settings unless others are given."""
    settings = settings or settings_on_record(recording)
    refuse_others(settings)
    return Sweep(settings, RecordedMarket(recording.absolute(), cache))


def _on_weeks(
    given: WeeksGiven,
    settings: config.Settings,
    changes: Sequence[Changes],
    rules: FillRules,
    cache: Path,
) -> Sweep:
    """Return a sweep on past weeks, with the slow fits already made."""
    refuse_others(settings)
    held = load_counts(given.counts)
    weeks = weeks_given(given, settings.exchange.series, held)
    fit = banks.Fits(cache)
    _fit_once(settings, changes, held, fit)
    return Sweep(settings, MarketOfWeeks(PastMarket(weeks, held, fit, rules)))


def _settings(path: Path | None) -> config.Settings | None:
    return None if path is None else config.load(path)


def _fit_once(
    settings: config.Settings, changes: Sequence[Changes], counts: Counts, fit: banks.Fits
) -> None:
    """Refuse invalid settings, and cache the hindcasts that every worker needs."""
    for forecast in {config.changed(settings, each, "--set").forecast for each in changes}:
        fit(FitForecast(forecast.method, counts, None, forecast.error_correction))


def _trials(work: Sweep, changes: Sequence[Changes], scheduler: str | None) -> list[Trial]:
    """Try every setting; return the trials, best first."""
    pieces = parameter_sweep.pieces(work.market, changes)
    played = tracked(
        work_through(parameter_sweep.play, work, pieces, scheduler), "Trying settings", len(pieces)
    )
    trials = parameter_sweep.trials(changes, zip(pieces, played, strict=True))
    if not trials[0].pnl:
        raise BadInput("nothing was traded with any of the settings: there is nothing to compare")
    return sorted(trials, key=lambda trial: -trial.statistics.pnl)


def _choice(text: str) -> tuple[str, list[object]]:
    key, _, values = (part.strip() for part in text.partition("="))
    try:
        parsed = tomllib.loads(f"values = {values}")["values"]
    except tomllib.TOMLDecodeError:
        parsed = None
    if not key or not isinstance(parsed, list) or not parsed:
        raise BadInput(f"--set {text!r} is not a key and a list such as quoting.margin=[0.05,0.1]")
    return key, parsed


def _sheet(trials: Sequence[Trial], held_out: HeldOut) -> Sheet:
    keys = tuple(trials[0].changes)
    best, weeks = trials[0], len(trials[0].weeks)
    chosen, bounds = interval(held_out.on_risk)
    return Sheet(
        "Settings, best first",
        (*keys, "fills", "contracts", "P&L", "P&L/risk", "95 %"),
        tuple((*map(str, trial.changes.values()), *_texts(trial)) for trial in trials[:_SHOWN]),
        f"{counted(len(trials), 'setting')} {'was' if len(trials) == 1 else 'were'} tried on "
        f"{counted(weeks, 'week')}. The best made "
        f"{best.statistics.pnl:+.2f} dollars there, and was chosen for that. Chosen each time on "
        f"the other weeks only, the settings made {held_out.pnl:+.2f} dollars in all in the "
        f"weeks left out, on {held_out.contracts:g} contracts ({chosen} of the dollars at risk, "
        f"95 % {bounds}): expect that of the chosen setting. {_filled_by(trials[0])} "
        "P&L/risk is over the most that each week's fills could have lost.",
    )


def _filled_by(trial: Trial) -> str:
    weeks = Counter(trial.rules)
    told = "; ".join(f"{number} by {_TOLD[rule]}" for rule, number in weeks.items())
    return f"Filled: {told}.{free_weeks(len(trial.without_fees))}"


def _texts(trial: Trial) -> tuple[str, ...]:
    found = trial.statistics
    on_risk = interval(trial.earned.on_risk)
    return (str(found.fills), f"{found.contracts:g}", f"{found.pnl:+.2f}", *on_risk)


def _figures(trials: Sequence[Trial], held_out: HeldOut) -> dict[str, object]:
    """Return the trials, best first, and the result held out, as JSON values."""
    return {
        "settings": [
            {
                "changes": each.changes,
                **dict(zip(_COLUMNS, _row(each), strict=True)),
                "pnl_by_week": dict(zip(each.weeks, each.pnl, strict=True)),
            }
            for each in trials
        ],
        "held_out": msgspec.to_builtins(held_out),
        "filled_by": dict(zip(trials[0].weeks, trials[0].rules, strict=True)),
        "without_fees": list(trials[0].without_fees),
    }


def _row(trial: Trial) -> tuple[object, ...]:
    found = trial.statistics
    each, on_risk = _bounds(found.per_contract), _bounds(trial.earned.on_risk)
    risk, free = trial.earned.at_risk, len(trial.without_fees)
    return (found.fills, found.contracts, found.spend, found.pnl, *each, risk, *on_risk, free)


def _line(trial: Trial) -> tuple[object, ...]:
    return (*map(_cell, trial.changes.values()), *_row(trial))


def _bounds(found: Interval | None) -> tuple[float | None, ...]:
    return (found.estimate, found.low, found.high) if found else (None,) * 3


def _cell(value: object) -> object:
    """Return a setting's value as a cell; a list as it is written in the config."""
    return str(value) if isinstance(value, list) else value
