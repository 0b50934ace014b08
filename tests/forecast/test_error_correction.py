from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from mmbot.forecast.conditioning import PastResiduals, PresentWeek
from mmbot.forecast.error_correction import corrected
from mmbot.forecast.history import Floats

MONDAY = dt.date(2026, 3, 2).toordinal()
OPEN = np.full(7, np.nan)
PRESENT = PresentWeek(MONDAY, np.full(7, 14.7), OPEN, OPEN)


def past(errors: Floats) -> PastResiduals:
    n = len(errors)
    return PastResiduals(MONDAY - 7 * np.arange(n, 0, -1), errors, np.zeros((n, 7)))


def moved(errors: Floats, delay_days: int = 7) -> float:
    _, present = corrected(past(errors), PRESENT, delay_days)
    shift = present.expected - PRESENT.expected
    assert shift == pytest.approx(np.full(7, shift[0]))
    return float(shift[0])


def test_the_correction_is_half_the_shrunk_mean_of_recent_errors() -> None:
    errors = np.array([0.02, 0.01, 0.03])
    weights = 0.5 ** (np.array([3, 2, 1]) / 4)
    assert moved(errors) == pytest.approx(0.5 * (weights @ errors) / (weights.sum() + 2))


def test_an_outlier_counts_no_more_than_the_limit() -> None:
    usual = np.tile([0.01, -0.01], 20)
    limit = 2.5 * 1.4826 * 0.01
    outlier = moved(np.append(usual, 0.5))
    assert outlier == pytest.approx(moved(np.append(usual, limit)), abs=0.1 * limit)


def test_a_lasting_bias_is_corrected_by_almost_half() -> None:
    assert 0.35 * 0.02 < moved(np.full(60, 0.02)) < 0.5 * 0.02


def test_a_past_week_is_corrected_by_the_errors_before_it_alone() -> None:
    errors = np.random.default_rng(1).normal(0, 0.02, 30)
    changed = np.where(np.arange(30) < 20, errors, 0.5)
    before, _ = corrected(past(errors), PRESENT, 7)
    after, _ = corrected(past(changed), PRESENT, 7)
    assert np.array_equal(before.remainder[:20], after.remainder[:20])
    assert before.remainder[0] == errors[0]


def test_errors_of_weeks_that_had_not_ended_at_the_origin_stay_out() -> None:
    errors = np.append(np.tile([0.01, -0.01], 10), [0.02, 0.02])
    assert moved(errors, delay_days=21) < 0 < moved(errors, delay_days=14)
