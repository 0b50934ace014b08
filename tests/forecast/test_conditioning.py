from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from mmbot.forecast.conditioning import (
    PastResiduals,
    PresentWeek,
    equally_weighted,
    normal,
    reweighted,
)

MONDAY = dt.date(2026, 3, 2).toordinal()
EXPECTED = np.full(7, 14.7)


def past(n: int, link: float = 0.0, seed: int = 0) -> PastResiduals:
    """Weeks whose remainder follows their Monday's surprise by `link`."""
    rng = np.random.default_rng(seed)
    daily = rng.normal(0, 0.03, (n, 7))
    remainder = link * daily[:, 0] + rng.normal(0, 0.005, n)
    return PastResiduals(MONDAY - 7 * np.arange(n, 0, -1), remainder, daily)


def present(*surprises: float) -> PresentWeek:
    daily = np.full(7, np.nan)
    daily[: len(surprises)] = surprises
    return PresentWeek(MONDAY, EXPECTED, EXPECTED + daily, daily)


def test_equal_weights_apply_each_residual_to_the_forecast() -> None:
    weeks = past(40)
    found = equally_weighted(weeks, present()).mixture
    assert found.means == pytest.approx(np.exp(14.7 + weeks.remainder))
    assert found.weights == pytest.approx(np.full(40, 1 / 40))
    assert not found.widths.any()


def test_published_days_are_exact() -> None:
    known = present(0.01, -0.02, 0.0, 0.0, 0.0, 0.0)
    found = equally_weighted(past(40), known).mixture
    total = np.exp(known.published[:6]).sum()
    assert (7 * found.means - total) / np.exp(14.7) == pytest.approx(np.exp(past(40).remainder))


def test_few_weeks_leave_probability_beyond_their_range() -> None:
    found = equally_weighted(past(10), present()).mixture
    beyond = found.means[:-1].max() + 1
    assert 0.01 < found.above([beyond])[0] < 0.2


def test_a_residual_moves_the_open_days_as_in_past_weeks() -> None:
    weeks = past(150, link=0.5)
    gained = reweighted(weeks, present(0.03)).mixture.mean - np.exp(14.7 + 0.015 * 6 / 7)
    neutral = reweighted(weeks, present(0.0)).mixture.mean
    assert reweighted(weeks, present(0.03)).mixture.mean > neutral + 0.03 * np.exp(14.7) / 7
    assert abs(gained) < 0.01 * np.exp(14.7)


def test_an_uninformative_residual_does_not_move_the_open_days() -> None:
    weeks = past(300, link=0.0)
    moved = reweighted(weeks, present(0.03)).mixture.mean
    neutral = reweighted(weeks, present(0.0)).mixture.mean
    own = (np.exp(14.73) - np.exp(14.7)) / 7
    assert moved - neutral == pytest.approx(own, abs=0.1 * own)


def test_an_extreme_residual_is_clipped() -> None:
    weeks = past(150, link=0.5)
    rests = [7 * reweighted(weeks, present(s)).mixture.mean - np.exp(14.7 + s) for s in (0.5, 1.0)]
    assert rests[0] == pytest.approx(rests[1])


def test_recent_weeks_of_the_season_weigh_most() -> None:
    weeks = past(156)
    weights = reweighted(weeks, present()).weights
    half_a_year_ago = np.abs(weeks.mondays - (MONDAY - 182)).argmin()
    a_year_ago = np.abs(weeks.mondays - (MONDAY - 364)).argmin()
    assert weights[-1] > weights[a_year_ago] > weights[half_a_year_ago]


def test_within_the_margin_of_a_holiday_weeks_like_that_weigh_more() -> None:
    weeks = past(156)
    now, a_year_ago = dt.date(2026, 5, 18).toordinal(), dt.date(2025, 5, 19).toordinal()
    week = PresentWeek(now, EXPECTED, EXPECTED + np.nan, np.full(7, np.nan))
    index = weeks.mondays.tolist().index(a_year_ago)
    shares = [reweighted(weeks, week, holiday_margin_days=days).weights[index] for days in (0, 1)]
    assert shares[1] > shares[0]


def test_weeks_with_similar_days_weigh_more() -> None:
    weeks = past(150)
    weeks.daily[:, 0] = np.where(np.arange(150) % 2, 0.05, -0.05)
    weights = reweighted(weeks, present(0.05)).weights
    assert weights[1::2].sum() > 1.02 * reweighted(weeks, present(-0.05)).weights[1::2].sum()


def test_smoothing_widens_by_no_more_than_the_tail() -> None:
    weeks = past(150)
    found = reweighted(weeks, present())
    scenarios = np.exp(14.7 + weeks.remainder)
    mean = found.weights @ scenarios
    spread = np.sqrt(found.weights @ (scenarios - mean) ** 2)
    assert found.mixture.mean == pytest.approx(mean)
    # Two percent of a normal twice as wide.
    assert found.mixture.sd == pytest.approx(spread * np.sqrt(0.98 + 0.02 * 4))


def test_the_normal_has_the_spread_of_the_residuals() -> None:
    weeks = past(2_000)
    found = normal(weeks, present()).mixture
    recent = 0.5 ** (np.arange(2_000, 0, -1) / 104)
    spread = np.sqrt(recent @ weeks.remainder**2 / recent.sum())
    assert found.mean == pytest.approx(np.exp(14.7))
    assert found.sd / found.mean == pytest.approx(spread, rel=0.02)


def test_the_normal_moves_and_narrows_with_an_informative_day() -> None:
    weeks = past(300, link=0.5)
    before = normal(weeks, present()).mixture
    after = normal(weeks, present(0.03)).mixture
    neutral = normal(weeks, present(0.0)).mixture
    assert after.mean - neutral.mean > 0.4 * 0.03 * np.exp(14.7)
    assert after.sd < 0.6 * before.sd
