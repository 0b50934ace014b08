"""The wait before a connection grows until one has been of use."""

from __future__ import annotations

import pytest

from mmbot.bot.backoff import FIRST_MS, LONGEST_MS, Backoff
from mmbot.units import Milliseconds


def of_even_waits() -> Backoff:
    return Backoff(lambda: 0.5)


def test_refusals_are_waited_for_twice_as_long_each_up_to_a_bound() -> None:
    backoff = of_even_waits()
    waits = [backoff.after(10, served=False) for _ in range(8)]
    assert waits == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]


@pytest.mark.parametrize(
    ("lasted", "served"),
    [(3_600_000, False), (4_000, True), (10, True)],
    ids=["long and silent", "as short as the wait it cost", "closed at once"],
)
def test_a_connection_of_no_use_counts_as_a_refusal(lasted: Milliseconds, served: bool) -> None:
    backoff = of_even_waits()
    for _ in range(3):
        backoff.after(10, served=False)
    assert backoff.after(lasted, served=served) == 4_000


def test_after_a_connection_that_served_longer_than_it_had_cost_the_wait_is_the_shortest() -> None:
    backoff = of_even_waits()
    for _ in range(3):
        backoff.after(10, served=False)
    assert backoff.after(4_001, served=True) == FIRST_MS
    assert backoff.after(10, served=False) == 2 * FIRST_MS


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (1.0, 1.5)])
def test_waits_are_spread_so_that_not_all_clients_come_at_once(drawn: float, share: float) -> None:
    backoff = Backoff(lambda: drawn)
    waits = [backoff.after(10, served=False) for _ in range(8)]
    assert (waits[0], waits[-1]) == (share * FIRST_MS, share * LONGEST_MS)


@pytest.mark.parametrize(("lasted", "wait"), [(60_000, 1_000), (60_001, FIRST_MS)])
def test_a_connection_that_the_bot_gave_up_was_of_use_if_it_lasted(lasted: int, wait: int) -> None:
    backoff = of_even_waits()
    backoff.after(10, served=False)
    assert backoff.after(lasted, served=True, given_up=True) == wait
