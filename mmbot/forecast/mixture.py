"""A weighted mixture of normals: the distribution of a week's average.

Scenarios without a bandwidth are normals of width zero, so that weighted scenarios and smoothed
ones are evaluated and scored by the same formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from mmbot.forecast.history import Floats

# Linear interpolation between points 1/1024 apart errs by less than 3e-8 and is monotone.
_REACH, _STEPS = 8.5, 1024
_GRID = np.arange(-_REACH, _REACH + 0.5 / _STEPS, 1 / _STEPS)
_PHI = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in _GRID])
_PHI[0], _PHI[-1] = 0.0, 1.0


def normal_cdf(x: Floats) -> Floats:
    """Return the standard normal distribution function at `x`, to 3e-8, monotone in `x`."""
    probabilities: Floats = np.interp(x, _GRID, _PHI)
    return probabilities


class Mixture(msgspec.Struct, frozen=True):
    """A mixture of n normals.

    Attributes:
        means: Their means, shape (n,).
        widths: Their standard deviations, which may be 0, shape (n,).
        weights: Their weights, shape (n,), summing to 1.
    """

    means: Floats
    widths: Floats
    weights: Floats

    @property
    def mean(self) -> float:
        """The expectation of the mixture."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """The standard deviation of the mixture."""
        spread = self.widths**2 + (self.means - self.mean) ** 2
        return math.sqrt(float(self.weights @ spread))

    def scaled(self, factor: float) -> Mixture:
        """Return the mixture with all deviations from its mean multiplied by `factor`."""
        mean = self.mean
        return Mixture(mean + factor * (self.means - mean), factor * self.widths, self.weights)

    def above(self, strikes: Floats | Sequence[float]) -> Floats:
        """Return P(average > strike), strictly, for each of the strikes; both of shape (m,)."""
        distance = self.means - np.asarray(strikes, dtype=float)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            smooth = normal_cdf(distance / self.widths)
        shares = np.where(self.widths > 0, smooth, distance > 0)
        return np.clip(shares @ self.weights, 0.0, 1.0)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Return the quantile at each of the levels, both of shape (m,), by bisection."""
        reach = 9 * self.widths.max() + 1.0
        low = np.full(len(levels), self.means.min() - reach)
        high = np.full(len(levels), self.means.max() + reach)
        for _ in range(60):
            middle = (low + high) / 2
            short = 1 - self.above(middle) < levels
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return high

    def crps(self, outcome: float) -> float:
        """Return the continuous ranked probability score, in the unit of the means (lower: better).

        E|X - outcome| - E|X - X'| / 2 in closed form: Grimit, Gneiting, Berrocal and Johnson,
        "The continuous ranked probability score for circular variables" (2006), section 3.
        """
        to_outcome = _mean_distance(outcome - self.means, self.widths)
        pairwise = _mean_distance(
            self.means[:, None] - self.means, np.hypot(self.widths[:, None], self.widths)
        )
        return float(self.weights @ to_outcome - self.weights @ pairwise @ self.weights / 2)


def _mean_distance(offset: Floats, width: Floats) -> Floats:
    """Return E|N(offset, width^2)|, the mean of a folded normal; |offset| for width 0."""
    ratio = offset / np.where(width > 0, width, 1.0)
    density = np.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    smooth = offset * (2 * normal_cdf(ratio) - 1) + 2 * width * density
    return np.where(width > 0, smooth, np.abs(offset))
