"""What the simulated exchange makes up for a statistic: counts, pages and markets."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

# The label of made-up counts, wherever they are shown.
LABEL: Final = "synthetic counts"


class MadeUpCounts(Protocol):
    """Makes up a count for every day of some years."""

    def __call__(
        self, last: dt.date, seed: int, known_until: dt.date = dt.date.max
    ) -> dict[dt.date, int]:
        """Return the counts up to `last`, the same for the same seed.

        Days after `known_until` have their expected count as of that day.
        """


class Simulated(msgspec.Struct, frozen=True):
    """A statistic on the simulated exchange.

    Attributes:
        counts: Makes up the counts.
        release_time: Draws a usual release time, as the time since midnight in New York.
        varied_release_time: The same, early and late ones included.
        page: Returns the page of an archived year, or the current one (`None`), with its counts,
            oldest day first, under a label that says that they are made up.
        content_type: The content type of the pages.
        strikes: The strikes of an event, ascending.
        strike_step: The usual distance between strikes.
        strike_name: The end of the ticker of a strike's market, such as `A2.45`.
        strike_title: The title of the side above a strike.
        errors: The standard error of a good forecast of a week's value, with 0, 1, ... 7 days
            published.
        title: The title of the series.
        event_title: The title of an event, up to its Sunday.
        category: Kalshi's category.
        tag: Kalshi's tag, and the name of the source.
        source: The address of the source.
        value: The value that an event is about, as a noun in its rule.
    """

    counts: MadeUpCounts
    release_time: Callable[[random.Random], dt.timedelta]
    varied_release_time: Callable[[random.Random], dt.timedelta]
    page: Callable[[int | None, Sequence[tuple[dt.date, int]], str], bytes]
    content_type: str
    strikes: tuple[int, ...]
    strike_step: int
    strike_name: Callable[[int], str]
    strike_title: Callable[[int], str]
    errors: tuple[float, float, float, float, float, float, float, float]
    title: str
    event_title: str
    category: str
    tag: str
    source: str
    value: str
