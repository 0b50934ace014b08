"""A helper that dies is missed, restarted, and not restarted for ever; in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from mmbot.daemon.supervision import Restarts, Supervisor


class World:
    """A clock that only sleeping moves, and everything that the supervisor tells."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[object] = []
        self.supervisor = Supervisor(
            self.told.append,
            lambda: self.told.append("given up"),
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.told.append(seconds)
        self.now += seconds

    def helper(self, lives: int, life_seconds: float = 0.0) -> Callable[[], Awaitable[None]]:
        """Return a helper that dies so often, each time after so long, and then runs for ever."""
        left = lives

        async def live() -> None:
            nonlocal left
            self.told.append("run")
            if left == 0:
                await asyncio.get_running_loop().create_future()
            left -= 1
            self.now += life_seconds
            raise LookupError("a bug of the helper's")

        return lambda: asyncio.ensure_future(live())


async def run_for_ever(world: World, name: str, helper: Callable[[], Awaitable[None]]) -> None:
    keeping = asyncio.create_task(world.supervisor.keep(name, helper))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not keeping.done()
    keeping.cancel()


async def test_a_dead_helper_is_missed_before_anything_else_and_back_once_it_runs() -> None:
    world = World()
    with capture_logs() as log:
        await run_for_ever(world, "poller", world.helper(lives=1))
    assert world.told == ["run", ("poller",), 1.0, (), "run"]
    died = next(line for line in log if line["event"] == "helper.died")
    assert isinstance(died["exc_info"], LookupError)


async def test_a_helper_that_ends_by_itself_is_started_again() -> None:
    world = World()
    for_ever = world.helper(lives=0)

    async def end_once() -> None:
        if world.told:
            await for_ever()

    await run_for_ever(world, "tick", end_once)
    assert world.told == [("tick",), 1.0, (), "run"]


async def test_each_death_within_a_while_is_waited_for_longer_and_the_fourth_is_the_end() -> None:
    world = World()
    await world.supervisor.keep("stream", world.helper(lives=100))
    pauses = [what for what in world.told if isinstance(what, float)]
    assert pauses == [1.0, 2.0, 4.0]
    assert world.told[-2:] == [("stream",), "given up"]
    assert world.supervisor.given_up


async def test_deaths_that_are_far_apart_are_forgiven() -> None:
    world = World()
    await run_for_ever(world, "stream", world.helper(lives=10, life_seconds=1000.0))
    assert [what for what in world.told if isinstance(what, float)] == [1.0] * 10


async def test_helpers_share_the_patience() -> None:
    world = World()
    await run_for_ever(world, "stream", world.helper(lives=2))
    await world.supervisor.keep("poller", world.helper(lives=2))
    assert world.told[-1] == "given up"


async def test_being_cancelled_is_no_death() -> None:
    world = World()
    await run_for_ever(world, "tick", world.helper(lives=0))
    assert world.told == ["run"]


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_vital_is_not_tried_again(times: int) -> None:
    world = World()
    for _ in range(times):
        with world.supervisor.vital():
            raise LookupError("a bug of the bot's")
    assert world.told == ["given up"]


def test_restarts_remember_no_more_than_they_allow() -> None:
    restarts = Restarts(most=2, within_seconds=10.0)
    assert [restarts.pause(at) for at in (0.0, 1.0, 2.0, 10.5, 12.0)] == [1.0, 2.0, None, 2.0, 2.0]
