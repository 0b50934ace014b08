"""From past weeks' residuals to a distribution of this week's average.

Three conditionings: equally weighted residuals, residuals adjusted by regression and reweighted by
similarity, and a normal distribution. Logarithms are natural; a residual is actual less predicted
logarithm.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.forecast.history import Days, Floats
from mmbot.forecast.holiday_classes import week_class
from mmbot.forecast.mixture import Mixture

# With fewer past weeks the seed is used, and the belief's method name says how many there were.
ENOUGH_WEEKS = 30

_SLOPE_HALF_LIFE_DAYS, _WEIGHT_HALF_LIFE_DAYS = 156 * 7, 104 * 7
_RIDGE_SHARE = 0.3
_CLIP_DEVIATIONS, _WINSOR_DEVIATIONS = 3.5, 3.0
_KERNEL_WIDTH = 4.0
_SEASON_DAYS, _SEASON_FLOOR = 45.0, 0.25
_CLASS_FACTORS = np.array([1.0, 0.35, 0.21])
_BANDWIDTH = 0.9
_TAIL_SHARE, _TAIL_FACTOR = 0.02, 2.0


class PastResiduals(msgspec.Struct, frozen=True):
    """The residuals of n past weeks, from the same origin that the present week is forecast from.

    Attributes:
        mondays: Ordinals of the weeks' Mondays, shape (n,).
        remainder: ln(actual / predicted) of the sum over the open days, shape (n,).
        daily: Residual of each day, from the forecast made before the week began; shape (n, 7).
    """

    mondays: Days
    remainder: Floats
    daily: Floats


class PresentWeek(msgspec.Struct, frozen=True):
    """The week to forecast. A day without a published count is open.

    Attributes:
        monday: The ordinal of its Monday.
        expected: The expected logarithms of its days given all published counts, shape (7,).
        published: The logarithms of its published counts, NaN for an open day; shape (7,).
        daily: Residual of each published day, from the forecast made before the week began, NaN
            for an open day; shape (7,).
    """

    monday: int
    expected: Floats
    published: Floats
    daily: Floats

    @property
    def open(self) -> NDArray[np.bool_]:
        """Whether each day is open, shape (7,)."""
        return np.isnan(self.published)

    def averages(self, residuals: Floats) -> Floats:
        """Return the week's average, in passengers, for each residual of the open days' sum.

        Args:
            residuals: ln(actual / expected) of the open days' sum, shape (n,).

        Returns:
            (published sum + exp(residual) * expected sum of the open days) / 7, shape (n,).
        """
        published = np.exp(self.published[~self.open]).sum()
        remainder = np.exp(self.expected[self.open]).sum()
        averages: Floats = (published + np.exp(residuals) * remainder) / 7
        return averages


class Conditioned(msgspec.Struct, frozen=True):
    """The distribution of the average given the published days, and the weights behind it.

    Attributes:
        mixture: The distribution of the average, in passengers.
        weights: The weight of each past week, shape (n,), summing to 1.
        reasons: The factors of each weight, up to scale: recency, season and class of week,
            similarity of the published days; shape (3, n).
    """

    mixture: Mixture
    weights: Floats
    reasons: Floats


Conditioning = Callable[[PastResiduals, PresentWeek], Conditioned]


def equally_weighted(past: PastResiduals, present: PresentWeek) -> Conditioned:
    """Apply every past week's residual to the forecast, with equal weights.

    Few weeks say little about the tails. With n < `ENOUGH_WEEKS`, a share 2 / (n + 1), the
    probability that a new draw lies outside the range of n exchangeable ones, goes to a normal of
    twice the standard deviation.
    """
    scenarios = present.averages(past.remainder)
    n = len(scenarios)
    weights = np.full(n, 1 / n)
    plain = Mixture(scenarios, np.zeros(n), weights)
    if n < ENOUGH_WEEKS:
        plain = _widened(plain, 2 / (n + 1), 2.0)
    return Conditioned(plain, weights, np.ones((3, n)))


def _widened(mixture: Mixture, share: float, factor: float) -> Mixture:
    """Mix in a `share` of a normal with the same mean and `factor` times the deviation."""
    return Mixture(
        np.append(mixture.means, mixture.mean),
        np.append(mixture.widths, factor * mixture.sd),
        np.append(mixture.weights * (1 - share), share),
    )


def reweighted(
    past: PastResiduals, present: PresentWeek, *, holiday_margin_days: int = 0
) -> Conditioned:
    """Apply past weeks' residuals to the forecast, adjusted by regression and reweighted.

    This is regression-adjusted approximate Bayesian computation (Beaumont, Zhang and Balding,
    "Approximate Bayesian Computation in Population Genetics", 2002). The daily residuals z of the
    published days are standardised and clipped. Each past remainder r_i is adjusted to
    r_i + (z - z_i)'b, with b from a ridge regression of r on z, and weighted by a normal kernel of
    |z - z_i|, by the age of its week, and by season and class of week. A holiday counts for the
    class of a week up to `holiday_margin_days` before or after it.
    """
    age = present.monday - past.mondays
    reasons = np.ones((3, len(age)))
    reasons[0] = 0.5 ** (age / _WEIGHT_HALF_LIFE_DAYS)
    reasons[1] = _season(past, present, holiday_margin_days)
    published = _published(past, present)
    residuals = past.remainder
    if published is not None:
        residuals = residuals + (published.now - published.past) @ published.slopes
        apart = ((published.past - published.now) ** 2).sum(axis=1)
        reasons[2] = np.exp(-apart / (2 * _KERNEL_WIDTH**2 * len(published.now)))
    weights = reasons.prod(axis=0)
    weights /= weights.sum()
    return Conditioned(_smoothed(present.averages(residuals), weights), weights, reasons)


def normal(past: PastResiduals, present: PresentWeek) -> Conditioned:
    """Take residual and published days as jointly normal, with moments weighted by recency.

    The residual's mean is its regression on the published days, its variance that of the winsorised
    residuals about the regression: conditioning of a multivariate normal (Anderson, "An
    Introduction to Multivariate Statistical Analysis", 2003, section 2.5).
    """
    reasons = np.ones((3, len(past.mondays)))
    reasons[0] = 0.5 ** ((present.monday - past.mondays) / _WEIGHT_HALF_LIFE_DAYS)
    weights = reasons[0] / reasons[0].sum()
    published = _published(past, present)
    errors, mean = _winsorised(past.remainder, weights), 0.0
    if published is not None:
        errors = errors - published.past @ published.slopes
        mean = float(published.now @ published.slopes)
    sd = float(np.sqrt(weights @ errors**2))
    low, middle, high = present.averages(np.array([mean - sd, mean, mean + sd]))
    mixture = Mixture(np.array([middle]), np.array([(high - low) / 2]), np.ones(1))
    return Conditioned(mixture, weights, reasons)


class _Published(msgspec.Struct, frozen=True):
    """The standardised residuals of the published days, and the regression of the rest on them.

    Shapes: past weeks (n, k), present week (k,), slopes (k,).
    """

    past: Floats
    now: Floats
    slopes: Floats


def _published(past: PastResiduals, present: PresentWeek) -> _Published | None:
    """Return the published days' residuals, clipped, and the slopes; `None` without such days."""
    published = ~np.isnan(present.daily)
    if not published.any():
        return None
    trust = 0.5 ** ((present.monday - past.mondays) / _SLOPE_HALF_LIFE_DAYS)
    scale = np.sqrt(trust @ past.daily**2 / trust.sum())[published]
    z_past = np.clip(past.daily[:, published] / scale, -_CLIP_DEVIATIONS, _CLIP_DEVIATIONS)
    z_now = np.clip(present.daily[published] / scale, -_CLIP_DEVIATIONS, _CLIP_DEVIATIONS)
    return _Published(z_past, z_now, _slopes(z_past, past.remainder, trust))


def _slopes(z: Floats, residuals: Floats, trust: Floats) -> Floats:
    """Return the weighted ridge coefficients of the winsorised residuals on z, shape (k,).

    Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (1970).
    Shapes: z (n, k), residuals (n,), trust (n,).
    """
    target = _winsorised(residuals, trust)
    ridge = _RIDGE_SHARE * trust.sum() * np.eye(z.shape[1])
    slopes: Floats = np.linalg.solve((z.T * trust) @ z + ridge, (z.T * trust) @ target)
    return slopes


def _winsorised(residuals: Floats, trust: Floats) -> Floats:
    """Return the residuals, clipped at three weighted standard deviations; all of shape (n,)."""
    most = _WINSOR_DEVIATIONS * np.sqrt(trust @ residuals**2 / trust.sum())
    clipped: Floats = np.clip(residuals, -most, most)
    return clipped


def _season(past: PastResiduals, present: PresentWeek, margin_days: int) -> Floats:
    """Return the factor of season and class of each past week, shape (n,).

    A normal kernel of the distance in the calendar year plus a floor, times a factor that falls
    with the difference in week class.
    """
    apart = np.abs(past.mondays - present.monday) % 365.2425
    apart = np.minimum(apart, 365.2425 - apart)
    classes = np.array([week_class(int(m), margin_days) for m in past.mondays], dtype=int)
    same = _CLASS_FACTORS[np.abs(classes - week_class(present.monday, margin_days))]
    season: Floats = same * (_SEASON_FLOOR + np.exp(-((apart / _SEASON_DAYS) ** 2) / 2))
    return season


def _smoothed(scenarios: Floats, weights: Floats) -> Mixture:
    """Smooth weighted scenarios by normal kernels shrunk to keep mean and variance, with a tail.

    West, "Approximating posterior distributions by mixtures" (1993). The bandwidth falls with the
    effective sample size 1 / sum of squared weights (Kish, "Survey Sampling", 1965).
    """
    mean = weights @ scenarios
    spread = np.sqrt(weights @ (scenarios - mean) ** 2)
    effective = 1 / (weights @ weights)
    width = _BANDWIDTH * effective ** (-1 / 5)
    shrunk = mean + np.sqrt(1 - width**2) * (scenarios - mean)
    smooth = Mixture(shrunk, np.full(len(shrunk), width * spread), weights)
    return _widened(smooth, _TAIL_SHARE, _TAIL_FACTOR)
