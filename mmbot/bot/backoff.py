"""How long to wait before a connection is opened again.

The wait doubles with each connection that was refused, or that ended before it had served anything
or sooner than the wait that it had cost. So an exchange that turns every connection away, accepts
it and closes it, or accepts it and says nothing, is asked ever more rarely; one that served for a
while is asked again soon.
"""

from __future__ import annotations

from collections.abc import Callable

from mmbot.units import Milliseconds

FIRST_MS: Milliseconds = 500
LONGEST_MS: Milliseconds = 20_000


class Backoff:
    """The waits between one client's connections."""

    def __init__(self, draw: Callable[[], float]) -> None:
        """Begin with the shortest wait; `draw` gives a number from 0 to 1 that spreads each."""
        self._draw = draw
        self._next = FIRST_MS

    def after(self, lasted: Milliseconds, *, served: bool) -> Milliseconds:
        """Return the wait after an attempt: half to one and a half times what is due.

        Args:
            lasted: How long it took until it failed, or the connection lived.
            served: Whether anything came of it.
        """
        due = FIRST_MS if served and lasted > self._next else self._next
        self._next = min(2 * due, LONGEST_MS)
        return round(due * (0.5 + self._draw()))
