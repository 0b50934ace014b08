"""Virtual time: what is to happen when, and a digest of what has happened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from heapq import heappop, heappush


class Scheduler:
    """Actions in the order of their time, and of their planning where that is the same.

    `now` is the true time in milliseconds.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self._planned = 0
        self._actions: list[tuple[int, int, Callable[[], None]]] = []
        self._hash = hashlib.sha256()

    @property
    def next_due(self) -> int | None:
        """When the next action is due."""
        return self._actions[0][0] if self._actions else None

    @property
    def digest(self) -> str:
        """A name for everything that was traced."""
        return self._hash.hexdigest()

    def at(self, due: int, action: Callable[[], None]) -> None:
        """Plan an action."""
        self._planned += 1
        heappush(self._actions, (due, self._planned, action))

    def after(self, delay: int, action: Callable[[], None]) -> None:
        """Plan an action for `delay` milliseconds from now."""
        self.at(self.now + delay, action)

    def take(self) -> Callable[[], None]:
        """Let time come to the next action, and return it."""
        due, _, action = heappop(self._actions)
        self.pass_to(due)
        return action

    def pass_to(self, now: int) -> None:
        """Let time pass; it never goes back."""
        self.now = max(self.now, now)

    def trace(self, *what: object) -> None:
        """Make something part of the digest."""
        self._hash.update(repr((self.now, *what)).encode())
