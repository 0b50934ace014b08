"""`mmbot forecast`: the belief at an instant, from a file of counts."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Annotated

import numpy as np
import orjson
import typer
from rich.table import Table

from mmbot.cli import banks, output
from mmbot.cli.options import CacheDirectory, CountsFile, load_counts
from mmbot.cli.times import parse_time, parse_week
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.methods import DEFAULT
from mmbot.forecast.mixture import Mixture
from mmbot.underlying.calendar import EASTERN, Week

STRIKES = tuple(range(1_800_000, 2_800_001, 50_000))
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_BAR = 30
_BARS = 15


def forecast(
    *,
    counts: CountsFile,
    as_of: Annotated[
        str,
        typer.Option(
            help="The instant of the forecast: now, 2026-04-16 (its first minute), or "
            "2026-04-16T09:00; New York, unless an offset follows."
        ),
    ] = "now",
    week: Annotated[
        str | None,
        typer.Option(help="The Sunday that ends the week; the week of --as-of unless given."),
    ] = None,
    strikes: Annotated[
        str | None,
        typer.Option(
            help="Passengers, separated by commas; 1.80 to 2.80 million by 50,000 unless given."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    cache: CacheDirectory = None,
) -> None:
    """Print the distribution of a week's average, and the fair value at every strike.

    Only counts that were published at --as-of are used, however many the
    file holds; each is assumed to have been published at 09:00 New York time
    on its usual day. The first run forecasts all past weeks, for the
    residuals of the method; later runs are quick.

    Example:
    mmbot forecast --counts daily_counts.csv --as-of 2026-04-16T09:00
    """
    at = parse_time(as_of, "--as-of")
    target = Week.of(at.astimezone(EASTERN).date()) if week is None else parse_week(week)
    ladder = STRIKES if strikes is None else _parse_strikes(strikes)
    published = load_counts(counts).as_of(at)
    forecaster = banks.fit(published, DEFAULT, cache or banks.default_directory())
    belief = forecaster.belief(published, target, ladder)
    mixture = forecaster.forecast(published, target).mixture
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(_as_json(belief, mixture, at)) + b"\n")
    else:
        _show(belief, mixture)


def _parse_strikes(text: str) -> tuple[int, ...]:
    parts = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 8 for part in parts):
        raise BadInput(f"--strikes {text!r} are not whole numbers such as 2450000,2500000")
    return tuple(sorted({int(part) for part in parts}))


def _as_json(belief: Belief, mixture: Mixture, at: dt.datetime) -> dict[str, object]:
    fair = zip(belief.strikes, belief.above, strict=True)
    quantiles = zip(LEVELS, mixture.quantiles(LEVELS).tolist(), strict=True)
    return {
        "week": belief.week.sunday,
        "as_of": at,
        "known": belief.days_published,
        "mean": belief.mean,
        "sd": belief.sd,
        "quantiles": {str(level): value for level, value in quantiles},
        "strikes": [{"strike": strike, "fair": above} for strike, above in fair],
        "method": belief.method,
        "members": [
            {"method": each.method, "weight": each.weight, "mean": each.mean, "sd": each.sd}
            for each in belief.members
        ],
        "effective_weeks": belief.effective_weeks,
        "heaviest": [
            {
                "week": past.week.sunday,
                "weight": past.weight,
                "recent": past.recent,
                "season": past.season,
                "alike": past.alike,
            }
            for past in belief.heaviest
        ],
        "digest": belief.digest,
    }


def _show(belief: Belief, mixture: Mixture) -> None:
    console = output.console(highlight=False)
    console.print(
        f"Week to Sunday {belief.week.sunday}: {belief.days_published} of 7 days published\n"
        f"mean {belief.mean:,.0f}, standard deviation {belief.sd:,.0f}"
        f" (method {belief.method}, inputs {belief.digest})"
    )
    for level, value in zip(LEVELS, mixture.quantiles(LEVELS), strict=True):
        console.print(f"  {level:4.0%} below {value:,.0f}")
    if len(belief.members) > 1:
        console.print(_members(belief))
    if belief.heaviest:
        console.print(f"effective sample size: {belief.effective_weeks:.0f} past weeks")
        console.print(_heaviest(belief))
        console.print(_distribution(mixture))
    console.print(_ladder(belief))


def _distribution(mixture: Mixture) -> Table:
    low, high = mixture.quantiles((0.005, 0.995))
    edges = np.linspace(low, high, _BARS + 1)
    shares = -np.diff(mixture.above(edges))
    table = Table("average", "", "probability", title="The week's average", box=None)
    for start, end, share in zip(edges[:-1], edges[1:], shares, strict=True):
        table.add_row(f"{start:,.0f} to {end:,.0f}", _bar(share / shares.max()), f"{share:.1%}")
    return table


def _members(belief: Belief) -> Table:
    table = Table("method", "weight", "mean", "sd", title="The methods of the pool", box=None)
    for each in belief.members:
        table.add_row(each.method, f"{each.weight:.1%}", f"{each.mean:,.0f}", f"{each.sd:,.0f}")
    return table


def _heaviest(belief: Belief) -> Table:
    table = Table(
        "week to",
        "weight",
        "recent",
        "season",
        "similarity",
        title="Past weeks with the largest weights",
    )
    for past in belief.heaviest:
        reasons = (f"{reason:.2f}" for reason in (past.recent, past.season, past.alike))
        table.add_row(str(past.week.sunday), f"{past.weight:.1%}", *reasons)
    return table


def _ladder(belief: Belief) -> Table:
    table = Table("strike", "", "fair value", title="P(average > strike)", box=None)
    for strike, above in zip(belief.strikes, belief.above, strict=True):
        table.add_row(f"{strike:,}", _bar(above), f"{above:.4f}")
    return table


def _bar(share: float) -> str:
    return "█" * round(_BAR * share)
