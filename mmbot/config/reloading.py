"""Decides which changed settings apply while the daemon trades, and which wait for a restart.

Prices and sizes change at once, and so do alerts, dashboard, metrics, the heartbeat and how often a
page is read. A limit applies at once if it is tighter; a looser one waits, so that saving a file
cannot raise what may be lost. Everything else (mode, exchange, credentials, state, ...) is set up
at the start, and waits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from mmbot.config.checking import check
from mmbot.config.differences import Difference, compared
from mmbot.config.schema import Settings

# Which values apply while the daemon trades: any, or only lower ones.
_Live: TypeAlias = Literal["any", "lower"]
_LIVE: dict[str, _Live] = {
    "quoting": "any",
    "alerts": "any",
    "dashboard": "any",
    "metrics": "any",
    "log.heartbeat_seconds": "any",
    "counts.poll_seconds": "any",
    "limits": "lower",
    # How long a quote outlives a dead bot.
    "orders.lifetime_seconds": "lower",
}


class ReloadOutcome(msgspec.Struct, frozen=True):
    """The result of a reload.

    Attributes:
        settings: The settings to put in force.
        changed: The changes that apply now.
        waits: The changes that wait for a restart.
    """

    settings: Settings
    changed: tuple[Difference, ...]
    waits: tuple[Difference, ...]


def merged(in_force: Settings, wanted: Settings) -> ReloadOutcome:
    """Return the settings on the way from `in_force` to `wanted` that can apply now.

    A change may depend on one that waits, as a larger quote on a looser limit; then it waits too.
    """
    found = compared(in_force, wanted)
    live = {each.key: each for each in found if is_live(each)}
    settings = _with(in_force, live)
    while live and settings is None:
        for key in _clashing(in_force, live):
            del live[key]
        settings = _with(in_force, live)
    waits = tuple(each for each in found if each.key not in live)
    return ReloadOutcome(settings or in_force, tuple(live.values()), waits)


def is_live(change: Difference) -> bool:
    """Return whether a change can apply while the daemon trades."""
    rule = _LIVE.get(change.key) or _LIVE.get(change.key.partition(".")[0])
    if rule == "lower":
        old, new = change.old, change.new
        return isinstance(old, float | int) and isinstance(new, float | int) and new < old
    return rule == "any"


def _with(in_force: Settings, live: Mapping[str, Difference]) -> Settings | None:
    """Return the settings with some changed; `None` if they contradict each other."""
    settings, problems = check(_tree(in_force, live))
    return None if problems else settings


def _clashing(in_force: Settings, live: Mapping[str, Difference]) -> list[str]:
    """Return the changes to leave out next: those that contradict others, limits last."""
    _, problems = check(_tree(in_force, live))
    named = {key for problem in problems for key in problem.keys} & live.keys()
    others = [key for key in named if not key.startswith("limits.")]
    return others or list(named) or list(live)


def _tree(in_force: Settings, live: Mapping[str, Difference]) -> dict[str, object]:
    tree = msgspec.to_builtins(in_force, builtin_types=(dt.time,))
    for key, change in live.items():
        *sections, name = key.split(".")
        holder = tree
        for section in sections:
            holder = holder[section]
        holder[name] = change.new
    return dict(tree)
