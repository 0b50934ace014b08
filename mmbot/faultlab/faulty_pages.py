"""TSA's page with its faults: late, incomplete, revised, wrong, changed in form, or refused."""

from __future__ import annotations

import datetime as dt
from typing import Final

from mmbot.faultlab.scenario import Scenario
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.units import Milliseconds

_ROW_HIDDEN: Final = ("counts_late", "counts_missing")
_COUNT_WRONG: Final = ("counts_revised", "counts_swapped", "counts_absurd")


class FaultyPages:
    """The page as it is served; each fault lasts from its injection until a time of its own."""

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
        active = {name for name, until in self._until.items() if now < until}
        if "page_forbidden" in active:
            return HttpAnswer(403, b"Access Denied")
        answer = self._scenario.website.answer(request, now)
        body = answer.body.decode()
        newest = self._two_newest(now)
        if "page_changed" in active:
            body = body.replace(">Date<", ">Day of travel<")
        if len(newest) > 1:
            if not active.isdisjoint(_ROW_HIDDEN):
                body = _without_row(body, newest[-1][0])
            for name in _COUNT_WRONG:
                if name in active:
                    body = _with_wrong_count(name, body, newest)
        return HttpAnswer(answer.status, body.encode(), answer.headers)

    def _two_newest(self, now: Milliseconds) -> list[tuple[dt.date, int]]:
        at = self._scenario.clock.at(now)
        return self._scenario.website.published(at.year, at)[-2:]


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


def _without_row(body: str, day: dt.date) -> str:
    row = f'<tr><td class="text-align-center">{day.month}/{day.day}/{day.year}</td>'
    start = body.find(row)
    end = body.find("</tr>", start) + len("</tr>")
    return body if start < 0 else body[:start] + body[end:]
