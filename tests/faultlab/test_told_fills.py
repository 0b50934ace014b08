from __future__ import annotations

from mmbot.faultlab.told_fills import ToldFills
from tests.faultlab.test_holdings import filled

FIRST, SECOND = ("t-1", "o"), ("t-2", "o")


def test_a_renamed_fill_is_taken_for_an_equal_one_only_while_that_is_not_booked() -> None:
    told = ToldFills()
    told.rename(("renamed", "o"), FIRST)
    happened = {FIRST: filled("E-A1", "bid", 4_000, 100), SECOND: filled("E-A1", "bid", 4_000, 100)}
    assert told.taken_for_equal(FIRST, happened, {FIRST}) == SECOND
    told.rename(("renamed", "o"), FIRST)
    assert told.taken_for_equal(FIRST, happened, {FIRST, SECOND}) == FIRST


def test_a_fill_told_by_its_own_name_is_no_other() -> None:
    happened = {FIRST: filled("E-A1", "bid", 4_000, 100), SECOND: filled("E-A1", "bid", 4_000, 100)}
    assert ToldFills().taken_for_equal(FIRST, happened, {FIRST}) == FIRST
