from __future__ import annotations

import datetime as dt

import holidays as published
import pytest
from mmbot.forecast.holidays import RULES, easter, nearest, super_bowl, week_class

YEARS = range(2019, 2041)
FEDERAL = {
    "New Year": "New Year's Day",
    "MLK": "Martin Luther King Jr. Day",
    "Presidents": "Washington's Birthday",
    "Memorial": "Memorial Day",
    "Juneteenth": "Juneteenth National Independence Day",
    "July 4": "Independence Day",
    "Labor": "Labor Day",
    "Columbus": "Columbus Day",
    "Veterans": "Veterans Day",
    "Thanksgiving": "Thanksgiving Day",
    "Christmas": "Christmas Day",
}


@pytest.mark.parametrize("name", FEDERAL)
def test_a_federal_holiday_falls_where_the_package_has_it(name: str) -> None:
    official = published.country_holidays("US", years=YEARS, observed=False)
    named = {day for day, names in official.items() if FEDERAL[name] in names.split("; ")}
    # Juneteenth has been federal since 2021.
    years = [y for y in YEARS if name != "Juneteenth" or y >= 2021]
    assert {RULES[name](year) for year in years} == named


def test_easter_is_two_days_after_the_packages_good_friday() -> None:
    years = range(1950, 2100)
    closed = published.country_holidays("GB", subdiv="ENG", years=years, observed=False)
    good_fridays = [day for day, names in closed.items() if "Good Friday" in names]
    assert [easter(year) - dt.timedelta(days=2) for year in years] == sorted(good_fridays)


@pytest.mark.parametrize(
    "day", [(2019, 2, 3), (2020, 2, 2), (2021, 2, 7), (2022, 2, 13), (2023, 2, 12), (2024, 2, 11),
            (2025, 2, 9)]
)  # fmt: skip
def test_the_super_bowl_was_played_when_the_rule_says(day: tuple[int, int, int]) -> None:
    assert super_bowl(day[0]) == dt.date(*day)


def test_the_nearest_christmas_of_a_january_day_is_last_years() -> None:
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
