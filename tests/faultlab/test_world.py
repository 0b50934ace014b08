"""Whole weeks in virtual time: what must hold holds, and a seed is a seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from mmbot.errors import BadInput
from mmbot.exchange.facts import AccountFilled
from mmbot.faultlab import campaign
from mmbot.faultlab.campaign import Job, SeedResult, Violation
from mmbot.faultlab.comparison import compare
from mmbot.faultlab.faults import named
from mmbot.faultlab.guards import GUARDS, without
from mmbot.faultlab.pnl_by_window import PnlByWindow
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World

ALL = named("all")
# Guards that one of these seeds finds at once; the whole table is run by hand.
SAMPLE = {
    "unknown_writes": "lost_order",
    "sequence": "distrusted_book",
    "release_gate": "stale_belief",
    "post_only": "fence",
    "cancels_first": "cancels_first",
    "fills_once": "booked_once",
    "halt": "halted",
}
_DIGEST = """
from mmbot.faultlab.campaign import Job, run
from mmbot.faultlab.faults import named
print(run(Job(1, named("all"))).digest)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        yield executor


def test_fifty_seeds_of_all_faults_break_nothing(pool: ProcessPoolExecutor) -> None:
    lives = list(pool.map(campaign.run, [Job(seed, ALL) for seed in range(1, 51)]))
    assert [lived.violation for lived in lives if lived.violation] == []
    assert sum(lived.fills for lived in lives) > 500
    injected = sum((lived.faults for lived in lives), Counter[str]())
    assert set(ALL) <= set(injected)


def test_weeks_in_a_row_of_all_faults_break_nothing(pool: ProcessPoolExecutor) -> None:
    lives = list(pool.map(campaign.run, [Job(seed, ALL, 3) for seed in range(1, 5)]))
    assert [lived.violation for lived in lives if lived.violation] == []


# In the first of these worlds each event opens on its own Monday, in the other a week ahead.
@pytest.mark.parametrize(("seed", "ahead"), [("2", 0), ("4", 1)])
def test_one_account_trades_and_settles_every_week(seed: str, ahead: int) -> None:
    world = World(seed, weeks(2), ())
    outcome = world.run()
    assert (outcome.invariant, outcome.what) == ("", "")
    first, second = (f"KXTSAW-26OCT{day}" for day in (18, 25))
    assert {ticker.rpartition("-")[0] for ticker in world.memory.settlements} == {first, second}
    traded = {event: [f.at for f in _fills(world, event)] for event in (first, second)}
    assert all(traded.values())
    assert (min(traded[second]) < max(traded[first])) == bool(ahead)


def _fills(world: World, event: str) -> list[AccountFilled]:
    return [fill for fill in world.auditor.fills.values() if fill.ticker.startswith(event)]


def test_a_week_without_faults_is_quiet() -> None:
    lived = campaign.run(Job(3, ()))
    assert lived.violation is None
    assert lived.orders
    assert lived.fills
    assert not lived.faults


def test_a_seed_gives_the_same_world_in_every_process() -> None:
    digests = set()
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST], env=environment, capture_output=True, check=True
        )
        digests.add(done.stdout.decode().strip())
    assert digests == {campaign.run(Job(1, ALL)).digest}


def test_another_seed_gives_another_world() -> None:
    assert World("1", weeks(1), ()).run().digest != World("2", weeks(1), ()).run().digest


def test_the_release_gate_costs_few_fills_apart_from_releases(pool: ProcessPoolExecutor) -> None:
    guard = "release_gate"
    jobs = [Job(s, (), 1, missing, guard) for s in (1, 2, 3) for missing in ("", guard)]
    found = compare(guard, pool.map(campaign.run, jobs))
    assert found is not None
    assert found.seeds == 3
    assert found.rows["awaited"].with_guard.fills == 0
    news = found.rows["news"]
    assert news.with_guard.fills < news.without_guard.fills
    assert found.fills_kept is not None
    assert found.fills_kept >= 0.7


@pytest.mark.parametrize("name", SAMPLE)
def test_a_guard_that_is_missing_is_found(name: str) -> None:
    found = {campaign.run(Job(seed, ALL, without=name)).violation for seed in (1, 2)}
    assert SAMPLE[name] in {violation.invariant for violation in found if violation}


@pytest.mark.parametrize("name", GUARDS)
def test_every_guard_is_where_its_patches_look_for_it(name: str) -> None:
    with without(name):
        pass


def test_a_guard_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="no guard 'moat'"), without("moat"):
        pass


def test_shrinking_keeps_the_faults_that_matter() -> None:
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
