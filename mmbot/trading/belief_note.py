"""The log's line on a new belief: its figures and the past weeks with the greatest weights."""

from __future__ import annotations

from typing import Any

from mmbot.forecast.belief import Belief, WeekWeight
from mmbot.trading.commands import Note


def belief_note(event_ticker: str, belief: Belief, before: Belief | None) -> Note:
    """Return the line of the log on an event's belief, and on its change since `before`."""
    fields = {
        "event_ticker": event_ticker,
        "known": belief.days_published,
        "mean": round(belief.mean),
        "moved": round(belief.mean - before.mean) if before else None,
        "sd": round(belief.sd),
        "method": belief.method,
        "members": {each.method: round(each.weight, 3) for each in belief.members},
        "effective_weeks": round(belief.effective_weeks, 1),
        "heaviest": [_weighing(past) for past in belief.heaviest],
        "digest": belief.digest,
    }
    return Note("belief.updated", fields)


def _weighing(past: WeekWeight) -> dict[str, Any]:
    """Return a past week's weight in a belief, with its factors."""
    return {
        "week": str(past.week.sunday),
        "weight": round(past.weight, 4),
        "recent": round(past.recent, 3),
        "season": round(past.season, 3),
        "alike": round(past.alike, 3),
    }
