"""`mmbot evaluate`: walk-forward scores of the forecast methods."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import numpy as np
import orjson
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmbot.cli import banks
from mmbot.cli.options import CacheDirectory, CountsFile, load_counts
from mmbot.cli.output import load_plots, write
from mmbot.errors import BadInput
from mmbot.forecast import evaluation
from mmbot.forecast.evaluation import Score, ScoredForecast
from mmbot.forecast.history import History
from mmbot.forecast.model import DEFAULT, METHODS, SEED
from mmbot.forecast.residuals import ResidualBank
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

ForecastsByMethod: TypeAlias = dict[str, list[ScoredForecast]]


class _CachedScores(msgspec.Struct, frozen=True):
    """The last scores, and the digest of their inputs."""

    digest: str
    forecasts: ForecastsByMethod = msgspec.field(name="outcomes")


def evaluate(
    *,
    counts: CountsFile,
    first: Annotated[
        str, typer.Option("--from", help="Score weeks from this day on.")
    ] = "2023-01-02",
    last: Annotated[
        str | None, typer.Option("--to", help="Score weeks up to this day; all unless given.")
    ] = None,
    method: Annotated[
        str, typer.Option(help=f"The method to compare with the seed: {', '.join(METHODS)}.")
    ] = DEFAULT,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the scores to this file as JSON.")
    ] = None,
    plot_path: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw calibration and CRPS into this file, .png or .svg."),
    ] = None,
    cache: CacheDirectory = None,
) -> None:
    """Score the forecasts of past weeks, each from the counts published at the time.

    k is the number of days published. MAPE (in percent) and RMSE are of the
    expected average; RMSE and CRPS are in thousand passengers; Brier score and
    log loss are over nine strikes around the Monday forecast; 80 % and 90 % are
    the coverages of the central intervals; PIT is the p-value of a test that
    the forecasts are calibrated. From 2023 on, counts of weekends wait for
    Monday, as the market's do now.

    Example:
    mmbot evaluate --counts daily_counts.csv --json scores.json
    """
    if method not in METHODS:
        raise BadInput(f"--method {method!r} is none; choose from {', '.join(METHODS)}")
    held = load_counts(counts)
    weeks = _weeks(held, _parse_day(first, "--from"), _parse_day(last, "--to") if last else None)
    forecasts = _scored(held, weeks, method, cache or banks.default_directory())
    scores = {name: evaluation.summarise(each) for name, each in forecasts.items()}
    console = Console()
    console.print(_table(scores))
    if method != SEED.name:
        console.print(_differences(forecasts[method], forecasts[SEED.name]))
    if json_path is not None:
        write(json_path, orjson.dumps(_as_json(scores), option=orjson.OPT_INDENT_2))
    if plot_path is not None:
        load_plots("--plot").draw_evaluation(plot_path, forecasts, scores)


def _parse_day(text: str, option: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text!r} is not a date such as 2023-01-02") from None


def _weeks(counts: Counts, first: dt.date, last: dt.date | None) -> list[Week]:
    """Return the weeks with seven counts that lie within `first` to `last`, both included."""
    end = min(counts.last_day or first, last or dt.date.max)
    week, weeks = Week.of(first + dt.timedelta(days=6)), []
    while week.sunday <= end:
        if len(counts.published_days(week)) == 7:
            weeks.append(week)
        week = week.following
    if not weeks:
        raise BadInput(f"no week from {first} to {end} has all its seven counts")
    return weeks


def _scored(counts: Counts, weeks: list[Week], method: str, directory: Path) -> ForecastsByMethod:
    made = {name: _bank(counts, name, directory) for name in (DEFAULT, SEED.name)}
    digest = _digest((method, *(bank.digests[-1] for bank in made.values()), str(weeks)))
    path = directory / "evaluation.json"
    try:
        cached = msgspec.json.decode(path.read_bytes(), type=_CachedScores)
    except (OSError, msgspec.DecodeError):
        cached = None
    if cached is None or cached.digest != digest:
        cached = _CachedScores(digest, _walk_forward(History.of(counts), made, weeks, method))
        write(path, msgspec.json.encode(cached))
    return cached.forecasts


def _digest(inputs: Sequence[str]) -> str:
    """Return the digest of the inputs and of the source code of the forecast."""
    content = hashlib.sha256("\n".join(inputs).encode())
    for source in sorted(Path(evaluation.__file__).parent.glob("*.py")):
        content.update(source.read_bytes())
    return content.hexdigest()[:16]


def _walk_forward(
    history: History, made: dict[str, ResidualBank], weeks: list[Week], method: str
) -> ForecastsByMethod:
    forecasts: ForecastsByMethod = {name: [] for name in dict.fromkeys((method, SEED.name))}
    scored = evaluation.walk_forward(history, made, DEFAULT, weeks)
    total = len(made) * len(evaluation.ORIGINS) * len(weeks)
    console = Console(stderr=True)
    quiet = not console.is_terminal
    tracked = track(scored, "Scoring weeks", total, console=console, transient=True, disable=quiet)
    for name, forecast in tracked:
        if name in forecasts:
            forecasts[name].append(forecast)
    return forecasts


def _bank(counts: Counts, method: str, directory: Path) -> ResidualBank:
    return banks.fit(counts, method, directory).bank


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


def _differences(forecasts: Sequence[ScoredForecast], baseline: Sequence[ScoredForecast]) -> Table:
    table = Table("k", "CRPS minus the seed's", "90 % interval", box=SIMPLE)
    for k in evaluation.ORIGINS:
        found = evaluation.difference(forecasts, baseline, k, np.random.default_rng(k))
        low, high = found.low / 1e3, found.high / 1e3
        table.add_row(str(k), f"{found.mean / 1e3:+.1f}", f"{low:+.1f} to {high:+.1f}")
    return table


def _as_json(scores: dict[str, dict[int, Score]]) -> dict[str, object]:
    methods = {
        name: {str(k): msgspec.to_builtins(score) for k, score in origins.items()}
        for name, origins in scores.items()
    }
    return {"methods": methods}
