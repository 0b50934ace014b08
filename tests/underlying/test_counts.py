from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.errors import BadInput
from mmbot.tsa.pages import LEAST, MOST
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, Week
from mmbot.underlying.counts import CountChange, Counts, missing_days
from mmbot.underlying.counts_file import read_counts_csv

HEADER = "date,as_published,archived"
MONDAY = dt.date(2026, 4, 13)
TUESDAY = dt.date(2026, 4, 14)


def eastern(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute), EASTERN)


def read(*lines: str) -> Counts:
    return read_counts_csv((HEADER, *lines), "counts.csv", TSA)


def observed(*seen: tuple[dt.date, int, dt.datetime]) -> Counts:
    counts = Counts()
    for day, count, at in seen:
        counts, _ = counts.observe(day, count, at)
    return counts


def test_the_published_count_is_preferred_to_the_archived_one() -> None:
    counts = read("2025-03-03,2366161,2370000")
    assert counts.first_published(dt.date(2025, 3, 3)) == 2366161
    assert not counts.is_archived(dt.date(2025, 3, 3))


def test_the_archived_count_stands_in_where_there_is_no_other() -> None:
    counts = read("2023-11-01,,2100000")
    assert counts.first_published(dt.date(2023, 11, 1)) == 2100000
    assert counts.settling_count(dt.date(2023, 11, 1)) == 2100000
    assert counts.is_archived(dt.date(2023, 11, 1))


def test_the_archived_count_is_the_latest_but_neither_first_nor_settling() -> None:
    counts = read("2025-03-03,2366161,2370000")
    day = dt.date(2025, 3, 3)
    assert (counts.latest(day), counts.settling_count(day)) == (2370000, 2366161)


def test_a_correction_before_the_settlement_settles() -> None:
    counts = observed(
        (MONDAY, 2_500_000, eastern(TUESDAY, 8, 30)),
        (MONDAY, 2_400_000, eastern(TUESDAY, 14)),
    )
    assert (counts.first_published(MONDAY), counts.settling_count(MONDAY)) == (2_500_000, 2_400_000)


def test_a_correction_after_the_settlement_does_not_settle() -> None:
    counts = observed(
        (MONDAY, 2_500_000, eastern(TUESDAY, 8, 30)),
        (MONDAY, 2_400_000, Week.of(MONDAY).settles),
    )
    assert counts.settling_count(MONDAY) == 2_500_000


def test_a_statistic_that_settles_later_may_be_corrected_for_longer() -> None:
    late = Week.of(MONDAY).settles + dt.timedelta(hours=4)
    counts = observed((MONDAY, 2_500_000, eastern(TUESDAY, 8, 30)), (MONDAY, 2_400_000, late))
    assert counts.settling_count(MONDAY, late + dt.timedelta(hours=1)) == 2_400_000
    assert counts.settling_count(MONDAY, late) == 2_500_000


def test_seeing_the_same_count_again_changes_nothing() -> None:
    counts = observed((MONDAY, 2_500_000, eastern(TUESDAY, 8, 30)))
    again, change = counts.observe(MONDAY, 2_500_000, eastern(TUESDAY, 9))
    assert (again, change) == (counts, CountChange.NOTHING)


def test_an_observation_does_not_change_the_counts_it_is_added_to() -> None:
    before = observed((MONDAY, 2_500_000, eastern(TUESDAY, 8, 30)))
    after, change = before.observe(MONDAY, 2_400_000, eastern(TUESDAY, 9))
    assert change is CountChange.REVISION
    assert (before.latest(MONDAY), after.latest(MONDAY)) == (2_500_000, 2_400_000)


def test_a_new_day_is_distinguished_from_a_revision() -> None:
    _, change = Counts().observe(MONDAY, 2_500_000, eastern(TUESDAY, 8, 30))
    assert change is CountChange.NEW_DAY


