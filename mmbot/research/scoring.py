"""What a backtest comes to: P&L, edges and Brier scores, with intervals that respect weeks.

Fills and opinions of one week share its outcome, so weeks are the units: the intervals are Student
intervals at 95 % of ratio estimates clustered by week (Cochran, "Sampling Techniques", 1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from statistics import fmean

import msgspec
import numpy as np

from mmbot.research.backtest import MarketOpinion, WeekResult
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT

KNOWN = range(5)


class Interval(msgspec.Struct, frozen=True):
    """An estimate and the bounds of its 95 % interval, which take two weeks at the least."""

    estimate: float
    low: float | None
    high: float | None


class Tally(msgspec.Struct, frozen=True):
    """What some fills came to; money in dollars, edges in dollars a contract.

    Attributes:
        weeks: The weeks that were quoted, with fills or without.
        fills: How many.
        contracts: How many.
        spend: What was paid for them.
        pnl: What they earned.
        per_contract: P&L a contract, if there are any.
        claimed: The edge over fair value when they were quoted.
        markout: The edge over what they were worth a day later.
        drawdown: The worst fall of cumulated P&L from its height, by week.
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


class Brier(msgspec.Struct, frozen=True):
    """Mean squared errors of three opinions of the same markets, and two differences."""

    n: int
    belief: float
    mid: float
    pooled: float
    belief_less_mid: Interval
    pooled_less_mid: Interval


def tally(results: Sequence[WeekResult]) -> Tally:
    """Add up the fills of some weeks."""
    weeks = [result.trades for result in results]
    trades = [trade for week in weeks for trade in week]
    pnl = [sum(trade.pnl for trade in week) / MONEY_PER_DOLLAR for week in weeks]
    counts = [sum(trade.count for trade in week) / ONE_CONTRACT for week in weeks]
    total = sum(counts)
    return Tally(
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


def brier(results: Sequence[WeekResult], days_published: int) -> Brier | None:
    """Score the opinions at `days_published` published days; `None` if there are none."""
    weeks = [
        [each for each in r.opinions if each.days_published == days_published] for r in results
    ]
    weeks = [week for week in weeks if week]
    rows = [each for week in weeks for each in week]
    if not rows:
        return None
    return Brier(
        n=len(rows),
        belief=fmean((each.belief - each.outcome) ** 2 for each in rows),
        mid=fmean((each.mid - each.outcome) ** 2 for each in rows),
        pooled=fmean((each.pooled - each.outcome) ** 2 for each in rows),
        belief_less_mid=_difference(weeks, lambda each: each.belief),
        pooled_less_mid=_difference(weeks, lambda each: each.pooled),
    )


def clustered_ratio(amounts: Sequence[float], sizes: Sequence[float]) -> Interval:
    """Return sum(amounts) / sum(sizes), the pairs being the independent units."""
    n, total = len(amounts), sum(sizes)
    ratio = sum(amounts) / total
    if n < 2:
        return Interval(ratio, None, None)
    residuals = [a - ratio * s for a, s in zip(amounts, sizes, strict=True)]
    error = math.sqrt(n / (n - 1) * sum(r * r for r in residuals)) / total
    reach = student_quantile(0.975, n - 1) * error
    return Interval(ratio, ratio - reach, ratio + reach)


def student_quantile(p: float, freedom: int) -> float:
    """Return the quantile of Student's distribution, for p above a half.

    The density is integrated over the angle a of t = sqrt(freedom) tan a, where it is
    proportional to cos(a)^(freedom - 1).
    """
    angles = np.linspace(0, math.pi / 2, 100_001)
    density = np.cos(angles) ** (freedom - 1)
    mass = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(2 * p - 1, mass / mass[-1], angles)
    return float(math.sqrt(freedom) * math.tan(angle))


def _difference(
    weeks: Sequence[Sequence[MarketOpinion]], opinion: Callable[[MarketOpinion], float]
) -> Interval:
    """Return by how much an opinion's Brier score differs from the midpoint's."""

    def better(each: MarketOpinion) -> float:
        return (opinion(each) - each.outcome) ** 2 - (each.mid - each.outcome) ** 2

    sums = [sum(map(better, week)) for week in weeks]
    return clustered_ratio(sums, [len(week) for week in weeks])


def _drawdown(pnl: Iterable[float]) -> float:
    heights = list(accumulate(pnl, initial=0.0))
    peaks = accumulate(heights, max)
    return max(peak - height for peak, height in zip(peaks, heights, strict=True))
