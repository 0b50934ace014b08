"""Statistics of a backtest: P&L, edges and Brier scores, with intervals clustered by week.

Fills and opinions of one week share its outcome, so weeks are the independent units: intervals are
Student intervals at 95 % of ratio estimates clustered by week (Cochran, "Sampling Techniques",
1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from statistics import fmean

import msgspec
import numpy as np

from mmbot.research.backtest import MarketPrediction, WeekResult
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT

# The possible numbers of published days while a week is traded.
DAYS_PUBLISHED = range(5)


class Interval(msgspec.Struct, frozen=True):
    """An estimate and the bounds of its 95 % interval; `None` with fewer than two clusters."""

    estimate: float
    low: float | None
    high: float | None


class FillStatistics(msgspec.Struct, frozen=True):
    """Statistics of the fills of some weeks; money in dollars, edges in dollars a contract.

    Attributes:
        weeks: The number of weeks quoted, with or without fills.
        fills: The number of fills.
        contracts: Their contracts.
        spend: What was paid for them, fees included.
        pnl: The P&L after fees.
        per_contract: P&L a contract; `None` without fills.
        claimed: The mean edge at the fair value when they were quoted.
        markout: The mean edge at what YES was worth a day later.
        drawdown: The largest fall of cumulated weekly P&L from its peak.
    """

    weeks: int
    fills: int
    contracts: float
    spend: float
    pnl: float
    per_contract: Interval | None
    claimed: float | None
    markout: float | None
    drawdown: float


class BrierScores(msgspec.Struct, frozen=True):
    """Brier scores of belief, mid and pool on the same n markets, and their differences."""

    n: int
    belief: float
    mid: float
    pooled: float
    belief_less_mid: Interval
    pooled_less_mid: Interval


def fill_statistics(results: Sequence[WeekResult]) -> FillStatistics:
    """Return the statistics of the fills of some weeks."""
    weeks = [result.trades for result in results]
    trades = [trade for week in weeks for trade in week]
    pnl = [sum(trade.pnl for trade in week) / MONEY_PER_DOLLAR for week in weeks]
    counts = [sum(trade.count for trade in week) / ONE_CONTRACT for week in weeks]
    total = sum(counts)
    return FillStatistics(
        weeks=len(weeks),
        fills=len(trades),
        contracts=total,
        spend=sum(trade.spend for trade in trades) / MONEY_PER_DOLLAR,
        pnl=sum(pnl),
        per_contract=clustered_ratio(pnl, counts) if total else None,
        claimed=sum(trade.claimed for trade in trades) / total if total else None,
        markout=sum(trade.markout for trade in trades) / total if total else None,
        drawdown=_drawdown(pnl),
    )


def brier(results: Sequence[WeekResult], days_published: int) -> BrierScores | None:
    """Return the Brier scores at one number of published days; `None` without opinions."""
    weeks = [
        [each for each in r.predictions if each.days_published == days_published] for r in results
    ]
    weeks = [week for week in weeks if week]
    rows = [each for week in weeks for each in week]
    if not rows:
        return None
    return BrierScores(
        n=len(rows),
        belief=fmean((each.belief - each.outcome) ** 2 for each in rows),
        mid=fmean((each.mid - each.outcome) ** 2 for each in rows),
        pooled=fmean((each.pooled - each.outcome) ** 2 for each in rows),
        belief_less_mid=_difference(weeks, lambda each: each.belief),
        pooled_less_mid=_difference(weeks, lambda each: each.pooled),
    )


def clustered_ratio(amounts: Sequence[float], sizes: Sequence[float]) -> Interval:
    """Return sum(amounts) / sum(sizes) and its interval; the pairs are the clusters."""
    n, total = len(amounts), sum(sizes)
    ratio = sum(amounts) / total
    if n < 2:
        return Interval(ratio, None, None)
    residuals = [a - ratio * s for a, s in zip(amounts, sizes, strict=True)]
    error = math.sqrt(n / (n - 1) * sum(r * r for r in residuals)) / total
    reach = student_quantile(0.975, n - 1) * error
    return Interval(ratio, ratio - reach, ratio + reach)


def student_quantile(p: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution, for 0.5 < p < 1.

    With t = sqrt(freedom) tan a the density is proportional to cos(a)^(freedom - 1), which is
    integrated over a by the trapezoidal rule.
    """
    angles = np.linspace(0, math.pi / 2, 100_001)
    density = np.cos(angles) ** (freedom - 1)
    mass = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(2 * p - 1, mass / mass[-1], angles)
    return float(math.sqrt(freedom) * math.tan(angle))


def _difference(
    weeks: Sequence[Sequence[MarketPrediction]], probability: Callable[[MarketPrediction], float]
) -> Interval:
    """Return the Brier score of `probability` less that of the mid, clustered by week."""

    def loss_difference(each: MarketPrediction) -> float:
        return (probability(each) - each.outcome) ** 2 - (each.mid - each.outcome) ** 2

    sums = [sum(map(loss_difference, week)) for week in weeks]
    return clustered_ratio(sums, [len(week) for week in weeks])


def _drawdown(pnl: Iterable[float]) -> float:
    cumulated = list(accumulate(pnl, initial=0.0))
    peaks = accumulate(cumulated, max)
    return max(peak - each for peak, each in zip(peaks, cumulated, strict=True))
