"""Reads the counts from the pages of their site: which page to read, which counts to use.

`page_pace` decides when the current page is read. A page is requested with the cache validators of
its last usable answer, so that an unchanged one is answered by a 304.

A new or changed count that is implausible is held back until a later reading, past the site's
cache, still shows it; until then it counts as unpublished, and nothing trades on it.

A row that cannot be read, or whose day its page cannot have, is logged once and skipped. A page's
validators are used only if every one of its rows was usable.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import structs

from mmbot.bot.inputs import PageFetched
from mmbot.bot.outputs import CountsUnavailable, FetchPage, RecordCounts, ShownCount
from mmbot.bot.page_pace import PagePace
from mmbot.config import CountsSettings
from mmbot.errors import BadInput
from mmbot.forecast.plausibility import HeldCounts
from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.commands import Note, NoteLevel
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.underlying.counts import CountChange, Counts
from mmbot.underlying.pages import CountsPage
from mmbot.underlying.underlying import Underlying
from mmbot.units import Milliseconds

# In early January the last days of December are only on the archived page of their year.
_NEW_YEAR_DAYS = 10
# After this many 304 answers in a row a page is requested in full: the site may be wrong.
_MOST_UNCHANGED = 20
# How many warnings about pages are remembered, so that each is logged once.
_MOST_TOLD = 500
# A request without an answer for this long counts as failed.
_PATIENCE_MS: Milliseconds = 120_000

# How far a count is from its forecast, given the counts without it, in standard deviations.
Judge: TypeAlias = Callable[[Counts, dt.date, int], float]


class _Validators(msgspec.Struct, frozen=True):
    """The validators of a path's last usable page, and the number of 304 answers to them."""

    etag: str = ""
    last_modified: str = ""
    unchanged: int = 0

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that request the page only if it has changed."""
        headers = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return tuple((name, value) for name, value in headers if value)


class _Request(msgspec.Struct, frozen=True):
    """A requested page: the year if it is an archived one, and until when to wait for it.

    `conditional` says that an unchanged page need not be sent.
    """

    id: int
    year: int | None
    until: Milliseconds
    conditional: bool


class CountsStep(msgspec.Struct):
    """The result of one input: outputs, and whether the beliefs need to be formed again.

    They do once the history is complete, and after that whenever a count is new.
    """

    outputs: list[FetchPage | RecordCounts | CountsUnavailable | Note] = []
    changed: bool = False


class CountsReader:
    """Keeps `counts` up to date; `next_due` is when `woken` has something to do.

    Attributes:
        counts: All that is known.
        pace: How often the page is read.
    """

    def __init__(
        self,
        underlying: Underlying,
        settings: CountsSettings,
        clock: CalendarClock,
        rng: random.Random,
        judge: Judge,
    ) -> None:
        """Begin without counts.

        Args:
            underlying: What is counted, and on which pages.
            settings: Which years to read, how often, and when releases come.
            clock: The calendar as a function of wall time.
            rng: Draws the jitter between readings.
            judge: Returns a new count's distance from its forecast in standard deviations.
        """
        self.counts = Counts()
        self._underlying = underlying
        self._pages = underlying.pages
        self._first_year = settings.first_year
        self._clock = clock
        self.pace = PagePace(underlying, settings, clock, rng)
        self._judge = judge
        self._held_counts = HeldCounts()
        self._validators: dict[str, _Validators] = {}
        self._loading = False
        self._years_left: list[int | None] = []
        self._request: _Request | None = None
        self._requests = 0
        self._told: dict[tuple[str, str], None] = {}
        # How many readings in a row failed, and whether the present one has.
        self._failures = 0
        self._failed = False
        self._poll_due: Milliseconds | None = None
        # When the current page was last read successfully, changed or not.
        self.read_at: Milliseconds | None = None
        self._step = CountsStep()

    @property
    def next_due(self) -> Milliseconds | None:
        """When the next page is to be requested, or the wait for a requested one ends."""
        return self._poll_due if self._request is None else self._request.until

    # Inputs

    def load(self, counts: Counts, now: Milliseconds) -> CountsStep:
        """Begin with the stored history, and read the pages for what it lacks.

        Of the running week, only days in `counts` are used: those on the page must first be judged
        by a forecast, for which this history is needed.
        """
        self._step = CountsStep()
        self.counts = counts
        self._loading = True
        today = self._clock.at(now).date()
        years = range(self._first_year, today.year) if self._pages.by_year else ()
        held = Counter(day.year for day in counts.vintages)
        self._years_left = [*(year for year in years if held[year] < _days_of(year)), None]
        self._failed = False
        self._fetch_next(now)
        return self._step

    def poll(self, now: Milliseconds) -> CountsStep:
        """Read the pages that may show a new count."""
        self._step = CountsStep()
        self._begin_poll(now)
        return self._step

    def fetched(self, page: PageFetched, now: Milliseconds) -> CountsStep:
        """Read the answer to a `FetchPage`, or handle its absence; ignore one that timed out."""
        self._step = CountsStep()
        if self._request is not None and page.id == self._request.id:
            self._take(self._request, page.answer, page.failure, now)
        return self._step

    def woken(self, now: Milliseconds) -> CountsStep:
        """Request a page that is due, and give up one that has timed out."""
        self._step = CountsStep()
        due = self.next_due
        if due is not None and now >= due:
            if self._request is None:
                self._begin_poll(now)
            else:
                self._take(self._request, None, "no answer", now)
        return self._step

    # Pages

    def _begin_poll(self, now: Milliseconds) -> None:
        today = self._clock.at(now).date()
        self._years_left = [None, today.year - 1] if self._is_new_year(today) else [None]
        self._failed = False
        self._fetch_next(now)

    def _fetch_next(self, now: Milliseconds) -> None:
        year = self._years_left.pop(0)
        path = self._pages.path(year)
        headers: tuple[tuple[str, str], ...] = ()
        kept = self._validators.get(path)
        # A count that is held back has to be read again even if nothing has changed.
        if kept is not None and kept.unchanged < _MOST_UNCHANGED and not self._held_counts.held:
            headers = kept.headers()
        self._requests += 1
        self._request = _Request(self._requests, year, now + _PATIENCE_MS, bool(headers))
        asked = (("User-Agent", self._pages.user_agent), *headers)
        self._step.outputs.append(FetchPage(self._requests, path, asked))

    def _take(
        self, request: _Request, answer: HttpAnswer | None, failure: str, now: Milliseconds
    ) -> None:
        self._request = None
        try:
            self._read(request, answer, failure, now)
            if request.year is None:
                self.read_at = now
        except BadInput as error:
            if self._loading and not self._can_begin_without(request.year):
                self._step.outputs.append(CountsUnavailable(str(error)))
                return
            self._failed = True
            fields = {"reason": str(error), "failures": self._failures + 1}
            self._note("counts.unreadable", "warning", **fields)
        if self._years_left:
            self._fetch_next(now)
            return
        self._failures = self._failures + 1 if self._failed else 0
        if self._loading:
            self._end_loading()
        else:
            self._schedule_poll(now)

    def _can_begin_without(self, year: int | None) -> bool:
        return len(self.counts) > 0 if year is None else self._holds_most_of(year)

    def _end_loading(self) -> None:
        if not len(self.counts):
            reason = f"{self._pages.path(None)} has no count of a day before this week"
            self._step.outputs.append(CountsUnavailable(reason))
            return
        self._loading, self._step.changed = False, True
        self._note(
            "counts.read",
            days=len(self.counts),
            last_day=str(self.counts.last_day),
            digest=self.counts.digest,
        )

    def _read(
        self, request: _Request, answer: HttpAnswer | None, failure: str, now: Milliseconds
    ) -> None:
        """Add the counts on a page; raise `BadInput` if none is usable."""
        year, path = request.year, self._pages.path(request.year)
        if answer is None:
            raise BadInput(f"{path} cannot be reached: {failure}")
        if answer.status == 304 and request.conditional:
            kept = self._validators[path]
            self._validators[path] = structs.replace(kept, unchanged=kept.unchanged + 1)
            return
        if answer.status == 404 and year is not None:
            self._note_once("counts.no_such_year", path, year=year)
            return
        if answer.status != 200:
            raise BadInput(f"{path} answered {answer.status}")
        seen = self._clock.at(now).astimezone(EASTERN)
        try:
            page = self._parsed(answer.body)
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from None
        if not page.counts and not (year is None and self._is_new_year(seen.date())):
            wrong = f"no row that can be read: {page.doubts[0]}" if page.doubts else "no rows"
            raise BadInput(f"{path}: the page has {wrong}")
        doubts = [*page.doubts, *self._add(page, year, seen)]
        for doubt in doubts:
            self._note_once("counts.row_unreadable", f"{path}: {doubt}", reason=f"{path}: {doubt}")
        if not doubts and page.counts and not self._loading:
            self._keep_validators(path, answer)
        else:
            self._validators.pop(path, None)

    def _add(self, page: CountsPage, year: int | None, seen: dt.datetime) -> list[str]:
        """Add the new counts of a page; return what is wrong with others."""
        # The running week's days wait until a forecaster can judge them.
        until = Week.of(seen.date()).monday if self._loading else dt.date.max
        restarted = any(day.year == seen.year for day, _ in page)
        doubts, news = [], []
        for day, count in page:
            doubt = self._doubt(day, count, year, seen, restarted=restarted)
            if doubt:
                doubts.append(doubt)
            elif day in self.counts or day < until:
                shown = ShownCount(day, count, self._after(day, seen), archived=year is not None)
                if self._believable(shown) and self._observe(shown):
                    news.append(shown)
        if news:
            self._step.outputs.append(RecordCounts(tuple(news)))
        return doubts

    def _parsed(self, body: bytes) -> CountsPage:
        return self._pages.parse(body)

    def _doubt(
        self, day: dt.date, count: int, year: int | None, seen: dt.datetime, *, restarted: bool
    ) -> str:
        return self._pages.doubt(self.counts, day, count, year, seen, restarted=restarted)

    def _after(self, day: dt.date, seen: dt.datetime) -> dt.datetime:
        """Return when a page was seen, but later than all that is known of the day.

        The machine's clock may have been ahead when the earlier page was seen.
        """
        held = self.counts.vintages.get(day)
        if not held or to_milliseconds(held[-1].seen) < to_milliseconds(seen):
            return seen
        return held[-1].seen + dt.timedelta(milliseconds=1)

    def _keep_validators(self, path: str, answer: HttpAnswer) -> None:
        headers = {name.lower(): value for name, value in answer.headers}
        self._validators[path] = _Validators(
            headers.get("etag", ""), headers.get("last-modified", "")
        )

    # Counts

    def _believable(self, shown: ShownCount) -> bool:
        """Judge a count by its forecast; a known or archived one needs no judgement."""
        day, count = shown.day, shown.count
        news = day not in self.counts or not (shown.archived or count == self.counts.latest(day))
        deviations = self._judge(self.counts, day, count) if news else 0.0
        before = self._held_counts
        self._held_counts, believable = before.read(day, count, shown.seen, deviations)
        if self._held_counts != before and not believable:
            fields = {"day": str(day), "count": count, "deviations": round(deviations, 1)}
            self._note("counts.implausible", "warning", **fields)
        return believable

    def _observe(self, shown: ShownCount) -> bool:
        """Add a count that a page showed; return whether it is new or revised."""
        day, count, before = shown.day, shown.count, self.counts
        self.counts, change = before.observe(day, count, shown.seen, archived=shown.archived)
        if change is CountChange.NOTHING:
            return False
        self._step.changed = not self._loading
        if change is CountChange.REVISION:
            first = before.first_published(day)
            fields = {"day": str(day), "count": count, "first_published": first}
            self._note("counts.revised", "warning", **fields)
        elif not self._loading:
            self._note("counts.published", day=str(day), count=count)
        return True

    def _holds_most_of(self, year: int) -> bool:
        days = (dt.date(year, 1, 1), dt.date(year, 7, 1), dt.date(year, 12, 1))
        return all(day in self.counts for day in days)

    def _schedule_poll(self, now: Milliseconds) -> None:
        wait = self.pace.wait_seconds(self._clock.at(now), self.counts, self._failures)
        self._poll_due = now + round(wait * 1000)

    def _note_once(self, name: str, what: str, **fields: Any) -> None:
        """Log a warning unless that was done before; the oldest of many is forgotten."""
        if (name, what) not in self._told:
            if len(self._told) >= _MOST_TOLD:
                del self._told[next(iter(self._told))]
            self._told[name, what] = None
            self._note(name, "warning", **fields)

    def _note(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        self._step.outputs.append(Note(name, fields, level))

    def _is_new_year(self, today: dt.date) -> bool:
        return self._pages.by_year and today.month == 1 and today.day <= _NEW_YEAR_DAYS


def _days_of(year: int) -> int:
    return (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days
