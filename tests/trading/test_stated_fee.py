from __future__ import annotations

from mmbot.trading.fees import FREE_TERMS, LEAD_MS, ONE_TIME, FeeChange, FeeTerms
from mmbot.trading.stated_fee import OLDEST_COPY_MS, StatedFee
from tests.trading.builders import NOW

CHARGED = FeeTerms("quadratic_with_maker_fees", ONE_TIME)
HOUR = 3_600_000


def test_nothing_may_hold_before_anything_is_stated() -> None:
    stated = StatedFee()
    assert stated.possible(NOW) == ()
    assert not stated.state(FREE_TERMS, NOW)
    assert stated.possible(NOW) == (FREE_TERMS,)
    assert stated.next_change(NOW) is None


def test_what_was_stated_until_now_may_hold_while_a_copy_of_it_may_be_read() -> None:
    stated = StatedFee()
    stated.state(CHARGED, NOW)
    assert not stated.state(CHARGED, NOW)
    assert stated.state(FREE_TERMS, NOW)
    assert stated.possible(NOW + OLDEST_COPY_MS - 1) == (FREE_TERMS, CHARGED)
    assert stated.next_change(NOW) == NOW + OLDEST_COPY_MS
    assert stated.possible(NOW + OLDEST_COPY_MS) == (FREE_TERMS,)
    assert stated.next_change(NOW + OLDEST_COPY_MS) is None


def test_a_change_may_hold_from_a_minute_before_it() -> None:
    stated = StatedFee()
    stated.state(FREE_TERMS, NOW)
    stated.schedule([FeeChange(NOW + HOUR, CHARGED)], NOW)
    assert stated.next_change(NOW) == NOW + HOUR - LEAD_MS
    assert stated.possible(NOW + HOUR - LEAD_MS - 1) == (FREE_TERMS,)
    assert stated.possible(NOW + HOUR - LEAD_MS) == (FREE_TERMS, CHARGED)


def test_a_change_that_has_come_is_kept_until_no_older_copy_can_be_read() -> None:
    stated = StatedFee()
    stated.state(FREE_TERMS, NOW)
    stated.schedule([FeeChange(NOW, CHARGED)], NOW - HOUR)
    stated.schedule([], NOW)
    assert CHARGED in stated.possible(NOW)
    stated.schedule([], NOW + OLDEST_COPY_MS)
    assert stated.changes == ()
    assert stated.possible(NOW + OLDEST_COPY_MS) == (FREE_TERMS,)


def test_a_change_that_is_withdrawn_never_holds() -> None:
    stated = StatedFee()
    stated.state(FREE_TERMS, NOW)
    stated.schedule([FeeChange(NOW + HOUR, CHARGED)], NOW)
    stated.schedule([], NOW)
    assert stated.possible(NOW + HOUR) == (FREE_TERMS,)


def test_a_change_at_a_time_that_cannot_be_read_may_hold_while_it_is_listed() -> None:
    stated = StatedFee()
    stated.state(FREE_TERMS, NOW)
    stated.schedule([FeeChange(0, CHARGED)], NOW)
    assert stated.possible(NOW) == (FREE_TERMS, CHARGED)
    stated.schedule([], NOW)
    assert stated.possible(NOW) == (FREE_TERMS,)
