"""Orders of other sessions: those that a dead daemon left, and those that a living one places."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from mmbot.daemon.neighbours import Neighbours, OtherDaemon

FIRST, MINE, LATER = (format(1_776_000_000_000 + began, "x") for began in (0, 1_000, 2_000))


def orders(session: str, *numbers: int) -> frozenset[str]:
    return frozenset(f"mmbot-{session}-{number}" for number in numbers)


class Looks:
    """What each look finds; then the watch is over."""

    def __init__(self, found: Iterable[frozenset[str] | None]) -> None:
        self._found = list(found)
        self.looked = 0
        self.neighbours = Neighbours(MINE, self.look, sleep=self.sleep)

    async def look(self) -> frozenset[str] | None:
        self.looked += 1
        if not self._found:
            raise asyncio.CancelledError
        return self._found.pop(0)

    async def sleep(self, _seconds: float) -> None:
        pass


async def test_where_no_orders_are_one_look_is_enough() -> None:
    looks = Looks([frozenset()])
    await looks.neighbours.refuse_if_any()
    assert looks.looked == 1


@pytest.mark.parametrize(
    "found",
    [
        [orders(FIRST, 1, 2), orders(FIRST, 1, 2)],
        [orders(FIRST, 1, 2), orders(FIRST, 1)],
        # On their way when it was killed.
        [orders(FIRST, 1), orders(FIRST, 1, 2), orders(FIRST, 1, 2)],
        [None],
    ],
)
async def test_the_orders_of_a_dead_daemon_are_no_reason_to_refuse(
    found: list[frozenset[str] | None],
) -> None:
    await Looks(found).neighbours.refuse_if_any()


async def test_a_daemon_that_goes_on_placing_is_found_at_the_start() -> None:
    found = [orders(FIRST, 1), orders(FIRST, 1, 2), orders(FIRST, 2, 3)]
    with pytest.raises(OtherDaemon, match="started earlier"):
        await Looks(found).neighbours.refuse_if_any()


async def test_a_quiet_one_is_found_once_it_places() -> None:
    quiet = orders(FIRST, 1) | orders(MINE, 1)
    found = [quiet, quiet, quiet, quiet | orders(MINE, 2), quiet | orders(FIRST, 2)]
    looks = Looks([*found, quiet | orders(FIRST, 3)])
    await looks.neighbours.refuse_if_any()
    with pytest.raises(OtherDaemon):
        await looks.neighbours.watch()
    assert looks.looked == 6


async def test_an_order_of_a_dead_daemon_that_is_carried_out_late_is_no_reason_to_stop() -> None:
    left, late = orders(FIRST, 1), orders(FIRST, 1, 2)
    with pytest.raises(asyncio.CancelledError):
        await Looks([left, late, late, left]).neighbours.watch()


@pytest.mark.parametrize("other", [LATER, "0", "by hand"])
async def test_one_that_began_later_has_to_go_itself(other: str) -> None:
    looks = Looks([frozenset(), orders(MINE, 1), orders(MINE, 1) | orders(other, 1)])
    with capture_logs() as log, pytest.raises(asyncio.CancelledError):
        await looks.neighbours.watch()
    assert len(log) == (1 if other == LATER else 0)


async def test_an_order_that_a_late_list_shows_again_is_not_new() -> None:
    left = orders(FIRST, 1)
    with pytest.raises(asyncio.CancelledError):
        await Looks([left, frozenset(), left]).neighbours.watch()
