"""The pages on which a statistic is published: where they are, and what was read of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from mmbot.underlying.counts import Counts

# No page is read further than this.
MOST_BYTES = 2_000_000


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


class Doubt(Protocol):
    """Tells what a page cannot show."""

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
        """Return why a page cannot show a day, if it cannot; its count is then not used.

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
        parse: Reads a page; raises `BadInput` if it is none of theirs.
        doubt: Tells which of a page's days it cannot show.
        user_agent: The name under which they are asked for.
        by_year: Whether the current page begins anew each January, and past years have pages of
            their own; if not, the current page is the only one.
    """

    path: Callable[[int | None], str]
    parse: Callable[[bytes], CountsPage]
    doubt: Doubt
    user_agent: str
    by_year: bool
