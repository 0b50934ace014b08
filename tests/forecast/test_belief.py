from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.forecast.belief import Belief
from mmbot.underlying.calendar import Week

WEEK = Week(dt.date(2026, 4, 19))


def belief(strikes: tuple[int, ...], above: tuple[float, ...]) -> Belief:
    return Belief(WEEK, 3, strikes, above, 2_459_000.0, 32_000.0, "combined", "0123456789abcdef")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=21))
def test_the_cells_sum_to_one(above: list[float]) -> None:
    cells = belief(tuple(range(len(above))), tuple(sorted(above, reverse=True))).cells
    assert len(cells) == len(above) + 1
    assert sum(cells) == pytest.approx(1)
    assert min(cells) >= 0


@pytest.mark.parametrize(
    ("strikes", "above", "said"),
    [
        ((1, 2), (0.5,), "2 strikes with 1"),
        ((2, 1), (0.5, 0.4), "ascend"),
        ((1, 1), (0.5, 0.4), "ascend"),
        ((1, 2), (0.4, 0.5), "higher strike"),
        ((1,), (1.1,), "between 0 and 1"),
        ((1,), (float("nan"),), "between 0 and 1"),
    ],
)
def test_strikes_or_probabilities_out_of_order_are_refused(
    strikes: tuple[int, ...], above: tuple[float, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        belief(strikes, above)
