"""One method's distribution of a week's average, live or hindcast.

Both come from the same function: what is scored is what is traded.
"""

from __future__ import annotations

import numpy as np

from mmbot.forecast.conditioning import Conditioned, PastResiduals, PresentWeek
from mmbot.forecast.error_correction import corrected
from mmbot.forecast.history import Floats, History
from mmbot.forecast.methods import SEED, Method
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.residuals import ResidualBank

_WEEKDAYS = np.arange(7)


def distribution(
    method: Method,
    past: PastResiduals,
    present: PresentWeek,
    ahead: int,
    *,
    error_correction: bool,
) -> Conditioned | None:
    """Return the distribution of a week's average; `None` if the method cannot forecast it.

    Args:
        method: The method.
        past: The residuals of past weeks; see `past_residuals`.
        present: The week to forecast, with an open day.
        ahead: The number of weeks from the current week to the one to forecast.
        error_correction: Whether to correct a method that provides for it.
    """
    too_few = len(past.mondays) < SEED.least_weeks
    if too_few or np.isnan(present.expected[present.open]).any():
        return None
    if method.corrected and error_correction:
        past, present = corrected(past, present, 7 * (1 + ahead))
    found = method.conditioning(past, present)
    if method.spread == 1.0:
        return found
    return Conditioned(found.mixture.scaled(method.spread), found.weights, found.reasons)


def hindcast(
    method: Method,
    bank: ResidualBank,
    history: History,
    monday: int,
    k: int,
    *,
    error_correction: bool,
) -> Mixture | None:
    """Return the distribution of a past week with its first `k` days published, 0 to 6.

    Args:
        method: The method.
        bank: Its residual bank.
        history: The counts, later ones included; those after the origin are not used.
        monday: The ordinal of the week's Monday.
        k: The number of published days.
        error_correction: Whether to correct a method that provides for it.

    Returns:
        The distribution; `None` if the method could not have been fitted or made a forecast.
    """
    row = (monday - bank.monday) // 7
    if not 0 <= row < len(bank.predicted):
        return None
    at_origin = history.up_to(monday - 1 + k)
    expected = bank.predicted[row]
    published = at_origin.at(monday + _WEEKDAYS)
    present = PresentWeek(monday, expected[k, :7], published, published - expected[0, :7])
    past = past_residuals(bank, at_origin, monday, 0, present)
    if len(past.mondays) < method.least_weeks:
        return None
    found = distribution(method, past, present, 0, error_correction=error_correction)
    return None if found is None else found.mixture


def past_residuals(
    bank: ResidualBank, history: History, origin: int, ahead: int, present: PresentWeek
) -> PastResiduals:
    """Return the residuals of the weeks that had ended by the origin.

    They are of forecasts from the same origin in their own weeks, and of the same open days. If the
    published days are not the first of the week, the origin counts only the leading ones.

    Args:
        bank: The residual bank.
        history: The counts.
        origin: The ordinal of the Monday of the week in which the forecast is made.
        ahead: The number of weeks from that week to the present week.
        present: The week to forecast.
    """
    leading = leading_days(history, origin)
    first = 7 * ahead
    targets = bank.mondays + first
    actual = history.at(targets[:, None] + _WEEKDAYS)
    predicted = bank.predicted[:, leading, first : first + 7]
    before_week = bank.predicted[:, 0, first : first + 7]
    remainder = _log_sum(actual[:, present.open]) - _log_sum(predicted[:, present.open])
    daily = actual - before_week
    usable = np.isfinite(remainder) & np.isfinite(daily).all(axis=1) & (targets + 7 <= origin)
    return PastResiduals(targets[usable], remainder[usable], daily[usable])


def leading_days(history: History, monday: int) -> int:
    """Return how many days from a Monday on have counts, before the first that has none."""
    return int(np.isnan(history.at(monday + _WEEKDAYS)).argmax())


def _log_sum(logs: Floats) -> Floats:
    """Return ln of the sum of exp over the days, from shape (n, days) to (n,)."""
    sums: Floats = np.exp(logs).sum(axis=1)
    return np.log(sums)
