"""TSA's statistic on the simulated exchange; everything is labelled simulated."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Final

from mmbot.tsa.synthetic import daily_counts
from mmbot.underlying.simulated import Simulated

_DISCLAIMER: Final = (
    '<div class="tsa-disclaimer"><p>Archived Data has been updated including Known Crewmembers '
    "and later flight travel numbers.</p></div>"
)
_NOTE: Final = (
    "<p>Passenger travel numbers are updated Monday through Friday by 9 a.m. Travel numbers "
    "during holiday weeks though may be slightly delayed.</p>"
)
_RELEASE_FROM: Final = dt.time(8, 20)
_RELEASE_SPREAD_S: Final = 30 * 60
_SPANS: Final = (
    (dt.time(8, 20), dt.time(8, 40)),
    (dt.time(7), dt.time(8, 20)),
    (dt.time(8, 40), dt.time(9, 30)),
    (dt.time(9, 30), dt.time(10, 15)),
    (dt.time(6, 30), dt.time(6, 55)),
)
_SHARES: Final = (0.70, 0.15, 0.10, 0.03, 0.02)


def usual_time(rng: random.Random) -> dt.timedelta:
    """Draw a release's time of day: between 08:20 and 08:50."""
    return _from_midnight(_RELEASE_FROM) + dt.timedelta(seconds=rng.randrange(_RELEASE_SPREAD_S))


def varied_time(rng: random.Random) -> dt.timedelta:
    """Draw a release's time of day, early and late ones included.

    Real counts came between 07:00 and 10:15, mostly from 08:20 to 08:40. One draw in fifty is
    earlier than any of them.
    """
    (span,) = rng.choices(_SPANS, _SHARES)
    start, end = (_from_midnight(at) for at in span)
    return start + rng.random() * (end - start)


def _from_midnight(at: dt.time) -> dt.timedelta:
    return dt.timedelta(hours=at.hour, minutes=at.minute)


def rendered(year: int | None, shown: Sequence[tuple[dt.date, int]], label: str) -> bytes:
    """Return a page in the site's order: the current one newest first, an archived one oldest."""
    archived = year is not None
    ordered = shown if archived else reversed(shown)
    rows = "".join(
        f'<tr><td class="text-align-center">{day.month}/{day.day}/{day.year}</td>'
        f'<td class="text-align-center">{count:,}</td></tr>'
        for day, count in ordered
    )
    title = f"{year} TSA" if archived else "TSA"
    page = (
        '<!DOCTYPE html>\n<html lang="en" dir="ltr"><head><meta charset="utf-8" />'
        f"<title>{title} checkpoint travel numbers ({label})</title></head>"
        '<body class="path-node page-node-type-basic-page">'
        f'<h1 class="uswds-page-title page-title">{title} checkpoint travel numbers '
        f"({label})</h1>"
        f'<div class="text-long">{_DISCLAIMER if archived else _NOTE}'
        '<table class="table"><thead><tr><th style="text-align:center;">Date</th>'
        '<th style="text-align:center;">Numbers</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></body></html>\n"
    )
    return page.encode()


SIMULATED: Final = Simulated(
    counts=daily_counts,
    release_time=usual_time,
    varied_release_time=varied_time,
    page=rendered,
    content_type="text/html; charset=UTF-8",
    strikes=tuple(range(1_800_000, 2_800_001, 50_000)),
    strike_step=50_000,
    strike_name=lambda strike: f"A{strike / 1e6:.2f}",
    strike_title=lambda strike: f"Above {strike / 1e6:.2f} million",
    errors=(46e3, 39e3, 32e3, 25e3, 18e3, 11e3, 6e3, 1e3),
    title="Weekly average of TSA checkpoint passengers (simulated)",
    event_title="TSA check-ins",
    category="Transportation",
    tag="TSA",
    source="https://www.tsa.gov/travel/passenger-volumes",
    value="average daily count of the week",
)
