"""The baseline's point forecast: last year's same weekday times the trend of the last 28 days."""

from __future__ import annotations

import numpy as np

from mmbot.forecast.history import Days, Floats, History

LAG = 364
_TREND = np.arange(28)


class Seasonal:
    """The baseline as a method; nothing about it is slow."""

    name = "seed"

    def fit(self, history: History) -> Seasonal:  # noqa: ARG002
        """Return the method itself."""
        return self

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days`, NaN where the history is too short.

        The trend is the sum over the last 28 days divided by that over the same days a year before.
        """
        recent = history.last - _TREND
        now, then = history.at(recent), history.at(recent - LAG)
        both = np.isfinite(now) & np.isfinite(then)
        if not both.any():
            return np.full(len(days), np.nan)
        trend = np.log(np.exp(now[both]).sum() / np.exp(then[both]).sum())
        expected: Floats = history.at(days - LAG) + trend
        return expected
