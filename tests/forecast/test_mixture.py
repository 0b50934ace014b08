from __future__ import annotations

import math

import numpy as np
import pytest
import scoringrules
from hypothesis import given
from hypothesis import strategies as st

from mmbot.forecast.mixture import Mixture, normal_cdf

values = st.floats(1e6, 3e6)
components = st.lists(
    st.tuples(values, st.floats(1e3, 2e5), st.floats(0.01, 1.0)), min_size=1, max_size=12
)


def mixture(parts: list[tuple[float, float, float]], width: float | None = None) -> Mixture:
    means, widths, weights = map(np.array, zip(*parts, strict=True))
    widths = widths if width is None else np.full(len(parts), width)
    return Mixture(means, widths, weights / weights.sum())


@given(st.floats(-9, 9))
def test_the_normal_distribution_function_matches_erfc(x: float) -> None:
    expected = 0.5 * math.erfc(-x / math.sqrt(2))
    assert normal_cdf(np.array([x]))[0] == pytest.approx(expected, abs=3e-8)


@given(components, values)
def test_the_crps_of_a_smooth_mixture_matches_scoringrules(
    parts: list[tuple[float, float, float]], outcome: float
) -> None:
    mixed = mixture(parts)
    reference = scoringrules.crps_mixnorm(outcome, mixed.means, mixed.widths, mixed.weights)
    assert mixed.crps(outcome) == pytest.approx(reference, abs=1.0)


@given(components, values)
def test_the_crps_of_plain_scenarios_matches_scoringrules(
    parts: list[tuple[float, float, float]], outcome: float
) -> None:
    mixed = mixture([(mean, 0.0, 1.0) for mean, _, _ in parts])
    reference = scoringrules.crps_ensemble(outcome, mixed.means, estimator="nrg")
    assert mixed.crps(outcome) == pytest.approx(reference, rel=1e-9, abs=1e-3)


@given(components, values)
def test_the_brier_score_of_a_strike_matches_scoringrules(
    parts: list[tuple[float, float, float]], strike: float
) -> None:
    above = mixture(parts).above([strike])[0]
    assert (above - 1) ** 2 == pytest.approx(scoringrules.brier_score(1, above))


@given(components, st.lists(values, min_size=2, max_size=20), st.booleans())
def test_a_higher_strike_is_never_likelier_to_be_passed(
    parts: list[tuple[float, float, float]], strikes: list[float], plain: bool
) -> None:
    above = mixture(parts, 0.0 if plain else None).above(sorted(strikes))
    assert (np.diff(above) <= 1e-12).all()
    assert ((above >= 0) & (above <= 1)).all()


def test_a_scenario_at_the_strike_is_not_above_it() -> None:
    plain = Mixture(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4), np.full(4, 0.25))
    assert plain.above([2.0]).tolist() == [0.5]


@given(components, st.floats(0.01, 0.99))
def test_a_quantile_has_its_share_below_it(
    parts: list[tuple[float, float, float]], level: float
) -> None:
    mixed = mixture(parts)
    assert 1 - mixed.above(mixed.quantiles([level]))[0] == pytest.approx(level, abs=1e-6)


def test_mean_and_deviation_match_those_of_draws() -> None:
    mixed = mixture([(1e6, 1e4, 1.0), (1.1e6, 3e4, 3.0)])
    rng = np.random.default_rng(5)
    which = rng.choice(2, p=mixed.weights, size=400_000)
    draws = rng.normal(mixed.means[which], mixed.widths[which])
    assert mixed.mean == pytest.approx(draws.mean(), rel=1e-3)
    assert mixed.sd == pytest.approx(draws.std(), rel=1e-2)


@given(st.floats(0.5, 2))
def test_scaling_keeps_the_mean_and_scales_the_spread(factor: float) -> None:
    mixture = Mixture(np.array([1.0, 3.0]), np.array([0.5, 0.0]), np.array([0.25, 0.75]))
    scaled = mixture.scaled(factor)
    assert scaled.mean == pytest.approx(mixture.mean)
    assert scaled.sd == pytest.approx(factor * mixture.sd)
