from __future__ import annotations

import pytest

from mmbot.research.backtest import MarketPrediction, TradeOutcome, WeekResult
from mmbot.research.scoring import brier, clustered_ratio, fill_statistics, student_quantile
from mmbot.units import Count, Money, Price
from tests.research.builders import SATURDAY


def trade(count: int, price: int, payout: int) -> TradeOutcome:
    return TradeOutcome(
        "W", 4, "W-A", SATURDAY, "bid", Price(price), Count(count), Money(0), 0.5, 0.6,
        Price(payout),
    )  # fmt: skip


def opinion(
    belief: float, mid: float, pooled: float, *, outcome: bool, days_published: int = 1
) -> MarketPrediction:
    return MarketPrediction("W", days_published, "W-A", belief, mid, pooled, outcome)


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (4, 2.7764), (30, 2.0423), (1000, 1.9623)]
)
def test_students_quantiles_match_the_tables(freedom: int, expected: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(expected, abs=1e-3)


def test_equal_weeks_give_the_interval_of_a_mean() -> None:
    found = clustered_ratio([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    # The standard error of the mean of 1, 2, 3 is 1 / sqrt(3); t(2) is 4.3027.
    assert found.estimate == pytest.approx(2)
    assert found.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-3)
    assert found.high == pytest.approx(2 + 4.3027 / 3**0.5, abs=1e-3)


def test_one_week_has_no_interval() -> None:
    found = clustered_ratio([1.0], [2.0])
    assert (found.estimate, found.low, found.high) == (0.5, None, None)


def test_fills_are_added_up_by_week() -> None:
    weeks = [
        WeekResult("A", (trade(1000, 4000, 10_000), trade(500, 4000, 0)), ()),
        WeekResult("B", (trade(2000, 5000, 0),), ()),
        WeekResult("C", (), ()),
    ]
    found = fill_statistics(weeks)
    assert (found.weeks, found.fills, found.contracts) == (3, 3, 35.0)
    assert found.spend == pytest.approx(16.0)
    assert found.pnl == pytest.approx(-6.0)
    assert found.drawdown == pytest.approx(10.0)
    assert found.per_contract is not None
    assert found.per_contract.estimate == pytest.approx(-6 / 35)
    assert found.claimed == pytest.approx(1.5 / 35)
    assert found.markout == pytest.approx(5.0 / 35)


def test_without_fills_there_is_no_edge() -> None:
    found = fill_statistics([WeekResult("A", (), ())])
    assert (found.fills, found.pnl, found.per_contract, found.claimed) == (0, 0.0, None, None)


def test_brier_scores_are_mean_squares_at_one_number_of_days() -> None:
    weeks = [
        WeekResult("A", (), (opinion(0.5, 1.0, 0.9, outcome=True),)),
        WeekResult("B", (), (opinion(0.5, 0.0, 0.1, outcome=True, days_published=2),)),
        WeekResult("C", (), (opinion(0.2, 0.4, 0.3, outcome=False),)),
    ]
    found = brier(weeks, 1)
    assert found is not None
    assert found.n == 2
    assert found.belief == pytest.approx((0.25 + 0.04) / 2)
    assert found.mid == pytest.approx(0.16 / 2)
    assert found.pooled == pytest.approx((0.01 + 0.09) / 2)
    assert found.pooled_less_mid.estimate == pytest.approx(found.pooled - found.mid)
    assert brier(weeks, 3) is None
