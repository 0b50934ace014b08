"""The pages on which a statistic is published: where they are, and what was read from one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from mmbot.underlying.counts import Counts

# No page is read further than this.
MOST_BYTES = 2_000_000
# How many doubts about a page are listed.
_MOST_DOUBTS = 20


class CountsPage(msgspec.Struct, frozen=True):
    """The counts on a page, iterated over oldest day first.

    Attributes:
        counts: Each day that can be read, with its count; there may be none.
        doubts: What on the page could not be read, each as a clause that names it.
    """

    counts: tuple[tuple[dt.date, int], ...]
    doubts: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[dt.date, int]]:
        return iter(self.counts)

    def __len__(self) -> int:
        return len(self.counts)


def page_of(rows: Iterable[tuple[dt.date, int]], doubts: Iterable[str]) -> CountsPage:
    """Return the page with what was read from it.

    Two rows of one day that differ are a doubt about that day, which then has no count. Each doubt
    is listed once, and of many only the first.
    """
    shown: dict[dt.date, set[int]] = {}
    for day, count in rows:
        shown.setdefault(day, set()).add(count)
    differing = (
        f"{day} has {' and '.join(f'{n:,}' for n in sorted(values)[:3])}"
        for day, values in shown.items()
        if len(values) > 1
    )
    told = tuple(dict.fromkeys((*doubts, *differing)))
    if len(told) > _MOST_DOUBTS:
        told = (*told[:_MOST_DOUBTS], f"{len(told) - _MOST_DOUBTS} more rows cannot be read")
    counts = tuple((day, min(shown[day])) for day in sorted(shown) if len(shown[day]) == 1)
    return CountsPage(counts, told)


class Doubt(Protocol):
    """Rejects counts that a page cannot rightly show."""

    def __call__(
        self,
        counts: Counts,
        day: dt.date,
        count: int,
        year: int | None,
        seen: dt.datetime,
        /,
        *,
        restarted: bool,
    ) -> str:
        """Return why a page's count of a day cannot be right, or "" if it can.

        Args:
            counts: What was seen before.
            day: The day that the page shows.
            count: Its count there.
            year: That of an archived page, or `None` for the current one.
            seen: When the page was read, in New York.
            restarted: Whether a day of the year of `seen` is on the page.
        """


class Pages(msgspec.Struct, frozen=True):
    """The pages of one statistic, below the root that the config names.

    Attributes:
        path: The path of the current page (`None`), or of the archived page of a year.
        parse: Reads a page; raises `BadInput` if it is not such a page.
        doubt: Rejects counts that a page cannot rightly show.
        user_agent: The user agent of the requests.
        by_year: Whether the current page restarts each January and past years have their own pages;
            if not, the current page is the only one.
    """

    path: Callable[[int | None], str]
    parse: Callable[[bytes], CountsPage]
    doubt: Doubt
    user_agent: str
    by_year: bool
