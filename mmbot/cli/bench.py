"""`mmbot bench`: times of the forecast and of quoting, beside a floor measured in the same run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmbot.exchange.synthetic import LABEL, daily_counts
from mmbot.research.forecast_bench import Timing, time_forecast
from mmbot.research.quote_bench import time_quoting
from mmbot.tsa.counts import Counts, assumed_release, load_counts

_LADDER = tuple(range(1_800_000, 2_850_000, 50_000))
_SYNTHETIC_END = dt.date(2026, 4, 19)


def bench(
    counts: Annotated[
        Path | None, typer.Option(help="Daily counts to forecast from; else synthetic ones.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=3, max=1000, help="Runs of each quick part.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Time the forecast, from the residual bank to the belief at every strike, and quoting."""
    history = load_counts(counts) if counts else _synthetic()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Forecasting past weeks", total=None)
        timings = time_forecast(
            history,
            _LADDER,
            repeat,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
        timings += time_quoting(repeat)
    if as_json:
        rows = {
            t.part: {
                "quickest_ms": t.quickest,
                "median_ms": t.median,
                "slowest_ms": t.slowest,
                "floor_ms": t.floor,
            }
            for t in timings
        }
        print(orjson.dumps(rows).decode())
    else:
        Console().print(_table(timings, str(counts) if counts else LABEL))


def _synthetic() -> Counts:
    counts = Counts()
    for day, count in daily_counts(_SYNTHETIC_END, 1).items():
        counts, _ = counts.observe(day, count, assumed_release(day))
    return counts


def _table(timings: list[Timing], source: str) -> Table:
    names = ("part", "quickest ms", "median ms", "slowest ms", "runs", "x floor")
    table = Table(*names, title=f"on {source}")
    for column in table.columns[1:]:
        column.justify = "right"
    for t in timings:
        times = [f"{ms:,.3f}" for ms in (t.quickest, t.median, t.slowest)]
        table.add_row(t.part, *times, str(t.runs), f"{t.quickest / t.floor:,.2f}")
    return table
