"""What settled events say of the pool in force, on events drawn from a known pool."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from mmbot.research.backtest import MarketPrediction
from mmbot.research.pool_fit import PoolParameters
from mmbot.research.weights import FEWEST_EVENTS, PoolReview, review
from tests.research.builders import drawn_predictions

PRESENT, SHARPNESS = (0.2, 0.1, 0.25, 0.4, 0.55), 1.2
IN_FORCE = PoolParameters(PRESENT, SHARPNESS)


def reviewed(
    planted: PoolParameters, events: int, seed: int = 1, days: tuple[int, ...] = (0, 1, 2, 3, 4)
) -> PoolReview:
    return review(drawn_predictions(planted, events, seed, days), PRESENT, SHARPNESS)


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_a_market_that_the_data_contradict_gets_part_of_the_way_to_the_best_weight() -> None:
    found = reviewed(PoolParameters((0.2, 0.1, 0.9, 0.4, 0.55), 1.2), 60)
    assert found.changes
    assert found.tuning_pays
    proposal = found.weights[2]
    assert proposal.estimate is not None
    # Sixty events against twenty for the weight in force.
    assert proposal.proposed == round(0.25 + 60 / 80 * (proposal.estimate - 0.25), 2)
    assert (proposal.events, proposal.samples, proposal.days_published) == (60, 360, 2)


def test_a_market_that_is_too_little_extreme_is_sharpened() -> None:
    found = reviewed(PoolParameters(PRESENT, 1.9), 60).sharpness
    assert found.estimate is not None
    assert found.interval is not None
    assert found.interval[0] < 1.9 <= found.interval[1] <= 2.0
    assert found.changes
    assert 1.2 < found.proposed < found.estimate


@pytest.mark.parametrize("seed", range(4))
def test_what_is_in_force_and_true_is_kept_in_most_seeds(seed: int) -> None:
    found = reviewed(IN_FORCE, 40, seed)
    assert not found.sharpness.changes
    assert sum(each.changes for each in found.weights) <= 1
    assert found.total is not None
    assert found.total.pooled_less_mid.estimate < 0


def test_too_few_events_change_nothing_however_clear() -> None:
    planted = PoolParameters((1.0,) * 5, 1.2)
    found = reviewed(planted, FEWEST_EVENTS - 1)
    assert found.tuning_pays
    assert all(each.interval and each.interval[0] > 0.6 for each in found.weights[:3])
    assert not found.changes
    assert reviewed(planted, FEWEST_EVENTS).changes


def test_an_estimate_that_pays_on_no_event_left_out_changes_nothing() -> None:
    # Belief and mid differ in one event alone, of which there are many markets.
    same = [
        MarketPrediction(f"E-{number:02}", 0, f"E-{number:02}-A", 0.5, 0.5, 0.5, number % 2 == 0)
        for number in range(FEWEST_EVENTS)
    ]
    other = [MarketPrediction("E-00", 0, f"E-00-B{number}", 0.9, 0.2, 0.5, True) for number in "12"]
    found = review([*same, *other], PRESENT, SHARPNESS)
    assert not found.tuning_pays
    assert not found.changes


def test_a_tenth_either_way_takes_four_times_the_events_of_two_tenths() -> None:
    found = reviewed(IN_FORCE, 40).weights[1]
    assert found.interval is not None
    assert found.estimate is not None
    assert found.events_needed is not None
    reach = found.interval[1] - found.estimate
    assert found.events_needed == math.ceil(40 * (reach / 0.1) ** 2)


def test_the_log_scores_are_those_of_mid_sharpened_mid_and_pool() -> None:
    predictions = [
        MarketPrediction("E-1", 2, "E-1-A", 0.9, 0.8, 0.5, True),
        MarketPrediction("E-1", 2, "E-1-B", 0.3, 0.4, 0.5, True),
        MarketPrediction("E-2", 2, "E-2-A", 0.6, 0.7, 0.5, False),
    ]
    found = review(predictions, PRESENT, SHARPNESS)
    assert (found.scores[0], found.scores[4]) == (None, None)
    scores = found.scores[2]
    assert scores == found.total
    assert scores is not None
    assert (scores.n, scores.events) == (3, 2)

    def score(weight: float, sharpness: float) -> float:
        odds = [
            weight * log_odds(each.belief) + (1 - weight) * sharpness * log_odds(each.mid)
            for each in predictions
        ]
        signs = [1 if each.outcome else -1 for each in predictions]
        return fmean(math.log1p(math.exp(-s * o)) for s, o in zip(signs, odds, strict=True))

    assert scores.mid == pytest.approx(score(0, 1))
    assert scores.mid == pytest.approx(fmean(map(math.log, (1 / 0.8, 1 / 0.4, 1 / 0.3))))
    assert scores.sharpened == pytest.approx(score(0, 1.2))
    assert scores.pooled == pytest.approx(score(0.25, 1.2))
    assert scores.pooled_less_mid.estimate == pytest.approx(score(0.25, 1.2) - score(0, 1))
    assert scores.pooled_less_mid.low is not None


def test_the_tuned_score_knows_nothing_of_the_event_that_it_scores() -> None:
    # Each event by itself wants the belief, or the mid, to have all the weight.
    events = [
        MarketPrediction("E-1", 0, "E-1-A", 0.9, 0.1, 0.5, True),
        MarketPrediction("E-2", 0, "E-2-A", 0.9, 0.1, 0.5, False),
    ]
    found = review(events, PRESENT, 1.0).total
    assert found is not None
    # On the one left out, all the weight on what was right on the other is wrong, sharpened or not.
    assert found.tuned >= -math.log(0.1) - 1e-6


def test_the_intervals_are_clustered_by_event() -> None:
    once = drawn_predictions(IN_FORCE, 20, 1)
    one, other = review(once, PRESENT, SHARPNESS).total, review(once * 3, PRESENT, SHARPNESS).total
    assert one is not None
    assert other is not None
    assert other.n == 3 * one.n
    assert other.pooled_less_mid.low == pytest.approx(one.pooled_less_mid.low)


def test_one_event_has_an_estimate_and_no_interval() -> None:
    found = reviewed(IN_FORCE, 1)
    for each in (*found.weights, found.sharpness):
        assert (each.standard_error, each.interval, each.events_needed) == (None, None, None)
        assert not each.changes
    assert found.weights[2].estimate is not None


def test_where_belief_and_market_agree_there_is_nothing_to_estimate() -> None:
    same = [MarketPrediction("E-1", 0, "E-1-a", 0.4, 0.4, 0.4, True)]
    found = review(same, PRESENT, SHARPNESS)
    assert (found.weights[0].estimate, found.weights[0].proposed) == (None, 0.2)
    assert (found.weights[0].events, found.weights[0].samples) == (1, 1)
    assert (found.weights[1].events, found.weights[1].estimate) == (0, None)
    assert found.sharpness.estimate is None


def test_without_events_everything_is_kept() -> None:
    found = review([], PRESENT, SHARPNESS)
    assert [each.proposed for each in found.weights] == list(PRESENT)
    assert (found.sharpness.proposed, found.total, found.tuning_pays) == (1.2, None, False)


def test_many_events_are_tuned_in_groups() -> None:
    found = reviewed(IN_FORCE, 60, days=(4,))
    assert found.total is not None
    assert found.total.tuned_less_mid.high is not None
    assert found.total.tuned_less_mid.high < 0
    # The other numbers of days have no markets, and keep what is in force.
    assert [each.proposed for each in found.weights[:4]] == list(PRESENT[:4])
