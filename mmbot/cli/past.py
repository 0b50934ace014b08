"""The options with which `backtest` and `sweep` select the past, and the weeks they select."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import typer
from rich.console import Console

from mmbot.errors import BadInput
from mmbot.history.store import HOW_TO_FETCH, HistoryStore, default_directory
from mmbot.research.candles import load_weeks
from mmbot.research.past_history import PastWeeks, past_weeks
from mmbot.research.replayed_week import FillRules
from mmbot.underlying.counts import Counts
from mmbot.units import ONE_CONTRACT, Count

MarketsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="CSV file of markets: event_ticker, ticker, floor_strike, result."),
]
CandlesOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="CSV file of the markets' daily candles.")
]
HistoryOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="The directory of `mmbot history` with the weeks; the user's unless given. "
        "Not read with --markets and --candles."
    ),
]
RecordingOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Trade again what a paper daemon or `mmbot record` captured: its state directory, "
        "or a .capture file."
    ),
]
DelayOption: TypeAlias = Annotated[
    int,
    typer.Option(min=1, max=60_000, help="By trades: milliseconds from a decision to its effect."),
]
QueueOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="By trades: also fill at an order's own price, once this many contracts traded "
        "there before it; unless given, only when a trade goes strictly through the price.",
    ),
]
FiguresPath: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")
]
USUAL_DELAY_MS = FillRules().delay_ms


def fill_rules(delay_ms: int, queue_contracts: int | None) -> FillRules:
    """Return the rules of fills in a week that is replayed by its trades."""
    queue = None if queue_contracts is None else Count(queue_contracts * ONE_CONTRACT)
    return FillRules(delay_ms, queue)


class WeeksGiven(msgspec.Struct, frozen=True):
    """Where the counts and the weeks are, by the options."""

    counts: Path
    markets: Path | None
    candles: Path | None
    history: Path | None


def weeks_given(given: WeeksGiven, series: str, counts: Counts) -> PastWeeks:
    """Return the weeks in two files, else those of a directory of history.

    Raises:
        BadInput: There are none, a file cannot be used, or one of the two was not given.
    """
    markets, candles = given.markets, given.candles
    if markets is not None and candles is not None:
        return PastWeeks((), load_weeks(markets, candles), {})
    if markets is not None or candles is not None:
        raise BadInput("--markets and --candles belong together; give both, or neither")
    store = HistoryStore(given.history or default_directory())
    weeks = past_weeks(store, series, counts)
    for event, why in weeks.left_out.items():
        Console(stderr=True).print(f"{event} is left out: {why}", markup=False, highlight=False)
    if not weeks.by_trades and not weeks.by_candles:
        raise BadInput(
            f"{store.directory} has no week of {series} that could be backtested; {HOW_TO_FETCH}, "
            "or name files with --markets and --candles"
        )
    return weeks
