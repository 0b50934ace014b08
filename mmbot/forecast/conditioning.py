"""From past weeks' residuals to scenarios of this week's average."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.forecast.history import Days, Floats
from mmbot.forecast.mixture import Mixture


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


Conditioning = Callable[[Past, Present], Mixture]


def equally_weighted(past: Past, present: Present) -> Mixture:
    """Lay every past week's residual over the forecast, one as likely as another.

    Fewer weeks than thirty say little of the tails: then a share 1/(n + 1), the chance that a new
    draw lies beyond n exchangeable ones on either side, goes to a normal of twice the spread.
    """
    scenarios = present.averages(past.remainder)
    n = len(scenarios)
    plain = Mixture(scenarios, np.zeros(n), np.full(n, 1 / n))
    return plain if n >= 30 else widened(plain, 2 / (n + 1), 2 * np.sqrt((n + 1) / max(n - 1, 1)))


def widened(mixture: Mixture, share: float, factor: float) -> Mixture:
    """Mix in a `share` of one normal with the same mean and `factor` times the spread."""
    return Mixture(
        np.append(mixture.means, mixture.mean),
        np.append(mixture.widths, factor * mixture.sd),
        np.append(mixture.weights * (1 - share), share),
    )
