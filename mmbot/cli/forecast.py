"""`mmbot forecast`: what the bot would believe at an instant, from a file of counts."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.model import Forecaster
from mmbot.tsa.calendar import EASTERN, Week
from mmbot.tsa.counts import load_counts

STRIKES = tuple(range(1_800_000, 2_800_001, 50_000))
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def forecast(
    counts: Annotated[
        Path, typer.Option(help="CSV file of daily counts: date,as_published,archived.")
    ],
    as_of: Annotated[
        str,
        typer.Option(help="The instant to judge at, with its UTC offset: 2026-04-16T09:00-04:00."),
    ],
    week: Annotated[
        str | None,
        typer.Option(help="The Sunday that ends the week; the week of --as-of unless given."),
    ] = None,
    strikes: Annotated[
        str | None,
        typer.Option(help="Passengers, by commas; 1.80 to 2.80 million by 50,000 unless given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Print what is thought of a week's average, and the fair value at every strike.

    Only counts that were out at --as-of are used, however many the file holds. A count without a
    recorded time is taken to have come out at 09:00 New York time on its usual day.

    Example: mmbot forecast --counts daily_counts.csv --as-of 2026-04-16T09:00-04:00
    """
    at = parse_instant(as_of)
    target = Week.of(at.astimezone(EASTERN).date()) if week is None else parse_week(week)
    known = load_counts(counts).as_of(at)
    forecaster = Forecaster.fit(known)
    belief = forecaster.belief(known, target, parse_strikes(strikes))
    levels = forecaster.distribution(known, target).quantiles(LEVELS)
    quantiles = dict(zip(LEVELS, levels.tolist(), strict=True))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(_plain(belief, quantiles, at)) + b"\n")
    else:
        _show(belief, quantiles)


def parse_instant(text: str) -> dt.datetime:
    """Read an ISO instant with its offset from UTC; raise `BadInput` if that is missing."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not an instant such as 2026-04-16T09:00-04:00") from None
    if at.tzinfo is None:
        raise BadInput(f"{text!r} lacks its offset from UTC; write it as in {text}-04:00")
    return at


def parse_week(text: str) -> Week:
    """Read a week from its Sunday; raise `BadInput` if it is none."""
    try:
        return Week(dt.date.fromisoformat(text))
    except ValueError as error:
        raise BadInput(f"--week {text!r}: {error}") from None


def parse_strikes(text: str | None) -> tuple[int, ...]:
    """Read strikes in passengers, in any order; raise `BadInput` at one that is no number."""
    if text is None:
        return STRIKES
    parts = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 8 for part in parts):
        raise BadInput(f"--strikes {text!r} are not whole numbers such as 2450000,2500000")
    return tuple(sorted({int(part) for part in parts}))


def _plain(belief: Belief, quantiles: dict[float, float], at: dt.datetime) -> dict[str, object]:
    fair = zip(belief.strikes, belief.above, strict=True)
    return {
        "week": belief.week.sunday,
        "as_of": at,
        "known": belief.known,
        "mean": belief.mean,
        "sd": belief.sd,
        "quantiles": {str(level): value for level, value in quantiles.items()},
        "strikes": [{"strike": strike, "fair": above} for strike, above in fair],
        "method": belief.method,
        "digest": belief.digest,
    }


def _show(belief: Belief, quantiles: dict[float, float]) -> None:
    console = Console()
    console.print(
        f"Week to Sunday {belief.week.sunday}: {belief.known} of 7 days published,"
        f" mean {belief.mean:,.0f}, sd {belief.sd:,.0f} ({belief.method}, inputs {belief.digest})",
        highlight=False,
    )
    spread = Table("quantile", *(f"{level:.0%}" for level in quantiles))
    spread.add_row("average", *(f"{value:,.0f}" for value in quantiles.values()))
    console.print(spread)
    ladder = Table("strike", "fair value", title="P(average > strike)")
    for strike, above in zip(belief.strikes, belief.above, strict=True):
        ladder.add_row(f"{strike:,}", f"{above:.4f}")
    console.print(ladder)
