from __future__ import annotations

from collections.abc import Callable

from mmbot.faultlab.scheduler import Scheduler


def run_all(scheduler: Scheduler) -> None:
    while scheduler.next_due is not None:
        scheduler.pop_next()()


def noting(scheduler: Scheduler, log: list[tuple[int, str]], name: str) -> Callable[[], None]:
    return lambda: log.append((scheduler.now, name))


def test_actions_run_when_due_and_in_the_order_of_their_scheduling() -> None:
    scheduler, log = Scheduler(100), list[tuple[int, str]]()
    scheduler.at(300, noting(scheduler, log, "later"))
    scheduler.after(100, noting(scheduler, log, "first"))
    scheduler.at(200, noting(scheduler, log, "second"))
    run_all(scheduler)
    assert log == [(200, "first"), (200, "second"), (300, "later")]


def test_an_overdue_action_runs_at_the_present_time() -> None:
    scheduler, log = Scheduler(100), list[tuple[int, str]]()
    scheduler.at(200, noting(scheduler, log, "overdue"))
    scheduler.advance_to(500)
    run_all(scheduler)
    assert log == [(500, "overdue")]


def test_the_digest_depends_on_what_is_traced_when() -> None:
    digests = set()
    for now, words in ((100, ("call", b"a")), (101, ("call", b"a")), (100, ("call", b"b"))):
        scheduler = Scheduler(now)
        scheduler.trace(*words)
        digests.add(scheduler.digest)
    assert len(digests) == 3
