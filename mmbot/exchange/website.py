"""The pages of a statistic as its site serves them; a count appears at its release.

Everything here is labelled simulated. Like the real site, the pages refuse the user agents that
HTTP libraries send by default and answer conditional requests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final, TypeAlias

from mmbot.exchange.timetable import Release
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.underlying.calendar import CalendarClock
from mmbot.underlying.underlying import Underlying
from mmbot.units import Milliseconds

_LIBRARY_AGENT: Final = re.compile(
    r"(python|aiohttp|httpx|urllib|requests|curl|wget|go-http|java)\b", re.IGNORECASE
)


# An archived year or `None`, and the counts on its page.
_Page: TypeAlias = tuple[int | None, tuple[tuple[dt.date, int], ...]]


class Website:
    """The pages at any time of the calendar."""

    def __init__(
        self,
        underlying: Underlying,
        counts: Mapping[dt.date, int],
        archived: Mapping[dt.date, int],
        releases: Iterable[Release],
        clock: CalendarClock,
        label: str,
    ) -> None:
        self._pages, self._simulated = underlying.pages, underlying.simulated
        self._counts = counts
        self._years = {day.year for day in counts}
        self._archived = archived
        self._clock = clock
        self._label = label
        self._last: dict[int | None, tuple[_Page, bytes, str]] = {}
        self._released_at = {day: release.at for release in releases for day in release.days}

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Serve one request at the wall time `now`."""
        headers = {name.lower(): value for name, value in request.headers}
        agent = headers.get("user-agent", "")
        if not agent or _LIBRARY_AGENT.search(agent):
            return HttpAnswer(403, b"Access Denied", (("content-type", "text/html"),))
        at = self._clock.at(now)
        path, served = request.path.rstrip("/"), self._served(at)
        if request.method not in ("GET", "HEAD") or path not in served:
            return HttpAnswer(404, b"Page not found", (("content-type", "text/html"),))
        return self._page(served[path], at, now, headers)

    def serves(self, path: str) -> bool:
        """Return whether a path belongs to this site, even if there is no such page."""
        return path.startswith(self._pages.path(None))

    def _served(self, at: dt.datetime) -> dict[str, int | None]:
        """Return the existing pages: the current one, and those of archived years."""
        pages = self._pages
        served: dict[str, int | None] = {pages.path(None): None}
        if pages.by_year:
            served |= {pages.path(year): year for year in self._years if year < at.year}
        return served

    def _page(
        self, year: int | None, at: dt.datetime, now: Milliseconds, headers: dict[str, str]
    ) -> HttpAnswer:
        shown = self.published(year, at)
        body, tag = self._rendered(year, tuple(shown))
        changed = self._modified(shown, now)
        common = (
            ("content-type", self._simulated.content_type),
            ("etag", tag),
            ("last-modified", format_datetime(changed, usegmt=True)),
            ("cache-control", "max-age=600"),
        )
        if _is_current(headers, tag, changed):
            return HttpAnswer(304, b"", common)
        return HttpAnswer(200, body, common)

    def published(self, year: int | None, at: dt.datetime) -> list[tuple[dt.date, int]]:
        """Return the counts on the current page, or an archived year's, at `at`, oldest first."""
        counts = self._counts if year is None else self._archived
        of = at.year if year is None else year
        released_at = self._released_at
        return sorted(
            (day, count)
            for day, count in counts.items()
            if (day.year == of or not self._pages.by_year)
            and (day not in released_at or released_at[day] <= at)
        )

    def _modified(self, shown: list[tuple[dt.date, int]], now: Milliseconds) -> dt.datetime:
        released = self._released_at.get(shown[-1][0]) if shown else None
        wall = self._clock.wall_time(released) if released else self._clock.wall
        return dt.datetime.fromtimestamp(min(wall, now) // 1000, dt.UTC)

    def _rendered(
        self, year: int | None, shown: tuple[tuple[dt.date, int], ...]
    ) -> tuple[bytes, str]:
        """Return a page and its ETag; it is rendered again only if it has changed."""
        page = (year, shown)
        last = self._last.get(year)
        if last is None or last[0] != page:
            body = self._simulated.page(year, shown, self._label)
            last = page, body, f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            self._last[year] = last
        return last[1:]


def _is_current(headers: dict[str, str], tag: str, changed: dt.datetime) -> bool:
    known = headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or tag in [
            t.strip().removeprefix("W/") for t in known.split(",")
        ]
    since = headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return changed <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False
