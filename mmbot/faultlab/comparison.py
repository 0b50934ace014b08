"""The worth of one of the bot's guards: P&L of the same seeds with it and without it.

P&L is the mean per seed with its 95 % interval, mean +- 1.96 s / sqrt(n) over the seeds: fills of
one seed share its counts and are not independent, but seeds are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from mmbot.faultlab.campaign import SeedResult
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, Money

_Z95: Final = 1.96


class Estimate(msgspec.Struct, frozen=True):
    """A mean and its 95 % interval; a single value has none."""

    mean: float
    interval95: tuple[float, float] | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Estimate the mean of one or more independent values."""
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
    """The fills of all seeds, and the P&L per seed in dollars."""

    fills: int
    contracts: float
    pnl: Estimate


class ComparedWindow(msgspec.Struct, frozen=True):
    """The fills of one window with and without the guard, and its gain in P&L per seed."""

    with_guard: Share
    without_guard: Share
    gain: Estimate


class Comparison(msgspec.Struct, frozen=True):
    """A guard's worth by window, and in total."""

    guard: str
    seeds: int
    weeks: int
    rows: dict[str, ComparedWindow]

    @property
    def fills_kept(self) -> float | None:
        """The ratio of fills with the guard to those without it, apart from releases."""
        apart = self.rows["apart"]
        without = apart.without_guard.fills
        return apart.with_guard.fills / without if without else None


_WINDOWS: Final[dict[str, Callable[[PnlByWindow], PnlTotals]]] = {
    "awaited": lambda earned: earned.awaited,
    "news": lambda earned: earned.news,
    "apart": lambda earned: earned.apart,
    "total": lambda earned: earned.total,
}


def compare(guard: str, results: Iterable[SeedResult]) -> Comparison | None:
    """Pair the results of each seed; `None` if no seed ran both ways without a violation."""
    with_guard: dict[int, PnlByWindow] = {}
    without_guard: dict[int, PnlByWindow] = {}
    weeks = 0
    for result in results:
        if result.violation is None:
            side = without_guard if result.job.without else with_guard
            side[result.job.seed] = result.earned
            weeks = result.job.weeks
    seeds = sorted(with_guard.keys() & without_guard.keys())
    if not seeds:
        return None
    rows = {
        name: _row(
            [window(with_guard[seed]) for seed in seeds],
            [window(without_guard[seed]) for seed in seeds],
        )
        for name, window in _WINDOWS.items()
    }
    return Comparison(guard, len(seeds), weeks, rows)


def _row(with_guard: list[PnlTotals], without_guard: list[PnlTotals]) -> ComparedWindow:
    pairs = zip(with_guard, without_guard, strict=True)
    gains = [Money(one.pnl - other.pnl) for one, other in pairs]
    return ComparedWindow(_share(with_guard), _share(without_guard), _dollars(gains))


def _share(by_seed: list[PnlTotals]) -> Share:
    total = sum(by_seed, PnlTotals())
    pnl = _dollars(totals.pnl for totals in by_seed)
    return Share(total.fills, total.contracts / ONE_CONTRACT, pnl)


def _dollars(amounts: Iterable[Money]) -> Estimate:
    return Estimate.of([money / MONEY_PER_DOLLAR for money in amounts])
