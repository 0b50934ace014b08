"""What one of the bot's guards is worth: the same seeds with it and without it, side by side.

Every figure is the mean of a seed with its 95 % interval, mean +- 1.96 s / sqrt(n) over the seeds:
fills of one seed share its counts and are not independent, seeds are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from mmbot.faultlab.campaign import SeedResult
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals
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


class Share(msgspec.Struct, frozen=True):
    """Fills of all seeds, and the P&L of one in dollars."""

    fills: int
    contracts: float
    pnl: Estimate


class Row(msgspec.Struct, frozen=True):
    """Some of the hours both ways; `gain` is what the guard adds to a seed's P&L there."""

    with_guard: Share
    without_guard: Share
    gain: Estimate


class Comparison(msgspec.Struct, frozen=True):
    """A guard's worth by kind of hours, and in all."""

    guard: str
    seeds: int
    weeks: int
    rows: dict[str, Row]

    @property
    def fills_kept(self) -> float | None:
        """Of the fills apart from releases, the share that is there with the guard too."""
        apart = self.rows["apart"]
        without = apart.without_guard.fills
        return apart.with_guard.fills / without if without else None


_PARTS: Final[dict[str, Callable[[PnlByWindow], PnlTotals]]] = {
    "awaited": lambda earned: earned.awaited,
    "news": lambda earned: earned.news,
    "apart": lambda earned: earned.apart,
    "total": lambda earned: earned.total,
}


def compare(guard: str, lives: Iterable[SeedResult]) -> Comparison | None:
    """Pair the lives of each seed; `None` if no seed came through both ways."""
    kept: dict[int, PnlByWindow] = {}
    missing: dict[int, PnlByWindow] = {}
    weeks = 0
    for lived in lives:
        if lived.violation is None:
            (missing if lived.job.without else kept)[lived.job.seed] = lived.earned
            weeks = lived.job.weeks
    seeds = sorted(kept.keys() & missing.keys())
    if not seeds:
        return None
    rows = {
        name: _row([part(kept[seed]) for seed in seeds], [part(missing[seed]) for seed in seeds])
        for name, part in _PARTS.items()
    }
    return Comparison(guard, len(seeds), weeks, rows)


def _row(kept: list[PnlTotals], missing: list[PnlTotals]) -> Row:
    gains = [ours.pnl - theirs.pnl for ours, theirs in zip(kept, missing, strict=True)]
    return Row(_share(kept), _share(missing), _dollars(gains))


def _share(tallies: list[PnlTotals]) -> Share:
    whole = sum(tallies, PnlTotals())
    return Share(
        whole.fills, whole.contracts / ONE_CONTRACT, _dollars(each.pnl for each in tallies)
    )


def _dollars(money: Iterable[int]) -> Estimate:
    return Estimate.of([each / MONEY_PER_DOLLAR for each in money])
