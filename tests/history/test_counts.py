"""The pages of tsa.gov as sightings, and sightings as counts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from mmbot.exchange.timetable import Release
from mmbot.exchange.website import Website
from mmbot.history.counts_fetch import CountsFetched, fetch_page, years_until
from mmbot.history.rows import Sighting
from mmbot.history.sightings import counts_of
from mmbot.history.store import HistoryStore
from mmbot.kalshi.http import HttpAnswer
from mmbot.tsa.pages import page_path
from mmbot.tsa.releases import assumed_release
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, to_milliseconds

DAYS = [dt.date(2025, 12, 1) + dt.timedelta(days=i) for i in range(60)]
FIRST = {day: 2_400_000 + i for i, day in enumerate(DAYS)}
ARCHIVED = {day: count + 5_000 for day, count in FIRST.items()}
NINE = dt.time(9)


class Site:
    """A site whose counts come out at nine on their usual days, and a store of what it showed."""

    def __init__(self, directory: Path) -> None:
        releases = [Release(TSA.release(day, NINE), (day,)) for day in DAYS]
        self.counts = dict(FIRST)
        self.site = Website(TSA, self.counts, ARCHIVED, releases, CalendarClock(), "simulated")
        self.store = HistoryStore(directory)
        self.statuses: list[int] = []

    def read(self, at: dt.datetime, year: int | None = None) -> CountsFetched:
        now = to_milliseconds(at)
        steps = fetch_page(year, self.store.sightings(), self.store.pages(), now)
        request = next(steps)
        answer = self.site.answer(request, now)
        self.statuses.append(answer.status)
        try:
            steps.send(answer)
        except StopIteration as end:
            found: CountsFetched = end.value
            self.store.put_sightings(found.sightings, found.pages)
            return found
        raise AssertionError("it asks for more than a page")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def at(day: str, time: str = "12:00") -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=EASTERN)


def test_every_year_is_read_the_current_one_last() -> None:
    assert years_until(to_milliseconds(at("2022-03-01"))) == (2019, 2020, 2021, None)


def test_a_page_gives_every_count_once(site: Site) -> None:
    assert len(site.read(at("2025-12-20")).sightings) == 18
    assert site.read(at("2025-12-20", "15:00")).sightings == ()
    assert site.statuses == [200, 304]
    assert len(site.read(at("2025-12-23")).sightings) == 4


def test_a_page_that_is_not_there_is_told_once(site: Site) -> None:
    assert site.read(at("2026-01-20"), 2019).doubts
    assert site.read(at("2026-01-21"), 2019).doubts == ()
    assert site.store.sightings() == ()


def test_a_revision_is_a_sighting_of_its_own(site: Site) -> None:
    site.read(at("2025-12-20"))
    site.counts[dt.date(2025, 12, 10)] += 1
    (found,) = site.read(at("2025-12-20", "13:00")).sightings
    assert (found.day, found.absent_ms) == (
        dt.date(2025, 12, 10),
        to_milliseconds(at("2025-12-20")),
    )
    counts = site.store.counts()
    held = counts.vintages[found.day]
    assert [v.count for v in held] == [FIRST[found.day], FIRST[found.day] + 1]
    assert held[1].seen == at("2025-12-20", "13:00")


def test_both_vintages_of_a_day_are_kept(site: Site) -> None:
    site.read(at("2025-12-20"))
    site.read(at("2026-01-20"), 2025)
    day = dt.date(2025, 12, 10)
    counts = site.store.counts()
    assert counts.first_published(day) == FIRST[day]
    assert counts.latest(day) == ARCHIVED[day]
    # The last days of December were seen on the rewritten page alone.
    assert counts.is_archived(dt.date(2025, 12, 30))


def test_an_archived_count_is_not_replaced_by_the_current_page(site: Site) -> None:
    site.read(at("2026-01-20"), 2025)
    shown = {dt.date(2025, 12, 10): 2_222_222, dt.date(2026, 1, 5): 2_400_035}
    html = TSA.simulated.page(None, sorted(shown.items()), "simulated")
    steps = fetch_page(None, site.store.sightings(), {}, to_milliseconds(at("2026-01-21")))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(HttpAnswer(200, html))
    found: CountsFetched = end.value.value
    assert [each.day for each in found.sightings] == [dt.date(2026, 1, 5)]
    assert "of another year" in "".join(found.doubts)


def test_a_page_with_a_doubt_is_read_whole_the_next_time(site: Site) -> None:
    steps = fetch_page(None, (), {}, to_milliseconds(at("2025-12-20")))
    next(steps)
    html = TSA.simulated.page(None, sorted(FIRST.items())[:10], "simulated")
    blank = html.replace(b"<tbody>", b"<tbody><tr><td></td><td></td></tr>")
    headers = (("etag", '"x"'),)
    with pytest.raises(StopIteration) as end:
        steps.send(HttpAnswer(200, blank, headers))
    found: CountsFetched = end.value.value
    assert len(found.sightings) == 10
    assert "a row is blank" in "".join(found.doubts)
    assert found.pages[page_path()].etag == ""


@pytest.mark.parametrize("answer", [HttpAnswer(403), HttpAnswer(200, b"<html></html>")])
def test_a_page_that_is_none_is_a_failure_and_loses_nothing(answer: HttpAnswer) -> None:
    steps = fetch_page(None, (), {}, to_milliseconds(at("2025-12-20")))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(answer)
    assert end.value.value.failure


# When a count came out


def sighting(day: str, seen: dt.datetime, absent: dt.datetime | None = None) -> Sighting:
    before = None if absent is None else to_milliseconds(absent)
    return Sighting(
        dt.date.fromisoformat(day), 2_400_000, to_milliseconds(seen), before, False, "tsa.gov"
    )


@pytest.mark.parametrize(
    ("seen", "absent", "expected"),
    [
        # Long after: when it usually comes out.
        (at("2026-06-01"), None, at("2026-04-15", "09:00")),
        # Before that: when it was seen.
        (at("2026-04-15", "08:25"), at("2026-04-15", "08:24"), at("2026-04-15", "08:25")),
        # It was not there yet when it usually is.
        (at("2026-04-16", "08:40"), at("2026-04-15", "18:00"), at("2026-04-15", "18:00")),
    ],
)
def test_a_count_came_out_between_the_readings_without_and_with_it(
    seen: dt.datetime, absent: dt.datetime | None, expected: dt.datetime
) -> None:
    day = dt.date(2026, 4, 14)
    assert assumed_release(day) == at("2026-04-15", "09:00")
    (vintage,) = counts_of([sighting("2026-04-14", seen, absent)]).vintages[day]
    assert vintage.seen == expected


def test_archived_counts_are_out_for_a_study_of_their_time(site: Site) -> None:
    site.read(at("2026-01-20"), 2025)
    then = site.store.counts().as_of(at("2025-12-10"))
    assert then.last_day == dt.date(2025, 12, 9)


def test_sightings_out_of_order_are_put_in_order() -> None:
    late = sighting("2026-04-14", at("2026-04-16"))
    revised = msgspec.structs.replace(late, seen_ms=late.seen_ms + 1, count=2_500_000)
    assert counts_of([revised, late]) == counts_of([late, revised])
