"""What is stated of a fee over time: now, until lately, and to come.

Readings come through caches and a change of fees is scheduled by another clock, so around a change
both terms may hold: the new ones from a minute before it, the old ones until no copy of them can be
younger than the new.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mmbot.trading.fees import LEAD_MS, FeeChange, FeeTerms
from mmbot.units import Milliseconds

# For how long after a change what it changed may still be read.
OLDEST_COPY_MS: Final[Milliseconds] = 20_000


class StatedFee:
    """The terms of a series, or of an event of its own, that may hold at a time."""

    def __init__(self) -> None:
        self._latest: FeeTerms | None = None
        # Until when terms that were stated earlier may hold.
        self._until: dict[FeeTerms, Milliseconds] = {}
        self._changes: tuple[FeeChange, ...] = ()

    def state(self, terms: FeeTerms, now: Milliseconds) -> bool:
        """Set the terms that are stated from now on; return whether they are others."""
        before, self._latest = self._latest, terms
        if before is None or before == terms:
            return False
        self._until[before] = now + OLDEST_COPY_MS
        return True

    def schedule(self, changes: Iterable[FeeChange], now: Milliseconds) -> None:
        """Set the changes to come; one that is no more listed, as it has come, is kept a while."""
        listed = tuple(changes)
        past = (
            change
            for change in self._changes
            if change.at <= now < change.at + OLDEST_COPY_MS and change not in listed
        )
        self._changes = (*past, *listed)

    @property
    def changes(self) -> tuple[FeeChange, ...]:
        """The changes to come, and those that came lately."""
        return self._changes

    def possible(self, now: Milliseconds) -> tuple[FeeTerms, ...]:
        """Return every terms that may hold: none before the first were stated."""
        latest = () if self._latest is None else (self._latest,)
        lately = (terms for terms, until in self._until.items() if now < until)
        due = (change.terms for change in self._changes if change.at - LEAD_MS <= now)
        return tuple(dict.fromkeys((*latest, *lately, *due)))

    def next_change(self, now: Milliseconds) -> Milliseconds | None:
        """Return when the clock alone changes what may hold next."""
        self._until = {terms: until for terms, until in self._until.items() if now < until}
        starts = (change.at - LEAD_MS for change in self._changes)
        return min((t for t in (*self._until.values(), *starts) if t > now), default=None)
