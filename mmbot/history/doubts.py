"""Collects what could not be used of the answers: each kind with its number and one example."""

from __future__ import annotations

from mmbot.texts import shown

_MOST_KINDS = 50
_LONGEST_CASE = 80


class Doubts:
    """The number of rows that were left out, by the reason (a clause)."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, why: str, case: object) -> None:
        """Note that something was left out; `case` is the example, shown for the first one."""
        count, first = self._found.get(why, (0, shown(case)[:_LONGEST_CASE]))
        if why in self._found or len(self._found) < _MOST_KINDS:
            self._found[why] = (count + 1, first)

    def told(self) -> tuple[str, ...]:
        """Return each kind as a clause, in the order in which it was first found."""
        return tuple(
            f"{why}: {first}" if count == 1 else f"{why}: {count:,} times, first {first}"
            for why, (count, first) in self._found.items()
        )
