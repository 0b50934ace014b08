"""An exchange for readings, as a table of answers."""

from __future__ import annotations

from typing import Any

from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.readings import Reading
from mmbot.trading.events import InputEvent
from tests.kalshi.builders import answer


class Exchange:
    """Answers a reading from a table of paths.

    An answer is JSON, a `HttpAnswer` or `None`, or a list of these whose last is repeated.
    """

    def __init__(self, **paths: Any) -> None:
        self.answers = {path: list(a) if isinstance(a, list) else [a] for path, a in paths.items()}
        self.asked: list[HttpRequest] = []

    def read(self, reading: Reading) -> list[InputEvent]:
        request = next(reading)
        try:
            while True:
                self.asked.append(request)
                request = reading.send(self._answer(request.path))
        except StopIteration as end:
            events: list[InputEvent] = end.value
            return events

    def _answer(self, path: str) -> HttpAnswer | None:
        answers = self.answers[path]
        answered = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(answered) if isinstance(answered, dict) else answered

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(request.query) for request in self.asked if request.path == path]

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.asked]
