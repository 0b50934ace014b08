"""TSA's page on its bad days: late, incomplete, corrected, mistaken, remade, or refused."""

from __future__ import annotations

import datetime as dt

from mmbot.faultlab.faults import Faults
from mmbot.faultlab.scenario import Scenario
from mmbot.kalshi.http import HttpAnswer, HttpRequest

_HIDING = ("counts_late", "counts_missing")
_REWRITING = ("counts_revised", "counts_swapped", "counts_absurd")


class FaultyPages:
    """The page as it is served; each fault holds from when it happens until a time of its own."""

    def __init__(self, scene: Scenario, faults: Faults) -> None:
        self._scene = scene
        self._faults = faults
        self._until: dict[str, int] = {}

    def spoil(self, name: str, until: int) -> None:
        """Let a fault of the page hold until then, or until the calm."""
        self._until[name] = until
        self._faults.count(name)

    def mend(self) -> None:
        """Serve the page as it is meant."""
        self._until.clear()

    def answer(self, request: HttpRequest, now: int) -> HttpAnswer:
        """Serve the page."""
        wrong = {name for name, until in self._until.items() if now < until}
        if "page_forbidden" in wrong:
            return HttpAnswer(403, b"Access Denied")
        answer = self._scene.website.answer(request, now)
        body = answer.body.decode()
        days = self._newest(now)
        if "page_changed" in wrong:
            body = body.replace(">Date<", ">Day of travel<")
        for name in (*_HIDING, *_REWRITING):
            if name in wrong and len(days) > 1:
                body = _spoiled(name, body, days)
        return HttpAnswer(answer.status, body.encode(), answer.headers)

    def _newest(self, now: int) -> list[tuple[dt.date, int]]:
        at = self._scene.clock.at(now)
        return self._scene.website.published(at.year, at)[-2:]


def _spoiled(name: str, body: str, days: list[tuple[dt.date, int]]) -> str:
    (_, before), (day, count) = days
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
    row = f'<tr><td class="text-align-center">{day.month}/{day.day}/{day.year}</td>'
    start = body.find(row)
    end = body.find("</tr>", start) + len("</tr>")
    return body if start < 0 else body[:start] + body[end:]
