"""Every event of the log, and every field. The log is an interface.

`docs/log.md` is made from these tables, and the tests check every logged line against them: a new
event needs its line in `events`, a new field in `fields`.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.log_events.events import EVENTS
from mmbot.log_events.fields import COMMON, FIELDS

__all__ = ["COMMON", "EVENTS", "FIELDS", "documentation", "objection"]


def objection(name: str, level: str, fields: Iterable[str]) -> str:
    """Return what is undocumented in a line; empty if nothing."""
    event = EVENTS.get(name)
    if event is None:
        return f"there is no event {name!r}: it needs a line in mmbot/log_events/events.py"
    given = set(fields) - COMMON.keys()
    unknown = given - {*event.fields, *event.optional}
    absent = set(event.fields) - given
    if unknown or absent:
        return f"{name}: fields that are not documented {sorted(unknown)}, absent {sorted(absent)}"
    return "" if level in event.levels else f"{name} is not documented at level {level}"


def documentation() -> str:
    """Return both tables as Markdown."""
    lines = ["| event | level | what | fields |", "|---|---|---|---|"]
    for name, event in EVENTS.items():
        fields = ", ".join([*event.fields, *(f"{each} (not always)" for each in event.optional)])
        lines.append(f"| `{name}` | {', '.join(event.levels)} | {event.what} | {fields} |")
    lines += ["", "| field | what it is |", "|---|---|"]
    for name, what in (COMMON | FIELDS).items():
        lines.append(f"| `{name}` | {what} |")
    return "\n".join(lines) + "\n"
