"""The structural forecast: level, season and holidays by ridge regression, the rest by kriging.

l_d = 14.5 + level(d) + x_d'b + u_d. The level is piecewise linear between knots 28 days apart,
under a random-walk prior, and flat after the last day of the fit; what is left, u, is correlated
over days and is carried forward by simple kriging (Cressie, "Statistics for Spatial Data", 3.4).
"""

from __future__ import annotations

from itertools import combinations, pairwise

import msgspec
import numpy as np

from mmbot.forecast.calendar_effects import penalties, regressors
from mmbot.forecast.history import Days, Floats, History

_CENTRE = 14.5
_KNOT_DAYS = 28
_WALK_PENALTY = 120.0
# Two years tell season from trend.
_LEAST_DAYS = 730
_HUBER = 2.5
_RANGES = (14.0, 2.0)
_LAGS = np.arange(31)
_COVARIANCE_DAYS = 1100
_KRIGING_DAYS = 42


class Structural(msgspec.Struct, frozen=True):
    """The fitted model.

    Attributes:
        level: The level after the last day of the fit, the centre included.
        effects: Coefficients of the calendar's regressors.
        residuals: What the fit left of the last days it saw, as a history.
        variances: c1, c2, c3 of C(h) = c1 exp(-h/14) + c2 exp(-h/2) + c3 [h = 0].
        scale: The standard deviation of the residuals.
    """

    level: float
    effects: Floats
    residuals: History
    variances: Floats
    scale: float

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days` given the counts that came since the fit."""
        base = self._base(days)
        past = history.last - np.arange(_KRIGING_DAYS)
        left = np.where(
            past > self.residuals.last,
            history.at(past) - self._base(past),
            self.residuals.at(past),
        )
        seen = np.isfinite(left)
        if not seen.any() or not self.variances.any():
            return base
        past, left = past[seen], np.clip(left[seen], -3 * self.scale, 3 * self.scale)
        among = self._covariance(past[:, None] - past)
        across = self._covariance(days[:, None] - past)
        carried: Floats = base + across @ np.linalg.solve(among, left)
        return carried

    def _base(self, days: Days) -> Floats:
        base: Floats = self.level + np.stack([regressors(int(d)) for d in days]) @ self.effects
        return base

    def _covariance(self, lags: Days) -> Floats:
        return _basis(lags) @ self.variances


def fit(history: History) -> Structural | None:
    """Fit the model to `history`, or return `None` if that is too short."""
    days = history.first + np.flatnonzero(np.isfinite(history.logs))
    if len(days) < _LEAST_DAYS:
        return None
    target = history.at(days) - _CENTRE
    hats, walk = _level(days, history.last)
    design = np.hstack([hats, np.stack([regressors(int(d)) for d in days])])
    prior = np.zeros((design.shape[1], design.shape[1]))
    knots = hats.shape[1]
    prior[:knots, :knots] = walk
    prior[range(knots, len(prior)), range(knots, len(prior))] = penalties()
    solution = _huber_ridge(design, target, prior)
    left = target - design @ solution
    return _with_covariance(history, days, left, solution, knots)


def _with_covariance(
    history: History, days: Days, left: Floats, solution: Floats, knots: int
) -> Structural:
    recent = np.full(min(_COVARIANCE_DAYS, len(history.logs)), np.nan)
    first = history.last - len(recent) + 1
    inside = days >= first
    recent[days[inside] - first] = left[inside]
    scale = float(np.nanstd(recent))
    clipped = np.clip(recent, -4 * scale, 4 * scale)
    lagged = [np.nanmean(clipped[h:] * clipped[: len(clipped) - h]) for h in _LAGS]
    weights = np.where(_LAGS == 0, 3.0, 1.0)
    variances = non_negative_least_squares(
        _basis(_LAGS) * weights[:, None], np.array(lagged) * weights
    )
    return Structural(
        _CENTRE + float(solution[knots - 1]),
        solution[knots:],
        History(first, recent),
        variances,
        scale,
    )


def _level(days: Days, last: int) -> tuple[Floats, Floats]:
    """Return the hat functions at `days`, and the penalty matrix of the random walk."""
    knots = last - _KNOT_DAYS * np.arange((last - days[0]) // _KNOT_DAYS + 2)[::-1]
    # A knot without days near it has no column: the level does not walk across a long gap.
    hats = np.maximum(0.0, 1 - np.abs(days[:, None] - knots) / _KNOT_DAYS)
    used = hats.any(axis=0)
    hats, knots = hats[:, used], knots[used]
    walk = np.zeros((len(knots), len(knots)))
    for i, (before, after) in enumerate(pairwise(knots)):
        if after - before == _KNOT_DAYS:
            walk[i : i + 2, i : i + 2] += _WALK_PENALTY * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return hats, walk


def _huber_ridge(design: Floats, target: Floats, prior: Floats) -> Floats:
    """Solve (A'WA + P) b = A'W y, with W from one Huber pass over the fit without weights."""
    gram, moment = design.T @ design + prior, design.T @ target
    left = target - design @ np.linalg.solve(gram, moment)
    limit = _HUBER * _robust_sd(left)
    # Few days lie beyond the limit: taking out their excess weight is quicker than starting anew.
    beyond = np.abs(left) > limit
    outer, excess = design[beyond], 1 - limit / np.abs(left[beyond])
    gram -= (outer.T * excess) @ outer
    moment -= outer.T @ (excess * target[beyond])
    return np.asarray(np.linalg.solve(gram, moment), dtype=np.float64)


def _robust_sd(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _basis(lags: Days) -> Floats:
    distance = np.abs(lags)
    return np.stack([*(np.exp(-distance / r) for r in _RANGES), distance == 0], axis=-1)


def non_negative_least_squares(design: Floats, target: Floats) -> Floats:
    """Return the least-squares coefficients that are not negative, for a few columns.

    The solution is the best of the unconstrained ones over the subsets of columns.
    """
    columns = design.shape[1]
    best, least = np.zeros(columns), float(target @ target)
    for size in range(1, columns + 1):
        for subset in map(list, combinations(range(columns), size)):
            part = np.linalg.lstsq(design[:, subset], target, rcond=None)[0]
            loss = float(np.sum((design[:, subset] @ part - target) ** 2))
            if part.min() >= 0 and loss < least:
                least = loss
                best = np.zeros(columns)
                best[subset] = part
    return best
