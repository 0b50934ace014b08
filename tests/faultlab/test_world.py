"""Whole weeks in virtual time: the invariants hold, and a seed is deterministic."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from mmbot.errors import BadInput
from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.fees import FeeSchedule
from mmbot.faultlab import campaign
from mmbot.faultlab.campaign import Job, SeedResult, Violation
from mmbot.faultlab.comparison import compare
from mmbot.faultlab.faults import named
from mmbot.faultlab.guards import GUARDS, without
from mmbot.faultlab.pnl_by_window import PnlByWindow
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World

ALL = named("all")
# Between them they inject every fault; whole campaigns are run by hand.
SEEDS = (1, 2, 3, 4, 6, 7, 8, 12, 13, 15)
# Guards, the invariant that is broken without each, and a seed that shows it soon; the whole table
# is run by hand.
SAMPLE = {
    "unknown_writes": ("lost_order", 1),
    "sequence": ("distrusted_book", 1),
    "release_gate": ("stale_belief", 2),
    "post_only": ("fence", 1),
    "cancels_first": ("cancels_first", 2),
    "fills_once": ("booked_once", 1),
    "halt": ("halted", 4),
    "unlisted_fills": ("worst_case", 51),
    "echoes": ("deaf", 5),
    "fees": ("edge", 1),
    "told_fills": ("booked_as_told", 1),
}
_DIGEST = """
from mmbot.faultlab.campaign import Job, run
from mmbot.faultlab.faults import named
print(run(Job(7, named("all"))).digest)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        yield executor


@functools.cache
def without_faults(seed: int) -> SeedResult:
    return campaign.run(Job(seed, ()))


def violations(results: Iterable[SeedResult]) -> list[Violation]:
    return [result.violation for result in results if result.violation]


def test_ten_seeds_of_all_faults_break_no_invariant(pool: ProcessPoolExecutor) -> None:
    results = list(pool.map(campaign.run, [Job(seed, ALL) for seed in SEEDS]))
    assert violations(results) == []
    assert sum(result.fills for result in results) > 100
    injected = sum((result.faults for result in results), Counter[str]())
    assert set(ALL) <= set(injected)


@pytest.mark.parametrize("multiplier", ["1", "4"])
def test_in_a_week_with_maker_fees_every_edge_is_kept_after_them_and_the_ledgers_agree(
    multiplier: str,
) -> None:
    fees = FeeSchedule.parse(f"quadratic_with_combo_maker_fees:{multiplier}")
    world = World("2", weeks(1), (), fees=fees)
    outcome = world.run()
    assert (outcome.invariant, outcome.what) == ("", "")
    assert world.scenario.account.fees > 0
    assert world.scenario.account.fees == sum(fill.fee for fill in world.auditor.fills.values())


# In the first of these worlds each event opens on its own Monday, in the other a week ahead.
def test_weeks_in_a_row_of_all_faults_break_no_invariant(pool: ProcessPoolExecutor) -> None:
    assert violations(pool.map(campaign.run, [Job(seed, ALL, 3) for seed in (2, 5)])) == []


# In the first of these worlds each event opens on its own Monday, in the other a week ahead.
@pytest.mark.parametrize(("seed", "ahead"), [("2", 0), ("4", 1)])
def test_one_account_trades_and_settles_every_week(seed: str, ahead: int) -> None:
    world = World(seed, weeks(2), ())
    outcome = world.run()
    assert (outcome.invariant, outcome.what) == ("", "")
    first, second = (f"KXTSAW-26OCT{day}" for day in (18, 25))
    assert {ticker.rpartition("-")[0] for ticker in world.ledger.settlements} == {first, second}
    traded = {event: [f.at for f in _fills(world, event)] for event in (first, second)}
    assert all(traded.values())
    assert (min(traded[second]) < max(traded[first])) == bool(ahead)


def _fills(world: World, event: str) -> list[AccountFilled]:
    return [fill for fill in world.auditor.fills.values() if fill.ticker.startswith(event)]


def test_a_week_without_faults_is_quiet() -> None:
    result = without_faults(7)
    assert result.violation is None
    assert result.orders
    assert result.fills
    assert not result.faults


def test_a_seed_gives_the_same_world_whatever_the_hash_seed() -> None:
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    done = subprocess.run(
        [sys.executable, "-c", _DIGEST],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == campaign.run(Job(7, ALL)).digest


def test_another_seed_gives_another_world() -> None:
    assert without_faults(7).digest != without_faults(2).digest


def test_the_release_gate_costs_few_fills_apart_from_releases(pool: ProcessPoolExecutor) -> None:
    guard = "release_gate"
    jobs = [Job(s, (), 1, removed, guard) for s in (2, 3) for removed in ("", guard)]
    found = compare(guard, pool.map(campaign.run, jobs))
    assert found is not None
    assert found.seeds == 2
    assert found.rows["awaited"].with_guard.fills == 0
    news = found.rows["news"]
    assert news.with_guard.fills < news.without_guard.fills
    assert found.fills_kept is not None
    assert found.fills_kept >= 0.7


@pytest.mark.parametrize("name", SAMPLE)
def test_a_guard_that_is_missing_is_found(name: str) -> None:
    invariant, seed = SAMPLE[name]
    violation = campaign.run(Job(seed, ALL, without=name)).violation
    assert violation is not None
    assert violation.invariant == invariant


@pytest.mark.parametrize("name", GUARDS)
def test_every_guard_is_where_its_patches_look_for_it(name: str) -> None:
    with without(name):
        pass


def test_a_guard_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="no guard 'moat'"), without("moat"):
        pass


def test_shrinking_leaves_the_faults_that_are_needed() -> None:
    def trial(job: Job) -> SeedResult:
        breaks = {"killed", "half_open"} <= set(job.faults)
        violation = Violation(job.seed, "cash", "") if breaks else None
        return SeedResult(job, 0, 0, 0, Counter(), "", PnlByWindow(), violation)

    assert set(campaign.shrink(Job(1, ALL), "cash", trial).faults) == {"killed", "half_open"}


def test_shrinking_does_not_mistake_one_failure_for_another() -> None:
    def trial(job: Job) -> SeedResult:
        invariant = "cash" if "killed" in job.faults else "fence"
        return SeedResult(
            job, 0, 0, 0, Counter(), "", PnlByWindow(), Violation(job.seed, invariant, "")
        )

    assert campaign.shrink(Job(1, ALL), "cash", trial).faults == ("killed",)


def test_a_failing_seed_comes_with_the_command_that_repeats_it() -> None:
    command = Job(7, ("killed", "half_open"), 2, "expiry").command
    assert command == (
        "mmbot simulate --first 7 --seeds 1 --weeks 2 --faults killed,half_open --without expiry"
    )
