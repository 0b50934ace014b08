"""The seed's point forecast: last year's same weekday times the trend of the last 28 days."""

from __future__ import annotations

import numpy as np

from mmbot.forecast.history import Days, Floats, History

_LAG_DAYS = 364
_TREND_DAYS = np.arange(28)


class Seasonal:
    """The seed as a point method, without parameters to fit."""

    name = "seed"

    def fit(self, history: History) -> Seasonal:  # noqa: ARG002
        """Return the method itself."""
        return self

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days`, both of shape (n,); NaN if counts are missing.

        The trend is the sum over the last 28 days divided by that over the same days 364 days
        before. This is a seasonal naive forecast (Hyndman and Athanasopoulos, "Forecasting:
        Principles and Practice", 2021, section 5.2) times the recent growth.
        """
        recent = history.last - _TREND_DAYS
        now, then = history.at(recent), history.at(recent - _LAG_DAYS)
        both = np.isfinite(now) & np.isfinite(then)
        if not both.any():
            return np.full(len(days), np.nan)
        trend = np.log(np.exp(now[both]).sum() / np.exp(then[both]).sum())
        expected: Floats = history.at(days - _LAG_DAYS) + trend
        return expected
