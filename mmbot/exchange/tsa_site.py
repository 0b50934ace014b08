"""TSA's pages as the site serves them; a count appears at its release.

Everything here is labelled simulated. Like the real site, the pages refuse the user agents that
HTTP libraries send by default and answer conditional requests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final, TypeAlias

from mmbot.exchange.timetable import Release
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Milliseconds

PATH: Final = "/travel/passenger-volumes"
_LIBRARY_AGENT: Final = re.compile(
    r"(python|aiohttp|httpx|urllib|requests|curl|wget|go-http|java)\b", re.IGNORECASE
)
_DISCLAIMER: Final = (
    '<div class="tsa-disclaimer"><p>Archived Data has been updated including Known Crewmembers '
    "and later flight travel numbers.</p></div>"
)
_NOTE: Final = (
    "<p>Passenger travel numbers are updated Monday through Friday by 9 a.m. Travel numbers "
    "during holiday weeks though may be slightly delayed.</p>"
)


# A year, its published counts, and whether it is archived.
_Page: TypeAlias = tuple[int, tuple[tuple[dt.date, int], ...], bool]


class TsaSite:
    """The pages at any time of the calendar."""

    def __init__(
        self,
        counts: Mapping[dt.date, int],
        archived: Mapping[dt.date, int],
        releases: Iterable[Release],
        clock: CalendarClock,
        label: str,
    ) -> None:
        self._counts = counts
        self._archived = archived
        self._clock = clock
        self._label = label
        self._last: dict[int, tuple[_Page, bytes, str]] = {}
        self._released_at = {day: release.at for release in releases for day in release.days}

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Serve one request at the wall time `now`."""
        headers = {name.lower(): value for name, value in request.headers}
        agent = headers.get("user-agent", "")
        if not agent or _LIBRARY_AGENT.search(agent):
            return HttpAnswer(403, b"Access Denied", (("content-type", "text/html"),))
        at = self._clock.at(now)
        year = self._year(request.path, at)
        if request.method not in ("GET", "HEAD") or year is None:
            return HttpAnswer(404, b"Page not found", (("content-type", "text/html"),))
        return self._page(year, at, now, headers)

    def _year(self, path: str, at: dt.datetime) -> int | None:
        if path.rstrip("/") == PATH:
            return at.year
        tail = path.removeprefix(PATH + "/")
        year = int(tail) if tail.isascii() and tail.isdigit() and len(tail) == 4 else at.year
        return year if year < at.year and any(d.year == year for d in self._counts) else None

    def _page(
        self, year: int, at: dt.datetime, now: Milliseconds, headers: dict[str, str]
    ) -> HttpAnswer:
        shown = self.published(year, at)
        body, tag = self._rendered(year, tuple(shown), archived=year < at.year)
        changed = self._modified(shown, now)
        common = (
            ("content-type", "text/html; charset=UTF-8"),
            ("etag", tag),
            ("last-modified", format_datetime(changed, usegmt=True)),
            ("cache-control", "max-age=600"),
        )
        if _is_current(headers, tag, changed):
            return HttpAnswer(304, b"", common)
        return HttpAnswer(200, body, common)

    def published(self, year: int, at: dt.datetime) -> list[tuple[dt.date, int]]:
        """Return a year's counts that are published at `at`, oldest first."""
        counts = self._archived if year < at.year else self._counts
        released_at = self._released_at
        return sorted(
            (day, count)
            for day, count in counts.items()
            if day.year == year and (day not in released_at or released_at[day] <= at)
        )

    def _modified(self, shown: list[tuple[dt.date, int]], now: Milliseconds) -> dt.datetime:
        released = self._released_at.get(shown[-1][0]) if shown else None
        wall = self._clock.wall_time(released) if released else self._clock.wall
        return dt.datetime.fromtimestamp(min(wall, now) // 1000, dt.UTC)

    def _rendered(
        self, year: int, shown: tuple[tuple[dt.date, int], ...], *, archived: bool
    ) -> tuple[bytes, str]:
        """Return a page and its ETag; a page is rendered anew only when it changes."""
        page = (year, shown, archived)
        last = self._last.get(year)
        if last is None or last[0] != page:
            body = self._html(year, shown, archived=archived).encode()
            last = page, body, f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            self._last[year] = last
        return last[1:]

    def _html(self, year: int, shown: Sequence[tuple[dt.date, int]], *, archived: bool) -> str:
        ordered = shown if archived else reversed(shown)
        rows = "".join(
            f'<tr><td class="text-align-center">{day.month}/{day.day}/{day.year}</td>'
            f'<td class="text-align-center">{count:,}</td></tr>'
            for day, count in ordered
        )
        title = f"{year} TSA" if archived else "TSA"
        return (
            '<!DOCTYPE html>\n<html lang="en" dir="ltr"><head><meta charset="utf-8" />'
            f"<title>{title} checkpoint travel numbers ({self._label})</title></head>"
            '<body class="path-node page-node-type-basic-page">'
            f'<h1 class="uswds-page-title page-title">{title} checkpoint travel numbers '
            f"({self._label})</h1>"
            f'<div class="text-long">{_DISCLAIMER if archived else _NOTE}'
            '<table class="table"><thead><tr><th style="text-align:center;">Date</th>'
            '<th style="text-align:center;">Numbers</th></tr></thead>'
            f"<tbody>{rows}</tbody></table></div></body></html>\n"
        )


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
