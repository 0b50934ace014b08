"""Many settings on the same weeks: what each would have earned, and what the choice is worth.

The best of many settings has been lucky as well. How much so is measured by leaving each week out:
the setting that earned most in the other weeks is judged by what it earned in that one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from mmbot import config
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.research import scoring
from mmbot.research.backtest import play_week
from mmbot.research.cached_beliefs import CachedBeliefs
from mmbot.research.candles import RealWeek
from mmbot.research.scoring import Tally
from mmbot.research.strategies import own
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT

MOST_SETTINGS = 10_000

Changes = dict[str, object]


class SweepData(msgspec.Struct, frozen=True):
    """What every setting is judged on."""

    settings: Settings
    weeks: tuple[RealWeek, ...]
    beliefs: CachedBeliefs


class Trial(msgspec.Struct, frozen=True):
    """What one setting came to; `pnl`, in dollars, and `contracts` are by week."""

    changes: Changes
    tally: Tally
    pnl: tuple[float, ...]
    contracts: tuple[float, ...]


class HeldOut(msgspec.Struct, frozen=True):
    """What the settings earned that were chosen without the week they are judged on, in dollars."""

    pnl: float
    contracts: float


def grid(choices: Mapping[str, Sequence[object]]) -> list[Changes]:
    """Return every combination of the choices.

    Raises:
        BadInput: They are too many, or there are none.
    """
    total = 1
    for values in choices.values():
        total *= len(values)
    if not 1 <= total <= MOST_SETTINGS:
        raise BadInput(f"{total:,} settings to try; let it be from 1 to {MOST_SETTINGS:,}")
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def try_setting(data: SweepData, changes: Changes) -> Trial:
    """Play every week with one setting."""
    strategy = own(config.changed(data.settings, changes, "the sweep"))
    results = [play_week(strategy, week, data.beliefs) for week in data.weeks]
    return Trial(
        changes,
        scoring.tally(results),
        tuple(sum(t.pnl for t in result.trades) / MONEY_PER_DOLLAR for result in results),
        tuple(sum(t.count for t in result.trades) / ONE_CONTRACT for result in results),
    )


def held_out(trials: Sequence[Trial]) -> HeldOut:
    """Return what the best settings of the other weeks earned in each week."""
    weeks = range(len(trials[0].pnl))
    chosen = [(week, max(trials, key=partial(_earned_elsewhere, week))) for week in weeks]
    return HeldOut(
        sum(trial.pnl[week] for week, trial in chosen),
        sum(trial.contracts[week] for week, trial in chosen),
    )


def _earned_elsewhere(week: int, trial: Trial) -> float:
    return sum(trial.pnl) - trial.pnl[week]
