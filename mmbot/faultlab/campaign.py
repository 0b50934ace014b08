"""Many seeds at once: run them on every core, add up what they lived through, shrink what fails."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed

import msgspec

from mmbot.bot.bot import Bot
from mmbot.faultlab.guards import GUARDS, without
from mmbot.faultlab.hours import Hours
from mmbot.faultlab.pnl_by_window import PnlByWindow
from mmbot.faultlab.replay_check import ReplayCheck
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World

# How often a failing seed is run again, at the most, to find fewer faults that break it.
_MOST_TRIALS = 60


class Job(msgspec.Struct, frozen=True):
    """One seed's run: eventful hours, or, where a guard's worth is asked, ordinary ones."""

    seed: int
    faults: tuple[str, ...]
    weeks: int = 1
    without: str = ""
    compare: str = ""
    replay: bool = False

    @property
    def command(self) -> str:
        """The command that runs it again."""
        extra = f" --without {self.without}" if self.without else ""
        if self.compare:
            extra = f" --compare {self.compare}"
        extra += " --replay" if self.replay else ""
        faults = ",".join(self.faults) or "none"
        return (
            f"mmbot simulate --first {self.seed} --seeds 1 --weeks {self.weeks} "
            f"--faults {faults}{extra}"
        )


class Violation(msgspec.Struct, frozen=True):
    """An invariant that did not hold."""

    seed: int
    invariant: str
    what: str


class SeedResult(msgspec.Struct, frozen=True):
    """What one seed's weeks came to."""

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
    """What all seeds came to."""

    seeds: int
    violations: list[Violation]
    faults: dict[str, int]
    orders: int = 0
    fills: int = 0
    restarts: int = 0
    seconds: float = 0.0
    earned: PnlByWindow = PnlByWindow()
    # Inputs that were replayed and came out identical, where that was asked for.
    replayed: int | msgspec.UnsetType = msgspec.UNSET

    def add(self, lived: SeedResult) -> None:
        """Add one seed."""
        self.orders += lived.orders
        self.fills += lived.fills
        self.restarts += lived.restarts
        self.earned += lived.earned
        for name, count in lived.faults.items():
            self.faults[name] = self.faults.get(name, 0) + count
        if lived.violation is not None:
            self.violations.append(lived.violation)
        if lived.job.replay:
            self.replayed = (self.replayed or 0) + lived.replayed


def run(job: Job) -> SeedResult:
    """Play the weeks of one seed until an invariant breaks."""
    hours: Hours = "ordinary" if job.compare else "eventful"
    unjudged = GUARDS[job.compare].breaks if job.compare else ()
    lives = ReplayCheck()
    begin = lives.begin if job.replay else Bot
    with without(job.without):
        world = World(str(job.seed), weeks(job.weeks), job.faults, hours, unjudged, begin)
        outcome = world.run()
        what = outcome.what or lives.replay()
    return SeedResult(
        job=job,
        orders=outcome.orders,
        fills=outcome.fills,
        restarts=outcome.restarts,
        faults=outcome.faults,
        digest=outcome.digest,
        earned=outcome.earned,
        violation=Violation(job.seed, outcome.invariant or "replay", what) if what else None,
        replayed=lives.replayed,
    )


def run_all(jobs: Iterable[Job], done: Callable[[SeedResult], None]) -> Summary:
    """Run jobs on every core; `done` hears of each as it ends."""
    waiting = list(jobs)
    names = waiting[0].faults if waiting else ()
    summary = Summary(len({job.seed for job in waiting}), [], dict.fromkeys(names, 0))
    started = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for future in as_completed([pool.submit(run, job) for job in waiting]):
            lived = future.result()
            summary.add(lived)
            done(lived)
    summary.violations.sort(key=lambda violation: violation.seed)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def shrink(job: Job, invariant: str, trial: Callable[[Job], SeedResult] = run) -> Job:
    """Return the job with as few faults as can be found to break the same invariant."""
    kept = list(job.faults)
    trials, size = 0, max(1, len(kept) // 2)
    while trials < _MOST_TRIALS:
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            trials += 1
            lived = trial(msgspec.structs.replace(job, faults=tuple(fewer)))
            if lived.violation is not None and lived.violation.invariant == invariant:
                kept = fewer
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return msgspec.structs.replace(job, faults=tuple(kept))
