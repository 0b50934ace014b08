"""The pages of tsa.gov: their paths, and a parser of the counts on them.

The current year's page lists the newest day first, an archived year's the oldest. Earlier layouts
had one column for each year, with the older years aligned by weekday: only the first column of
counts belongs to the dates beside it, and only that one is read.
"""

from __future__ import annotations

import datetime as dt
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mmbot.errors import BadInput
from mmbot.tsa.counts import LEAST, MOST

# A page has some 200 kB, with at most the 366 days of a year on it. The parser's time is quadratic
# in the depth of nesting: this many tags take a second at worst. The number of tables bounds the
# time for the cells of tables within tables.
MOST_BYTES = 2_000_000
MOST_TAGS = 20_000
MOST_TABLES = 20

_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(20\d{2})\Z", re.ASCII)
_COUNT = re.compile(r"\d{1,3}(,\d{3}){1,2}\Z|\d{5,7}\Z", re.ASCII)


def page_path(year: int | None = None) -> str:
    """Return the path of the current year's page, or of an archived year's."""
    return "/travel/passenger-volumes" + ("" if year is None else f"/{year}")


def parse_page(html: bytes | str) -> tuple[tuple[dt.date, int], ...]:
    """Return the days and counts on a page, oldest first.

    Raises:
        BadInput: The page is too large, has no such table, or a date or count on it is invalid.
    """
    tags = html.count(b"<") if isinstance(html, bytes) else html.count("<")
    if len(html) > MOST_BYTES or tags > MOST_TAGS:
        raise BadInput(f"a TSA page of {len(html):,} bytes and {tags:,} tags is not one of theirs")
    counts: dict[dt.date, int] = {}
    for row in _body_rows(LexborHTMLParser(html)):
        day, count = _parse_row(row)
        if day in counts:
            raise BadInput(f"the TSA page lists {day} twice")
        counts[day] = count
    if not counts:
        raise BadInput("the table on the TSA page has no rows")
    return tuple(sorted(counts.items()))


def _body_rows(page: LexborHTMLParser) -> list[list[str]]:
    tables = page.css("table")
    if len(tables) > MOST_TABLES:
        raise BadInput(f"a TSA page with {len(tables):,} tables is not one of theirs")
    for table in tables:
        rows = table.css("tr")
        if rows and _cells(rows[0])[:1] == ["Date"]:
            return [cells for row in rows[1:] if (cells := _cells(row))]
    raise BadInput("the TSA page has no table that starts with a 'Date' column")


def _cells(row: LexborNode) -> list[str]:
    return [cell.text().strip() for cell in row.css("th, td")]


def _parse_row(cells: list[str]) -> tuple[dt.date, int]:
    date, count = (*cells, "", "")[:2]
    match = _DATE.match(date)
    try:
        day = dt.date(int(match[3]), int(match[1]), int(match[2])) if match else None
    except ValueError:
        day = None
    if day is None:
        raise BadInput(f"{date[:40]!r} on the TSA page is not a date such as 4/16/2026")
    if not _COUNT.match(count) or not LEAST <= int(count.replace(",", "")) <= MOST:
        raise BadInput(f"{count[:40]!r}, for {day} on the TSA page, is not a count of passengers")
    return day, int(count.replace(",", ""))
