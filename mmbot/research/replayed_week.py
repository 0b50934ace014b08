"""What a week's replay by its trades is given, and what it gives; see `week_replay`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from mmbot.bot.outputs import FitForecast
from mmbot.errors import BadInput
from mmbot.forecast.fitting import Predictor
from mmbot.history.weeks import PastEvent, PastWeek
from mmbot.research.week_path import WeekPath
from mmbot.trading.commands import MarketSample, Markout, RecordFill
from mmbot.underlying.calendar import CalendarClock
from mmbot.underlying.counts import Counts
from mmbot.units import Count, Milliseconds, Price


class FillRules(msgspec.Struct, frozen=True):
    """How orders come to the market and fill there.

    Attributes:
        delay_ms: From a decision to its effect; with none, an answer would have the time of its
            request, and could not be told from an earlier one.
        queue_ahead: If given, an order also fills at its own price once so many contracts have
            traded there; else only a trade strictly through its price fills it.
        holds_ms: How long a price is known that no minute candle confirms.
    """

    delay_ms: Milliseconds = 250
    queue_ahead: Count | None = None
    holds_ms: Milliseconds = 15 * 60_000

    def __post_init__(self) -> None:
        if self.delay_ms < 1:
            raise ValueError("a decision takes a millisecond at least")


class MarketOutcome(msgspec.Struct, frozen=True):
    """A market of the week and what YES paid."""

    ticker: str
    payout: Price


class ReplayedWeek(msgspec.Struct, frozen=True):
    """What the whole bot did in a week, as its ledger has it, and what the markets paid.

    Attributes:
        event: The week's event.
        clock: The calendar as a function of the times.
        markets: Its markets, in ascending order of strike.
        fills: The fills, in the order of time.
        markouts: Their markouts.
        samples: Views of the markets, filled or not.
        later: For each fill, by its key, what YES was worth at the end of the next day: the
            midpoint, else the last trade, else the payout.
        trades: How many trades happened.
        shown: How many times a book changed.
        path: What it saw and quoted, if that was wanted.
    """

    event: str
    clock: CalendarClock
    markets: tuple[MarketOutcome, ...]
    fills: tuple[RecordFill, ...]
    markouts: tuple[Markout, ...]
    samples: tuple[MarketSample, ...]
    later: dict[tuple[str, str], float]
    trades: int = 0
    shown: int = 0
    path: WeekPath | None = None


class WeekToReplay(msgspec.Struct, frozen=True):
    """A week and how to read it.

    Attributes:
        past: What is known of it.
        events: Returns its trades, candles and releases in the order of time.
        with_minutes: The markets with minute candles.
        counts: Every count with its vintages.
    """

    past: PastWeek
    events: Callable[[], Iterable[PastEvent]]
    with_minutes: frozenset[str]
    counts: Counts


PredictorSource: TypeAlias = Callable[[FitForecast], Predictor]


def outcomes(past: PastWeek) -> tuple[MarketOutcome, ...]:
    """Return the markets that can be traded; raise `BadInput` if one has no result."""
    found = []
    for market in past.markets:
        if market.strike is None:
            continue
        if market.yes_value is None:
            raise BadInput(f"{market.ticker} has no result yet; its week is left out")
        found.append(MarketOutcome(market.ticker, market.yes_value))
    return tuple(found)
