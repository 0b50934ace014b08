from __future__ import annotations

import math
from collections import Counter

import pytest

from mmbot.faultlab.campaign import Job, SeedResult, Violation
from mmbot.faultlab.comparison import Estimate, compare
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals
from mmbot.units import MONEY_PER_DOLLAR, Count, Money

GUARD = "release_gate"


def result(
    seed: int, dollars: int, *, guarded: bool, violation: Violation | None = None
) -> SeedResult:
    earned = PnlByWindow(news=totals(1, dollars), apart=totals(4 if guarded else 3, 2))
    job = Job(seed, (), 4, "" if guarded else GUARD, GUARD)
    return SeedResult(job, 0, 0, 0, Counter(), "", earned, violation)


def totals(fills: int, dollars: int) -> PnlTotals:
    return PnlTotals(fills, Count(100 * fills), Money(dollars * MONEY_PER_DOLLAR))


def test_a_guard_is_worth_the_difference_within_each_seed() -> None:
    pairs = {1: (5, 2), 2: (105, 101), 3: (-50, -55)}
    results = [result(seed, with_, guarded=True) for seed, (with_, _) in pairs.items()]
    results += [result(seed, without, guarded=False) for seed, (_, without) in pairs.items()]
    found = compare(GUARD, results)
    assert found is not None
    assert found.rows["news"].gain.mean == found.rows["total"].gain.mean == 4.0
    assert found.rows["awaited"].gain.mean == 0.0
    assert found.rows["news"].with_guard.pnl.mean == 20.0
    assert found.fills_kept == 12 / 9


def test_a_seed_with_a_violation_is_left_out() -> None:
    results = [result(seed, 1, guarded=guarded) for seed in (1, 2) for guarded in (True, False)]
    results[0] = result(1, 1, guarded=True, violation=Violation(1, "cash", ""))
    found = compare(GUARD, results)
    assert found is not None
    assert found.seeds == 1
    assert compare(GUARD, results[:2]) is None


def test_an_interval_is_that_of_a_mean_of_independent_values() -> None:
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.interval95 is not None
    low, high = estimate.interval95
    assert (low + high) / 2 == pytest.approx(2.0)
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(3))
    assert Estimate.of([7.0]).interval95 is None