def test_a_count_going_back_to_an_earlier_value_is_a_revision() -> None:
    counts = observed(
        (MONDAY, 2_500_000, eastern(TUESDAY, 8)), (MONDAY, 2_400_000, eastern(TUESDAY, 9))
    )
    counts, change = counts.observe(MONDAY, 2_500_000, eastern(TUESDAY, 10))
    assert (change, counts.settling_count(MONDAY)) == (CountChange.REVISION, 2_500_000)


def test_a_day_that_is_not_over_cannot_have_a_count() -> None:
    with pytest.raises(BadInput, match="cannot be out"):
        Counts().observe(TUESDAY, 2_500_000, eastern(TUESDAY, 23, 59))


def test_an_absurd_count_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be a count"):
        Counts().observe(MONDAY, 0, eastern(TUESDAY, 9))


def test_a_view_holds_what_was_out_at_that_instant_and_no_more() -> None:
    counts = read("2026-04-16,2705000,", "2026-04-17,2705217,", "2026-04-18,2069600,")
    friday_nine = eastern(dt.date(2026, 4, 17), 9)
    assert counts.as_of(friday_nine).last_day == dt.date(2026, 4, 16)
    assert len(counts.as_of(friday_nine - dt.timedelta(microseconds=1))) == 0
    assert len(counts.as_of(eastern(dt.date(2026, 4, 20), 9))) == 3


def test_a_view_compares_instants_across_zones() -> None:
    counts = read("2026-04-16,2705000,")
    assert len(counts.as_of(dt.datetime(2026, 4, 17, 13, 0, tzinfo=dt.UTC))) == 1
    assert len(counts.as_of(dt.datetime(2026, 4, 17, 12, 59, tzinfo=dt.UTC))) == 0


def test_a_view_of_the_past_has_the_vintages_of_the_past() -> None:
    counts = observed(
        (MONDAY, 2_500_000, eastern(TUESDAY, 8)), (MONDAY, 2_400_000, eastern(TUESDAY, 12))
    )
    assert counts.as_of(eastern(TUESDAY, 11)).latest(MONDAY) == 2_500_000


def test_the_published_days_of_a_week_are_those_with_a_count() -> None:
    counts = read("2026-04-13,2500000,", "2026-04-15,2400000,", "2026-04-20,2400000,")
    assert counts.published_days(Week.of(MONDAY)) == (MONDAY, dt.date(2026, 4, 15))


def test_equal_counts_share_a_digest_whatever_their_order() -> None:
    lines = ["2026-04-13,2500000,", "2026-04-14,2400000,"]
    assert read(*lines).digest == read(*reversed(lines)).digest


@pytest.mark.parametrize(
    "line", ["2026-04-13,2500001,", "2026-04-13,,2500000", "2026-04-12,2500000,"]
)
def test_another_count_source_or_day_has_another_digest(line: str) -> None:
    assert read(line).digest != read("2026-04-13,2500000,").digest


def test_the_series_has_a_number_for_each_day_and_none_in_a_gap() -> None:
    first, values = read("2026-04-13,2500000,", "2026-04-15,2400000,").series()
    assert first == MONDAY
    assert values[0::2] == [2500000, 2400000]
    assert math.isnan(values[1])


def test_no_counts_make_no_series() -> None:
    with pytest.raises(BadInput, match="no daily counts"):
        Counts().series()


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(LEAST, MOST), st.integers(0, 60 * 24 * 30)),
        max_size=30,
    )
)
def test_vintages_stay_in_the_order_they_were_seen(seen: list[tuple[int, int, int]]) -> None:
    counts = Counts()
    for day, count, minutes in seen:
        date = MONDAY + dt.timedelta(days=day)
        at = TSA.release(date, dt.time(7)) + dt.timedelta(minutes=minutes)
        counts, _ = counts.observe(date, count, at)
    for held in counts.vintages.values():
        assert [v.seen for v in held] == sorted(v.seen for v in held)


def test_a_day_that_is_missing_inside_is_known() -> None:
    counts = read("2026-04-13,2500000,", "2026-04-16,2400000,")
    assert missing_days(counts) == (dt.date(2026, 4, 14), dt.date(2026, 4, 15))
    assert missing_days(read("2026-04-13,2500000,")) == missing_days(Counts()) == ()
