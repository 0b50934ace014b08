"""Which page is read when, and which of its counts are used."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from mmbot.bot.counts_reader import CountsReader, CountsStep
from mmbot.bot.inputs import PageFetched
from mmbot.bot.outputs import CountsUnavailable, FetchPage, RecordCounts
from mmbot.config import CountsSettings
from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.commands import Note
from mmbot.tsa.releases import assumed_release
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, to_milliseconds
from mmbot.underlying.counts import Counts

SUNDAY, MONDAY, TUESDAY = (dt.date(2026, 4, day) for day in (12, 13, 14))
NINE = dt.datetime(2026, 4, 15, 9, 0, tzinfo=EASTERN)
MINUTE = 60_000
CURRENT = "/travel/passenger-volumes"


def page(rows: dict[dt.date, int]) -> HttpAnswer:
    """Return the current year's page as the site serves it."""
    cells = "".join(
        f"<tr><td>{day.month}/{day.day}/{day.year}</td><td>{count:,}</td></tr>"
        for day, count in sorted(rows.items(), reverse=True)
    )
    head = "<tr><th>Date</th><th>Numbers</th></tr>"
    body = f"<table><thead>{head}</thead><tbody>{cells}</tbody></table>".encode()
    return HttpAnswer(200, body, (("ETag", f'"{hash(body)}"'), ("Last-Modified", "then")))


def table(*rows: tuple[str, str]) -> HttpAnswer:
    """Return a page with these rows, as they are."""
    cells = "".join(f"<tr><td>{date}</td><td>{count}</td></tr>" for date, count in rows)
    head = "<tr><th>Date</th><th>Numbers</th></tr>"
    return HttpAnswer(200, f"<table>{head}{cells}</table>".encode(), (("ETag", '"1"'),))


def whole_year(year: int, *, archived: bool = False) -> Counts:
    """Return a year in which every day has two million passengers."""
    counts, day = Counts(), dt.date(year, 1, 1)
    while day.year == year:
        counts, _ = counts.observe(day, 2_000_000, assumed_release(day), archived=archived)
        day += dt.timedelta(days=1)
    return counts


class Site:
    """A reader, and a site that answers it from a table of paths."""

    def __init__(self, at: dt.datetime = NINE, first_year: int = 2026) -> None:
        self.now = to_milliseconds(at)
        self.deviations = 0.0
        self.rows: dict[dt.date, int] = {}
        self.answers: dict[str, HttpAnswer | None] = {}
        self.asked: list[FetchPage] = []
        settings = CountsSettings(first_year=first_year)
        self.reader = CountsReader(TSA, settings, CalendarClock(), random.Random(1), self.judge)
        self.outputs: list[object] = []

    def judge(self, _counts: Counts, _day: dt.date, _count: int) -> float:
        return self.deviations

    def run(self, step: CountsStep) -> CountsStep:
        """Answer everything that is asked for; return the last step."""
        while fetches := [output for output in step.outputs if isinstance(output, FetchPage)]:
            (fetch,) = fetches
            self.outputs += step.outputs
            self.asked.append(fetch)
            answer = self.answers.get(fetch.path, page(self.rows))
            failure = "" if answer else "the line is dead"
            step = self.reader.fetched(PageFetched(fetch.id, answer, failure), self.now)
        self.outputs += step.outputs
        return step

    def poll(self, minutes: int = 0) -> Counts:
        self.now += minutes * MINUTE
        self.run(self.reader.poll(self.now))
        return self.reader.counts

    @property
    def wait(self) -> int:
        """How long it is, in seconds, until the next reading."""
        assert self.reader.next_due is not None
        return (self.reader.next_due - self.now) // 1000

    def notes(self, name: str) -> list[dict[str, object]]:
        found = (each for each in self.outputs if isinstance(each, Note))
        return [note.fields for note in found if note.name == name]


