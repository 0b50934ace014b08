from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from mmbot.forecast import structural
from mmbot.forecast.adaptive import ADAPTIVE
from mmbot.forecast.calendar_effects import CalendarEffects
from mmbot.forecast.combined import COMBINED
from mmbot.forecast.history import Floats, History
from mmbot.forecast.structural import Constants, Structural, non_negative_least_squares

FIRST = dt.date(2022, 1, 3).toordinal()
WEEKDAY = np.array([0.0, -0.15, -0.1, 0.1, 0.12, -0.1, 0.08])


def weekly(days: int, noise: float = 0.0, seed: int = 0) -> History:
    rng = np.random.default_rng(seed)
    return History(FIRST, 14.6 + WEEKDAY[np.arange(days) % 7] + rng.normal(0, noise, days))


def regressors(day: int) -> Floats:
    row: Floats = COMBINED.constants.effects.regressors(np.array([day]))[0]
    return row


def fit(history: History, constants: Constants = COMBINED.constants) -> Structural | None:
    return structural.fit(history, constants)


@pytest.mark.parametrize("effects", [COMBINED.constants.effects, ADAPTIVE.constants.effects])
def test_every_regressor_has_a_penalty(effects: CalendarEffects) -> None:
    assert len(effects.penalties) == effects.regressors(np.array([FIRST])).shape[1]
    assert (effects.penalties > 0).all()


def test_each_window_day_has_its_own_dummy() -> None:
    thanksgiving = dt.date(2025, 11, 27).toordinal()
    ordinary = np.flatnonzero(regressors(thanksgiving - 28) == 1)
    dummies = [
        set(np.flatnonzero(regressors(thanksgiving + offset) == 1)) - set(ordinary)
        for offset in (-7, 0)
    ]
    assert len(dummies[0] ^ dummies[1]) == 2


def test_a_fixed_date_has_other_regressors_on_a_weekend_than_in_midweek() -> None:
    wednesday = regressors(dt.date(2018, 7, 4).toordinal())
    saturday = regressors(dt.date(2020, 7, 4).toordinal())
    thursday = regressors(dt.date(2019, 7, 4).toordinal())
    tail = slice(-160, None)
    assert not np.array_equal(wednesday[tail], saturday[tail])
    assert np.array_equal(wednesday[tail], thursday[tail])


def test_days_together_have_the_rows_that_each_has_by_itself() -> None:
    days = FIRST + np.arange(400)
    together = COMBINED.constants.effects.regressors(days)
    assert np.array_equal(together, np.stack([regressors(int(day)) for day in days]))


def test_a_weekly_pattern_is_learnt() -> None:
    history = weekly(900)
    model = fit(history.up_to(FIRST + 892))
    assert model is not None
    days = FIRST + np.arange(893, 900)
    assert model.predict(history.up_to(FIRST + 892), days) == pytest.approx(
        history.at(days), abs=0.01
    )


def test_a_history_under_two_years_is_too_short() -> None:
    assert fit(weekly(729)) is None
    assert fit(weekly(731, noise=0.01)) is not None


def test_a_day_above_its_forecast_raises_the_next_and_less_the_later_ones() -> None:
    history = weekly(900, noise=0.02)
    # Slowly changing noise, so that there is something to carry forward.
    logs = history.logs + 0.05 * np.sin(np.arange(900) / 9)
    history = History(FIRST, logs)
    model = fit(history.up_to(FIRST + 892))
    assert model is not None
    days = FIRST + np.arange(894, 905)
    raised = History(FIRST, np.append(logs[:893], logs[893] + 0.05))
    plain = History(FIRST, logs[:894])
    gained = model.predict(raised, days) - model.predict(plain, days)
    assert 0 < gained[-1] < gained[0] < 0.05


def test_counts_after_the_fit_are_extrapolated_over_a_gap() -> None:
    history = weekly(900, noise=0.02)
    model = fit(history.up_to(FIRST + 892))
    assert model is not None
    gap = History(FIRST, history.logs.copy())
    gap.logs[894] = np.nan
    assert np.isfinite(model.predict(gap, FIRST + np.arange(894, 905))).all()


def test_after_a_gap_longer_than_the_kriging_window_the_regression_stands_alone() -> None:
    history = weekly(900, noise=0.02)
    model = fit(history)
    assert model is not None
    silent = np.full(90, np.nan)
    days = FIRST + np.arange(990, 997)
    after = model.predict(History(FIRST, np.append(history.logs, silent)), days)
    other = model.predict(History(FIRST, np.append(history.logs + 0.1, silent)), days)
    assert np.array_equal(after, other)
    assert after == pytest.approx(14.6 + WEEKDAY[np.arange(990, 997) % 7], abs=0.05)


def test_the_level_after_a_long_gap_is_independent_of_the_level_before_it() -> None:
    history = weekly(1_400, noise=0.01)
    history.logs[800:1_100] = np.nan
    shifted = History(FIRST, history.logs + 0.2 * (np.arange(1_400) >= 950))
    model, before = fit(shifted), fit(history)
    assert model is not None
    assert before is not None
    assert model.level - before.level == pytest.approx(0.2, abs=0.005)


def test_the_level_follows_a_lasting_change() -> None:
    history = weekly(1_000, noise=0.01)
    logs = history.logs + 0.1 * (np.arange(1_000) >= 800)
    model = fit(History(FIRST, logs))
    before = fit(History(FIRST, history.logs))
    assert model is not None
    assert before is not None
    assert model.level - before.level == pytest.approx(0.1, abs=0.03)


def test_coefficients_that_would_be_negative_are_zero() -> None:
    rng = np.random.default_rng(2)
    design = rng.normal(size=(40, 3))
    found = non_negative_least_squares(design, design @ np.array([1.0, -2.0, 0.5]))
    assert found[1] == 0
    assert (found >= 0).all()
    gradient = design.T @ (design @ found - design @ np.array([1.0, -2.0, 0.5]))
    assert gradient[found > 0] == pytest.approx(0, abs=1e-9)
    assert (gradient[found == 0] > 0).all()


def test_positive_coefficients_are_those_of_least_squares() -> None:
    design = np.random.default_rng(2).normal(size=(40, 3))
    true = np.array([1.0, 2.0, 0.5])
    assert non_negative_least_squares(design, design @ true) == pytest.approx(true)


def test_a_model_that_forgets_the_past_follows_a_change_further() -> None:
    history = weekly(1_000, noise=0.01)
    logs = history.logs + 0.1 * (np.arange(1_000) >= 960)
    slow, quick = (fit(History(FIRST, logs), each.constants) for each in (COMBINED, ADAPTIVE))
    assert slow is not None
    assert quick is not None
    assert quick.level > slow.level
