"""Parameter sweep: the backtest of many settings on the same weeks.

The P&L of the best of many settings is biased upwards by the selection. Leave-one-week-out
cross-validation measures the bias: the setting with the highest P&L in the other weeks is scored
by its P&L in the week left out.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec

from mmbot import config
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.research import scoring, yardstick
from mmbot.research.backtest import Rule, WeekResult
from mmbot.research.past_history import PastMarket
from mmbot.research.scoring import FillStatistics, Interval
from mmbot.research.strategies import own
from mmbot.research.yardstick import SessionMeasure, WeekMeasured

MOST_SETTINGS = 10_000

Changes = dict[str, object]


class TriedMarket(Protocol):
    """What settings are tried on, in parts that can be traded independently."""

    def __len__(self) -> int:
        """Return the number of its parts."""
        ...

    def play(self, settings: Settings, part: int, /) -> Sequence[WeekResult]:
        """Return the weeks of a part as a bot with these settings would have traded them."""
        ...


class MarketOfWeeks(msgspec.Struct, frozen=True):
    """Past weeks, each of which is a part."""

    past: PastMarket

    def __len__(self) -> int:
        return len(self.past)

    def play(self, settings: Settings, part: int) -> Sequence[WeekResult]:
        """Return one week."""
        return (self.past.play(own(settings), part),)


class Sweep(msgspec.Struct, frozen=True):
    """What every trial shares: the settings that are changed, and the market."""

    settings: Settings
    market: TriedMarket


class Piece(msgspec.Struct, frozen=True):
    """A part of the market to be traded with some changes."""

    changes: Changes
    part: int


class PlayedWeek(msgspec.Struct, frozen=True):
    """A week's fills, and their measure; without opinions, which are the same in every trial."""

    result: WeekResult
    measured: WeekMeasured


class Trial(msgspec.Struct, frozen=True):
    """The backtest of one setting.

    `pnl` and `at_risk`, in dollars, `contracts` and `rules` are by week, as are the events' tickers
    in `weeks`; `earned` is P&L over the dollars at risk. In the weeks `without_fees` these are not
    known, and none was charged.
    """

    changes: Changes
    statistics: FillStatistics
    weeks: tuple[str, ...]
    rules: tuple[Rule, ...]
    pnl: tuple[float, ...]
    contracts: tuple[float, ...]
    at_risk: tuple[float, ...]
    earned: SessionMeasure
    without_fees: tuple[str, ...] = ()


class HeldOut(msgspec.Struct, frozen=True):
    """The result of settings that were chosen without the week they are scored on.

    Attributes:
        pnl: The P&L in dollars.
        contracts: The contracts.
        on_risk: P&L over the dollars at risk; `None` if nothing was at risk.
    """

    pnl: float
    contracts: float
    on_risk: Interval | None


def grid(choices: Mapping[str, Sequence[object]]) -> list[Changes]:
    """Return every combination of the choices.

    Raises:
        BadInput: There are none, or more than `MOST_SETTINGS`.
    """
    size = math.prod(map(len, choices.values()))
    if not 1 <= size <= MOST_SETTINGS:
        raise BadInput(f"{size:,} settings to try; there must be 1 to {MOST_SETTINGS:,}")
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def pieces(market: TriedMarket, changes: Sequence[Changes]) -> list[Piece]:
    """Return all pieces of work, part by part, so that one fit for a week serves every trial."""
    return [Piece(each, part) for part in range(len(market)) for each in changes]


def play(sweep: Sweep, piece: Piece) -> tuple[PlayedWeek, ...]:
    """Trade a part of the market."""
    settings = config.changed(sweep.settings, piece.changes, "the sweep")
    return tuple(_played(week) for week in sweep.market.play(settings, piece.part))


def _played(week: WeekResult) -> PlayedWeek:
    (measured,) = yardstick.of_results([week])
    return PlayedWeek(
        msgspec.structs.replace(week, predictions=(), replayed=None),
        msgspec.structs.replace(measured, predictions=()),
    )


def trials(
    changes: Sequence[Changes], played: Iterable[tuple[Piece, tuple[PlayedWeek, ...]]]
) -> list[Trial]:
    """Return the trial of each change; a week that it did not trade is one without fills."""
    weeks: dict[str, dict[str, PlayedWeek]] = defaultdict(dict)
    found: dict[str, PlayedWeek] = {}
    for piece, results in played:
        for each in results:
            weeks[repr(piece.changes)][each.result.week] = each
            found.setdefault(each.result.week, _nothing(each))
    return [_trial(each, [*(found | weeks[repr(each)]).values()]) for each in changes]


def _nothing(week: PlayedWeek) -> PlayedWeek:
    return PlayedWeek(
        msgspec.structs.replace(week.result, trades=()),
        msgspec.structs.replace(week.measured, fills=()),
    )


def _trial(changes: Changes, weeks: Sequence[PlayedWeek]) -> Trial:
    measured = [each.measured for each in weeks]
    return Trial(
        changes,
        scoring.fill_statistics([each.result for each in weeks]),
        weeks=tuple(each.result.week for each in weeks),
        rules=tuple(each.result.rule for each in weeks),
        pnl=tuple(each.pnl for each in measured),
        contracts=tuple(sum(fill.contracts for fill in each.fills) for each in measured),
        at_risk=tuple(each.at_risk for each in measured),
        earned=yardstick.earned(measured),
        without_fees=tuple(each.result.week for each in weeks if not each.result.fees_known),
    )


def held_out(trials: Sequence[Trial]) -> HeldOut:
    """Return the result of leave-one-week-out over all weeks."""
    weeks = range(len(trials[0].pnl))
    chosen = [(week, max(trials, key=partial(_pnl_of_other_weeks, week))) for week in weeks]
    pnl = [trial.pnl[week] for week, trial in chosen]
    at_risk = [trial.at_risk[week] for week, trial in chosen]
    return HeldOut(
        sum(pnl),
        sum(trial.contracts[week] for week, trial in chosen),
        scoring.clustered_ratio(pnl, at_risk) if sum(at_risk) else None,
    )


def _pnl_of_other_weeks(week: int, trial: Trial) -> float:
    return sum(trial.pnl) - trial.pnl[week]