def test_a_new_count_is_recorded_with_the_time_it_was_seen() -> None:
    site = Site()
    site.rows = {MONDAY: 2_400_000, TUESDAY: 2_044_781}
    assert site.poll().first_published(TUESDAY) == 2_044_781
    (record,) = (each for each in site.outputs if isinstance(each, RecordCounts))
    assert [(each.day, each.count, each.seen) for each in record.counts] == [
        (MONDAY, 2_400_000, NINE),
        (TUESDAY, 2_044_781, NINE),
    ]
    assert [fields["day"] for fields in site.notes("counts.published")] == [
        "2026-04-13",
        "2026-04-14",
    ]


def test_a_revision_does_not_replace_what_was_first_published() -> None:
    site = Site()
    site.rows = {TUESDAY: 2_044_781}
    site.poll()
    site.rows = {TUESDAY: 2_100_000}
    counts = site.poll(minutes=60)
    assert (counts.first_published(TUESDAY), counts.latest(TUESDAY)) == (2_044_781, 2_100_000)
    assert site.notes("counts.revised") == [
        {"day": "2026-04-14", "count": 2_100_000, "first_published": 2_044_781}
    ]


def test_an_unchanged_page_is_asked_for_conditionally_and_changes_nothing() -> None:
    site = Site()
    site.rows = {TUESDAY: 2_044_781}
    first = site.poll()
    site.answers[CURRENT] = HttpAnswer(304)
    assert site.poll(minutes=10) is first
    names = [[name for name, _ in fetch.headers] for fetch in site.asked]
    assert names == [["User-Agent"], ["User-Agent", "If-None-Match", "If-Modified-Since"]]
    assert dict(site.asked[1].headers)["If-None-Match"] == dict(page(site.rows).headers)["ETag"]


def test_a_page_that_could_not_be_read_is_asked_for_whole_again() -> None:
    site = Site()
    site.answers[CURRENT] = HttpAnswer(200, b"<p>Down</p>", (("ETag", '"1"'),))
    site.poll()
    site.poll(minutes=10)
    assert [name for name, _ in site.asked[1].headers] == ["User-Agent"]


def test_the_site_is_asked_under_a_browsers_name() -> None:
    site = Site()
    site.poll()
    assert dict(site.asked[0].headers)["User-Agent"].startswith("Mozilla/5.0")


def test_an_implausible_count_waits_for_a_second_reading() -> None:
    site = Site()
    site.rows = {TUESDAY: 4_044_781}
    site.deviations = 9.0
    assert TUESDAY not in site.poll()
    assert TUESDAY not in site.poll(minutes=10)
    assert site.poll(minutes=1).first_published(TUESDAY) == 4_044_781
    assert len(site.notes("counts.implausible")) == 1


def test_a_page_with_an_implausible_count_is_read_whole_again() -> None:
    site = Site()
    site.poll()
    site.rows = {TUESDAY: 4_044_781}
    site.deviations = 9.0
    site.poll()
    site.poll(minutes=10)
    assert [name for name, _ in site.asked[-1].headers] == ["User-Agent"]


def test_an_implausible_count_that_is_corrected_was_never_used() -> None:
    site = Site()
    site.rows = {TUESDAY: 4_044_781}
    site.deviations = 9.0
    site.poll()
    site.rows, site.deviations = {TUESDAY: 2_044_781}, 0.5
    assert site.poll(minutes=5).first_published(TUESDAY) == 2_044_781
    (record,) = (each for each in site.outputs if isinstance(each, RecordCounts))
    assert [each.count for each in record.counts] == [2_044_781]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpAnswer(403), f"{CURRENT} answered 403"),
        (HttpAnswer(200, b"<p>Down</p>"), f"{CURRENT}: the TSA page has no table"),
        (None, f"{CURRENT} cannot be reached: the line is dead"),
    ],
)
def test_what_cannot_be_read_is_named_and_read_again_within_two_minutes_while_a_count_is_due(
    answer: HttpAnswer | None, reason: str
) -> None:
    site = Site()
    site.rows = {MONDAY: 2_400_000}
    site.poll()
    site.answers[CURRENT] = answer
    waits = []
    for _ in range(5):
        site.poll(minutes=1)
        waits.append(site.wait)
    first = site.notes("counts.unreadable")[0]
    assert str(first["reason"]).startswith(reason)
    assert first["failures"] == 1
    assert all(120 <= wait <= 132 for wait in waits)
    site.answers.clear()
    site.rows[TUESDAY] = 2_044_781
    assert TUESDAY in site.poll(minutes=1)


