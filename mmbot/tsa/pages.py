"""The pages of tsa.gov: their paths, and a parser of the counts on them.

The current year's page lists the newest day first, an archived year's the oldest. Earlier layouts
had one column for each year, with the older years aligned by weekday: only the first column of
counts belongs to the dates beside it, and only that one is read. If there are several columns, or
the heading has a year, that must be the year of the dates.

A row that cannot be read does not affect the others. Two rows of one day that differ are a doubt
about that day, which then has no count.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mmbot.errors import BadInput
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.underlying.pages import MOST_BYTES, CountsPage, page_of

# The lowest day on record, in April 2020, had 87,534 passengers, and no day has had four million.
LEAST, MOST = 10_000, 9_999_999

# The site blocks the default user agents of client libraries, but not a browser's.
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 "
    "Safari/537.36"
)

# A page has some 200 kB, with at most the 366 days of a year on it. The parser's time is quadratic
# in the depth of nesting: this many tags take a second at worst. The number of tables bounds the
# time for the cells of tables within tables.
MOST_TAGS = 20_000
MOST_TABLES = 20

# Footnote marks. A superscript is put into brackets before its cell is read.
_MARKS = r"(?:\s?(?:[*†‡§¶¹²³⁰⁴-⁹]|\[\w{1,3}\]|\(\w{1,2}\)))*"
_DATE = re.compile(rf"(\d{{1,2}})/(\d{{1,2}})/(20\d{{2}}){_MARKS}\Z", re.ASCII)
_COUNT = re.compile(rf"(\d{{1,3}}(?:,\d{{3}}){{1,2}}|\d{{5,7}}){_MARKS}\Z", re.ASCII)
_YEAR = re.compile(r"\b20\d{2}\b", re.ASCII)
_HEADER = re.compile(rf"Date{_MARKS}\Z", re.ASCII | re.IGNORECASE)
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))


def page_path(year: int | None = None) -> str:
    """Return the path of the current year's page, or of an archived year's."""
    return "/travel/passenger-volumes" + ("" if year is None else f"/{year}")


def day_of_another_page(
    counts: Counts,
    day: dt.date,
    count: int,
    year: int | None,
    seen: dt.datetime,
    *,
    restarted: bool,
) -> str:
    """Return why a page's count of a day cannot be right, or "" if it can.

    Days of the previous year stay on the current page until it restarts, and their counts may
    change until their week is settled.

    Args:
        counts: What was seen before.
        day: The day that the page shows.
        count: Its count there.
        year: That of an archived page, or `None` for the current one.
        seen: When the page was read, in New York.
        restarted: Whether a day of the year of `seen` is on the page.
    """
    if day >= seen.date():
        return f"{day} has {count:,} before it is over"
    if year is not None:
        return "" if day.year == year else f"{day}, with {count:,}, is of another year"
    if day.year == seen.year or counts.was_shown(day, count):
        return ""
    settled = Week.of(day).settles <= seen
    final = settled or counts.is_archived(day) if day in counts else settled and restarted
    return f"{day}, with {count:,}, is of another year" if final else ""


def parse_page(html: bytes | str) -> CountsPage:
    """Return the days and counts on a page.

    Raises:
        BadInput: The page is too large, or has no such table.
    """
    tags = html.count(b"<") if isinstance(html, bytes) else html.count("<")
    if len(html) > MOST_BYTES or tags > MOST_TAGS:
        raise BadInput(f"a page of {len(html):,} bytes and {tags:,} tags is not a TSA page")
    text = html if isinstance(html, str) else _decoded(html)
    rows: list[tuple[dt.date, int]] = []
    doubts: list[str] = []
    for header, cells in _body_rows(LexborHTMLParser(text.encode(errors="replace"))):
        try:
            day, count = _parse_row(cells)
            _require_year(header, cells, day)
        except BadInput as error:
            doubts.append(str(error))
        else:
            rows.append((day, count))
    if _is_cut_off(text):
        doubts.append("it ends within the table")
    return page_of(rows, doubts)


def _decoded(html: bytes) -> str:
    if html.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return html.decode("utf-16", errors="replace")
    try:
        return html.decode()
    except UnicodeDecodeError:
        # In any other charset the digits and tags are still ASCII.
        return html.decode("cp1252", errors="replace")


def _is_cut_off(text: str) -> bool:
    lower = text.lower()
    return lower.rfind("</table") < lower.rfind("<tr")


def _body_rows(page: LexborHTMLParser) -> Iterator[tuple[list[str], list[str]]]:
    """Yield header and cells of each row in the first table of counts, and in any headed alike."""
    tables = page.css("table")
    if len(tables) > MOST_TABLES:
        raise BadInput(f"a page with {len(tables):,} tables is not a TSA page")
    for withdrawn in page.css("del, s, strike"):
        withdrawn.decompose()
    for mark in page.css("sup"):
        mark.insert_before("[")
        mark.insert_after("]")
    header: list[str] = []
    # Nested tables: the rows of the outer table include theirs.
    inner: set[int] = set()
    for table in tables:
        if table.mem_id in inner:
            continue
        rows = table.css("tr")
        first = _cells(rows[0]) if rows else []
        if not header and first and _HEADER.match(first[0]):
            header = first
        if header and first == header:
            inner.update(each.mem_id for each in table.css("table"))
            found = (_cells(row) for row in rows)
            yield from ((header, cells) for cells in found if cells and cells != header)
    if not header:
        raise BadInput("the TSA page has no table that starts with a 'Date' column")


def _cells(row: LexborNode) -> list[str]:
    return [" ".join(c.text().translate(_INVISIBLE).split()) for c in row.css("th, td")]


def _require_year(header: list[str], cells: list[str], day: dt.date) -> None:
    """Refuse a count whose column may be of another year than the day."""
    heading = header[1] if len(header) > 1 else ""
    years = _YEAR.findall(heading)
    others = any(_COUNT.match(cell) for cell in cells[2:])
    if str(day.year) not in years and (years or others):
        raise BadInput(f"counts of {day.year} are under {heading[:40]!r}")


def _parse_row(cells: list[str]) -> tuple[dt.date, int]:
    date, count = (*cells, "", "")[:2]
    if not date and not count:
        raise BadInput("a row is blank")
    match = _DATE.match(date)
    try:
        day = dt.date(int(match[3]), int(match[1]), int(match[2])) if match else None
    except ValueError:
        day = None
    if day is None:
        raise BadInput(f"{date[:40]!r}, beside {count[:40]!r}, is not a date such as 4/16/2026")
    digits = _COUNT.match(count)
    passengers = int(digits[1].replace(",", "")) if digits else 0
    if not LEAST <= passengers <= MOST:
        raise BadInput(f"{count[:40]!r}, for {day}, is not a count of passengers")
    return day, passengers
