"""How much the belief should count, where the truth about that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmbot.research.backtest import MarketOpinion
from mmbot.research.weights import FEWEST_EVENTS, WeightProposal, propose
from mmbot.trading.fair import logits

PRESENT = (0.2, 0.2, 0.3, 0.4, 0.6)
PER_EVENT = 6


def simulated(weight: float, events: int, seed: int = 1, known: int = 1) -> list[MarketOpinion]:
    """Opinions of which the pool at `weight` is exactly right."""
    rng = np.random.default_rng(seed)
    found = []
    for event in range(events):
        for market in range(PER_EVENT):
            belief, mid = rng.uniform(0.1, 0.9, 2)
            odds = np.dot((weight, 1 - weight), logits((belief, mid)))
            came = rng.uniform() < 1 / (1 + math.exp(-odds))
            found.append(
                MarketOpinion(
                    f"E-{event:04}", known, f"E-{event:04}-{market}", belief, mid, 0.5, came
                )
            )
    return found


def at(proposals: list[WeightProposal], known: int) -> WeightProposal:
    return proposals[known]


def log_score(weight: float, opinions: list[MarketOpinion]) -> float:
    total = 0.0
    for each in opinions:
        odds = np.dot((weight, 1 - weight), logits((each.belief, each.mid)))
        total -= math.log1p(math.exp(-odds if each.outcome else odds))
    return total


def test_the_estimate_is_where_the_log_score_is_highest() -> None:
    opinions = simulated(0.5, 30)
    estimate = at(propose(opinions, PRESENT), 1).estimate
    assert estimate is not None
    best = max(np.linspace(0, 1, 1001), key=lambda weight: log_score(float(weight), opinions))
    assert estimate == pytest.approx(best, abs=1e-3)


def test_many_events_find_the_true_weight_within_its_error() -> None:
    found = at(propose(simulated(0.7, 400), PRESENT), 1)
    assert found.estimate is not None
    assert found.standard_error is not None
    assert abs(found.estimate - 0.7) < 3 * found.standard_error
    assert found.standard_error < 0.1
    assert found.changes
    # Four hundred events against twenty for the weight in force.
    assert found.proposed == round(0.2 + 400 / 420 * (found.estimate - 0.2), 2)


def test_the_error_is_right_about_how_far_estimates_scatter() -> None:
    proposals = [at(propose(simulated(0.5, 60, seed), PRESENT), 1) for seed in range(60)]
    estimates = [each.estimate for each in proposals if each.estimate is not None]
    errors = [each.standard_error for each in proposals if each.standard_error is not None]
    assert np.std(estimates) == pytest.approx(float(np.mean(errors)), rel=0.25)


def test_copies_of_an_events_opinions_make_nothing_surer() -> None:
    once = simulated(0.5, 40)
    first, again = (at(propose(each, PRESENT), 1) for each in (once, once * 5))
    assert again.estimate == first.estimate
    assert again.standard_error == pytest.approx(first.standard_error)
    assert (again.events, again.samples) == (40, 5 * first.samples)


def test_too_few_events_change_nothing_however_clear_they_seem() -> None:
    found = at(propose(simulated(1.0, FEWEST_EVENTS - 1), (0.0,) * 5), 1)
    assert found.estimate is not None
    assert not found.changes


def test_what_chance_would_explain_changes_nothing() -> None:
    assert not at(propose(simulated(0.2, 200), PRESENT), 1).changes


def test_one_event_has_an_estimate_and_no_error() -> None:
    found = at(propose(simulated(0.5, 1), PRESENT), 1)
    assert found.estimate is not None
    assert (found.standard_error, found.proposed) == (None, 0.2)


def test_where_belief_and_market_agree_there_is_nothing_to_estimate() -> None:
    same = [MarketOpinion("E-1", 0, "E-1-a", 0.4, 0.4, 0.4, True)]
    assert at(propose(same, PRESENT), 0) == WeightProposal(0, 1, 1, 0.2, None, None, 0.2)


def test_the_last_weight_is_judged_by_all_further_days() -> None:
    opinions = simulated(0.5, 5, known=4) + simulated(0.5, 5, known=6)
    found = propose(opinions, PRESENT)
    assert [each.samples for each in found] == [0, 0, 0, 0, 10 * PER_EVENT]
    assert [each.days_published for each in found] == [0, 1, 2, 3, 4]