def test_a_page_that_cannot_be_read_is_asked_for_no_more_often_than_the_config_says() -> None:
    site = Site()
    site.answers[CURRENT] = None
    site.reader.pace.settings = CountsSettings(poll_seconds=600.0)
    site.poll()
    assert 600 <= site.wait <= 660


def test_a_page_that_cannot_be_read_is_asked_for_when_the_next_count_may_be_out() -> None:
    site = Site(NINE.replace(hour=6, minute=45))
    site.rows = {SUNDAY - dt.timedelta(days=back): 2_500_000 for back in range(-1, 14)}
    site.poll()
    site.answers[CURRENT] = None
    for _ in range(4):
        site.poll()
    assert 10 * 60 < site.wait <= 11 * 60 + 2


def test_a_page_that_never_comes_is_given_up_and_its_late_answer_ignored() -> None:
    site = Site()
    (fetch,) = (each for each in site.reader.poll(site.now).outputs if isinstance(each, FetchPage))
    assert site.wait == 120
    assert not site.reader.woken(site.now + 119_000).outputs
    site.now += 120_000
    (note,) = site.reader.woken(site.now).outputs
    assert isinstance(note, Note)
    assert note.fields["reason"] == f"{CURRENT} cannot be reached: no answer"
    late = PageFetched(fetch.id, page({TUESDAY: 2_044_781}))
    assert not site.reader.fetched(late, site.now).outputs
    site.now += site.wait * 1000 + 1000
    site.rows = {TUESDAY: 2_044_781}
    site.run(site.reader.woken(site.now))
    assert TUESDAY in site.reader.counts


# The start


def test_the_history_lacks_the_running_week_which_has_to_be_judged_first() -> None:
    site = Site()
    site.rows = {SUNDAY: 2_822_290, TUESDAY: 2_044_781}
    step = site.run(site.reader.load(Counts(), site.now))
    assert step.changed
    assert SUNDAY in site.reader.counts
    assert TUESDAY not in site.reader.counts
    assert not site.notes("counts.published")
    assert [fields["days"] for fields in site.notes("counts.read")] == [1]


def test_days_of_the_running_week_that_are_known_already_stay() -> None:
    site = Site()
    known, _ = Counts().observe(TUESDAY, 2_044_781, NINE)
    site.rows = {SUNDAY: 2_822_290}
    site.run(site.reader.load(known, site.now))
    assert TUESDAY in site.reader.counts


def test_years_that_are_not_known_are_read_from_their_own_pages() -> None:
    site = Site(first_year=2024)
    known = whole_year(2025)
    site.answers[f"{CURRENT}/2024"] = page({dt.date(2024, 5, 1): 2_222_222})
    site.rows = {SUNDAY: 2_822_290}
    step = site.run(site.reader.load(known, site.now))
    assert [fetch.path for fetch in site.asked] == [f"{CURRENT}/2024", CURRENT]
    assert site.reader.counts.is_archived(dt.date(2024, 5, 1))
    assert step.changed


def test_a_year_that_the_site_does_not_have_is_passed_over() -> None:
    site = Site(first_year=2025)
    site.answers[f"{CURRENT}/2025"] = HttpAnswer(404)
    site.rows = {SUNDAY: 2_822_290}
    assert site.run(site.reader.load(Counts(), site.now)).changed
    assert site.notes("counts.no_such_year") == [{"year": 2025}]


