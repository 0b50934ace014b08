from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.book import Book
from mmbot.trading.fair import MarketMid, logits, monotone, pool
from mmbot.units import Count
from tests.trading.builders import levels

MINUTE = 60_000
probabilities = st.floats(0.0, 1.0)
mids = st.none() | st.floats(0.01, 0.99)
sharpnesses = st.floats(0.5, 2.0)


def falling(values: list[float]) -> bool:
    return all(high >= low - 1e-12 for high, low in pairwise(values))


# The market mid


def seen(mid: MarketMid, bid: int | None, ask: int | None, now: int, count: int = 1000) -> None:
    bids = () if bid is None else levels((bid, count))
    asks = () if ask is None else levels((ask, count))
    mid.update(Book(bids, asks), ({}, {}), Count(500), now)


def test_the_midpoint_is_the_markets_opinion() -> None:
    mid = MarketMid()
    seen(mid, 4000, 5000, 0)
    assert mid.at(0) == pytest.approx(0.45)


@pytest.mark.parametrize(("bid", "ask"), [(4000, 5001), (None, 5000), (4000, None)])
def test_a_wide_or_one_sided_book_is_no_opinion(bid: int | None, ask: int | None) -> None:
    mid = MarketMid()
    seen(mid, bid, ask, 0)
    assert mid.at(0) is None


def test_a_spread_that_widens_a_little_keeps_its_midpoint() -> None:
    mid = MarketMid()
    seen(mid, 4000, 5000, 0)
    seen(mid, 3800, 5200, MINUTE)
    assert mid.live
    seen(mid, 3700, 5200, 2 * MINUTE)
    assert not mid.live


def test_the_last_midpoint_is_remembered_for_half_an_hour() -> None:
    mid = MarketMid()
    seen(mid, 4000, 5000, 0)
    mid.update(None, ({}, {}), Count(500), 7)
    assert mid.at(7 + 30 * MINUTE - 1) == pytest.approx(0.45)
    assert mid.at(7 + 30 * MINUTE) is None


def test_thin_levels_and_our_own_orders_are_not_the_market() -> None:
    book = Book(levels((4800, 499), (4700, 1500), (4600, 500)), levels((5200, 500)))
    mid = MarketMid()
    mid.update(book, (dict(levels((4700, 1100))), {}), Count(500), 0)
    assert mid.at(0) == pytest.approx((0.46 + 0.52) / 2)


# The pool


def sharpened(mid: float, sharpness: float) -> float:
    odds = sharpness * math.log(mid / (1 - mid))
    return 1 / (1 + math.exp(-odds))


beliefs = st.lists(probabilities, min_size=1, max_size=12).map(lambda p: sorted(p, reverse=True))


@given(beliefs, st.floats(0.01, 0.99), sharpnesses)
def test_a_belief_that_weighs_all_is_the_fair_value(
    belief: list[float], mid: float, sharpness: float
) -> None:
    pooled = pool(belief, [mid] * len(belief), 1.0, sharpness)
    assert pooled.above == pytest.approx([min(max(p, 0.005), 0.995) for p in belief])
    assert not any(pooled.without_mid)


@given(beliefs, st.floats(0, 1), sharpnesses)
def test_where_no_market_has_a_mid_the_belief_is_the_fair_value(
    belief: list[float], weight: float, sharpness: float
) -> None:
    pooled = pool(belief, [None] * len(belief), weight, sharpness)
    assert pooled.above == pytest.approx([min(max(p, 0.005), 0.995) for p in belief])
    assert pooled.without_mid == (weight < 1,) * len(belief)


ladders = st.lists(st.tuples(probabilities, mids), min_size=1, max_size=12)


@given(ladders, st.floats(0, 1), sharpnesses)
def test_fair_values_never_rise_with_the_strike_and_are_never_sure(
    rungs: list[tuple[float, float | None]], weight: float, sharpness: float
) -> None:
    belief = sorted((p for p, _ in rungs), reverse=True)
    pooled = pool(belief, [mid for _, mid in rungs], weight, sharpness)
    assert falling(list(pooled.above))
    assert all(0.005 <= p <= 0.995 for p in pooled.above)


def test_log_odds_are_weighed() -> None:
    (fair,) = pool([0.8], [0.6], 0.25).above
    odds, belief, market = logits([fair, 0.8, 0.6])
    assert odds == pytest.approx(0.25 * belief + 0.75 * market)


@given(
    st.lists(st.tuples(probabilities, st.none() | st.floats(0.1, 0.9)), min_size=1, max_size=12),
    st.floats(0, 1),
    sharpnesses,
)
def test_a_sharper_market_is_one_whose_mids_are_more_extreme(
    rungs: list[tuple[float, float | None]], weight: float, sharpness: float
) -> None:
    belief, shown = sorted((p for p, _ in rungs), reverse=True), [mid for _, mid in rungs]
    as_if = [None if mid is None else sharpened(mid, sharpness) for mid in shown]
    pooled, expected = pool(belief, shown, weight, sharpness), pool(belief, as_if, weight, 1.0)
    assert pooled.above == pytest.approx(expected.above, abs=1e-9)
    assert pooled.without_mid == expected.without_mid


def test_log_odds_of_the_market_are_sharpened_before_they_are_weighed() -> None:
    (fair,) = pool([0.8], [0.6], 0.25, 1.2).above
    odds = 0.25 * math.log(4) + 0.75 * 1.2 * math.log(1.5)
    assert fair == pytest.approx(1 / (1 + math.exp(-odds)))
    assert fair == pytest.approx(0.6707, abs=1e-4)


def test_an_even_market_cannot_be_sharpened() -> None:
    assert pool([0.5], [0.5], 0.3, 2.0).above == pytest.approx((0.5,))


def test_between_markets_that_sharpened_agree_with_the_belief_the_belief_stands() -> None:
    belief = [0.9, 0.75, 0.3]
    shown = [sharpened(p, 1 / 1.5) for p in belief]
    pooled = pool(belief, [shown[0], None, shown[2]], 0.2, 1.5)
    assert pooled.above == pytest.approx(belief)


def test_a_gap_takes_on_what_its_neighbours_markets_say() -> None:
    belief = [0.8, 0.6, 0.4]
    # Both neighbours think half a unit of log-odds more of their strikes than the belief does.
    shown = [1 / (1 + math.exp(-odds - 0.5)) for odds in logits(belief)]
    pooled = pool(belief, [shown[0], None, shown[2]], 0.0)
    assert pooled.above == pytest.approx(shown)
    assert pooled.without_mid == (False, False, False)


def test_beyond_the_last_market_mid_there_is_none() -> None:
    pooled = pool([0.8, 0.6, 0.4], [None, 0.55, None], 0.5)
    assert pooled.without_mid == (True, False, True)
    assert pooled.above[0] == pytest.approx(0.8)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_the_nearest_falling_sequence_keeps_the_mean_and_what_falls_already(
    values: list[float],
) -> None:
    found = monotone(values)
    assert falling(found)
    assert sum(found) == pytest.approx(sum(values))
    assert monotone(found) == pytest.approx(found)
    # No other falling sequence is nearer: nor is a mixture with any constant.
    nearest = sum((a - b) ** 2 for a, b in zip(found, values, strict=True))
    mean = sum(values) / len(values)
    for share in (0.1, 1.0):
        other = [(1 - share) * v + share * mean for v in found]
        assert nearest <= sum((a - b) ** 2 for a, b in zip(other, values, strict=True)) + 1e-12
