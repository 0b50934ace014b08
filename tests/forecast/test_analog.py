from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from mmbot.forecast.analog import analog, predict
from mmbot.forecast.history import History


def ordinal(year: int, month: int, day: int) -> int:
    return dt.date(year, month, day).toordinal()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (ordinal(2026, 3, 4), ordinal(2025, 3, 5)),
        # Thanksgiving and the Sunday after it: 27 November 2025, 28 November 2024.
        (ordinal(2025, 11, 27), ordinal(2024, 11, 28)),
        (ordinal(2025, 11, 30), ordinal(2024, 12, 1)),
        # Easter: 5 April 2026, 20 April 2025.
        (ordinal(2026, 4, 3), ordinal(2025, 4, 18)),
        (ordinal(2026, 4, 14), ordinal(2025, 4, 29)),
        # The day after the window ends.
        (ordinal(2026, 4, 15), ordinal(2025, 4, 16)),
        (ordinal(2026, 1, 13), ordinal(2025, 1, 14)),
    ],
)
def test_a_day_is_compared_with_the_one_it_resembles(day: int, expected: int) -> None:
    assert analog(day) == expected


def test_an_analog_has_the_same_weekday() -> None:
    days = range(ordinal(2024, 1, 1), ordinal(2027, 1, 1))
    assert all((day - analog(day)) % 7 == 0 for day in days)


def grown(growth: float) -> History:
    """Two years of counts in which each day is its analog times exp(growth)."""
    first = ordinal(2024, 1, 1)
    logs = [14.0 + 0.1 * np.sin(i) for i in range(420)]
    for i in range(420, 800):
        logs.append(logs[analog(first + i) - first] + growth)
    return History(first, np.array(logs))


def test_steady_growth_is_extrapolated() -> None:
    history = grown(0.05)
    days = history.last + np.arange(1, 15)
    analogs = np.array([analog(int(day)) for day in days])
    assert predict(history, days) == pytest.approx(history.at(analogs) + 0.05)


def test_one_stormy_day_hardly_moves_the_growth() -> None:
    rng = np.random.default_rng(3)
    history = grown(0.05)
    noisy = History(history.first, history.logs + rng.normal(0, 0.01, len(history.logs)))
    stormy = History(noisy.first, noisy.logs.copy())
    stormy.logs[-3] -= 0.5
    day = np.array([history.last + 1])
    assert predict(stormy, day)[0] == pytest.approx(predict(noisy, day)[0], abs=0.01)


def test_a_day_whose_analog_has_no_count_has_no_forecast() -> None:
    history = History(ordinal(2026, 1, 1), np.full(30, 14.0))
    assert np.isnan(predict(history, np.array([history.last + 1]))).all()
