from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.exchange.fees import FeeSchedule, rounded_fee
from mmbot.units import Count, Price


def raw_fee(schedule: FeeSchedule, price: int, count: int, *, is_taker: bool) -> int:
    return schedule.raw(Price(price), Count(count), is_taker=is_taker)


def test_taker_pays_seven_percent_of_the_variance_rounded_up() -> None:
    # 100 contracts at 0.43: 0.07 x 100 x 0.43 x 0.57 = 1.7157
    assert rounded_fee(raw_fee(FeeSchedule(), 4_300, 10_000, is_taker=True)) == 1_715_700


@pytest.mark.parametrize(
    ("fee_type", "fee"),
    [
        ("quadratic", 0),
        # 0.428925 and 0.85785, each up to the next $0.0001
        ("quadratic_with_maker_fees", 429_000),
        ("quadratic_with_combo_maker_fees", 857_900),
    ],
)
def test_maker_fee_depends_on_the_type(fee_type: str, fee: int) -> None:
    assert rounded_fee(raw_fee(FeeSchedule(fee_type), 4_300, 10_000, is_taker=False)) == fee


def test_multiplier_scales_the_fee() -> None:
    assert (
        rounded_fee(raw_fee(FeeSchedule(multiplier=0.5), 5_000, 10_000, is_taker=True)) == 875_000
    )


def test_a_type_that_cannot_be_charged_is_refused() -> None:
    with pytest.raises(ValueError, match="round"):
        FeeSchedule("round")


def test_a_kind_whose_rate_is_not_public_costs_makers_something() -> None:
    schedule = FeeSchedule("flat")
    assert schedule.charges_makers
    assert not schedule.is_public
    assert FeeSchedule().is_public


def test_a_multiplier_of_nothing_is_free() -> None:
    assert not FeeSchedule("quadratic_with_maker_fees", 0.0).charges_makers


def test_a_schedule_is_read_with_its_multiplier_or_without() -> None:
    assert FeeSchedule.parse("quadratic") == FeeSchedule()
    assert FeeSchedule.parse("quadratic_with_maker_fees:0.5") == FeeSchedule(
        "quadratic_with_maker_fees", 0.5
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("round", "not a kind"),
        ("flat:x", "not a multiplier"),
        ("flat:11", "0 to 10"),
        ("", "not a kind"),
    ],
)
def test_a_schedule_that_cannot_be_read_says_what_can(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        FeeSchedule.parse(text)


@given(st.integers(1, 9_999), st.integers(1, 10_000_000))
def test_rounding_never_favours_the_member_nor_takes_a_whole_step(price: int, count: int) -> None:
    raw = raw_fee(FeeSchedule(), price, count, is_taker=True)
    excess = rounded_fee(raw) * 10**12 - raw
    assert 0 <= excess < 10**14
