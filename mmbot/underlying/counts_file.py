"""Daily counts in a CSV file, one day a line."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

from mmbot.errors import BadInput
from mmbot.underlying.counts import Counts, Vintage
from mmbot.underlying.underlying import Underlying

_DAY, _PUBLISHED, _ARCHIVED = "date", "as_published", "archived"
# Enough for the largest count that any statistic may have.
_MOST_DIGITS = 12


def load_counts(path: Path, underlying: Underlying) -> Counts:
    """Read the counts in a CSV file; see `read_counts_csv`.

    Raises:
        BadInput: The file cannot be read, or is not in that format.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not a text file in UTF-8") from None
    return read_counts_csv(text.splitlines(), str(path), underlying)


def read_counts_csv(lines: Iterable[str], source: str, underlying: Underlying) -> Counts:
    """Read lines with the columns `date` and `as_published`, `archived`, or both; one day a line.

    The first line names the columns, in any order; others are ignored. Either count may be blank.
    A published count, or an archived one alone, is taken as seen at its assumed release; an
    archived one beside a published one at the assumed release of the last day of its year.

    Raises:
        BadInput: There are no counts or a line is wrong; `source` and its number say where.
    """
    vintages: dict[dt.date, tuple[Vintage, ...]] = {}
    for number, row in _rows(lines, source):
        where = f"{source}, line {number}"
        day = _parse_day(row[_DAY], where)
        if day in vintages:
            raise BadInput(f"{where}: {day} comes a second time; keep one line a day")
        published, archived = row.get(_PUBLISHED, ""), row.get(_ARCHIVED, "")
        vintages[day] = _parse_vintages(day, published, archived, where, underlying)
    if not vintages:
        raise BadInput(f"{source} has no counts; it needs lines such as 2026-04-16,2705217,")
    return Counts(MappingProxyType(vintages))


def _rows(lines: Iterable[str], source: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each line's number, and its cells by column name."""
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, source)
        for row in reader:
            if row and len(row) != len(header):
                where = f"{source}, line {reader.line_num}"
                raise BadInput(f"{where}: {len(row)} columns instead of {len(header)}")
            if row:
                yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise BadInput(f"{source}, line {reader.line_num}: {error}") from None


def _check_header(header: list[str], source: str) -> None:
    """Refuse a header without the columns that are read, or with one of them twice."""
    read = [name for name in header if name in {_DAY, _PUBLISHED, _ARCHIVED}]
    if _DAY in read and len(read) > 1 and len(set(read)) == len(read):
        return
    shown = repr(",".join(header)[:60]) if header else "nothing"
    raise BadInput(
        f"{source} must start with the columns '{_DAY},{_PUBLISHED},{_ARCHIVED}' (one of the last "
        f"two may be missing, and others may be added), not with {shown}"
    )


def _parse_day(text: str, where: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text or not 2001 <= day.year <= 2099:
        raise BadInput(f"{where}: {text[:40]!r} is not a date such as 2026-04-16")
    return day


def _parse_vintages(
    day: dt.date, published: str, archived: str, where: str, underlying: Underlying
) -> tuple[Vintage, ...]:
    assumed = underlying.assumed_release
    if not published and not archived:
        raise BadInput(f"{where}: {day} has no count; fill one in or delete the line")
    if not published:
        return (Vintage(_parse_count(archived, where, underlying), assumed(day), archived=True),)
    first = Vintage(_parse_count(published, where, underlying), assumed(day))
    if not archived:
        return (first,)
    rewritten = assumed(dt.date(day.year, 12, 31))
    return first, Vintage(_parse_count(archived, where, underlying), rewritten, archived=True)


def _parse_count(text: str, where: str, underlying: Underlying) -> int:
    least, most = underlying.least, underlying.most
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not (plain and least <= int(text) <= most):
        raise BadInput(
            f"{where}: {text[:40]!r} is not a count of {underlying.unit} from {least:,} to "
            f"{most:,}, written without commas"
        )
    return int(text)
