from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.underlying.calendar import (
    EASTERN,
    CalendarClock,
    Week,
    from_milliseconds,
    to_milliseconds,
)

SUNDAY = dt.date(2026, 4, 19)
days = st.dates(dt.date(2001, 1, 1), dt.date(2098, 12, 31))


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


@given(days)
def test_every_day_lies_in_the_week_that_its_sunday_ends(day: dt.date) -> None:
    week = Week.of(day)
    assert day in week.days
    assert week.days[0].weekday() == 0
    assert week.days[-1] == week.sunday


def test_a_sunday_belongs_to_the_week_that_it_ends() -> None:
    assert Week.of(SUNDAY) == Week(SUNDAY)
    assert Week.of(SUNDAY + dt.timedelta(days=1)) == Week(SUNDAY).following


def test_a_week_named_by_another_day_than_a_sunday_is_refused() -> None:
    with pytest.raises(ValueError, match="not one"):
        Week(dt.date(2026, 4, 18))


@given(days, st.text("ABZ019", min_size=2, max_size=32))
def test_a_ticker_names_its_week_in_whatever_series_a_config_may_name(
    day: dt.date, series: str
) -> None:
    week = Week.of(day)
    assert Week.from_event_ticker(week.event_ticker(series)) == week


def test_the_ticker_is_the_exchanges() -> None:
    assert Week(SUNDAY).event_ticker("KXTSAW") == "KXTSAW-26APR19"


def test_a_week_may_span_two_years() -> None:
    week = Week.from_event_ticker("KXTSAW-27JAN03")
    assert (week.monday, week.sunday) == (dt.date(2026, 12, 28), dt.date(2027, 1, 3))


@pytest.mark.parametrize(
    "ticker",
    ["KXTSAW-26APR18", "KXTSAW-26APR31", "KXTSAW-26XYZ19", "KXTSAW-26APR19-A2.45", "", "26APR19",
     "KXTSAW-26apr19", "KXTSAW-٢٦APR19"],
)  # fmt: skip
def test_what_is_no_event_ticker_is_refused(ticker: str) -> None:
    with pytest.raises(ValueError, match="not"):
        Week.from_event_ticker(ticker)


@pytest.mark.parametrize(
    ("sunday", "opens", "closes"),
    [
        # The clocks go forward on 8 March and back on 1 November 2026, both Sundays.
        (dt.date(2026, 3, 8), utc(2026, 3, 2, 15), utc(2026, 3, 9, 3, 59)),
        (dt.date(2026, 11, 1), utc(2026, 10, 26, 14), utc(2026, 11, 2, 4, 59)),
        (SUNDAY, utc(2026, 4, 13, 14), utc(2026, 4, 20, 3, 59)),
    ],
)
def test_trading_hours_follow_new_yorks_clock(
    sunday: dt.date, opens: dt.datetime, closes: dt.datetime
) -> None:
    week = Week(sunday)
    assert (week.opens.astimezone(dt.UTC), week.closes.astimezone(dt.UTC)) == (opens, closes)


def test_a_week_settles_on_the_monday_after_it() -> None:
    assert Week(dt.date(2026, 3, 8)).settles == utc(2026, 3, 9, 14)


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_make_the_round_trip(milliseconds: int) -> None:
    assert to_milliseconds(from_milliseconds(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "year"),
    [(1_795_874_400_456_000, 9999), (2**63, 9999), (-62_135_596_800_000, 1), (-(2**63), 1)],
)
def test_an_instant_that_no_calendar_has_can_be_written_down(milliseconds: int, year: int) -> None:
    assert from_milliseconds(milliseconds).year == year


def test_an_instant_without_a_zone_has_no_milliseconds() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_milliseconds(dt.datetime(2026, 4, 19, 9, 0))  # noqa: DTZ001


def test_the_repeated_hour_of_the_clock_change_is_two_instants() -> None:
    early = dt.datetime(2026, 11, 1, 1, 30, tzinfo=EASTERN)
    late = early.replace(fold=1)
    assert to_milliseconds(late) - to_milliseconds(early) == 3_600_000


clocks = st.builds(
    CalendarClock,
    wall=st.integers(1_500_000_000_000, 2_000_000_000_000),
    calendar=st.integers(1_500_000_000_000, 2_000_000_000_000),
    speed=st.floats(0.01, 100_000),
)


@given(clocks, st.integers(-10_000_000_000, 10_000_000_000))
def test_the_wall_time_of_an_instant_is_when_the_calendar_first_shows_it(
    clock: CalendarClock, offset: int
) -> None:
    at = from_milliseconds(clock.calendar + offset)
    wall = clock.wall_time(at)
    assert clock.at(wall) >= at
    assert clock.at(wall - 1) <= at


@given(st.integers(0, 4_000_000_000_000))
def test_the_calendar_is_the_wall_clock_unless_compressed(now: int) -> None:
    clock = CalendarClock()
    assert to_milliseconds(clock.at(now)) == now
    assert clock.wall_time(clock.at(now)) == now


def test_a_compressed_calendar_runs_faster() -> None:
    clock = CalendarClock(wall=1_000, calendar=to_milliseconds(Week(SUNDAY).opens), speed=3_600.0)
    assert clock.at(1_000 + 1_000) == Week(SUNDAY).opens + dt.timedelta(hours=1)
