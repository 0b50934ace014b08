from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mmbot.config import QuotingSettings
from mmbot.trading.fair import Pooled
from mmbot.trading.gates import Gate
from mmbot.trading.pricing import QuoteLimits, price_event
from tests.trading.builders import settings

FAIR = (0.9, 0.7, 0.5, 0.3, 0.1)
HEARD = (False,) * 5
FLAT = [1_000.0] * 6


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
)
def test_the_terms_keep_margin_edge_and_size(
    event: tuple[tuple[float, ...], list[float]], known: int, margin: float, sides: str
) -> None:
    fair, wealth = event
    chosen = quoting(margin=margin, sides=sides, uncertainty_edge=0.1, lowest_bid_cents=10.0)
    limits = price_event(Pooled(fair, (False,) * len(fair)), wealth, known, chosen)
    for each, p in zip(limits, fair, strict=True):
        assert each.fair == p
        assert 0 <= each.yes_value <= (1 - margin) * p
        assert 0 <= each.no_value <= (1 - margin) * (1 - p)
        edge = max(0.01, 0.1 * each.reservation * (1 - each.reservation))
        assert each.yes_value <= max(0.0, each.reservation - edge)
        assert each.no_value <= max(0.0, 1 - each.reservation - edge)
        assert each.yes_value + each.no_value < 1
        assert 0 <= each.yes_count <= chosen.size_at(known)
        assert 0 <= each.no_count <= chosen.size_at(known)
        if not 0.03 <= p <= 0.97:
            assert each.yes_count == each.no_count == 0
        if each.yes_value < 0.1:
            assert each.yes_count == 0
    assert all(high.yes_value >= low.yes_value for high, low in pairwise(limits))
    assert all(low.no_value >= high.no_value for high, low in pairwise(limits))


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
