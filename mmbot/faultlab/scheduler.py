"""Virtual time: runs actions in the order of their due times, and digests the traffic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from heapq import heappop, heappush

from mmbot.units import Milliseconds


class Scheduler:
    """Runs actions by due time; those due together run in the order of scheduling.

    `now` is the true time.
    """

    def __init__(self, now: Milliseconds) -> None:
        self.now = now
        self._scheduled = 0
        self._actions: list[tuple[Milliseconds, int, Callable[[], None]]] = []
        self._hash = hashlib.sha256()

    @property
    def next_due(self) -> Milliseconds | None:
        """When the next action is due."""
        return self._actions[0][0] if self._actions else None

    @property
    def digest(self) -> str:
        """SHA-256 of everything traced, in hexadecimal."""
        return self._hash.hexdigest()

    def at(self, due: Milliseconds, action: Callable[[], None]) -> None:
        """Schedule an action; an overdue one runs next, at the present time."""
        self._scheduled += 1
        heappush(self._actions, (due, self._scheduled, action))

    def after(self, delay: Milliseconds, action: Callable[[], None]) -> None:
        """Schedule an action `delay` milliseconds from now."""
        self.at(self.now + delay, action)

    def pop_next(self) -> Callable[[], None]:
        """Remove the next action, advance to its due time and return it."""
        due, _, action = heappop(self._actions)
        if due > self.now:
            self.advance_to(due)
        return action

    def advance_to(self, now: Milliseconds) -> None:
        """Advance the time; it never goes back."""
        self.now = max(self.now, now)

    def trace(self, *what: object) -> None:
        """Add something to the digest, with the time."""
        shown = ", ".join(map(_shown, (self.now, *what)))
        self._hash.update(f"({shown})".encode())


def _shown(what: object) -> str:
    """Return the `repr` of a JSON value, in a fraction of the time."""
    if isinstance(what, bytes) and what.isascii() and b"'" not in what and b"\\" not in what:
        return f"b'{what.decode()}'"
    return repr(what)
