"""The baseline's point forecast: last year's same weekday times the trend of the last 28 days."""

from __future__ import annotations

import numpy as np

from mmbot.forecast.history import Days, Floats, History

LAG = 364
_TREND = np.arange(28)


def predict(history: History, days: Days) -> Floats:
    """Return the expected logarithms of `days`, from what `history` holds; NaN if it is too short.

    The trend is the sum over the last 28 days divided by the sum over the same days a year before.
    """
    recent = history.last - _TREND
    now, then = history.at(recent), history.at(recent - LAG)
    both = np.isfinite(now) & np.isfinite(then)
    if not both.any():
        return np.full(len(days), np.nan)
    trend = np.log(np.exp(now[both]).sum() / np.exp(then[both]).sum())
    expected: Floats = history.at(days - LAG) + trend
    return expected
