from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.fees import (
    FEE_STEP,
    FREE_TERMS,
    MOST_MULTIPLIER,
    NO_FEE,
    ONE_TIME,
    FeeTerms,
    MakerFee,
)
from mmbot.units import ONE_CONTRACT, ONE_DOLLAR, Count, Money, Price, value_of

MAKER, COMBO = "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"
kinds = st.sampled_from(["quadratic", MAKER, COMBO])
fees = st.builds(MakerFee, kinds, st.integers(0, MOST_MULTIPLIER))
prices = st.integers(1, ONE_DOLLAR - 1).map(Price)
counts = st.integers(1, 1_000_000).map(Count)


@pytest.mark.parametrize(
    ("kind", "multiplier", "count", "price", "fee"),
    [
        # The exchange's own example: 100 contracts at 43 cents, 0.428925 dollars before rounding.
        (MAKER, ONE_TIME, 10_000, 4_300, 429_000),
        (MAKER, ONE_TIME // 2, 10_000, 4_300, 214_500),
        (COMBO, ONE_TIME, 10_000, 4_300, 857_900),
        (MAKER, ONE_TIME, 1, 5_000, 100),
        (MAKER, ONE_TIME, 100, 5_000, 4_400),
        (MAKER, 0, 10_000, 4_300, 0),
        ("quadratic", ONE_TIME, 10_000, 4_300, 0),
    ],
)
def test_the_fee_of_a_fill(kind: str, multiplier: int, count: int, price: int, fee: int) -> None:
    assert MakerFee(kind, multiplier).of(Count(count), Price(price)) == fee


@given(fees, counts, counts, prices)
def test_the_fee_rises_with_the_count_and_is_the_same_for_yes_and_no(
    fee: MakerFee, count: Count, more: Count, price: Price
) -> None:
    assert fee.of(count, price) <= fee.of(Count(count + more), price)
    assert fee.of(count, price) == fee.of(count, Price(ONE_DOLLAR - price))
    assert fee.of(count, price) % FEE_STEP == 0


@given(fees, st.lists(counts, min_size=1, max_size=8), prices)
def test_an_order_pays_at_most_the_fee_of_one_fill_and_about_that_of_its_contracts(
    fee: MakerFee, parts: list[Count], price: Price
) -> None:
    count = Count(sum(parts))
    assert fee.of(count, price) <= sum(fee.of(part, price) for part in parts)
    assert fee.of(count, price) <= value_of(count, fee.each(price)) + FEE_STEP
    assert fee.each(price) == fee.of(ONE_CONTRACT, price) // ONE_CONTRACT


@given(fees, st.integers(0, ONE_DOLLAR).map(Price))
def test_what_may_be_paid_leaves_room_for_the_fee_and_no_higher_price_does(
    fee: MakerFee, in_all: Price
) -> None:
    paid = fee.most_paid(in_all)
    assert paid + fee.each(paid) <= in_all
    higher = Price(paid + 1)
    assert paid == in_all == ONE_DOLLAR or higher + fee.each(higher) > in_all


@given(fees, st.integers(1, ONE_DOLLAR).map(Price))
def test_the_more_a_contract_may_cost_the_more_may_be_paid(fee: MakerFee, in_all: Price) -> None:
    assert fee.most_paid(Price(in_all - 1)) <= fee.most_paid(in_all)


@given(fees, st.integers(0, 10**12).map(Money), prices)
def test_what_is_affordable_can_be_paid_with_its_fee(
    fee: MakerFee, money: Money, price: Price
) -> None:
    count = fee.affordable(money, price)
    cost = value_of(count, price) + fee.of(count, price)
    assert count >= 0
    assert count == 0 or cost <= money
    # Rounding may leave some of a contract's price.
    assert value_of(Count(count + 1), Price(price + fee.each(price))) + FEE_STEP > money


@pytest.mark.parametrize(
    ("kind", "multiplier", "text"),
    [(MAKER, ONE_TIME, MAKER), (MAKER, ONE_TIME // 2, f"{MAKER} x0.5"), ("quadratic", 0, None)],
)
def test_a_fee_is_named_by_its_kind_and_multiplier(
    kind: str, multiplier: int, text: str | None
) -> None:
    assert MakerFee(kind, multiplier).text == FeeTerms(kind, multiplier).text
    assert MakerFee(kind, multiplier).text == (text or "quadratic x0")


@pytest.mark.parametrize(
    ("terms", "fee", "text"),
    [
        (FREE_TERMS, NO_FEE, "quadratic"),
        (FeeTerms("quadratic"), NO_FEE, "quadratic with an unreadable multiplier"),
        (FeeTerms(COMBO, 0), MakerFee(COMBO, 0), f"{COMBO} x0"),
        (FeeTerms(MAKER), None, f"{MAKER} with an unreadable multiplier"),
        (FeeTerms("quadratic", -1), None, "quadratic with an unreadable multiplier"),
        (FeeTerms(MAKER, MOST_MULTIPLIER + 1), None, f"{MAKER} x10"),
        (FeeTerms("flat", ONE_TIME), None, "flat"),
        (FeeTerms(), None, "not_stated"),
    ],
)
def test_terms_that_are_not_understood_are_no_fee(
    terms: FeeTerms, fee: MakerFee | None, text: str
) -> None:
    assert (terms.fee, terms.text) == (fee, text)


def test_what_an_event_does_not_state_is_its_series() -> None:
    usual = FeeTerms(MAKER, ONE_TIME)
    assert FeeTerms().over(usual) == usual
    assert FeeTerms(None, 0).over(usual) == FeeTerms(MAKER, 0)
    assert FeeTerms("quadratic").over(usual) == FREE_TERMS
