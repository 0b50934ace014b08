from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mmbot.forecast.boosted import GradientBoosting
from mmbot.forecast.history import History

FIRST = dt.date(2022, 1, 3).toordinal()
WEEKDAY = np.array([0.0, -0.15, -0.1, 0.1, 0.12, -0.1, 0.08])


def history(days: int) -> History:
    noise = np.random.default_rng(0).normal(0, 0.01, days)
    return History(FIRST, 14.6 + WEEKDAY[np.arange(days) % 7] + noise)


def test_a_weekly_pattern_is_learnt() -> None:
    known = history(7 * 120)
    days = known.last + np.arange(1, 29)
    expected = GradientBoosting().fit(known).predict(known, days)
    assert expected == pytest.approx(14.6 + WEEKDAY[(days - FIRST) % 7], abs=0.03)


def test_the_forecast_follows_the_level_of_the_last_days() -> None:
    known = history(7 * 120)
    fitted = GradientBoosting().fit(known)
    days = known.last + np.arange(1, 8)
    raised = History(FIRST, known.logs + 0.1 * (np.arange(7 * 120) >= 7 * 116))
    gained = fitted.predict(raised, days) - fitted.predict(known, days)
    assert gained.mean() == pytest.approx(0.1, abs=0.03)


def test_two_fits_to_the_same_counts_are_equal() -> None:
    known, again = history(7 * 120), history(7 * 120)
    days = known.last + np.arange(1, 8)
    first = GradientBoosting().fit(known).predict(known, days)
    assert np.array_equal(first, GradientBoosting().fit(again).predict(again, days))


def test_trees_are_grown_every_fourth_week() -> None:
    known = history(7 * 124)
    days = known.last + np.arange(1, 8)
    sundays = [known.last - 7 * i for i in range(8)]
    forecasts = {
        GradientBoosting().fit(known.up_to(sunday)).predict(known, days).tobytes()
        for sunday in sundays
    }
    assert len(forecasts) in {2, 3}


def test_under_two_years_nothing_is_forecast() -> None:
    known = history(7 * 90)
    days = known.last + np.arange(1, 8)
    assert np.isnan(GradientBoosting().fit(known).predict(known, days)).all()


@pytest.mark.parametrize("error", [ImportError("not installed"), OSError("no libgomp.so.1")])
def test_without_its_library_nothing_is_forecast(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(
        name: str,
        globals_: Mapping[str, object] | None = None,
        locals_: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> object:
        if name == "lightgbm":
            raise error
        return real(name, globals_, locals_, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", without)
    known = history(7 * 120)
    days = known.last + np.arange(1, 8)
    assert np.isnan(GradientBoosting().fit(known).predict(known, days)).all()