@pytest.mark.parametrize("path", [f"{CURRENT}/2025", CURRENT])
def test_without_history_nothing_can_begin(path: str) -> None:
    site = Site(first_year=2025)
    site.answers = {f"{CURRENT}/2025": HttpAnswer(404), path: HttpAnswer(403)}
    step = site.run(site.reader.load(Counts(), site.now))
    assert not step.changed
    assert CountsUnavailable(f"{path} answered 403") in site.outputs


def test_a_page_of_the_running_week_alone_is_no_history() -> None:
    site = Site()
    site.rows = {TUESDAY: 2_044_781}
    assert not site.run(site.reader.load(Counts(), site.now)).changed
    reason = f"{CURRENT} has no count of a day before this week"
    assert CountsUnavailable(reason) in site.outputs


def test_with_history_the_current_page_may_come_later() -> None:
    site = Site()
    known, _ = Counts().observe(SUNDAY, 2_822_290, NINE)
    site.answers[CURRENT] = HttpAnswer(403)
    assert site.run(site.reader.load(known, site.now)).changed
    assert len(site.notes("counts.unreadable")) == 1


def test_nothing_is_read_between_the_start_and_the_first_poll() -> None:
    site = Site()
    site.rows = {SUNDAY: 2_822_290}
    site.run(site.reader.load(Counts(), site.now))
    assert site.reader.next_due is None
    assert not site.reader.woken(site.now + 3_600_000).outputs


# When to read


def test_while_a_count_is_due_the_page_is_read_as_often_as_the_config_says() -> None:
    site = Site()
    site.rows = {MONDAY: 2_400_000}
    site.poll()
    assert 60 <= site.wait <= 67
    site.rows = {SUNDAY - dt.timedelta(days=back): 2_500_000 for back in range(-2, 14)}
    site.poll()
    assert 1800 <= site.wait <= 1981


def test_the_page_is_read_as_soon_as_the_next_count_may_be_out() -> None:
    site = Site(NINE.replace(hour=6, minute=45))
    site.rows = {SUNDAY - dt.timedelta(days=back): 2_500_000 for back in range(-1, 14)}
    site.poll()
    assert 10 * 60 < site.wait <= 11 * 60 + 2


def test_in_early_january_the_page_of_the_old_year_is_read_too() -> None:
    site = Site(dt.datetime(2027, 1, 2, 9, 0, tzinfo=EASTERN))
    old_year = page({dt.date(2026, 12, 31): 2_100_000})
    site.answers = {CURRENT: HttpAnswer(304), f"{CURRENT}/2026": old_year}
    site.poll()
    assert [fetch.path for fetch in site.asked] == [CURRENT, f"{CURRENT}/2026"]
    assert dt.date(2026, 12, 31) in site.reader.counts


def test_on_a_holiday_weekend_the_page_is_read_often_while_a_count_may_come() -> None:
    thanksgiving = dt.date(2026, 11, 26)
    eight = dt.datetime(2026, 11, 28, 8, 0, tzinfo=EASTERN)
    site = Site(eight)
    site.rows = {thanksgiving - dt.timedelta(days=back): 2_500_000 for back in range(14)}
    site.poll()
    assert site.wait < 120
    site.poll(minutes=3 * 60)
    assert site.wait > 120
    site.now = to_milliseconds(eight)
    site.rows[thanksgiving + dt.timedelta(days=1)] = 2_500_000
    site.poll()
    assert site.wait > 120


# What a page can do


def rows_named(site: Site) -> list[str]:
    return [str(fields["reason"]) for fields in site.notes("counts.row_unreadable")]


def test_a_row_that_cannot_be_read_is_named_once_and_hides_no_other() -> None:
    site = Site()
    site.answers[CURRENT] = table(("4/14/2026", ""), ("4/13/2026", "2,400,000"))
    for _ in range(3):
        counts = site.poll(minutes=1)
    assert MONDAY in counts
    assert TUESDAY not in counts
    assert rows_named(site) == [f"{CURRENT}: '', for 2026-04-14, is not a count of passengers"]
    assert not site.notes("counts.unreadable")


