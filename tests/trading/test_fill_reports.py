from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.fill_reports import FillReports, FillSource
from tests.trading.builders import NOW, fill

STREAM: FillSource = "stream"
LIST: FillSource = "list"


def test_a_fill_that_is_reported_twice_by_one_id_is_one() -> None:
    reports = FillReports()
    assert reports.add(fill("t", "o", 100), "stream", NOW)
    assert not reports.add(fill("t", "o", 100), "stream", NOW)
    assert not reports.add(fill("t", "o", 100), "list", NOW)
    assert len(list(reports)) == 1


def test_a_fill_that_two_sources_report_by_two_ids_is_one() -> None:
    reports = FillReports()
    reports.add(fill("t", "o", 100, at=NOW), "stream", NOW)
    assert not reports.add(fill("f", "o", 100, at=NOW + 900), "list", NOW)
    assert not reports.add(fill("f", "o", 100, at=NOW + 900), "list", NOW)
    (reported,) = reports
    assert reported.ids == {"stream": "t", "list": "f"}


def test_one_source_means_two_fills_by_two_ids() -> None:
    reports = FillReports()
    assert reports.add(fill("t", "o", 100), "list", NOW)
    assert reports.add(fill("u", "o", 100), "list", NOW)


def test_fills_that_differ_in_what_no_source_can_state_otherwise_are_two() -> None:
    first = fill("t", "o", 100, at=NOW)
    for other in (
        fill("u", "p", 100, at=NOW),
        fill("u", "o", 200, at=NOW),
        fill("u", "o", 100, price=4200, at=NOW),
        fill("u", "o", 100, at=NOW + 60_000),
    ):
        reports = FillReports()
        reports.add(first, "stream", NOW)
        assert reports.add(other, "list", NOW)


def test_a_source_that_states_no_time_means_the_fill_at_whatever_time() -> None:
    reports = FillReports()
    reports.add(fill("t", "o", 100, at=NOW), "stream", NOW)
    assert not reports.add(fill("f", "o", 100, at=0), "list", NOW)


def test_what_was_taken_for_one_is_two_once_a_source_reports_both() -> None:
    reports = FillReports()
    reports.add(fill("t", "o", 100), "list", NOW)
    # The stream lost the first, and reports only the second.
    assert not reports.add(fill("u", "o", 100), "stream", NOW)
    assert reports.add(fill("u", "o", 100), "list", NOW)
    assert sorted(each.ids.get("stream", "") for each in reports) == ["", "u"]


def test_a_fill_that_is_removed_may_be_reported_anew() -> None:
    reports = FillReports()
    reports.add(fill("t", "o", 100), "stream", NOW)
    (reported,) = reports
    reports.remove(reported)
    assert reports.find(fill("t", "o", 100)) is None
    assert reports.add(fill("t", "o", 100), "stream", NOW)


def test_what_the_ledger_has_as_two_fills_stays_two() -> None:
    reports = FillReports()
    reports.restore(fill("ghost", "o", 100), confirmed=True)
    reports.restore(fill("t", "o", 100), confirmed=False)
    assert not reports.restore(fill("t", "o", 100), confirmed=False)
    assert [each.ids for each in reports] == [{"ledger": "ghost"}, {"stream": "t"}]
    assert reports.unconfirmed == (fill("t", "o", 100),)
    # The list confirmed one of them under some id, and that is the one that it lists still.
    assert not reports.add(fill("f", "o", 100), "list", NOW)
    assert reports.unconfirmed == (fill("t", "o", 100),)
    assert not reports.take_confirmed()


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([STREAM, LIST])), max_size=30))
def test_whatever_is_reported_each_true_fill_is_counted_once_when_the_list_is_whole(
    reported: list[tuple[int, FillSource]],
) -> None:
    """Six equal fills of one order, named otherwise by each source, reported in any order."""
    reports = FillReports()
    for number, source in [*reported, *((number, LIST) for number in range(6))]:
        reports.add(fill(f"{source}-{number}", "o", 100), source, NOW)
    assert len(list(reports)) == 6
