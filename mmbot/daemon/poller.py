"""Reading tsa.gov: politely, conditionally, and keeping every vintage it ever saw.

Between expected releases the page is read now and then; from the earliest release until the count
that is due has come, as often as the config says. The pages are asked for with the validators of
the last answer, so an unchanged page costs a 304.

A new count that is implausible is held back until a later reading, past the site's cache, still
shows it: until then it is as if it had not been published, and nothing trades on it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec
import structlog

from mmbot.config import CountsSettings
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.transport import read_body
from mmbot.errors import BadInput
from mmbot.forecast.plausibility import Doubts
from mmbot.tsa.calendar import EASTERN, CalendarClock, Week, release_instant
from mmbot.tsa.counts import CountChange, Counts, load_counts
from mmbot.tsa.pages import MOST_BYTES, page_path, parse_page

# The site refuses the default names of client libraries; a browser's goes through.
_USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 "
    "Safari/537.36"
)
_TIMEOUT = aiohttp.ClientTimeout(total=20)

# Calendar seconds between readings while nothing is due.
_IDLE_SECONDS = 1800.0
# However fast the calendar runs, the site is not asked more often than this, in wall seconds.
_LEAST_WAIT = 0.25
# The site's cache holds a page for ten minutes; asking in step with others would be rude.
_JITTER = 0.1
_MOST_BACKOFF = 8.0
# In early January the last days of December are only on the archived page of their year.
_NEW_YEAR_DAYS = 10


# How far a count is from its forecast, given what is known without it, in standard deviations.
Judge = Callable[[Counts, dt.date, int], float]


class _Validators(msgspec.Struct):
    """What the site said of a page the last time it sent it whole."""

    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the page only if it changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


class CountsPoller:
    """Keeps `counts` up to date and tells its owner when they change."""

    def __init__(
        self,
        settings: CountsSettings,
        url: str,
        clock: CalendarClock,
        ledger: Ledger,
        rng: random.Random,
        wall_clock: Callable[[], int],
        judge: Judge,
    ) -> None:
        """Read from `url`; `wall_clock` gives milliseconds, `judge` says what is implausible."""
        self.counts = Counts()
        self._settings = settings
        self._url = url
        self._clock = clock
        self._ledger = ledger
        self._rng = rng
        self._wall_clock = wall_clock
        self._judge = judge
        self._doubts = Doubts()
        self._validators: dict[str, _Validators] = {}
        self._log = structlog.get_logger()

    async def read_history(self) -> None:
        """Gather what is known: the history file, the ledger, the archived pages, today's page.

        Of the running week only the ledger is believed: its days have to be judged first, by a
        forecast that this history makes possible.

        Raises:
            BadInput: A source cannot be reached or read; without history nothing is traded.
        """
        if self._settings.history_file:
            self.counts = load_counts(Path(self._settings.history_file))
        for day, count, seen, archived in self._ledger.counts():
            self.counts, _ = self.counts.observe(day, count, seen, archived=archived)
        today = self._today()
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            for year in range(self._settings.first_year, today.year):
                if not self._holds_year(year):
                    await self._read_page(session, year)
            await self._read_page(session, None, until=Week.of(today).monday)
        self._validators.clear()
        self._log.info(
            "counts.read",
            days=len(self.counts),
            last_day=str(self.counts.last_day),
            digest=self.counts.digest,
        )

    async def run(self, changed: Callable[[Counts], None]) -> None:
        """Poll until cancelled; call `changed` with the new counts whenever there are any."""
        failures = 0
        # An earlier life may have died before it took in what these stand for.
        self._validators.clear()
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                before = self.counts
                try:
                    await self.poll(session)
                    failures = 0
                except BadInput as error:
                    failures += 1
                    self._log.warning("counts.unreadable", reason=str(error), failures=failures)
                if self.counts is not before:
                    self._announce(before)
                    changed(self.counts)
                await asyncio.sleep(self._wait() * min(2.0**failures, _MOST_BACKOFF))

    async def poll(self, session: aiohttp.ClientSession) -> None:
        """Read once whatever pages may have news; raise `BadInput` if one cannot be had."""
        for year in self._pages():
            await self._read_page(session, year)

    def _today(self) -> dt.date:
        return self._now().date()

    def _now(self) -> dt.datetime:
        return self._clock.at(self._wall_clock())

    def _holds_year(self, year: int) -> bool:
        days = (dt.date(year, 1, 1), dt.date(year, 7, 1), dt.date(year, 12, 31))
        return all(day in self.counts for day in days)

    def _pages(self) -> tuple[int | None, ...]:
        today = self._today()
        if today.month == 1 and today.day <= _NEW_YEAR_DAYS:
            return None, today.year - 1
        return (None,)

    def _wait(self) -> float:
        """Return the wall seconds until the next reading."""
        idle = self._settings.poll_seconds if self._due() else self._idle_seconds()
        jittered = idle * (1 + _JITTER * self._rng.random())
        return max(_LEAST_WAIT, jittered / self._clock.speed)

    def _due(self) -> bool:
        now, settings = self._now(), self._settings
        this = Week.of(now.date())
        due = [
            day
            for week in (this, Week.of(now.date() - dt.timedelta(days=7)))
            for day in week.days_due(now, settings.earliest_release)
        ]
        early = this.early_releases(settings.earliest_release, settings.latest_release)
        due += [release.day for release in early if release.opens <= now < release.shuts]
        return any(day not in self.counts for day in due)

    def _idle_seconds(self) -> float:
        now = self._now()
        nearest = min(
            release_instant(day, self._settings.earliest_release) - now
            for day in (now.date() - dt.timedelta(days=back) for back in range(-1, 4))
            if release_instant(day, self._settings.earliest_release) > now
        )
        return min(_IDLE_SECONDS, nearest.total_seconds() + 1)

    async def _read_page(
        self, session: aiohttp.ClientSession, year: int | None, until: dt.date = dt.date.max
    ) -> None:
        """Take in the days of a page before `until`."""
        path = page_path(year)
        body = await self._fetch(session, path, year)
        if body is None:
            return
        seen = self._now().astimezone(EASTERN)
        try:
            rows = parse_page(body)
        except BadInput as error:
            raise BadInput(f"{self._url}{path}: {error}") from None
        for day, count in rows:
            if day < until and (day in self.counts or self._believable(day, count, seen)):
                self._observe(day, count, seen, archived=year is not None)

    def _believable(self, day: dt.date, count: int, seen: dt.datetime) -> bool:
        deviations = self._judge(self.counts, day, count)
        before = self._doubts
        self._doubts, believable = before.read(day, count, seen, deviations)
        if self._doubts != before and not believable:
            self._log.warning(
                "counts.implausible", day=str(day), count=count, deviations=round(deviations, 1)
            )
        return believable

    def _observe(self, day: dt.date, count: int, seen: dt.datetime, *, archived: bool) -> None:
        before = self.counts
        after, change = before.observe(day, count, seen, archived=archived)
        if change is not CountChange.NOTHING:
            self._ledger.add_count(day, count, seen, archived=archived)
        self.counts = after
        if change is CountChange.REVISION:
            self._log.warning(
                "counts.revised", day=str(day), count=count, first_published=before.first(day)
            )

    def _announce(self, before: Counts) -> None:
        for day in sorted(self.counts.vintages.keys() - before.vintages.keys()):
            self._log.info("counts.published", day=str(day), count=self.counts.first(day))

    async def _fetch(
        self, session: aiohttp.ClientSession, path: str, year: int | None
    ) -> bytes | None:
        """Return a page, or `None` if there is nothing new; raise `BadInput` if it is not had."""
        validators = self._validators.setdefault(path, _Validators())
        headers = {"User-Agent": _USER_AGENT}
        if not self._doubts.held:
            # A count in doubt has to be read again even where nothing has changed.
            headers |= validators.headers()
        try:
            async with session.get(self._url + path, headers=headers) as response:
                if response.status == 304:
                    return None
                if response.status == 404 and year is not None:
                    self._log.warning("counts.no_such_year", year=year)
                    return None
                if response.status != 200:
                    raise BadInput(f"{self._url}{path} answered {response.status}")
                body = await read_body(response, MOST_BYTES)
                validators.etag = response.headers.get("ETag", "")
                validators.last_modified = response.headers.get("Last-Modified", "")
                return body
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise BadInput(f"cannot reach {self._url}{path}: {error}") from None
