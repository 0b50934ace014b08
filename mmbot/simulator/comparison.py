"""What one of the bot's guards is worth: the same seeds with it and without it, side by side.

Every figure is the mean of a seed with its 95 % interval, mean +- 1.96 s / sqrt(n) over the seeds:
fills of one seed share its counts and are not independent, seeds are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mmbot.simulator.campaign import Lived
from mmbot.simulator.tally import Earned, Tally
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT

_Z95: Final = 1.96


class Estimate(msgspec.Struct, frozen=True):
    """A mean and its interval; there is none for a single seed."""

    mean: float
    interval95: tuple[float, float] | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Estimate the mean of independent values, at least one."""
        mean = statistics.fmean(values)
        if len(values) < 2:
            return cls(mean, None)
        reach = _Z95 * statistics.stdev(values) / math.sqrt(len(values))
        return cls(mean, (mean - reach, mean + reach))

    def __str__(self) -> str:
        if self.interval95 is None:
            return f"{self.mean:,.2f}"
        low, high = self.interval95
        return f"{self.mean:,.2f} [{low:,.2f}, {high:,.2f}]"


class Arm(msgspec.Struct, frozen=True):
    """What one way of running came to; P&L in dollars a seed."""

    fills_around: int
    fills_apart: int
    contracts_around: float
    contracts_apart: float
    pnl_around: Estimate
    pnl_apart: Estimate
    pnl_total: Estimate


class Comparison(msgspec.Struct, frozen=True):
    """A guard's worth: `gain` is what it adds to the P&L of a seed, in dollars."""

    guard: str
    seeds: int
    weeks: int
    with_guard: Arm
    without_guard: Arm
    gain_around: Estimate
    gain_total: Estimate
    # Of the fills apart from releases, the share that is there with the guard too.
    fills_kept: float | None


def compare(guard: str, lives: Iterable[Lived]) -> Comparison | None:
    """Pair the lives of each seed; `None` if no seed came through both ways."""
    kept: dict[int, Earned] = {}
    missing: dict[int, Earned] = {}
    weeks = 0
    for lived in lives:
        if lived.violation is None:
            (missing if lived.job.without else kept)[lived.job.seed] = lived.earned
            weeks = lived.job.weeks
    seeds = sorted(kept.keys() & missing.keys())
    if not seeds:
        return None
    with_, without = [kept[seed] for seed in seeds], [missing[seed] for seed in seeds]
    pairs = list(zip(with_, without, strict=True))
    arms = _arm(with_), _arm(without)
    return Comparison(
        guard=guard,
        seeds=len(seeds),
        weeks=weeks,
        with_guard=arms[0],
        without_guard=arms[1],
        gain_around=_dollars(a.around.pnl - b.around.pnl for a, b in pairs),
        gain_total=_dollars(a.total.pnl - b.total.pnl for a, b in pairs),
        fills_kept=arms[0].fills_apart / arms[1].fills_apart if arms[1].fills_apart else None,
    )


def _arm(earned: Sequence[Earned]) -> Arm:
    whole = sum(earned, Earned())
    return Arm(
        fills_around=whole.around.fills,
        fills_apart=whole.apart.fills,
        contracts_around=_contracts(whole.around),
        contracts_apart=_contracts(whole.apart),
        pnl_around=_dollars(each.around.pnl for each in earned),
        pnl_apart=_dollars(each.apart.pnl for each in earned),
        pnl_total=_dollars(each.total.pnl for each in earned),
    )


def _contracts(tally: Tally) -> float:
    return tally.contracts / ONE_CONTRACT


def _dollars(money: Iterable[int]) -> Estimate:
    return Estimate.of([each / MONEY_PER_DOLLAR for each in money])
