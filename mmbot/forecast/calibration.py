"""Calibration of recent forecasts: whether outcomes fall where the distributions say.

The probability integral transform (PIT) of a calibrated forecast is uniform (Dawid, "Statistical
theory: the prequential approach", 1984). Over few weeks coverage varies by chance, within a band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from mmbot.forecast.history import Floats

RECENT_WEEKS = 26
_INTERVAL = 0.8
# The probability that the coverage of calibrated forecasts is beyond either end of the band.
_TAIL = 0.05


class Calibration(msgspec.Struct, frozen=True):
    """The calibration of forecasts with the same number of published days.

    Attributes:
        weeks: The number of weeks.
        coverage80: The share of outcomes in the central 80 % interval.
        pit: The p-value of the hypothesis that the PIT is uniform.
        band: The 5 % and 95 % points of the coverage of that many calibrated forecasts.
    """

    weeks: int
    coverage80: float
    pit: float
    band: tuple[float, float]

    @property
    def within(self) -> bool:
        """Whether the coverage is inside the band."""
        low, high = self.band
        return low <= self.coverage80 <= high


def calibration(pits: Sequence[float] | Floats) -> Calibration:
    """Return the calibration of the last `RECENT_WEEKS` of `pits`, oldest first, at least one."""
    values = np.asarray(pits, dtype=float)[-RECENT_WEEKS:]
    n = len(values)
    inside = float(np.mean(np.abs(values - 0.5) <= _INTERVAL / 2))
    return Calibration(n, inside, uniformity(values), _band(n))


def _band(n: int) -> tuple[float, float]:
    """Return the 5 % and 95 % points of the coverage of n calibrated forecasts."""
    counts = range(n + 1)
    chances = [math.comb(n, i) * _INTERVAL**i * (1 - _INTERVAL) ** (n - i) for i in counts]
    below = np.cumsum(chances)
    low = int(np.searchsorted(below, _TAIL, side="right"))
    high = int(np.searchsorted(below, 1 - _TAIL))
    return low / n, high / n


def uniformity(values: Floats) -> float:
    """Return the p-value of the Kolmogorov-Smirnov test that `values`, shape (n,), are uniform.

    Stephens' finite-sample correction of the asymptotic distribution: "EDF Statistics for Goodness
    of Fit and Some Comparisons" (1974).
    """
    n = len(values)
    ordered = np.sort(values)
    steps = np.arange(n + 1) / n
    distance = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    scaled = distance * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    if scaled < 0.2:
        return 1.0
    terms = np.arange(1, 101)
    series = 2 * np.sum((-1.0) ** (terms - 1) * np.exp(-2 * (terms * scaled) ** 2))
    return float(np.clip(series, 0.0, 1.0))