@pytest.mark.parametrize(
    "row",
    [("4/14/2026", ""), ("4/16/2026", "2,400,000"), ("4/14/2025", "2,400,000")],
)
def test_a_page_that_was_understood_in_part_is_read_whole_again(row: tuple[str, str]) -> None:
    site = Site()
    site.reader.counts = whole_year(2025)
    site.answers[CURRENT] = table(row, ("4/13/2026", "2,400,000"))
    site.poll()
    site.poll(minutes=10)
    assert [name for name, _ in site.asked[-1].headers] == ["User-Agent"]


def test_a_page_is_read_whole_after_many_answers_that_it_is_the_same() -> None:
    site = Site()
    site.rows = {TUESDAY: 2_044_781}
    site.poll()
    site.answers[CURRENT] = HttpAnswer(304)
    for _ in range(21):
        site.poll(minutes=10)
    conditional = [len(fetch.headers) > 1 for fetch in site.asked]
    assert conditional == [False, *[True] * 20, False]


def test_an_answer_that_nothing_changed_is_none_where_that_was_not_asked() -> None:
    site = Site()
    site.answers[CURRENT] = HttpAnswer(304)
    site.poll()
    assert [fields["reason"] for fields in site.notes("counts.unreadable")] == [
        f"{CURRENT} answered 304"
    ]


def test_two_rows_of_one_day_that_differ_are_not_taken() -> None:
    site = Site()
    site.answers[CURRENT] = table(("4/14/2026", "2,044,781"), ("4/14/2026", "2,044,718"))
    assert TUESDAY not in site.poll()


def test_a_count_before_the_day_is_over_is_taken_once_it_is() -> None:
    site = Site()
    site.answers[CURRENT] = table(("4/15/2026", "2,400,000"), ("4/14/2026", "2,044,781"))
    counts = site.poll()
    assert (dt.date(2026, 4, 15) in counts, TUESDAY in counts) == (False, True)
    assert dt.date(2026, 4, 15) in site.poll(minutes=24 * 60)


@pytest.mark.parametrize("archived", [False, True])
def test_a_row_of_another_year_replaces_no_count_that_is_settled(archived: bool) -> None:
    site = Site()
    site.reader.counts = before = whole_year(2025, archived=archived)
    site.answers[CURRENT] = table(("4/14/2025", "2,611,203"), ("4/13/2026", "2,400,000"))
    site.poll()
    counts = site.poll(minutes=1)
    assert counts.vintages[dt.date(2025, 4, 14)] == before.vintages[dt.date(2025, 4, 14)]
    assert MONDAY in counts
    assert rows_named(site) == [f"{CURRENT}: 2025-04-14, with 2,611,203, is of another year"]


def test_a_row_of_another_year_adds_no_day_that_was_not_known() -> None:
    site = Site()
    site.answers[CURRENT] = table(("4/14/2025", "2,611,203"), ("4/13/2026", "2,400,000"))
    assert set(site.poll().vintages) == {MONDAY}


def test_a_page_of_a_year_adds_no_day_of_another() -> None:
    site = Site(dt.datetime(2027, 1, 2, 9, 0, tzinfo=EASTERN))
    site.answers = {
        CURRENT: page({}),
        f"{CURRENT}/2026": table(("12/31/2026", "2,100,000"), ("12/30/2025", "2,400,000")),
    }
    assert set(site.poll().vintages) == {dt.date(2026, 12, 31)}


def test_a_change_of_a_count_is_judged_too() -> None:
    site = Site()
    site.rows = {TUESDAY: 2_044_781}
    site.poll()
    site.rows, site.deviations = {TUESDAY: 204_478}, -30.0
    assert site.poll(minutes=1).latest(TUESDAY) == 2_044_781
    site.rows = {TUESDAY: 2_044_781}
    site.poll(minutes=1)
    site.rows = {TUESDAY: 204_478}
    assert site.poll(minutes=10).latest(TUESDAY) == 2_044_781
    assert site.poll(minutes=11).latest(TUESDAY) == 204_478


