"""The page of the counts with faults: late, incomplete, revised, wrong, changed, or refused."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

from msgspec import structs

from mmbot.faultlab.scenario import Scenario
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.units import Milliseconds

_ROW_HIDDEN: Final = ("counts_late", "counts_missing")
_COUNT_WRONG: Final = ("counts_revised", "counts_swapped", "counts_absurd")
_ROW_BROKEN: Final = ("row_misdated", "row_marked", "row_doubled", "row_blank")
_CONDITIONS: Final = ("If-None-Match", "If-Modified-Since")


class FaultyPages:
    """The served page; each fault lasts from its injection until its own end."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._until: dict[str, Milliseconds] = {}

    def inject(self, name: str, until: Milliseconds) -> None:
        """Serve the page with a fault until a true time, or until the faults are cleared."""
        self._until[name] = until

    def clear_faults(self) -> None:
        """Serve the page without faults."""
        self._until.clear()

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Serve the page at a true time."""
        active = self._active(now)
        if "page_forbidden" in active:
            return HttpAnswer(403, b"Access Denied")
        headers = tuple(header for header in request.headers if header[0] not in _CONDITIONS)
        answer = self._scenario.website.answer(structs.replace(request, headers=headers), now)
        if answer.status != 200:
            return answer
        body = answer.body.decode()
        newest = self._two_newest(now)
        if len(newest) > 1:
            if not active.isdisjoint(_ROW_HIDDEN):
                body = _without_row(body, newest[-1][0])
            for name in _COUNT_WRONG:
                if name in active:
                    body = _with_wrong_count(name, body, newest)
        # As with a cache, the tag does not distinguish a broken page from the same one repaired.
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:20]}"'
        served = (*(each for each in answer.headers if each[0] != "etag"), ("etag", tag))
        if dict(request.headers).get("If-None-Match") == tag:
            return HttpAnswer(304, b"", served)
        if "page_changed" in active:
            body = body.replace(">Date<", ">Day of travel<")
        if len(newest) > 1:
            for name in _ROW_BROKEN:
                if name in active:
                    # The blank row is an older one, so that others beside it may be new.
                    day = self._older(now) if name == "row_blank" else newest[-1][0]
                    body = broken_page(name, body, day)
        if "table_empty" in active:
            body = broken_page("table_empty", body, newest[-1][0])
        return HttpAnswer(200, body.encode(), served)

    def readable(self, now: Milliseconds) -> dict[dt.date, int]:
        """Return the correct and readable counts of the current page at a true time."""
        active = self._active(now)
        if not active.isdisjoint({"page_forbidden", "page_changed", "table_empty"}):
            return {}
        at = self._scenario.clock.at(now)
        rows = dict(self._scenario.website.published(None, at))
        newest = sorted(rows)[-2:]
        wrong = set(newest) if not active.isdisjoint(_COUNT_WRONG) else set()
        if not active.isdisjoint({*_ROW_HIDDEN, "row_doubled", "row_misdated"}):
            wrong.update(newest[-1:])
        if "row_blank" in active:
            wrong.add(self._older(now))
        return {day: count for day, count in rows.items() if day not in wrong}

    def _active(self, now: Milliseconds) -> set[str]:
        return {name for name, until in self._until.items() if now < until}

    def _older(self, now: Milliseconds) -> dt.date:
        """Return the day before those that one release can publish."""
        at = self._scenario.clock.at(now)
        return self._scenario.website.published(None, at)[-4][0]

    def _two_newest(self, now: Milliseconds) -> list[tuple[dt.date, int]]:
        at = self._scenario.clock.at(now)
        return self._scenario.website.published(None, at)[-2:]


def _with_wrong_count(name: str, body: str, newest: list[tuple[dt.date, int]]) -> str:
    (_, before), (_, count) = newest
    match name:
        case "counts_revised":
            return body.replace(f"{count:,}", f"{count + 1_234:,}")
        case "counts_swapped":
            return (
                body.replace(f"{count:,}", "X")
                .replace(f"{before:,}", f"{count:,}")
                .replace("X", f"{before:,}")
            )
        case "counts_absurd":
            return body.replace(f"{count:,}", f"{count // 10:,}")
        case _:
            raise ValueError(name)


def broken_page(name: str, body: str, day: dt.date) -> str:
    """Return a page with a fault in the row of a day, or without any row."""
    if name == "table_empty":
        return body[: body.find("<tbody>")] + body[body.find("</tbody>") :]
    start, end = _row(body, day)
    if start < 0:
        return body
    row = body[start:end]
    # The row may already be marked, if two faults coincide.
    count = row[row.rfind('">') + 2 : row.rfind("</td>")].partition("<")[0]
    match name:
        case "row_blank":
            broken = row.replace(count, "")
        case "row_doubled":
            broken = row + row.replace(count, f"{int(count.replace(',', '')) + 90:,}")
        case "row_marked":
            broken = row.replace(count, f"{count}<sup>1</sup>")
        case "row_misdated":
            broken = row.replace(f"/{day.year}<", f"/{day.year - 1}<")
        case _:
            raise ValueError(name)
    return body[:start] + broken + body[end:]


def _without_row(body: str, day: dt.date) -> str:
    start, end = _row(body, day)
    return body if start < 0 else body[:start] + body[end:]


def _row(body: str, day: dt.date) -> tuple[int, int]:
    """Return the start and end of a day's row; the start is -1 if there is none."""
    start = body.find(f'<tr><td class="text-align-center">{day.month}/{day.day}/{day.year}</td>')
    return start, body.find("</tr>", start) + len("</tr>")
