"""How long to wait before a connection is opened again.

The wait doubles with each connection that was refused, or that ended before it had served anything
or sooner than the wait that it had cost. So an exchange that turns every connection away, accepts
it and closes it, accepts it and says nothing, or leaves out a channel each time, is asked ever more
rarely; one that served for a while is asked again soon.
"""

from __future__ import annotations

from collections.abc import Callable

from mmbot.units import Milliseconds

FIRST_MS: Milliseconds = 500
LONGEST_MS: Milliseconds = 20_000
# A connection that the bot has given up was of use if it lasted so long.
USEFUL_MS: Milliseconds = 60_000


class Backoff:
    """The waits between one client's connections."""

    def __init__(self, draw: Callable[[], float]) -> None:
        """Begin with the shortest wait; `draw` gives a number from 0 to 1 that spreads each."""
        self._draw = draw
        self._next = FIRST_MS

    def after(self, lasted: Milliseconds, *, served: bool, given_up: bool = False) -> Milliseconds:
        """Return the wait after an attempt: half to one and a half times what is due.

        Args:
            lasted: How long it took until it failed, or the connection lived.
            served: Whether anything came of it.
            given_up: Whether it was the bot that could not use it.
        """
        useful = max(self._next, USEFUL_MS) if given_up else self._next
        due = FIRST_MS if served and lasted > useful else self._next
        self._next = min(2 * due, LONGEST_MS)
        return round(due * (0.5 + self._draw()))