def test_a_count_that_changed_and_changed_back_is_recorded_each_time() -> None:
    site = Site()
    for count in (2_044_781, 2_100_000, 2_044_781):
        site.rows = {TUESDAY: count}
        counts = site.poll(minutes=60)
    assert counts.settling_count(TUESDAY) == 2_044_781
    recorded = [each.counts[0] for each in site.outputs if isinstance(each, RecordCounts)]
    assert len({each.key for each in recorded}) == 3


def test_what_is_read_now_counts_though_the_clock_was_ahead_when_the_page_was_read_before() -> None:
    site = Site()
    for count, minutes in ((2_044_781, 0), (2_100_000, 90), (2_044_781, -60)):
        site.rows = {TUESDAY: count}
        counts = site.poll(minutes=minutes)
    assert counts.latest(TUESDAY) == 2_044_781
    site.poll(minutes=1)
    recorded = [each for each in site.outputs if isinstance(each, RecordCounts)]
    assert len(recorded) == 3


# The turn of the year

NEW_YEAR = dt.datetime(2027, 1, 2, 9, 0, tzinfo=EASTERN)


def test_a_page_without_a_row_is_no_fault_on_the_first_days_of_a_year() -> None:
    site = Site(NEW_YEAR)
    site.answers = {CURRENT: table(), f"{CURRENT}/2026": page({dt.date(2026, 12, 31): 2_100_000})}
    assert dt.date(2026, 12, 31) in site.poll()
    assert not site.notes("counts.unreadable")
    site.poll(minutes=1)
    assert [len(fetch.headers) > 1 for fetch in site.asked] == [False, False, False, True]


def test_a_page_without_a_row_is_a_fault_in_april() -> None:
    site = Site()
    site.answers[CURRENT] = table()
    site.poll()
    (note,) = site.notes("counts.unreadable")
    assert note["reason"] == f"{CURRENT}: the page has no rows"


def test_the_page_of_the_old_year_is_read_where_the_current_one_cannot_be() -> None:
    site = Site(NEW_YEAR)
    site.answers = {CURRENT: None, f"{CURRENT}/2026": page({dt.date(2026, 12, 31): 2_100_000})}
    assert dt.date(2026, 12, 31) in site.poll()
    assert [fields["failures"] for fields in site.notes("counts.unreadable")] == [1]


def test_a_year_that_is_not_archived_yet_is_named_once() -> None:
    site = Site(NEW_YEAR)
    site.answers = {CURRENT: table(), f"{CURRENT}/2026": HttpAnswer(404)}
    site.poll()
    site.poll(minutes=1)
    assert site.notes("counts.no_such_year") == [{"year": 2026}]


def test_days_of_the_old_year_are_read_from_a_current_page_that_has_not_restarted() -> None:
    site = Site(NEW_YEAR)
    site.answers = {
        CURRENT: table(("12/31/2026", "2,100,000"), ("12/30/2026", "2,200,000")),
        f"{CURRENT}/2026": HttpAnswer(404),
    }
    assert len(site.poll()) == 2


def test_the_start_waits_for_no_page_of_a_year_of_which_most_is_known() -> None:
    site = Site(NEW_YEAR)
    known = whole_year(2026).up_to(dt.date(2026, 12, 30))
    site.answers = {CURRENT: table(), f"{CURRENT}/2026": HttpAnswer(503)}
    assert site.run(site.reader.load(known, site.now)).changed
    assert [fetch.path for fetch in site.asked] == [f"{CURRENT}/2026", CURRENT]


def test_a_day_that_the_page_of_a_year_lacked_is_asked_for_at_the_next_start() -> None:
    site = Site(first_year=2025)
    known = {
        day: held for day, held in whole_year(2025).vintages.items() if day.day + day.month > 2
    }
    site.answers[f"{CURRENT}/2025"] = page({dt.date(2025, 1, 1): 2_100_000})
    site.rows = {SUNDAY: 2_822_290}
    site.run(site.reader.load(Counts(known), site.now))
    assert dt.date(2025, 1, 1) in site.reader.counts
