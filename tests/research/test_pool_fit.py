"""The pool of the best log score, found again in events that were drawn from a known one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mmbot.research.backtest import MarketPrediction
from mmbot.research.pool_fit import PoolParameters, PoolSamples
from tests.research.builders import drawn_predictions, probability

START = PoolParameters((0.2, 0.1, 0.25, 0.4, 0.55), 1.2)
PLANTED = PoolParameters((0.3, 0.1, 0.5, 0.4, 0.6), 1.4)


def samples(events: int, seed: int = 1, planted: PoolParameters = PLANTED) -> PoolSamples:
    return PoolSamples.of(drawn_predictions(planted, events, seed), 5)


def values(parameters: PoolParameters) -> list[float]:
    return [*parameters.weights, parameters.sharpness]


@pytest.mark.parametrize("seed", range(4))
def test_no_other_pool_has_a_better_log_score(seed: int) -> None:
    found = samples(4 + seed, seed)
    best = found.losses(found.best(START)).sum()
    at = [found.only(found.days == place) for place in range(5)]
    for sharpness in np.linspace(0.5, 2.0, 16).tolist():
        # At a given sharpness the weights are chosen one by one.
        others = [
            min(
                part.losses(PoolParameters((weight,) * 5, sharpness)).sum()
                for weight in np.linspace(0, 1, 21).tolist()
            )
            for part in at
        ]
        assert best <= sum(others) + 1e-9


def test_the_search_finds_the_same_from_wherever_it_starts() -> None:
    found = samples(12)
    best = values(found.best(START))
    for weight, sharpness in product((0.0, 0.5, 1.0), (0.5, 2.0)):
        other = found.best(PoolParameters((weight,) * 5, sharpness))
        assert values(other) == pytest.approx(best, abs=1e-4)


def test_the_planted_pool_is_within_the_intervals_in_most_seeds() -> None:
    within = np.zeros(6)
    for seed in range(20):
        found = samples(40, seed)
        best = found.best(START)
        errors = found.errors(best)
        pairs = zip(values(best), values(PLANTED), strict=True)
        for place, (value, planted) in enumerate(pairs):
            error = (*errors.weights, errors.sharpness)[place]
            assert error is not None
            within[place] += abs(value - planted) <= 2.02 * error
    # Of a hundred and twenty intervals at 95 %; 102 or fewer would be a rare accident.
    assert within.sum() > 102
    assert (within >= 15).all()


def test_the_standard_errors_are_the_scatter_of_the_estimates() -> None:
    found = [samples(40, seed, PoolParameters((0.5,) * 5, 1.2)) for seed in range(40)]
    bests = [each.best(START) for each in found]
    errors = [each.errors(best) for each, best in zip(found, bests, strict=True)]
    scatter = np.std([best.sharpness for best in bests])
    assert scatter == pytest.approx(
        float(np.mean([each.sharpness or np.nan for each in errors])), rel=0.35
    )
    scatter = np.std([best.weights[2] for best in bests])
    assert scatter == pytest.approx(
        float(np.mean([each.weights[2] or np.nan for each in errors])), rel=0.35
    )


def test_copies_of_an_events_markets_do_not_shrink_the_errors() -> None:
    once = drawn_predictions(PLANTED, 20, 1)
    first, again = (PoolSamples.of(each, 5) for each in (once, once * 5))
    best = first.best(START)
    assert values(again.best(START)) == pytest.approx(values(best), abs=1e-6)
    assert again.errors(best).weights == pytest.approx(first.errors(best).weights)
    assert again.errors(best).sharpness == pytest.approx(first.errors(best).sharpness)


def predictions(*opinions: tuple[float, float, bool], days_published: int = 0) -> PoolSamples:
    """Samples of belief, mid and outcome, each in log-odds and of an event of its own."""
    return PoolSamples.of(
        [
            MarketPrediction(
                f"E-{number}",
                days_published,
                f"E-{number}-A",
                probability(belief),
                probability(mid),
                0.5,
                outcome,
            )
            for number, (belief, mid, outcome) in enumerate(opinions)
        ],
        5,
    )


def test_without_markets_nothing_moves_and_nothing_is_told() -> None:
    empty = predictions()
    assert empty.best(START) == START
    assert not any(empty.told_apart(START))
    assert empty.errors(START).sharpness is None


def test_a_number_of_days_without_markets_keeps_its_weight() -> None:
    found = predictions((1, -1, True), (1, -1, False), (-1, 2, True), days_published=2)
    best = found.best(START)
    assert [best.weights[place] for place in (0, 1, 3, 4)] == [0.2, 0.1, 0.4, 0.55]
    assert found.told_apart(best)[:2] == (False, False)


def test_a_market_that_is_a_multiple_of_the_belief_tells_neither_weight_nor_sharpness() -> None:
    found = predictions(*[(2 * mid, mid, mid > 0.4) for mid in (-1.0, 0.3, 0.5, 1.2, -0.2, 0.8)])
    parameters = PoolParameters((0.5,) * 5, 1.2)
    assert found.told_apart(parameters) == (False,) * 6


def test_where_the_belief_has_all_the_weight_no_sharpness_is_told() -> None:
    found = predictions((1, -1.2, True), (-1.5, 1, False), (0.5, 1, True), (1, -2, False))
    told = found.told_apart(PoolParameters((1.0,) * 5, 1.2))
    assert (told[0], told[-1]) == (True, False)


def test_the_market_alone_tells_the_sharpness_within_its_bounds() -> None:
    sure = [(0.0, mid, mid > 0) for mid in (-2.0, -1.0, 1.0, 2.0)]
    best = predictions(*sure).best(START)
    assert (best.weights[0], best.sharpness) == (0.0, 2.0)
    wrong = [(0.0, mid, mid < 0) for mid in (-2.0, -1.0, 1.0, 2.0)]
    # The even belief is the better one.
    assert predictions(*wrong).best(START).weights[0] == 1.0


def test_one_event_has_no_errors() -> None:
    one = PoolSamples.of(drawn_predictions(PLANTED, 1, 1), 5)
    errors = one.errors(one.best(START))
    assert errors.weights == (None,) * 5
    assert errors.sharpness is None


def test_further_days_have_the_last_weight() -> None:
    drawn = drawn_predictions(PLANTED, 3, 1)
    found = PoolSamples.of([each for each in drawn if each.days_published > 1], 3)
    assert found.clusters(2) == 3
    assert set(found.days.tolist()) == {2}
