from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import scoringrules
from hypothesis import given
from hypothesis import strategies as st

from mmbot.errors import BadInput
from mmbot.forecast.evaluation import (
    ScoredForecast,
    difference,
    hindcast,
    summarise,
    uniformity,
    walk_forward,
)
from mmbot.forecast.history import History
from mmbot.forecast.model import COMBINED, SEED, Forecaster
from mmbot.forecast.residuals import ResidualBank, extend
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

FIRST = dt.date(2022, 1, 3)
WEEKDAY = (2.3, 1.9, 2.1, 2.6, 2.7, 2.1, 2.6)


def counts(weeks: int = 110) -> Counts:
    noise = np.random.default_rng(4).normal(0, 0.03, 7 * weeks)
    held = Counts()
    for i, error in enumerate(noise):
        day = FIRST + dt.timedelta(days=i)
        seen = dt.datetime.combine(day, dt.time(12), dt.UTC) + dt.timedelta(days=2)
        held, _ = held.observe(day, round(1e6 * WEEKDAY[i % 7] * np.exp(error)), seen)
    return held


COUNTS = counts()
HISTORY = History.of(COUNTS)
BANKS = {"seed": extend(None, SEED.point, HISTORY)}
WEEKS = [Week.of(FIRST + dt.timedelta(weeks=i)) for i in range(95, 110)]
OUTCOMES = [outcome for _, outcome in walk_forward(HISTORY, BANKS, "seed", WEEKS)]


@pytest.mark.parametrize("k", range(7))
def test_a_hindcast_is_the_forecast_that_a_live_bot_would_have_made(k: int) -> None:
    week = WEEKS[4]
    view = COUNTS.up_to(week.monday + dt.timedelta(days=k - 1))
    live = Forecaster.fit(view, "seed").forecast(view, week).mixture
    past = hindcast(HISTORY, BANKS, SEED, week.monday.toordinal(), k)
    assert past.means == pytest.approx(live.means, rel=1e-12)


def test_every_week_is_scored_at_every_origin() -> None:
    scored = [(outcome.week, outcome.days_published) for outcome in OUTCOMES]
    assert len(scored) == len(set(scored)) == 7 * len(WEEKS)


def test_scores_match_scoringrules_on_the_same_scenarios() -> None:
    for outcome in OUTCOMES[::5]:
        week = Week(dt.date.fromisoformat(outcome.week))
        actual = np.mean([COUNTS.settling_count(day) for day in week.days])
        monday = week.monday.toordinal()
        mixture = hindcast(HISTORY, BANKS, SEED, monday, outcome.days_published)
        crps = scoringrules.crps_ensemble(actual, mixture.means, estimator="nrg")
        assert outcome.crps == pytest.approx(crps)
        brier = scoringrules.brier_score(np.array(outcome.passed), np.array(outcome.above))
        assert outcome.brier == pytest.approx(np.mean(brier))


def test_the_strikes_are_the_same_at_every_origin() -> None:
    for week in WEEKS:
        passed = {o.passed for o in OUTCOMES if o.week == week.sunday.isoformat()}
        assert len(passed) == 1
        (ladder,) = passed
        assert len(ladder) == 9
        assert list(ladder) == sorted(ladder, reverse=True)


def test_too_early_a_week_is_refused() -> None:
    with pytest.raises(BadInput, match="start later"):
        hindcast(HISTORY, BANKS, SEED, FIRST.toordinal(), 0)


def test_a_week_before_every_forecast_is_refused() -> None:
    with pytest.raises(BadInput, match="start later"):
        hindcast(HISTORY, BANKS, SEED, BANKS["seed"].monday - 7, 0)


def test_the_seed_takes_over_where_another_method_has_too_few_weeks() -> None:
    monday = WEEKS[0].monday.toordinal()
    full = BANKS["seed"]
    row = (monday - full.monday) // 7
    young = ResidualBank(
        "combined", monday - 7, full.predicted[row - 1 : row + 1], full.digests[row - 1 : row + 1]
    )
    past = hindcast(HISTORY, {**BANKS, "combined": young}, COMBINED, monday, 2)
    assert np.array_equal(past.means, hindcast(HISTORY, BANKS, SEED, monday, 2).means)


def test_means_are_taken_by_origin() -> None:
    scores = summarise(OUTCOMES)
    crps = [outcome.crps for outcome in OUTCOMES if outcome.days_published == 2]
    assert list(scores) == list(range(7))
    assert scores[2].weeks == len(WEEKS)
    assert scores[2].crps == pytest.approx(np.mean(crps))
    errors = [abs(outcome.error) for outcome in OUTCOMES if outcome.days_published == 2]
    assert scores[2].mape == pytest.approx(100 * np.mean(errors))


def outcome(pit: float) -> ScoredForecast:
    return ScoredForecast("2026-04-19", 0, 0.0, 0.0, 0.0, 0.0, 0.0, pit, (), ())


def test_coverage_is_the_share_of_outcomes_within_the_interval() -> None:
    score = summarise([outcome(pit) for pit in (0.04, 0.08, 0.1, 0.5, 0.93, 0.97)])[0]
    assert score.coverage80 == pytest.approx(2 / 6)
    assert score.coverage90 == pytest.approx(4 / 6)


def test_a_difference_is_paired_by_week() -> None:
    better = [
        ScoredForecast(**{f: getattr(o, f) for f in o.__struct_fields__} | {"crps": o.crps - 100.0})
        for o in OUTCOMES
    ]
    found = difference(better[::-1], OUTCOMES, 1, np.random.default_rng(0))
    assert (found.mean, found.low, found.high) == pytest.approx((-100.0, -100.0, -100.0))


def test_the_interval_of_a_difference_holds_its_mean() -> None:
    rng = np.random.default_rng(1)
    noisy = [
        ScoredForecast(
            **{f: getattr(o, f) for f in o.__struct_fields__} | {"crps": o.crps + rng.normal()}
        )
        for o in OUTCOMES
    ]
    found = difference(noisy, OUTCOMES, 0, np.random.default_rng(0))
    assert found.low < found.mean < found.high


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
