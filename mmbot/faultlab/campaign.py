"""Campaigns over many seeds: run each, add up the results, shrink a failing seed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from mmbot.bot.bot import Bot
from mmbot.exchange.fees import FeeSchedule
from mmbot.faultlab.guards import GUARDS, without
from mmbot.faultlab.hours import Hours
from mmbot.faultlab.pnl_by_window import PnlByWindow
from mmbot.faultlab.replay_check import ReplayCheck
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World

# The most runs to find a smaller set of faults with which a seed still fails.
_MAX_TRIALS = 60


class Job(msgspec.Struct, frozen=True):
    """One seed's run: in eventful hours, or in ordinary ones to measure a guard's worth.

    `without` is the guard that is disabled, `compare` the one whose worth is measured. `fees` are
    the series', in the format of `FeeSchedule.parse`; if empty and fees may change, they are drawn.
    """

    seed: int
    faults: tuple[str, ...]
    weeks: int = 1
    without: str = ""
    compare: str = ""
    replay: bool = False
    fees: str = ""

    @property
    def command(self) -> str:
        """The command that repeats it."""
        extra = f" --without {self.without}" if self.without else ""
        if self.compare:
            extra = f" --compare {self.compare}"
        extra += " --replay" if self.replay else ""
        extra += f" --fees {self.fees}" if self.fees else ""
        faults = ",".join(self.faults) or "none"
        return (
            f"mmbot simulate --first {self.seed} --seeds 1 --weeks {self.weeks} "
            f"--faults {faults}{extra}"
        )


class Violation(msgspec.Struct, frozen=True):
    """An invariant that was broken, and how."""

    seed: int
    invariant: str
    what: str


class SeedResult(msgspec.Struct, frozen=True):
    """The result of one seed; `replayed` counts inputs replayed with identical outputs."""

    job: Job
    orders: int
    fills: int
    restarts: int
    faults: Counter[str]
    digest: str
    earned: PnlByWindow
    violation: Violation | None = None
    replayed: int = 0


class Summary(msgspec.Struct):
    """The results of all seeds, added up."""

    seeds: int
    violations: list[Violation]
    faults: dict[str, int]
    orders: int = 0
    fills: int = 0
    restarts: int = 0
    seconds: float = 0.0
    earned: PnlByWindow = PnlByWindow()
    # Inputs replayed with identical outputs, if replay was requested.
    replayed: int | msgspec.UnsetType = msgspec.UNSET

    def add(self, result: SeedResult) -> None:
        """Add the result of one seed."""
        self.orders += result.orders
        self.fills += result.fills
        self.restarts += result.restarts
        self.earned += result.earned
        for name, count in result.faults.items():
            self.faults[name] = self.faults.get(name, 0) + count
        if result.violation is not None:
            self.violations.append(result.violation)
        if result.job.replay:
            self.replayed = (self.replayed or 0) + result.replayed


def run(job: Job) -> SeedResult:
    """Simulate the weeks of one seed, up to the first broken invariant."""
    hours: Hours = "ordinary" if job.compare else "eventful"
    unjudged = GUARDS[job.compare].breaks if job.compare else ()
    replay_check = ReplayCheck()
    begin = replay_check.begin if job.replay else Bot
    with without(job.without):
        fees = FeeSchedule.parse(job.fees) if job.fees else None
        played = weeks(job.weeks)
        world = World(str(job.seed), played, job.faults, hours, unjudged, begin, fees)
        outcome = world.run()
        what = outcome.what or replay_check.replay()
    return SeedResult(
        job=job,
        orders=outcome.orders,
        fills=outcome.fills,
        restarts=outcome.restarts,
        faults=outcome.faults,
        digest=outcome.digest,
        earned=outcome.earned,
        violation=Violation(job.seed, outcome.invariant or "replay", what) if what else None,
        replayed=replay_check.replayed,
    )


def total(
    jobs: Sequence[Job], results: Iterable[SeedResult], done: Callable[[SeedResult], None]
) -> Summary:
    """Return the sum of the results of `jobs`; `done` is called with each as it arrives."""
    names = jobs[0].faults if jobs else ()
    summary = Summary(len({job.seed for job in jobs}), [], dict.fromkeys(names, 0))
    started = time.monotonic()
    for result in results:
        summary.add(result)
        done(result)
    summary.violations.sort(key=lambda violation: violation.seed)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def shrink(job: Job, invariant: str, trial: Callable[[Job], SeedResult] = run) -> Job:
    """Return the job with the smallest set of faults found that breaks the same invariant.

    Delta debugging: leave out ever smaller runs of faults while the seed still fails.
    """
    needed = list(job.faults)
    trials, size = 0, max(1, len(needed) // 2)
    while trials < _MAX_TRIALS:
        for start in range(0, len(needed), size):
            fewer = needed[:start] + needed[start + size :]
            trials += 1
            violation = trial(msgspec.structs.replace(job, faults=tuple(fewer))).violation
            if violation is not None and violation.invariant == invariant:
                needed = fewer
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return msgspec.structs.replace(job, faults=tuple(needed))
