"""TSA's pages, and the made-up counts on them."""

from __future__ import annotations

import datetime as dt
import random
import statistics

import pytest

from mmbot.exchange.timetable import releases
from mmbot.exchange.website import Website
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.tsa.pages import parse_page
from mmbot.tsa.synthetic import FIRST_DAY, daily_counts
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, to_milliseconds

PATH = "/travel/passenger-volumes"
LAST = dt.date(2026, 4, 26)
COUNTS = daily_counts(LAST, seed=1)
BROWSER = ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")


def site(archived: dict[dt.date, int] | None = None) -> Website:
    planned = releases(dt.date(2026, 4, 1), LAST, random.Random(1), TSA)
    return Website(TSA, COUNTS, archived or COUNTS, planned, CalendarClock(), "synthetic counts")


def get(
    website: Website, at: dt.datetime, path: str = PATH, *headers: tuple[str, str]
) -> HttpAnswer:
    request = HttpRequest("GET", path, headers=(BROWSER, *headers))
    return website.answer(request, to_milliseconds(at))


def eastern(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 4, day, hour, minute, tzinfo=EASTERN)


def test_the_current_page_is_newest_first_and_can_be_read() -> None:
    rows = parse_page(get(site(), eastern(15, 12)).body)
    assert sorted(rows) == sorted(
        (day, COUNTS[day]) for day in COUNTS if dt.date(2026, 1, 1) <= day <= dt.date(2026, 4, 14)
    )
    body = get(site(), eastern(15, 12)).body
    assert body.index(b"4/14/2026") < body.index(b"4/13/2026")


@pytest.mark.parametrize(
    ("at", "newest"),
    [
        (eastern(14, 8, 19), dt.date(2026, 4, 12)),
        (eastern(14, 8, 50), dt.date(2026, 4, 13)),
        (eastern(19, 23, 0), dt.date(2026, 4, 16)),
        (eastern(20, 8, 50), dt.date(2026, 4, 19)),
    ],
)
def test_a_count_appears_at_its_release(at: dt.datetime, newest: dt.date) -> None:
    assert max(day for day, _ in parse_page(get(site(), at).body)) == newest


def test_an_archived_year_is_oldest_first_and_shows_what_was_rewritten() -> None:
    rewritten = {day: count + 1_000 for day, count in COUNTS.items()}
    answer = get(site(rewritten), eastern(15, 12), f"{PATH}/2025")
    assert dict(parse_page(answer.body))[dt.date(2025, 7, 1)] == COUNTS[dt.date(2025, 7, 1)] + 1_000
    assert answer.body.index(b"1/1/2025") < answer.body.index(b"12/31/2025")


@pytest.mark.parametrize("path", [f"{PATH}/2026", f"{PATH}/2019", f"{PATH}/soon", f"{PATH}/1/2"])
def test_there_is_no_page_for_other_years(path: str) -> None:
    assert get(site(), eastern(15, 12), path).status == 404


@pytest.mark.parametrize("agent", ["", "python-requests/2.32", "Python/3.11 aiohttp/3.10"])
def test_libraries_are_turned_away(agent: str) -> None:
    request = HttpRequest("GET", PATH, headers=(("user-agent", agent),))
    assert site().answer(request, to_milliseconds(eastern(15, 12))).status == 403


@pytest.mark.parametrize(
    ("header", "answered"), [("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")]
)
def test_a_page_that_is_known_is_not_sent_until_it_changes(header: str, answered: str) -> None:
    website = site()
    known = dict(get(website, eastern(14, 12)).headers)[header]
    again = get(website, eastern(14, 13), PATH, (answered, known))
    assert (again.status, again.body) == (304, b"")
    assert get(website, eastern(15, 13), PATH, (answered, known)).status == 200


def test_the_page_says_that_its_counts_are_synthetic() -> None:
    assert b"synthetic counts" in get(site(), eastern(15, 12)).body


# The counts


def test_the_same_seed_makes_the_same_counts_and_a_longer_history_begins_alike() -> None:
    longer = daily_counts(LAST + dt.timedelta(days=30), seed=1)
    assert {day: longer[day] for day in COUNTS} == COUNTS
    assert daily_counts(LAST, seed=2) != COUNTS


def test_after_the_last_day_known_a_history_has_what_is_to_be_expected() -> None:
    known_until = LAST - dt.timedelta(days=90)
    one, two = (daily_counts(LAST, seed, known_until) for seed in (1, 2))
    # The noise of a day loses two fifths with each day.
    forgotten = known_until + dt.timedelta(days=60)
    assert {day: one[day] for day in one if day <= known_until}.items() <= COUNTS.items()
    assert one[known_until] != two[known_until]
    assert one[known_until + dt.timedelta(days=1)] != two[known_until + dt.timedelta(days=1)]
    assert all(one[day] == two[day] for day in one if day > forgotten)


def test_every_day_has_a_plausible_count() -> None:
    assert min(COUNTS) == FIRST_DAY
    assert len(COUNTS) == (LAST - FIRST_DAY).days + 1
    assert all(800_000 < count < 3_600_000 for count in COUNTS.values())


def test_the_weeks_shape_is_the_real_ones() -> None:
    def mean(weekday: int) -> float:
        return statistics.mean(c for d, c in COUNTS.items() if d.weekday() == weekday)

    assert min(range(7), key=mean) == 1
    assert max(range(7), key=mean) == 6


def test_thanksgiving_day_is_a_dip_before_a_peak() -> None:
    assert COUNTS[dt.date(2025, 11, 27)] < 0.75 * COUNTS[dt.date(2025, 11, 30)]
