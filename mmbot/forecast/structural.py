"""The structural forecast: level, season and holidays by ridge regression, residuals by kriging.

l_d = 14.5 + level(d) + x_d'b + u_d, with l_d the logarithm of the count of day d and x_d its
calendar regressors. The level is piecewise linear between knots 28 days apart, under a random-walk
prior, and flat after the last day of the fit. The residuals u are correlated over days and are
extrapolated by simple kriging (Cressie, "Statistics for Spatial Data", 1993, section 3.4).
`Constants` are what differs between two such models: how fast the level moves, how old days are
down-weighted, and the effects of holidays.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import msgspec
import numpy as np

from mmbot.forecast.calendar_effects import CalendarEffects
from mmbot.forecast.history import Days, Floats, History

_CENTRE = 14.5
_KNOT_DAYS = 28
# Less than two years of data cannot separate season from trend.
_LEAST_DAYS = 730
_HUBER_DEVIATIONS = 2.5
_LAGS_DAYS = np.arange(31)
_COVARIANCE_DAYS = 1100
_KRIGING_DAYS = 42


class Recency(msgspec.Struct, frozen=True):
    """How the weight of a day falls with its age: halved each half-life, down to a floor."""

    half_life_days: float
    day_floor: float
    # The floor of the penalty on a step of the level.
    walk_floor: float


class Constants(msgspec.Struct, frozen=True):
    """The constants of a model.

    Attributes:
        effects: The calendar regressors.
        walk_penalty: The ridge penalty of a step of the level from one knot to the next.
        ranges_days: The two ranges of the covariance of residuals, r1 and r2.
        recency: How old days are down-weighted; `None` if all days weigh the same.
    """

    effects: CalendarEffects
    walk_penalty: float
    ranges_days: tuple[float, float]
    recency: Recency | None = None

    def basis(self, lags: Days) -> Floats:
        """Return the three terms of C(h) at each lag in days, shape (*lags.shape, 3)."""
        distance = np.abs(lags)
        terms = [np.exp(-distance / reach) for reach in self.ranges_days]
        return np.stack([*terms, distance == 0], axis=-1)


class Structural(msgspec.Struct, frozen=True):
    """The fitted model.

    Attributes:
        constants: The constants it was fitted with.
        level: The level after the last day of the fit, the centre 14.5 included.
        effects: The coefficients of the calendar regressors, shape (p,).
        residuals: The residuals of the last days of the fit, as a history.
        variances: c1, c2, c3 of the covariance at h days, C(h) = c1 exp(-h / r1) +
            c2 exp(-h / r2) + c3 [h = 0]; shape (3,).
        scale: The standard deviation of the residuals.
    """

    constants: Constants
    level: float
    effects: Floats
    residuals: History
    variances: Floats
    scale: float

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days`, given also the counts since the fit.

        Regression plus the simple kriging of the residuals of the last 42 days, clipped at three
        standard deviations; both arrays of shape (n,).
        """
        base = self._base(days)
        past = history.last - np.arange(_KRIGING_DAYS)
        residuals = np.where(
            past > self.residuals.last,
            history.at(past) - self._base(past),
            self.residuals.at(past),
        )
        usable = np.isfinite(residuals)
        if not usable.any() or not self.variances.any():
            return base
        past = past[usable]
        clipped = np.clip(residuals[usable], -3 * self.scale, 3 * self.scale)
        among = self._covariance(past[:, None] - past)
        across = self._covariance(days[:, None] - past)
        expected: Floats = base + across @ np.linalg.solve(among, clipped)
        return expected

    def _base(self, days: Days) -> Floats:
        base: Floats = self.level + self.constants.effects.regressors(days) @ self.effects
        return base

    def _covariance(self, lags: Days) -> Floats:
        return self.constants.basis(lags) @ self.variances


def fit(history: History, constants: Constants) -> Structural | None:
    """Return the model fitted to `history`, or `None` if fewer than 730 days have counts."""
    days = history.first + np.flatnonzero(np.isfinite(history.logs))
    if len(days) < _LEAST_DAYS:
        return None
    target = history.at(days) - _CENTRE
    hats, walk = _level(days, history.last, constants)
    design = np.hstack([hats, constants.effects.regressors(days)])
    prior = np.zeros((design.shape[1], design.shape[1]))
    knots = hats.shape[1]
    prior[:knots, :knots] = walk
    prior[range(knots, len(prior)), range(knots, len(prior))] = constants.effects.penalties
    trust = _trust(history.last - days, constants.recency)
    solution = _huber_ridge(design, target, prior, trust)
    residuals = target - design @ solution
    return _with_covariance(history, days, residuals, solution, constants)


