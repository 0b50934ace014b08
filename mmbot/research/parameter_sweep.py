"""Parameter sweep: the backtest of many settings on the same weeks.

The P&L of the best of many settings is biased upwards by the selection. Leave-one-week-out
cross-validation measures the bias: the setting with the highest P&L in the other weeks is scored
by its P&L in the week left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from mmbot import config
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.research import scoring, yardstick
from mmbot.research.backtest import play_week
from mmbot.research.cached_beliefs import CachedBeliefs
from mmbot.research.candles import HistoricalWeek
from mmbot.research.scoring import FillStatistics
from mmbot.research.strategies import own
from mmbot.research.yardstick import SessionMeasure
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT

MOST_SETTINGS = 10_000

Changes = dict[str, object]


class SweepData(msgspec.Struct, frozen=True):
    """What every trial shares: the base settings, the weeks and their beliefs."""

    settings: Settings
    weeks: tuple[HistoricalWeek, ...]
    beliefs: CachedBeliefs


class Trial(msgspec.Struct, frozen=True):
    """The backtest of one setting.

    `pnl`, in dollars, and `contracts` are by week; `earned` is P&L over the dollars at risk.
    """

    changes: Changes
    statistics: FillStatistics
    pnl: tuple[float, ...]
    contracts: tuple[float, ...]
    earned: SessionMeasure


class HeldOut(msgspec.Struct, frozen=True):
    """P&L in dollars, and contracts, of the settings chosen without the week they are scored on."""

    pnl: float
    contracts: float


def grid(choices: Mapping[str, Sequence[object]]) -> list[Changes]:
    """Return every combination of the choices.

    Raises:
        BadInput: There are none, or more than `MOST_SETTINGS`.
    """
    size = math.prod(map(len, choices.values()))
    if not 1 <= size <= MOST_SETTINGS:
        raise BadInput(f"{size:,} settings to try; let it be from 1 to {MOST_SETTINGS:,}")
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def try_setting(data: SweepData, changes: Changes) -> Trial:
    """Backtest every week with one setting."""
    strategy = own(config.changed(data.settings, changes, "the sweep"))
    results = [play_week(strategy, week, data.beliefs) for week in data.weeks]
    return Trial(
        changes,
        scoring.fill_statistics(results),
        tuple(sum(t.pnl for t in result.trades) / MONEY_PER_DOLLAR for result in results),
        tuple(sum(t.count for t in result.trades) / ONE_CONTRACT for result in results),
        yardstick.earned(yardstick.of_results(results)),
    )


def held_out(trials: Sequence[Trial]) -> HeldOut:
    """Return the leave-one-week-out P&L and contracts over all weeks."""
    weeks = range(len(trials[0].pnl))
    chosen = [(week, max(trials, key=partial(_pnl_of_other_weeks, week))) for week in weeks]
    return HeldOut(
        sum(trial.pnl[week] for week, trial in chosen),
        sum(trial.contracts[week] for week, trial in chosen),
    )


def _pnl_of_other_weeks(week: int, trial: Trial) -> float:
    return sum(trial.pnl) - trial.pnl[week]
