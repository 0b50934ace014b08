"""When a count is expected, may come early, and is assumed to have come."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.tsa.releases import assumed_release, release_date
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, EarlyRelease, Week

SUNDAY = dt.date(2026, 4, 19)
NINE = dt.time(9, 0)
days = st.dates(dt.date(2001, 1, 1), dt.date(2098, 12, 31))


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


@given(days)
def test_a_release_is_a_weekdays_and_the_first_that_follows_the_day(day: dt.date) -> None:
    out = release_date(day)
    assert out > day
    assert out.weekday() < 5
    assert (out - day).days <= (3 if day.weekday() == 4 else 2 if day.weekday() == 5 else 1)


def test_monday_publishes_the_weekend() -> None:
    friday = dt.date(2026, 4, 17)
    assert {release_date(friday + dt.timedelta(days=i)) for i in range(3)} == {dt.date(2026, 4, 20)}


def test_a_release_over_a_change_of_clocks_keeps_new_yorks_hour() -> None:
    assert TSA.release(dt.date(2026, 3, 6), NINE) == utc(2026, 3, 9, 13)
    assert TSA.release(dt.date(2026, 3, 5), NINE) == utc(2026, 3, 6, 14)


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (utc(2026, 4, 14, 12, 59), 0),
        (utc(2026, 4, 14, 13, 0), 1),
        (utc(2026, 4, 17, 13, 0), 4),
        (utc(2026, 4, 20, 3, 59), 4),
        (utc(2026, 4, 20, 13, 0), 7),
    ],
)
def test_the_days_due_grow_by_one_each_morning_until_friday(at: dt.datetime, due: int) -> None:
    assert len(TSA.days_due(Week(SUNDAY), at, NINE)) == due


def test_on_a_holiday_weekend_counts_may_come_before_monday() -> None:
    thanksgiving = Week(dt.date(2026, 11, 29))
    friday, saturday = thanksgiving.days[4:6]
    assert TSA.early_releases(thanksgiving, NINE, dt.time(10, 30)) == (
        EarlyRelease(friday, utc(2026, 11, 28, 14), utc(2026, 11, 28, 15, 30)),
        EarlyRelease(saturday, utc(2026, 11, 29, 14), utc(2026, 11, 29, 15, 30)),
    )
    assert TSA.early_releases(Week(SUNDAY), NINE, dt.time(10, 30)) == ()


def test_the_same_instant_in_another_zone_makes_the_same_days_due() -> None:
    at = utc(2026, 4, 15, 13, 0)
    week = Week(SUNDAY)
    assert TSA.days_due(week, at, NINE) == TSA.days_due(week, at.astimezone(EASTERN), NINE)


@pytest.mark.parametrize(
    ("day", "release"),
    [
        (dt.date(2026, 4, 13), dt.date(2026, 4, 14)),
        (dt.date(2026, 4, 17), dt.date(2026, 4, 20)),
        (dt.date(2026, 4, 19), dt.date(2026, 4, 20)),
        (dt.date(2022, 4, 15), dt.date(2022, 4, 16)),
        (dt.date(2022, 4, 17), dt.date(2022, 4, 18)),
    ],
)
def test_a_count_is_assumed_to_come_out_by_the_rule_of_its_year(
    day: dt.date, release: dt.date
) -> None:
    assert assumed_release(day) == dt.datetime.combine(release, NINE, EASTERN)
