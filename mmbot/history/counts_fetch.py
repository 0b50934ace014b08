"""Fetches the pages of tsa.gov, the current one and those of past years, as sightings of counts.

A page that was parsed is requested again only if it has changed. A value that was not on the page
at its last reading becomes a new sighting, so that no vintage is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from mmbot.errors import BadInput
from mmbot.history.doubts import Doubts
from mmbot.history.manifest import PageState
from mmbot.history.rows import Sighting
from mmbot.history.sightings import counts_of
from mmbot.history.steps import Steps
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.tsa.pages import USER_AGENT, day_of_another_page, page_path, parse_page
from mmbot.underlying.calendar import EASTERN, from_milliseconds
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds

FIRST_YEAR = 2019


class CountsFetched(msgspec.Struct, frozen=True):
    """The result of fetching one page.

    Attributes:
        path: The page.
        sightings: The counts that were not on the page before.
        pages: The state of the page, to be stored.
        doubts: What could not be used.
        failure: Why nothing of the page could be used, or "".
    """

    path: str
    sightings: tuple[Sighting, ...] = ()
    pages: Mapping[str, PageState] = {}
    doubts: tuple[str, ...] = ()
    failure: str = ""


def years_until(now: Milliseconds) -> tuple[int | None, ...]:
    """Return the years of the archived pages, and `None` for the current one, which comes last."""
    return (*range(FIRST_YEAR, from_milliseconds(now).year), None)


def fetch_page(
    year: int | None,
    held: Iterable[Sighting],
    pages: Mapping[str, PageState],
    now: Milliseconds,
) -> Steps[CountsFetched]:
    """Fetch one page and return what is new on it.

    Args:
        year: That of an archived page, or `None` for the current one.
        held: The stored sightings.
        pages: The stored states of the pages.
        now: The calendar's time.
    """
    path = page_path(year)
    before = pages.get(path)
    validators = (
        ()
        if before is None
        else (("If-None-Match", before.etag), ("If-Modified-Since", before.last_modified))
    )
    conditional = tuple((name, value) for name, value in validators if value)
    answer = yield HttpRequest("GET", path, headers=(("User-Agent", USER_AGENT), *conditional))
    if answer.status == 304 and before is not None and conditional:
        return CountsFetched(path, pages={path: msgspec.structs.replace(before, read_ms=now)})
    if answer.status == 404 and year is not None:
        doubts = () if before is not None else (f"there is no page {path}",)
        return CountsFetched(path, pages={path: PageState(now)}, doubts=doubts)
    if answer.status != 200:
        return CountsFetched(path, failure=f"{path} answered {answer.status}")
    try:
        return _read(year, answer, tuple(held), before, now)
    except BadInput as error:
        return CountsFetched(path, failure=f"{path}: {error}")


def _read(
    year: int | None,
    answer: HttpAnswer,
    held: tuple[Sighting, ...],
    before: PageState | None,
    now: Milliseconds,
) -> CountsFetched:
    path, seen = page_path(year), from_milliseconds(now).astimezone(EASTERN)
    page = parse_page(answer.body)
    counts: Counts = counts_of(held)
    # The last value of each day on a page of this kind.
    last = {each.day: each.count for each in held if each.is_archived == (year is not None)}
    restarted = any(day.year == seen.year for day, _ in page)
    doubts = Doubts()
    for doubt in page.doubts:
        doubts.add(path, doubt)
    found: list[Sighting] = []
    for day, count in page:
        doubt = day_of_another_page(counts, day, count, year, seen, restarted=restarted)
        if doubt:
            doubts.add(path, doubt)
        elif last.get(day) != count:
            absent = before.read_ms if before is not None else None
            archived = year is not None
            found.append(Sighting(day, count, now, absent, archived, "tsa.gov"))
    headers = {name.lower(): value for name, value in answer.headers}
    told = doubts.told()
    # A page with a row that could not be used is read again unconditionally.
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    state = PageState(now, *(("", "") if told or not page.counts else (etag, modified)))
    return CountsFetched(path, tuple(found), {path: state}, told)
