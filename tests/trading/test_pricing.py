from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mmbot.config import QuotingSettings
from mmbot.trading.fair import Pooled
from mmbot.trading.fees import MOST_MULTIPLIER, NO_FEE, ONE_TIME, MakerFee
from mmbot.trading.gates import Gate
from mmbot.trading.pricing import LatestPricings, QuoteLimits, price_event
from mmbot.units import ONE_CONTRACT, ONE_DOLLAR, Count, Price
from tests.trading.builders import settings

FAIR = (0.9, 0.7, 0.5, 0.3, 0.1)
HEARD = (False,) * 5
FLAT = [1_000.0] * 6
NO_LONGSHOT_EDGE = [0.0] * 5
fees = st.just(NO_FEE) | st.builds(
    MakerFee,
    st.sampled_from(["quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]),
    st.sampled_from([ONE_TIME // 2, ONE_TIME, MOST_MULTIPLIER]),
)
longshot_edges = st.just(NO_LONGSHOT_EDGE) | st.lists(st.floats(0, 9.99), min_size=5, max_size=5)


def quoting(**changes: object) -> QuotingSettings:
    return settings(quoting=changes).quoting


def priced(
    fair: tuple[float, ...] = FAIR,
    wealth: list[float] | None = None,
    known: int = 4,
    without_mid: tuple[bool, ...] = HEARD,
    **changes: object,
) -> list[QuoteLimits]:
    return price_event(Pooled(fair, without_mid), wealth or FLAT, known, quoting(**changes))


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[tuple[float, ...], list[float]]:
    n = draw(st.integers(1, 8))
    fair = draw(st.lists(st.floats(0.005, 0.995), min_size=n, max_size=n))
    wealth = draw(st.lists(st.floats(1, 500), min_size=n + 1, max_size=n + 1))
    return tuple(sorted(fair, reverse=True)), wealth


@hypothesis_settings(deadline=None)
@given(
    portfolios(),
    st.integers(0, 6),
    st.sampled_from([0.0, 0.06, 0.25]),
    st.sampled_from(["both", "likelier"]),
    longshot_edges,
    fees,
)
def test_the_terms_keep_margin_edge_and_size_net_of_the_fee(
    event: tuple[tuple[float, ...], list[float]],
    known: int,
    margin: float,
    sides: str,
    longshots: list[float],
    fee: MakerFee,
) -> None:
    fair, wealth = event
    chosen = quoting(
        margin=margin,
        sides=sides,
        uncertainty_edge=0.1,
        lowest_bid_cents=10.0,
        longshot_edge_cents=longshots,
    )
    limits = price_event(Pooled(fair, (False,) * len(fair)), wealth, known, chosen, fee)
    for each, p in zip(limits, fair, strict=True):
        assert each.fair == p
        yes_cost, no_cost = cost(each.yes_value, fee), cost(each.no_value, fee)
        assert 0 <= yes_cost <= (1 - margin) * p + 1e-9
        assert 0 <= no_cost <= (1 - margin) * (1 - p) + 1e-9
        edge = max(0.01, 0.1 * each.reservation * (1 - each.reservation))
        assert yes_cost <= max(0.0, each.reservation - edge) + 1e-9
        assert no_cost <= max(0.0, 1 - each.reservation - edge) + 1e-9
        for value, least, worth in (
            (each.yes_value, each.yes_edge, each.reservation),
            (each.no_value, each.no_edge, 1 - each.reservation),
        ):
            # Both by the edge that is shown, and by the one that the price paid asks for.
            assert cost(value, fee) <= max(0.0, worth - least + 1e-9)
            left = worth - edge - longshot_edge(longshots, value)
            assert cost(value, fee) <= max(0.0, left + 1e-9)
        assert each.yes_value + each.no_value < 1
        assert 0 <= each.yes_count <= chosen.size_at(known)
        assert 0 <= each.no_count <= chosen.size_at(known)
        if not 0.03 <= p <= 0.97:
            assert each.yes_count == each.no_count == 0
        if each.yes_value < 0.1:
            assert each.yes_count == 0
    assert all(high.yes_value >= low.yes_value for high, low in pairwise(limits))
    assert all(low.no_value >= high.no_value for high, low in pairwise(limits))


def cost(value: float, fee: MakerFee) -> float:
    """What a contract costs at a price with its fee, in dollars."""
    return value + fee.each(Price(round(value * ONE_DOLLAR))) / ONE_DOLLAR


def longshot_edge(cents: list[float], price: float) -> float:
    """What a list of longshot edges wants at a price, in dollars."""
    return float(np.interp(price, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [*cents, 0.0])) / 100


@hypothesis_settings(deadline=None)
@given(portfolios(), fees, fees)
def test_a_dearer_fee_never_lets_more_be_paid(
    event: tuple[tuple[float, ...], list[float]], first: MakerFee, second: MakerFee
) -> None:
    fair, wealth = event
    cheap, dear = sorted((first, second), key=lambda fee: fee.coefficient)
    pooled = Pooled(fair, (False,) * len(fair))
    for less, more in zip(
        price_event(pooled, wealth, 4, quoting(), dear),
        price_event(pooled, wealth, 4, quoting(), cheap),
        strict=True,
    ):
        assert less.yes_value <= more.yes_value
        assert less.no_value <= more.no_value


@pytest.mark.parametrize("fee", [NO_FEE, MakerFee("quadratic_with_combo_maker_fees")])
def test_a_size_is_that_of_a_contract_which_costs_its_price_and_its_fee(fee: MakerFee) -> None:
    chosen = quoting(contracts=1_000, kelly_fraction=1.0)
    (each,) = price_event(Pooled((0.6,), (False,)), [100.0] * 2, 4, chosen, fee)
    # Kelly on one strike: wealth x (p - cost) / (cost x (1 - cost)), at the 54 cents of the margin.
    assert each.yes_count == Count(24 * ONE_CONTRACT)
    assert cost(each.yes_value, fee) == pytest.approx(0.54, abs=1e-4)


def alone(fair: float, **changes: object) -> QuoteLimits:
    """The limits of an event of one strike, for somebody so rich that positions weigh nothing."""
    chosen = quoting(margin=0.0, minimum_edge_cents=1.0, **changes)
    (found,) = price_event(Pooled((fair,), (False,)), [1e9] * 2, 4, chosen)
    return found


def test_a_longshot_has_to_be_cheaper_and_the_likelier_side_has_not() -> None:
    plain, dear = alone(0.31), alone(0.31, longshot_edge_cents=[5, 5, 5, 2.5, 0])
    assert (plain.yes_value, plain.yes_edge) == pytest.approx((0.30, 0.01))
    # 25 cents and the 5 that are wanted at 25 are the 30 that could be paid otherwise.
    assert (dear.yes_value, dear.yes_edge) == pytest.approx((0.25, 0.06))
    assert (plain.no_value, plain.no_edge) == pytest.approx((0.68, 0.01))
    assert (dear.no_value, dear.no_edge) == (plain.no_value, plain.no_edge)


@pytest.mark.parametrize(
    ("most", "paid"),
    [
        (0.02, 0.0),
        (0.1, 0.02),
        (0.18, 0.1),
        (0.21, 0.15),
        (0.24, 0.2),
        (0.3, 0.25),
        (0.45625, 0.45),
        (0.5, 0.5),
        (0.9, 0.9),
    ],
)
def test_the_longshot_edge_is_that_of_the_price_that_is_paid(most: float, paid: float) -> None:
    found = alone(most + 0.01, longshot_edge_cents=[8, 4, 6, 1.25, 0])
    assert found.yes_value == pytest.approx(paid)


@given(portfolios(), longshot_edges)
def test_no_side_that_costs_sixty_cents_or_more_is_a_longshot(
    event: tuple[tuple[float, ...], list[float]], longshots: list[float]
) -> None:
    fair, wealth = event
    heard = (False,) * len(fair)
    without = priced(fair, wealth, without_mid=heard, margin=0.0)
    with_it = priced(fair, wealth, without_mid=heard, margin=0.0, longshot_edge_cents=longshots)
    for one, other in zip(without, with_it, strict=True):
        if one.yes_value >= 0.6:
            assert other.yes_value == one.yes_value
        if one.no_value >= 0.6:
            assert other.no_value == one.no_value
        assert other.yes_value <= one.yes_value
        assert other.no_value <= one.no_value


def test_yes_and_no_are_mirror_images_on_a_symmetric_event() -> None:
    limits = priced(minimum_edge_cents=3.0, margin=0.0, lowest_bid_cents=0.0)
    for low, high in zip(limits, reversed(limits), strict=True):
        assert low.yes_value == pytest.approx(high.no_value)
        assert low.yes_count == high.no_count


def test_holding_yes_at_one_strike_lowers_bids_for_yes_along_the_event() -> None:
    # Two hundred contracts of YES at the middle strike, bought at half a dollar.
    wealth = [900.0, 900.0, 900.0, 1100.0, 1100.0, 1100.0]
    for flat, held in zip(priced(margin=0.0), priced(wealth=wealth, margin=0.0), strict=True):
        assert held.yes_value < flat.yes_value
        assert held.no_value <= 1 - held.fair


def test_the_margin_may_depend_on_the_number_of_published_days() -> None:
    margins = [0.5, 0.4, 0.3, 0.2, 0.1]
    values = [priced(known=known, margin=margins)[2].yes_value for known in range(7)]
    assert values == pytest.approx([0.25, 0.3, 0.35, 0.4, 0.45, 0.45, 0.45])


def test_early_in_the_week_the_sizes_are_small() -> None:
    schedule = [0.0, 0.1, 0.3, 0.5, 1.0]
    rich = [1e9] * 6
    counts = [
        max(t.yes_count for t in priced(wealth=rich, known=known, size_by_known=schedule))
        for known in range(5)
    ]
    assert counts == [0, 100, 300, 500, 1000]


@pytest.mark.parametrize(("known", "gate"), [(2, Gate.NO_MARKET_PRICE), (3, None)])
def test_without_a_market_mid_nothing_is_quoted_before_thursdays_release(
    known: int, gate: Gate | None
) -> None:
    limits = priced(known=known, without_mid=(True, False, False, False, False))
    assert [each.gate for each in limits] == [gate, None, None, None, None]


def test_cash_that_is_small_makes_sizes_small() -> None:
    def contracts(wealth: float) -> int:
        return sum(t.yes_count + t.no_count for t in priced(wealth=[wealth] * 6))

    assert 0 <= contracts(5.0) < contracts(100.0) < contracts(1e6)


def test_what_was_priced_a_moment_ago_is_not_priced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pricings, chosen = LatestPricings(), quoting()

    def ask(fair: float, chosen: QuotingSettings) -> list[QuoteLimits]:
        return pricings.price(Pooled((fair,), (False,)), [100.0] * 2, 4, chosen, NO_FEE, ())

    first, other = ask(0.5, chosen), ask(0.6, chosen)
    assert other == price_event(Pooled((0.6,), (False,)), [100.0] * 2, 4, chosen)
    for cents in range(14):
        ask(0.7 + cents / 100, chosen)
    with monkeypatch.context() as patched:
        patched.setattr("mmbot.trading.pricing.price_event", lambda *_: pytest.fail("priced"))
        assert ask(0.5, chosen) is first
    ask(0.4, chosen)
    assert ask(0.5, chosen) is first
    assert ask(0.6, chosen) is not other
    assert ask(0.5, quoting(margin=0.2)) != first
