"""The terms that the exchange states for a fee: present, recent and scheduled.

Readings come through caches and fee changes are scheduled by another clock, so around a change both
terms may apply: the new ones from a minute before it, the old ones until no cached copy can still
show them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mmbot.trading.fees import LEAD_MS, FeeChange, FeeTerms
from mmbot.units import Milliseconds

# How long after a change a cached copy may still show the old terms.
OLDEST_COPY_MS: Final[Milliseconds] = 20_000


class StatedFee:
    """The terms of a series' or an event's own fee that may apply at a time."""

    def __init__(self) -> None:
        self._latest: FeeTerms | None = None
        # Until when each of the earlier terms may apply.
        self._until: dict[FeeTerms, Milliseconds] = {}
        self._changes: tuple[FeeChange, ...] = ()

    def state(self, terms: FeeTerms, now: Milliseconds) -> bool:
        """Set the present terms; return whether they have changed."""
        before, self._latest = self._latest, terms
        if before is None or before == terms:
            return False
        self._until[before] = now + OLDEST_COPY_MS
        return True

    def schedule(self, changes: Iterable[FeeChange], now: Milliseconds) -> None:
        """Set the scheduled changes; one that took effect and is unlisted is kept for a while."""
        listed = tuple(changes)
        past = (
            change
            for change in self._changes
            if change.at <= now < change.at + OLDEST_COPY_MS and change not in listed
        )
        self._changes = (*past, *listed)

    @property
    def changes(self) -> tuple[FeeChange, ...]:
        """The scheduled changes, and those that took effect recently."""
        return self._changes

    def possible(self, now: Milliseconds) -> tuple[FeeTerms, ...]:
        """Return all terms that may apply; none before the first were stated."""
        latest = () if self._latest is None else (self._latest,)
        lately = (terms for terms, until in self._until.items() if now < until)
        due = (change.terms for change in self._changes if change.at - LEAD_MS <= now)
        return tuple(dict.fromkeys((*latest, *lately, *due)))

    def next_change(self, now: Milliseconds) -> Milliseconds | None:
        """Return the next time at which the clock alone changes which terms may apply."""
        self._until = {terms: until for terms, until in self._until.items() if now < until}
        starts = (change.at - LEAD_MS for change in self._changes)
        return min((t for t in (*self._until.values(), *starts) if t > now), default=None)
