"""The one format of times in options: an ISO date or date-time, or `now`.

Times are New York's unless they have an offset from UTC. A date alone is its first instant.
"""

from __future__ import annotations

import datetime as dt

from mmbot.errors import BadInput
from mmbot.underlying.calendar import EASTERN, Week

HOW = (
    "now, a date such as 2026-04-16, or a time such as 2026-04-16T09:00: in New York, unless an "
    "offset from UTC follows, as in 2026-04-16T09:00-04:00"
)


def parse_time(text: str, option: str, now: dt.datetime | None = None) -> dt.datetime:
    """Return the instant that a text means, in its own time zone.

    Args:
        text: What was written.
        option: The option, for the error.
        now: What `now` means; the machine's time unless given.

    Raises:
        BadInput: It is not a time, or is in an hour that New York's clocks skip or repeat.
    """
    written = text.strip()
    if written.lower() == "now":
        return now or dt.datetime.now(EASTERN)
    try:
        at = dt.datetime.fromisoformat(written.replace(" ", "T", 1))
    except ValueError:
        raise BadInput(f"{option} {text!r:.60} is not a time; write {HOW}") from None
    if at.tzinfo is not None:
        return at
    early, late = (at.replace(tzinfo=EASTERN, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        examples = " or ".join(each.isoformat(timespec="minutes") for each in (early, late))
        raise BadInput(
            f"{option} {text!r}: clocks change in New York then; write it with its offset from "
            f"UTC, such as {examples}"
        )
    return early


def parse_date(text: str, option: str) -> dt.date:
    """Return the date that a text means, an ISO date.

    Raises:
        BadInput: It is not a date.
    """
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{option} {text!r:.60} is not a date such as 2026-04-16") from None


def parse_week(text: str, option: str = "--week") -> Week:
    """Return the week that a text means: by its Sunday, or an event ticker.

    Raises:
        BadInput: It is not a week; for another day the error names its Sunday.
    """
    written = text.strip()
    if "-" in written and written[:1].isalpha():
        try:
            return Week.from_event_ticker(written.upper())
        except ValueError as error:
            raise BadInput(f"{option}: {error}") from None
    day = parse_date(written, option)
    if day.weekday() != 6:
        sunday = Week.of(day).sunday
        raise BadInput(
            f"{option} {text!r} is a {day:%A}, but a week is named by its Sunday: write {sunday}"
        )
    return Week(day)
