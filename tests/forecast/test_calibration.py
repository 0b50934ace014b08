from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.forecast.calibration import calibration, uniformity


def test_coverage_is_the_share_of_the_last_half_year_inside_the_interval() -> None:
    found = calibration([0.01] * 10 + [0.5] * 20 + [0.95] * 6)
    assert (found.weeks, found.coverage80) == (26, 20 / 26)


def test_nine_in_ten_calibrated_forecasts_stay_within_the_band() -> None:
    rng = np.random.default_rng(3)
    within = [calibration(rng.uniform(size=26)).within for _ in range(2_000)]
    assert 0.9 <= np.mean(within) <= 0.97


@pytest.mark.parametrize("pits", [[0.5] * 26, [0.02, 0.98] * 13])
def test_forecasts_too_wide_or_too_narrow_leave_the_band(pits: list[float]) -> None:
    assert not calibration(pits).within


@pytest.mark.parametrize("n", [1, 5])
def test_few_forecasts_are_hardly_ever_outside(n: int) -> None:
    assert calibration([0.5] * n).within


@given(st.integers(20, 500))
def test_evenly_spread_values_pass_the_test_of_uniformity(n: int) -> None:
    assert uniformity((np.arange(n) + 0.5) / n) > 0.99


def test_values_all_in_the_middle_fail_the_test_of_uniformity() -> None:
    assert uniformity(np.linspace(0.4, 0.6, 100)) < 1e-6


def test_the_p_value_of_uniform_draws_is_itself_uniform() -> None:
    rng = np.random.default_rng(7)
    values = np.array([uniformity(rng.uniform(size=60)) for _ in range(2_000)])
    assert np.mean(values < 0.1) == pytest.approx(0.1, abs=0.02)
    assert np.mean(values < 0.5) == pytest.approx(0.5, abs=0.03)
