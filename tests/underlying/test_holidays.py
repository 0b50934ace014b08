from __future__ import annotations

import datetime as dt

import holidays as published
import pytest

from mmbot.underlying.holidays import FEDERAL, RULES, easter, is_holiday_weekend, super_bowl

YEARS = range(2019, 2041)
OFFICIAL = {
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
def test_federal_holidays_are_those_of_the_holidays_package(name: str) -> None:
    official = published.country_holidays("US", years=YEARS, observed=False)
    named = {day for day, names in official.items() if OFFICIAL[name] in names.split("; ")}
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


@pytest.mark.parametrize(
    ("saturday", "holiday"),
    [
        (dt.date(2026, 9, 5), True),  # Labor Day is the Monday after
        (dt.date(2026, 11, 28), True),  # Thanksgiving is the Thursday before
        (dt.date(2023, 7, 1), True),  # July 4 is the Tuesday after
        (dt.date(2026, 7, 4), True),
        (dt.date(2025, 12, 27), True),  # Christmas is the Thursday before
        (dt.date(2026, 1, 3), True),  # New Year's Day is the Thursday before
        (dt.date(2027, 12, 31) + dt.timedelta(days=1), True),
        (dt.date(2022, 12, 31), True),  # New Year's Day is its Sunday, in another year
        (dt.date(2026, 11, 21), False),
        (dt.date(2026, 11, 14), False),  # Veterans Day is the Wednesday before
        (dt.date(2026, 4, 4), False),  # Easter is no federal holiday
    ],
)
def test_a_weekend_beside_a_federal_holiday_is_a_holiday_weekend(
    saturday: dt.date, holiday: bool
) -> None:
    assert is_holiday_weekend(saturday) == holiday
