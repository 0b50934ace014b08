"""`mmbot evaluate`: walk-forward scores of the pool of forecast methods and of each alone."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import numpy as np
import orjson
import typer
from rich.box import SIMPLE
from rich.table import Table

from mmbot.cli import banks, output
from mmbot.cli.options import CacheDirectory, CountsFile, load_counts
from mmbot.cli.output import load_plots, tracked, write
from mmbot.cli.times import parse_date
from mmbot.cli.work import SchedulerAddress, work_through
from mmbot.errors import BadInput
from mmbot.forecast import evaluation
from mmbot.forecast.calibration import Calibration
from mmbot.forecast.evaluation import PairedDifference, Score, ScoredForecast
from mmbot.forecast.history import History
from mmbot.forecast.methods import DEFAULT, METHODS
from mmbot.forecast.pool import ORIGINS
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

ForecastsByMethod: TypeAlias = dict[str, list[ScoredForecast]]


# The methods to compare with: the simplest one, and the two best single ones.
_BASELINES = ("seed", "adaptive", "combined")


class _CachedScores(msgspec.Struct, frozen=True):
    """The scores of the last run, and the digest of their inputs."""

    digest: str
    forecasts: ForecastsByMethod = msgspec.field(name="outcomes")


_First: TypeAlias = Annotated[str, typer.Option("--from", help="Score weeks from this day on.")]
_Last: TypeAlias = Annotated[
    str | None, typer.Option("--to", help="Score weeks up to this day; all unless given.")
]
_Method: TypeAlias = Annotated[
    str, typer.Option(help=f"The method to compare with the others: {', '.join(METHODS)}.")
]
_ErrorCorrection: TypeAlias = Annotated[
    bool, typer.Option("--correction/--no-correction", help="Error correction in the pool.")
]
_JsonPath: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the scores to this file as JSON.")
]
_PlotPath: TypeAlias = Annotated[
    Path | None,
    typer.Option("--plot", help="Plot calibration and CRPS to this file, .png or .svg."),
]


def evaluate(
    *,
    counts: CountsFile,
    first: _First = "2023-01-02",
    last: _Last = None,
    method: _Method = DEFAULT,
    error_correction: _ErrorCorrection = True,
    json_path: _JsonPath = None,
    plot_path: _PlotPath = None,
    scheduler: SchedulerAddress = None,
    cache: CacheDirectory = None,
) -> None:
    """Score the forecasts of past weeks, each from the counts published at the time.

    k is the number of days published. MAPE (in percent) and RMSE are of the
    expected average; RMSE and CRPS are in thousand passengers; Brier score and
    log loss are over nine strikes around the Monday forecast; 80 % and 90 % are
    the coverages of the central intervals; PIT is the p-value of a test that
    the forecasts are calibrated. The second table has the same intervals over
    the last 26 weeks, with the band that nine in ten calibrated forecasts
    stay in; the third the CRPS by year. Differences are paired by week, with
    90 % intervals. Members alone are scored without error correction. From
    2023 on, counts of weekends wait for Monday, as the market's do now.

    Example:
    mmbot evaluate --counts daily_counts.csv --json scores.json
    """
    if method not in METHODS:
        raise BadInput(f"--method {method!r} does not exist; choose from {', '.join(METHODS)}")
    held = load_counts(counts)
    weeks = _weeks(held, parse_date(first, "--from"), parse_date(last, "--to") if last else None)
    directory = cache or banks.default_directory()
    forecasts = _scored(held, weeks, directory, scheduler, error_correction=error_correction)
    scores = {name: evaluation.summarise(each) for name, each in forecasts.items()}
    recent = {name: evaluation.recent_calibration(each) for name, each in forecasts.items()}
    baselines = [name for name in _BASELINES if name != method]
    console = output.console()
    console.print(_table(scores))
    console.print(_calibration(method, recent[method]))
    console.print(_years(method, baselines, forecasts))
    console.print(_differences(method, baselines, forecasts))
    if json_path is not None:
        content = _as_json(scores, recent, _compared(method, baselines, forecasts))
        write(json_path, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    if plot_path is not None:
        load_plots("--plot").draw_evaluation(plot_path, forecasts, scores)


def _weeks(counts: Counts, first: dt.date, last: dt.date | None) -> list[Week]:
    """Return the weeks with seven counts from `first` to `last`, both included."""
    end = min(counts.last_day or first, last or dt.date.max)
    week, weeks = Week.of(first + dt.timedelta(days=6)), []
    while week.sunday <= end:
        if len(counts.published_days(week)) == 7:
            weeks.append(week)
        week = week.following
    if not weeks:
        raise BadInput(f"no week from {first} to {end} has all its seven counts")
    return weeks


def _scored(
    counts: Counts,
    weeks: list[Week],
    directory: Path,
    scheduler: str | None,
    *,
    error_correction: bool,
) -> ForecastsByMethod:
    forecaster = banks.fit(counts, DEFAULT, directory, error_correction=error_correction)
    hindcasts = forecaster.hindcasts
    digest = _digest((*hindcasts.record.digests[-1:], str(error_correction), str(weeks)))
    path = directory / "evaluation.json"
    try:
        cached = msgspec.json.decode(path.read_bytes(), type=_CachedScores)
    except (OSError, msgspec.DecodeError):
        cached = None
    if cached is None or cached.digest != digest:
        walk = evaluation.Walk(History.of(counts), hindcasts, error_correction)
        cached = _CachedScores(digest, _walk_forward(walk, weeks, scheduler))
        write(path, msgspec.json.encode(cached))
    return cached.forecasts


def _digest(inputs: Sequence[str]) -> str:
    """Return the digest of the inputs and of the source code of the forecast."""
    content = hashlib.sha256("\n".join(inputs).encode())
    for source in sorted(Path(evaluation.__file__).parent.glob("*.py")):
        content.update(source.read_bytes())
    return content.hexdigest()[:16]


def _walk_forward(
    walk: evaluation.Walk, weeks: list[Week], scheduler: str | None
) -> ForecastsByMethod:
    forecasts: ForecastsByMethod = {name: [] for name in METHODS}
    scored = work_through(evaluation.score_week, walk, weeks, scheduler)
    for week in tracked(scored, "Scoring weeks", len(weeks)):
        for name, forecast in week:
            forecasts[name].append(forecast)
    return forecasts


def _table(scores: dict[str, dict[int, Score]]) -> Table:
    names = ("method", "k", "weeks", "MAPE", "RMSE", "CRPS", "Brier", "log", "80 %", "90 %", "PIT")
    table = Table(*names, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name, origins in scores.items():
        for k, score in origins.items():
            table.add_row(
                name, str(k), str(score.weeks), f"{score.mape:.2f}", f"{score.rmse / 1e3:.1f}",
                f"{score.crps / 1e3:.1f}", f"{score.brier:.3f}", f"{score.log_loss:.3f}",
                f"{score.coverage80:.2f}", f"{score.coverage90:.2f}", f"{score.pit:.2f}",
            )  # fmt: skip
        table.add_section()
    return table


def _calibration(method: str, recent: Mapping[int, Calibration]) -> Table:
    names = ("k", "weeks", "80 %", "band", "PIT")
    title = f"Calibration of {method} lately"
    table = Table(*names, "", title=title, box=SIMPLE)
    for k, found in recent.items():
        low, high = found.band
        table.add_row(
            str(k), str(found.weeks), f"{found.coverage80:.2f}", f"{low:.2f} to {high:.2f}",
            f"{found.pit:.2f}", "" if found.within else "outside",
        )  # fmt: skip
    return table


def _years(method: str, baselines: Sequence[str], forecasts: ForecastsByMethod) -> Table:
    ks = [str(k) for k in ORIGINS]
    table = Table("year", "method", *ks, title="CRPS by year and days published", box=SIMPLE)
    for year in sorted({each.week[:4] for each in forecasts[method]}):
        for name in (method, *baselines):
            scores = evaluation.summarise([f for f in forecasts[name] if f.week[:4] == year])
            table.add_row(year, name, *(f"{score.crps / 1e3:.1f}" for score in scores.values()))
        table.add_section()
    return table


def _compared(
    method: str, baselines: Sequence[str], forecasts: ForecastsByMethod
) -> dict[str, dict[int, PairedDifference]]:
    return {
        baseline: {
            k: evaluation.difference(
                forecasts[method], forecasts[baseline], k, np.random.default_rng(k)
            )
            for k in ORIGINS
        }
        for baseline in baselines
    }


def _differences(method: str, baselines: Sequence[str], forecasts: ForecastsByMethod) -> Table:
    title = f"CRPS of {method} less that of"
    table = Table("k", *(f"{name}, 90 % interval" for name in baselines), title=title, box=SIMPLE)
    compared = _compared(method, baselines, forecasts)
    for k in ORIGINS:
        found = [compared[name][k] for name in baselines]
        cells = (f"{d.mean / 1e3:+.1f}  {d.low / 1e3:+.1f} to {d.high / 1e3:+.1f}" for d in found)
        table.add_row(str(k), *cells)
    return table


def _as_json(
    scores: dict[str, dict[int, Score]],
    recent: dict[str, dict[int, Calibration]],
    compared: dict[str, dict[int, PairedDifference]],
) -> dict[str, object]:
    return {
        "methods": _by_days(scores),
        "recent": _by_days(recent),
        "differences": _by_days(compared),
    }


def _by_days(values: Mapping[str, Mapping[int, msgspec.Struct]]) -> dict[str, dict[str, object]]:
    return {
        name: {str(k): msgspec.to_builtins(each) for k, each in by_days.items()}
        for name, by_days in values.items()
    }
