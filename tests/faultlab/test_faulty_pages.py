"""TSA's page with each of its faults, as the bot reads it."""

from __future__ import annotations

import datetime as dt

import pytest

from mmbot.errors import BadInput
from mmbot.faultlab.faulty_pages import FaultyPages, broken_page
from mmbot.faultlab.scenario import Scenario, build, weeks
from mmbot.kalshi.http import HttpRequest
from mmbot.tsa.pages import page_path, parse_page

REQUEST = HttpRequest("GET", page_path(), headers=(("User-Agent", "Mozilla/5.0"),))
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build("1", weeks(1), "eventful")


@pytest.fixture
def pages(scenario: Scenario) -> FaultyPages:
    return FaultyPages(scenario)


def after_a_release(scenario: Scenario) -> int:
    return scenario.clock.wall_time(scenario.releases[-1].at) + HOUR_MS


def rows(pages: FaultyPages, now: int) -> dict[dt.date, int]:
    return dict(parse_page(pages.answer(REQUEST, now).body))


def faulty_rows(pages: FaultyPages, name: str, now: int) -> dict[dt.date, int]:
    pages.inject(name, now + 1)
    return rows(pages, now)


@pytest.mark.parametrize("name", ["counts_late", "counts_missing"])
def test_the_newest_count_is_not_on_the_page(
    scenario: Scenario, pages: FaultyPages, name: str
) -> None:
    now = after_a_release(scenario)
    published = rows(pages, now)
    newest = max(published)
    assert faulty_rows(pages, name, now).items() == published.items() - {
        (newest, published[newest])
    }


def test_wrong_counts_are_revised_swapped_or_absurd(scenario: Scenario, pages: FaultyPages) -> None:
    now = after_a_release(scenario)
    published = rows(pages, now)
    before, newest = sorted(published)[-2:]
    assert faulty_rows(pages, "counts_revised", now)[newest] == published[newest] + 1_234
    pages.clear_faults()
    swapped = faulty_rows(pages, "counts_swapped", now)
    assert (swapped[before], swapped[newest]) == (published[newest], published[before])
    pages.clear_faults()
    assert faulty_rows(pages, "counts_absurd", now)[newest] == published[newest] // 10


def test_a_page_of_another_form_cannot_be_read(scenario: Scenario, pages: FaultyPages) -> None:
    now = after_a_release(scenario)
    pages.inject("page_changed", now + 1)
    with pytest.raises(BadInput):
        rows(pages, now)


def test_a_fault_lasts_until_its_time_or_until_all_are_cleared(
    scenario: Scenario, pages: FaultyPages
) -> None:
    now = after_a_release(scenario)
    pages.inject("page_forbidden", now + 1)
    assert [pages.answer(REQUEST, at).status for at in (now, now + 1)] == [403, 200]
    pages.clear_faults()
    assert pages.answer(REQUEST, now).status == 200


@pytest.mark.parametrize("name", ["row_blank", "row_doubled", "row_misdated", "table_empty"])
def test_a_broken_row_leaves_what_is_said_to_be_readable(
    scenario: Scenario, pages: FaultyPages, name: str
) -> None:
    now = after_a_release(scenario)
    published = rows(pages, now)
    read = faulty_rows(pages, name, now)
    assert {day: count for day, count in read.items() if day.year == 2026} == pages.readable(now)
    assert len(pages.readable(now)) < len(published)


def test_a_marked_row_can_be_read(scenario: Scenario, pages: FaultyPages) -> None:
    now = after_a_release(scenario)
    published = rows(pages, now)
    assert faulty_rows(pages, "row_marked", now) == published
    assert b"<sup>" in pages.answer(REQUEST, now).body


def test_a_page_is_sent_again_once_its_counts_have_changed_but_not_once_it_was_mended(
    scenario: Scenario, pages: FaultyPages
) -> None:
    now = after_a_release(scenario)
    tag = dict(pages.answer(REQUEST, now).headers)["etag"]
    agent = REQUEST.headers
    known = HttpRequest("GET", page_path(), headers=(*agent, ("If-None-Match", tag)))
    assert pages.answer(known, now).status == 304
    pages.inject("row_blank", now + 1)
    assert pages.answer(known, now).status == 304
    pages.inject("counts_revised", now + 1)
    assert pages.answer(known, now).status == 200


def test_a_row_that_is_marked_can_be_doubled_as_well() -> None:
    day = dt.date(2026, 4, 14)
    row = (
        '<tr><td class="text-align-center">4/14/2026</td>'
        '<td class="text-align-center">2,148,712</td></tr>'
    )
    marked = broken_page("row_marked", row, day)
    assert broken_page("row_doubled", marked, day).count("2,148,802<sup>1</sup>") == 1
