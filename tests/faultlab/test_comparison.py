from __future__ import annotations

import math
from collections import Counter

import pytest

from mmbot.faultlab.campaign import Job, SeedResult, Violation
from mmbot.faultlab.comparison import Estimate, compare
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals
from mmbot.units import MONEY_PER_DOLLAR

GUARD = "release_gate"


def lived(
    seed: int, dollars: int, *, missing: bool, violation: Violation | None = None
) -> SeedResult:
    earned = PnlByWindow(
        news=PnlTotals(1, 100, dollars * MONEY_PER_DOLLAR),
        apart=PnlTotals(4 - missing, 400, 2 * MONEY_PER_DOLLAR),
    )
    job = Job(seed, (), 4, GUARD if missing else "", GUARD)
    return SeedResult(job, 0, 0, 0, Counter(), "", earned, violation)


def test_a_guard_is_worth_the_difference_within_each_seed() -> None:
    pairs = {1: (5, 2), 2: (105, 101), 3: (-50, -55)}
    lives = [lived(seed, with_, missing=False) for seed, (with_, _) in pairs.items()]
    lives += [lived(seed, without, missing=True) for seed, (_, without) in pairs.items()]
    found = compare(GUARD, lives)
    assert found is not None
    assert found.rows["news"].gain.mean == found.rows["total"].gain.mean == 4.0
    assert found.rows["awaited"].gain.mean == 0.0
    assert found.rows["news"].with_guard.pnl.mean == 20.0
    assert found.fills_kept == 12 / 9


def test_a_seed_that_broke_something_is_no_evidence() -> None:
    lives = [lived(seed, 1, missing=missing) for seed in (1, 2) for missing in (False, True)]
    lives[0] = lived(1, 1, missing=False, violation=Violation(1, "cash", ""))
    found = compare(GUARD, lives)
    assert found is not None
    assert found.seeds == 1
    assert compare(GUARD, lives[:2]) is None


def test_an_interval_is_that_of_a_mean_of_independent_values() -> None:
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.interval95 is not None
    low, high = estimate.interval95
    assert (low + high) / 2 == pytest.approx(2.0)
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(3))
    assert Estimate.of([7.0]).interval95 is None
