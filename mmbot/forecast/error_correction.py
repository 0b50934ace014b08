"""Error correction: a forecast moved by part of its own recent errors, as insurance against drift.

The correction of a week is 0.5 sum(w e) / (sum(w) + 2) over the errors e, in logarithms, of past
weeks from the same origin that were known at the week's own origin, with weights w = 0.5^(age / 4
weeks) min(1, 2.5 s / |e|) and s the robust standard deviation of these errors: intercept correction
(Clements and Hendry, "Intercept corrections and structural change", 1996), shrunk and robust.
"""

from __future__ import annotations

import msgspec
import numpy as np

from mmbot.forecast.conditioning import PastResiduals, PresentWeek
from mmbot.forecast.history import Days, Floats

_SHARE = 0.5
_SHRINKAGE = 2.0
_HALF_LIFE_DAYS = 4 * 7
_LIMIT_DEVIATIONS = 2.5


def corrected(
    past: PastResiduals, present: PresentWeek, delay_days: int
) -> tuple[PastResiduals, PresentWeek]:
    """Correct the forecasts of the past weeks and of the present one, each by the errors before it.

    Args:
        past: The residuals of past weeks, at least one.
        present: The week to forecast.
        delay_days: The days from a week's Monday to the first Monday whose forecast may use its
            error: 7, and 7 more for each week that the forecast is made ahead.

    Returns:
        The residuals of the corrected forecasts, and the corrected week.
    """
    mondays = np.append(past.mondays, present.monday)
    corrections = _corrections(past, mondays, delay_days)
    return (
        msgspec.structs.replace(past, remainder=past.remainder - corrections[:-1]),
        msgspec.structs.replace(present, expected=present.expected + corrections[-1]),
    )


def _corrections(past: PastResiduals, mondays: Days, delay_days: int) -> Floats:
    """Return the correction of each week of `mondays`, both of shape (m,)."""
    ages = mondays[:, None] - past.mondays
    known = ages >= delay_days
    sizes = np.abs(past.remainder)
    limits = _LIMIT_DEVIATIONS * 1.4826 * _medians(np.where(known, sizes, np.inf))[:, None]
    trust = np.minimum(1.0, limits / np.maximum(sizes, 1e-12))
    weights = np.where(known, 0.5 ** (ages / _HALF_LIFE_DAYS) * trust, 0.0)
    corrections: Floats = _SHARE * (weights @ past.remainder) / (weights.sum(axis=1) + _SHRINKAGE)
    return corrections


def _medians(rows: Floats) -> Floats:
    """Return the median of the finite values of each row, from (m, n) to (m,); 0 without any."""
    ordered = np.sort(rows, axis=1)
    counts = np.isfinite(ordered).sum(axis=1)
    picks = np.stack([np.maximum(counts - 1, 0) // 2, counts // 2], axis=1)
    middle = np.take_along_axis(ordered, picks, axis=1)
    return np.where(counts > 0, middle.mean(axis=1), 0.0)
