"""A weighted mixture of normals: what is thought of a week's average, before any ladder.

Scenarios without a bandwidth are normals of width zero, so that plain weighted scenarios and
smoothed ones are read, and scored, by the same few formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from mmbot.forecast.history import Floats

# Between neighbours 1/1024 apart, straight lines err by less than 3e-8 and keep the order.
_REACH, _STEPS = 8.5, 1024
_GRID = np.arange(-_REACH, _REACH + 0.5 / _STEPS, 1 / _STEPS)
_PHI = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in _GRID])
_PHI[0], _PHI[-1] = 0.0, 1.0


def normal_cdf(x: Floats) -> Floats:
    """Return the standard normal distribution function, monotone in `x`, to 3e-8."""
    probabilities: Floats = np.interp(x, _GRID, _PHI)
    return probabilities


class Mixture(msgspec.Struct, frozen=True):
    """Normals with means, widths and weights; each of shape (n,), the weights adding up to 1."""

    means: Floats
    widths: Floats
    weights: Floats

    @property
    def mean(self) -> float:
        """The expectation."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """The standard deviation."""
        spread = self.widths**2 + (self.means - self.mean) ** 2
        return math.sqrt(float(self.weights @ spread))

    def above(self, strikes: Floats | Sequence[float]) -> Floats:
        """Return P(average > strike), strictly, for strikes of shape (m,)."""
        distance = self.means - np.asarray(strikes, dtype=float)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            smooth = normal_cdf(distance / self.widths)
        shares = np.where(self.widths > 0, smooth, distance > 0)
        return np.clip(shares @ self.weights, 0.0, 1.0)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Return the values below which the shares `levels` of the mixture lie, by bisection."""
        reach = 9 * self.widths.max() + 1.0
        low = np.full(len(levels), self.means.min() - reach)
        high = np.full(len(levels), self.means.max() + reach)
        for _ in range(60):
            middle = (low + high) / 2
            short = 1 - self.above(middle) < levels
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return high

    def crps(self, outcome: float) -> float:
        """Return the continuous ranked probability score, in passengers: smaller is better.

        E|X - outcome| - E|X - X'| / 2 in closed form: Grimit, Gneiting, Berrocal and Johnson,
        "The continuous ranked probability score for circular variables" (2006), section 3.
        """
        near = _mean_distance(outcome - self.means, self.widths)
        apart = _mean_distance(
            self.means[:, None] - self.means, np.hypot(self.widths[:, None], self.widths)
        )
        return float(self.weights @ near - self.weights @ apart @ self.weights / 2)


def _mean_distance(offset: Floats, width: Floats) -> Floats:
    # E|N(offset, width^2)|, which for no width is |offset|.
    ratio = offset / np.where(width > 0, width, 1.0)
    density = np.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    smooth = offset * (2 * normal_cdf(ratio) - 1) + 2 * width * density
    return np.where(width > 0, smooth, np.abs(offset))
