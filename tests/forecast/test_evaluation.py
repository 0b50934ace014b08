from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import pytest
import scoringrules

from mmbot.errors import BadInput
from mmbot.forecast.evaluation import (
    ScoredForecast,
    Walk,
    difference,
    hindcast,
    recent_calibration,
    score_week,
    summarise,
)
from mmbot.forecast.history import History
from mmbot.forecast.methods import METHODS
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.model import Forecaster, Hindcasts
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

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
WEEKS = [Week.of(FIRST + dt.timedelta(weeks=i)) for i in range(95, 110)]


@functools.cache
def pool() -> Hindcasts:
    """Of its members only the seed can tell, as the history is short."""
    return Forecaster.fit(COUNTS, "pool").hindcasts


@functools.cache
def every_score() -> list[tuple[str, ScoredForecast]]:
    return [each for week in WEEKS for each in score_week(Walk(HISTORY, pool(), True), week)]


def outcomes() -> list[ScoredForecast]:
    return [outcome for name, outcome in every_score() if name == "pool"]


def seed_alone(monday: int, k: int) -> Mixture:
    return hindcast(HISTORY, pool(), monday, k, error_correction=True)["seed"]


@pytest.mark.parametrize("k", range(7))
def test_a_hindcast_is_the_forecast_that_a_live_bot_would_have_made(k: int) -> None:
    week = WEEKS[4]
    view = COUNTS.up_to(week.monday + dt.timedelta(days=k - 1))
    live = Forecaster.fit(view, "seed").forecast(view, week).mixture
    past = seed_alone(week.monday.toordinal(), k)
    assert past.means == pytest.approx(live.means, rel=1e-12)


def test_every_week_is_scored_at_every_origin() -> None:
    scored = [(outcome.week, outcome.days_published) for outcome in outcomes()]
    assert len(scored) == len(set(scored)) == 7 * len(WEEKS)


def test_scores_match_scoringrules_on_the_same_scenarios() -> None:
    for outcome in outcomes()[::5]:
        week = Week(dt.date.fromisoformat(outcome.week))
        actual = np.mean([COUNTS.settling_count(day) for day in week.days])
        monday = week.monday.toordinal()
        mixture = seed_alone(monday, outcome.days_published)
        crps = scoringrules.crps_ensemble(actual, mixture.means, estimator="nrg")
        assert outcome.crps == pytest.approx(crps)
        brier = scoringrules.brier_score(np.array(outcome.passed), np.array(outcome.above))
        assert outcome.brier == pytest.approx(np.mean(brier))


def test_the_strikes_are_the_same_at_every_origin() -> None:
    for week in WEEKS:
        passed = {o.passed for o in outcomes() if o.week == week.sunday.isoformat()}
        assert len(passed) == 1
        (ladder,) = passed
        assert len(ladder) == 9
        assert list(ladder) == sorted(ladder, reverse=True)


@pytest.mark.parametrize("monday", [FIRST.toordinal(), FIRST.toordinal() - 70])
def test_too_early_a_week_is_refused(monday: int) -> None:
    with pytest.raises(BadInput, match="start later"):
        seed_alone(monday, 0)


def test_the_seed_takes_over_where_another_method_has_too_few_weeks() -> None:
    by_name: dict[str, list[float]] = {name: [] for name in METHODS}
    for name, scored in every_score():
        by_name[name].append(scored.crps)
    assert all(by_name[name] == by_name["seed"] for name in METHODS)


def test_means_are_taken_by_origin() -> None:
    scores = summarise(outcomes())
    crps = [outcome.crps for outcome in outcomes() if outcome.days_published == 2]
    assert list(scores) == list(range(7))
    assert scores[2].weeks == len(WEEKS)
    assert scores[2].crps == pytest.approx(np.mean(crps))
    errors = [abs(outcome.error) for outcome in outcomes() if outcome.days_published == 2]
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
        for o in outcomes()
    ]
    found = difference(better[::-1], outcomes(), 1, np.random.default_rng(0))
    assert (found.mean, found.low, found.high) == pytest.approx((-100.0, -100.0, -100.0))


def test_the_interval_of_a_difference_holds_its_mean() -> None:
    rng = np.random.default_rng(1)
    noisy = [
        ScoredForecast(
            **{f: getattr(o, f) for f in o.__struct_fields__} | {"crps": o.crps + rng.normal()}
        )
        for o in outcomes()
    ]
    found = difference(noisy, outcomes(), 0, np.random.default_rng(0))
    assert found.low < found.mean < found.high


def test_the_recent_calibration_is_that_of_the_last_half_year() -> None:
    wide = [outcome(0.01 if i < 30 else 0.5) for i in range(56)]
    (found,) = recent_calibration(wide).values()
    assert (found.weeks, found.coverage80) == (26, 1.0)
