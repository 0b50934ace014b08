"""The last lines of the log, kept for the dashboard."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import MutableMapping
from typing import Any

from mmbot.dashboard_view import MOST_LINES, LoggedLine

# Longer texts are cut.
_LONGEST_TEXT = 500


class RecentLines:
    """A structlog processor that remembers what passes through it, rendered or not."""

    def __init__(self) -> None:
        self._lines: deque[LoggedLine] = deque(maxlen=MOST_LINES)
        self._number = 0
        # Lines come from every thread.
        self._lock = threading.Lock()

    def __call__(
        self, _logger: object, _level: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Remember a line and pass it on."""
        with self._lock:
            self._number += 1
            self._lines.append(LoggedLine(self._number, dict(event)))
        return event

    def after(self, number: int) -> list[LoggedLine]:
        """Return the lines with a greater number that are still remembered, their texts cut."""
        with self._lock:
            lines = [line for line in self._lines if line.number > number]
        return [LoggedLine(each.number, _cut(each.fields)) for each in lines]


def _cut(fields: dict[str, object]) -> dict[str, object]:
    return {name: _shortened(value) for name, value in fields.items()}


def _shortened(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    # Lists and the like become text, because the page does not format them.
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."