def _trust(ages: Days, recency: Recency | None) -> Floats:
    """Return the weight of each day in the fit, from its age in days; both of shape (n,)."""
    if recency is None:
        return np.ones(len(ages))
    return np.maximum(0.5 ** (ages / recency.half_life_days), recency.day_floor)


def _with_covariance(
    history: History, days: Days, residuals: Floats, solution: Floats, constants: Constants
) -> Structural:
    """Return the model with C(h) fitted to the empirical autocovariances of the last 1,100 days.

    Args:
        history: The counts.
        days: The ordinals of the days with a count, shape (n,).
        residuals: The residuals of these days, shape (n,).
        solution: The coefficients, those of the level first.
        constants: The model's constants.
    """
    knots = len(solution) - len(constants.effects.penalties)
    recent = np.full(min(_COVARIANCE_DAYS, len(history.logs)), np.nan)
    first = history.last - len(recent) + 1
    inside = days >= first
    recent[days[inside] - first] = residuals[inside]
    scale = float(np.nanstd(recent))
    clipped = np.clip(recent, -4 * scale, 4 * scale)
    lagged = [np.nanmean(clipped[h:] * clipped[: len(clipped) - h]) for h in _LAGS_DAYS]
    weights = np.where(_LAGS_DAYS == 0, 3.0, 1.0)
    variances = non_negative_least_squares(
        constants.basis(_LAGS_DAYS) * weights[:, None], np.array(lagged) * weights
    )
    return Structural(
        constants,
        _CENTRE + float(solution[knots - 1]),
        solution[knots:],
        History(first, recent),
        variances,
        scale,
    )


def _level(days: Days, last: int, constants: Constants) -> tuple[Floats, Floats]:
    """Return the hat functions at `days`, (n, knots), and the random walk's penalty, square."""
    knots = last - _KNOT_DAYS * np.arange((last - days[0]) // _KNOT_DAYS + 2)[::-1]
    # A knot without days near it has no column, so the levels on both sides of a long gap are
    # independent.
    hats = np.maximum(0.0, 1 - np.abs(days[:, None] - knots) / _KNOT_DAYS)
    used = hats.any(axis=0)
    hats, knots = hats[:, used], knots[used]
    walk = np.zeros((len(knots), len(knots)))
    for i, (before, after) in enumerate(pairwise(knots)):
        if after - before == _KNOT_DAYS:
            penalty = constants.walk_penalty * _walk_share(last - after, constants.recency)
            walk[i : i + 2, i : i + 2] += penalty * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return hats, walk


def _walk_share(age: float, recency: Recency | None) -> float:
    """Return the factor on the penalty of a step of the level `age` days ago."""
    if recency is None:
        return 1.0
    return max(math.pow(0.5, age / recency.half_life_days), recency.walk_floor)


def _huber_ridge(design: Floats, target: Floats, prior: Floats, trust: Floats) -> Floats:
    """Solve (A'WA + P) b = A'W y, with W from one Huber step on the solution for W = diag(trust).

    Huber, "Robust Estimation of a Location Parameter" (1964); Hoerl and Kennard, "Ridge Regression:
    Biased Estimation for Nonorthogonal Problems" (1970). Shapes: A (n, p), y (n,), P (p, p), trust
    (n,).
    """
    root = np.sqrt(trust)
    rows, values = design * root[:, None], target * root
    gram, moment = rows.T @ rows + prior, rows.T @ values
    residuals = target - design @ np.linalg.solve(gram, moment)
    limit = _HUBER_DEVIATIONS * _robust_sd(residuals)
    # Few days lie beyond the limit: subtracting their excess weight is quicker than a new product.
    beyond = np.abs(residuals) > limit
    outer, excess = rows[beyond], 1 - limit / np.abs(residuals[beyond])
    gram -= (outer.T * excess) @ outer
    moment -= outer.T @ (excess * values[beyond])
    return np.asarray(np.linalg.solve(gram, moment), dtype=np.float64)


def _robust_sd(values: Floats) -> float:
    """Return 1.4826 times the median absolute deviation: for a normal, its standard deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def non_negative_least_squares(design: Floats, target: Floats) -> Floats:
    """Return the non-negative least-squares coefficients, shape (p,), for a small p.

    The solution is the best non-negative one among the unconstrained solutions of all subsets of
    columns: Lawson and Hanson, "Solving Least Squares Problems" (1974), chapter 23. Shapes: design
    (n, p), target (n,).
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
