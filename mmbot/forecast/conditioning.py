"""From past weeks' residuals to scenarios of this week's average."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.forecast.history import Days, Floats
from mmbot.forecast.holiday_classes import week_class
from mmbot.forecast.mixture import Mixture

# With fewer past weeks the plain method is used, and says so.
ENOUGH_WEEKS = 30

# Half-lives in days.
_BETA_HALF_LIFE, _WEIGHT_HALF_LIFE = 156 * 7, 104 * 7
_RIDGE = 0.3
_CLIP, _WINSOR = 3.5, 3.0
_KERNEL = 4.0
_SEASON_DAYS, _SEASON_FLOOR = 45.0, 0.25
_CLASS_DISTANCE = np.array([1.0, 0.35, 0.21])
_BANDWIDTH = 0.9
_TAIL_SHARE, _TAIL_FACTOR = 0.02, 2.0


class Past(msgspec.Struct, frozen=True):
    """The residuals of n past weeks, seen from the origin that this week stands at.

    Attributes:
        mondays: Ordinals of the weeks' Mondays, shape (n,).
        remainder: ln(actual / predicted) of the sum over the days that are open, shape (n,).
        daily: Actual minus predicted logarithm of each day from the week's Monday on, the forecast
            made before the week began; shape (n, 7).
    """

    mondays: Days
    remainder: Floats
    daily: Floats


class Present(msgspec.Struct, frozen=True):
    """The week in question.

    Attributes:
        monday: The ordinal of its Monday.
        expected: The expected logarithms of its days from what is known now, shape (7,).
        published: The logarithms of its counts, NaN for a day that is open; shape (7,).
        daily: Published minus predicted before the week began, NaN for an open day; shape (7,).
    """

    monday: int
    expected: Floats
    published: Floats
    daily: Floats

    @property
    def open(self) -> NDArray[np.bool_]:
        """Which days are not published, shape (7,)."""
        return np.isnan(self.published)

    def averages(self, residuals: Floats) -> Floats:
        """Return the week's average for each residual of its open days' sum."""
        known = np.exp(self.published[~self.open]).sum()
        remainder = np.exp(self.expected[self.open]).sum()
        averages: Floats = (known + np.exp(residuals) * remainder) / 7
        return averages


class Conditioned(msgspec.Struct, frozen=True):
    """What is thought of the average, and why.

    Attributes:
        mixture: The distribution of the average.
        weights: The weight of each past week in it, shape (n,), adding up to 1.
        reasons: What each weight is the product of, up to scale: how recent the week is, how near
            in season and kind, and how alike its days so far; shape (3, n).
    """

    mixture: Mixture
    weights: Floats
    reasons: Floats


Conditioning = Callable[[Past, Present], Conditioned]


def equally_weighted(past: Past, present: Present) -> Conditioned:
    """Lay every past week's residual over the forecast, one as likely as another.

    Few weeks say little of the tails: then a share 2 / (n + 1), the chance that a new draw lies
    outside n exchangeable ones, goes to a normal of twice the spread.
    """
    scenarios = present.averages(past.remainder)
    n = len(scenarios)
    weights = np.full(n, 1 / n)
    plain = Mixture(scenarios, np.zeros(n), weights)
    if n < ENOUGH_WEEKS:
        plain = _widened(plain, 2 / (n + 1), 2.0)
    return Conditioned(plain, weights, np.ones((3, n)))


def _widened(mixture: Mixture, share: float, factor: float) -> Mixture:
    """Mix in a `share` of one normal with the same mean and `factor` times the spread."""
    return Mixture(
        np.append(mixture.means, mixture.mean),
        np.append(mixture.widths, factor * mixture.sd),
        np.append(mixture.weights * (1 - share), share),
    )


def reweighted(past: Past, present: Present) -> Conditioned:
    """Lay past weeks' residuals over the forecast, those of weeks like this one before others.

    This is regression-adjusted approximate Bayesian computation (Beaumont, Zhang and Balding,
    "Approximate Bayesian Computation in Population Genetics", 2002): each past week's remainder is
    moved to where a ridge regression on the days published so far expects it, and weighted by how
    much its days resembled this week's, by its age, season and class of week.
    """
    age = present.monday - past.mondays
    published = ~np.isnan(present.daily)
    residuals = past.remainder
    reasons = np.ones((3, len(age)))
    reasons[0] = 0.5 ** (age / _WEIGHT_HALF_LIFE)
    reasons[1] = _season(past, present)
    if published.any():
        trust = 0.5 ** (age / _BETA_HALF_LIFE)
        scale = np.sqrt(trust @ past.daily**2 / trust.sum())[published]
        z_past = np.clip(past.daily[:, published] / scale, -_CLIP, _CLIP)
        z_now = np.clip(present.daily[published] / scale, -_CLIP, _CLIP)
        residuals = residuals + (z_now - z_past) @ _slopes(z_past, residuals, trust)
        apart = ((z_past - z_now) ** 2).sum(axis=1)
        reasons[2] = np.exp(-apart / (2 * _KERNEL**2 * published.sum()))
    weights = reasons.prod(axis=0)
    weights /= weights.sum()
    return Conditioned(_smoothed(present.averages(residuals), weights), weights, reasons)


def _slopes(z: Floats, residuals: Floats, trust: Floats) -> Floats:
    spread = np.sqrt(trust @ residuals**2 / trust.sum())
    target = np.clip(residuals, -_WINSOR * spread, _WINSOR * spread)
    ridge = _RIDGE * trust.sum() * np.eye(z.shape[1])
    slopes: Floats = np.linalg.solve((z.T * trust) @ z + ridge, (z.T * trust) @ target)
    return slopes


def _season(past: Past, present: Present) -> Floats:
    apart = np.abs(past.mondays - present.monday) % 365.2425
    apart = np.minimum(apart, 365.2425 - apart)
    classes = np.array([week_class(int(monday)) for monday in past.mondays], dtype=int)
    same = _CLASS_DISTANCE[np.abs(classes - week_class(present.monday))]
    season: Floats = same * (_SEASON_FLOOR + np.exp(-((apart / _SEASON_DAYS) ** 2) / 2))
    return season


def _smoothed(scenarios: Floats, weights: Floats) -> Mixture:
    """Smooth without adding spread: West, "Approximating posterior distributions" (1993)."""
    mean = weights @ scenarios
    spread = np.sqrt(weights @ (scenarios - mean) ** 2)
    effective = 1 / (weights @ weights)
    width = _BANDWIDTH * effective ** (-1 / 5)
    shrunk = mean + np.sqrt(1 - width**2) * (scenarios - mean)
    smooth = Mixture(shrunk, np.full(len(shrunk), width * spread), weights)
    return _widened(smooth, _TAIL_SHARE, _TAIL_FACTOR)
