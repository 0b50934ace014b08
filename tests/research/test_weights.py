"""The weight of the belief, estimated from simulated events of a known weight."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmbot.forecast.history import Floats
from mmbot.research.backtest import MarketPrediction
from mmbot.research.weights import FEWEST_EVENTS, WeightProposal, propose
from mmbot.trading.fair import logits

PRESENT = (0.2, 0.2, 0.3, 0.4, 0.6)
PER_EVENT = 6


def simulated(
    weight: float, events: int, seed: int = 1, days_published: int = 1
) -> list[MarketPrediction]:
    """Opinions whose outcomes are drawn from the pool at `weight`."""
    rng = np.random.default_rng(seed)
    draws = rng.uniform(size=(events * PER_EVENT, 3)).tolist()
    found = []
    for number, (first, second, third) in enumerate(draws):
        event = f"E-{number // PER_EVENT:04}"
        belief, mid = 0.1 + 0.8 * first, 0.1 + 0.8 * second
        odds = weight * logit(belief) + (1 - weight) * logit(mid)
        outcome = third < 1 / (1 + math.exp(-odds))
        found.append(
            MarketPrediction(
                event, days_published, f"{event}-{number % PER_EVENT}", belief, mid, 0.5, outcome
            )
        )
    return found


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def log_scores(weights: Floats, opinions: list[MarketPrediction]) -> Floats:
    """The log score of all opinions at each weight, shape (weights,)."""
    belief, mid = (logits([getattr(each, name) for each in opinions]) for name in ("belief", "mid"))
    odds = np.outer(weights, belief) + np.outer(1 - weights, mid)
    signs = np.array([1 if each.outcome else -1 for each in opinions])
    scores: Floats = -np.log1p(np.exp(-signs * odds)).sum(axis=1)
    return scores


def test_the_estimate_is_where_the_log_score_is_highest() -> None:
    opinions = simulated(0.5, 30)
    estimate = propose(opinions, PRESENT)[1].estimate
    assert estimate is not None
    weights = np.linspace(0, 1, 1001)
    best = weights[log_scores(weights, opinions).argmax()]
    assert estimate == pytest.approx(best, abs=1e-3)


def test_many_events_find_the_true_weight_within_its_error() -> None:
    found = propose(simulated(0.7, 400), PRESENT)[1]
    assert found.estimate is not None
    assert found.standard_error is not None
    assert abs(found.estimate - 0.7) < 3 * found.standard_error
    assert found.standard_error < 0.1
    assert found.changes
    # Four hundred events against twenty for the weight in force.
    assert found.proposed == round(0.2 + 400 / 420 * (found.estimate - 0.2), 2)


def test_the_standard_error_is_the_scatter_of_estimates() -> None:
    proposals = [propose(simulated(0.5, 60, seed), PRESENT)[1] for seed in range(60)]
    estimates = [each.estimate for each in proposals if each.estimate is not None]
    errors = [each.standard_error for each in proposals if each.standard_error is not None]
    assert np.std(estimates) == pytest.approx(float(np.mean(errors)), rel=0.25)


def test_copies_of_an_events_opinions_do_not_shrink_the_error() -> None:
    once = simulated(0.5, 40)
    first, again = (propose(each, PRESENT)[1] for each in (once, once * 5))
    assert again.estimate == first.estimate
    assert again.standard_error == pytest.approx(first.standard_error)
    assert (again.events, again.samples) == (40, 5 * first.samples)


def test_too_few_events_change_nothing_however_clear() -> None:
    found = propose(simulated(1.0, FEWEST_EVENTS - 1), (0.0,) * 5)[1]
    assert found.estimate is not None
    assert not found.changes


def test_an_insignificant_difference_changes_nothing() -> None:
    assert not propose(simulated(0.2, 200), PRESENT)[1].changes


def test_one_event_has_an_estimate_and_no_error() -> None:
    found = propose(simulated(0.5, 1), PRESENT)[1]
    assert found.estimate is not None
    assert (found.standard_error, found.proposed) == (None, 0.2)


def test_where_belief_and_market_agree_there_is_nothing_to_estimate() -> None:
    same = [MarketPrediction("E-1", 0, "E-1-a", 0.4, 0.4, 0.4, True)]
    assert propose(same, PRESENT)[0] == WeightProposal(0, 1, 1, 0.2, None, None, 0.2)


def test_the_last_weight_is_estimated_from_all_further_days() -> None:
    opinions = simulated(0.5, 5, days_published=4) + simulated(0.5, 5, days_published=6)
    found = propose(opinions, PRESENT)
    assert [each.samples for each in found] == [0, 0, 0, 0, 10 * PER_EVENT]
    assert [each.days_published for each in found] == [0, 1, 2, 3, 4]
