from __future__ import annotations

import datetime as dt

import pytest

from mmbot.forecast.holiday_classes import nearest, week_class


def test_the_nearest_christmas_of_a_january_day_is_of_the_year_before() -> None:
    assert (
        nearest("Christmas", dt.date(2026, 1, 3).toordinal()) == dt.date(2025, 12, 25).toordinal()
    )


@pytest.mark.parametrize(
    ("monday", "expected"),
    [
        (dt.date(2025, 11, 24), 2),  # Thanksgiving
        (dt.date(2025, 12, 29), 2),  # New Year's Day is its Thursday
        (dt.date(2025, 1, 20), 1),  # MLK
        (dt.date(2025, 4, 14), 1),  # Easter is its Sunday
        (dt.date(2025, 4, 21), 0),
        (dt.date(2025, 3, 3), 0),
    ],
)
def test_a_week_has_the_class_of_its_greatest_holiday(monday: dt.date, expected: int) -> None:
    assert week_class(monday.toordinal()) == expected


@pytest.mark.parametrize(
    ("monday", "expected"),
    [
        (dt.date(2025, 5, 19), 2),  # Memorial Day is the Monday after
        (dt.date(2025, 4, 21), 1),  # Easter is the Sunday before
        (dt.date(2025, 6, 23), 0),  # Juneteenth is four days before
    ],
)
def test_a_margin_counts_holidays_a_day_outside_the_week(monday: dt.date, expected: int) -> None:
    assert week_class(monday.toordinal(), margin_days=1) == expected
