"""A helper that fails is reported missing and restarted, a few times; in simulated time."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from mmbot.daemon.service import Service
from mmbot.daemon.supervision import Restarts, Supervisor
from mmbot.trading.gates import task_gate


class SimulatedTime:
    """A clock that only sleeping moves, and everything that happens, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.happened: list[object] = []
        self.supervisor = Supervisor(
            self.happened.append,
            lambda: self.happened.append("given up"),
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.happened.append(seconds)
        self.now += seconds

    def helper(self, failures: int, after_seconds: float = 0.0) -> Callable[[], Awaitable[None]]:
        """Return a helper that fails so often, each time after so long, and then runs for ever."""
        left = failures

        async def run() -> None:
            nonlocal left
            self.happened.append("run")
            if left == 0:
                await asyncio.get_running_loop().create_future()
            left -= 1
            self.now += after_seconds
            raise LookupError("a bug of the helper's")

        return lambda: asyncio.ensure_future(run())


async def run_for_ever(
    time: SimulatedTime, name: str, helper: Callable[[], Awaitable[None]]
) -> None:
    keeping = asyncio.create_task(time.supervisor.keep(name, helper))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not keeping.done()
    keeping.cancel()


async def test_a_failed_helper_is_reported_first_and_again_once_it_is_restarted() -> None:
    time = SimulatedTime()
    with capture_logs() as log:
        await run_for_ever(time, "poller", time.helper(failures=1))
    assert time.happened == ["run", ("poller",), 1.0, (), "run"]
    failed = next(line for line in log if line["event"] == "helper.died")
    assert isinstance(failed["exc_info"], LookupError)


async def test_a_helper_that_returns_is_restarted() -> None:
    time = SimulatedTime()
    for_ever = time.helper(failures=0)

    async def end_once() -> None:
        if time.happened:
            await for_ever()

    await run_for_ever(time, "tick", end_once)
    assert time.happened == [("tick",), 1.0, (), "run"]


async def test_each_pause_is_longer_and_the_fourth_failure_within_ten_minutes_is_the_last() -> None:
    time = SimulatedTime()
    await time.supervisor.keep("stream", time.helper(failures=100))
    pauses = [what for what in time.happened if isinstance(what, float)]
    assert pauses == [1.0, 2.0, 4.0]
    assert time.happened[-2:] == [("stream",), "given up"]
    assert time.supervisor.given_up


async def test_failures_that_are_far_apart_do_not_add_up() -> None:
    time = SimulatedTime()
    await run_for_ever(time, "stream", time.helper(failures=10, after_seconds=1000.0))
    assert [what for what in time.happened if isinstance(what, float)] == [1.0] * 10


async def test_helpers_share_one_limit_on_restarts() -> None:
    time = SimulatedTime()
    await run_for_ever(time, "stream", time.helper(failures=2))
    await time.supervisor.keep("poller", time.helper(failures=2))
    assert time.happened[-1] == "given up"


async def test_a_cancelled_helper_has_not_failed() -> None:
    time = SimulatedTime()
    await run_for_ever(time, "tick", time.helper(failures=0))
    assert time.happened == ["run"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_vital_failure_ends_the_process_at_once_and_once(times: int) -> None:
    time = SimulatedTime()
    for _ in range(times):
        with time.supervisor.vital:
            raise LookupError("a bug of the bot's")
    assert time.happened == ["given up"]


def test_restarts_count_within_a_sliding_window() -> None:
    restarts = Restarts(most=2, within_seconds=10.0)
    assert [restarts.pause(at) for at in (0.0, 1.0, 2.0, 10.5, 12.0)] == [1.0, 2.0, None, 2.0, 2.0]


def test_every_part_that_is_kept_alive_has_a_gate_for_when_it_is_down() -> None:
    source = inspect.getsource(Service)
    kept = set(re.findall(r'keep\("(\w+)"', source))
    kept |= set(re.findall(r'(?:helpers\[|^ +)"(\w+)"(?:\] =|:) self\.', source, re.MULTILINE))
    assert {"stream", "poller", "config", "neighbours"} <= kept
    for name in kept:
        assert task_gate(name).meaning
