"""The crowd's belief given the published counts."""

from __future__ import annotations

import datetime as dt
import math
import random
import statistics

import pytest

from mmbot.exchange.consensus import NoisyOutcome, PosteriorConsensus
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import Week

WEEK = Week(dt.date(2026, 10, 18))
EXPECTED = dict.fromkeys(WEEK.days, 2_000_000)
SPREAD, LEAST = 0.025, 1e3


def drawn(rng: random.Random) -> dict[dt.date, int]:
    """Counts drawn from the model that `PosteriorConsensus` assumes."""
    common = rng.gauss(0, SPREAD)
    return {
        day: round(count * math.exp(common + rng.gauss(0, SPREAD)))
        for day, count in EXPECTED.items()
    }


def test_half_of_the_first_deviation_is_expected_of_the_other_days() -> None:
    counts = EXPECTED | {WEEK.monday: 2_200_000}
    belief = PosteriorConsensus(EXPECTED, counts, SPREAD, LEAST).of(WEEK, 1, 0.0)
    assert belief.mean == pytest.approx((2_200_000 + 6 * 2_000_000 * math.sqrt(1.1)) / 7)


def test_the_belief_in_a_published_week_is_its_mean() -> None:
    counts = drawn(random.Random(1))
    belief = PosteriorConsensus(EXPECTED, counts, SPREAD, LEAST).of(WEEK, 7, 0.0)
    assert belief.mean == pytest.approx(statistics.fmean(counts.values()))


@pytest.mark.parametrize("known", range(7))
def test_the_spread_is_that_of_the_errors(known: int) -> None:
    rng = random.Random(known)
    scores = []
    for _ in range(2_000):
        counts = drawn(rng)
        belief = PosteriorConsensus(EXPECTED, counts, SPREAD, LEAST).of(WEEK, known, 0.0)
        scores.append((statistics.fmean(counts.values()) - belief.mean) / belief.stdev)
    assert statistics.stdev(scores) == pytest.approx(1, abs=0.06)
    assert statistics.fmean(scores) == pytest.approx(0, abs=0.08)


def test_a_count_moves_the_consensus_as_much_as_it_takes_off_its_spread() -> None:
    rng = random.Random(1)
    moves = []
    for _ in range(2_000):
        learnt = PosteriorConsensus(EXPECTED, drawn(rng), SPREAD, LEAST)
        before, after = learnt.of(WEEK, 2, 0.0), learnt.of(WEEK, 3, 0.0)
        moves.append(after.mean - before.mean)
    gone = math.sqrt(before.variance - after.variance)
    assert statistics.stdev(moves) == pytest.approx(gone, rel=0.08)


def test_the_error_of_a_blurred_outcome_is_as_large_as_stated() -> None:
    scores = []
    for seed in range(1_000):
        belief = NoisyOutcome(lambda _: 2_000_000.0, TSA.simulated.errors, random.Random(seed)).of(
            WEEK, 0, 0.0
        )
        scores.append((belief.mean - 2_000_000) / belief.stdev)
    assert statistics.stdev(scores) == pytest.approx(1, abs=0.08)
