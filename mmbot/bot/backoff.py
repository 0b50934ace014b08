"""How long to wait before reconnecting.

The wait doubles with each connection that was refused, delivered nothing, or lasted no longer than
the wait before it. So an exchange that refuses every connection, accepts and closes it, stays
silent on it, or omits a channel each time, is tried ever less often; after a connection that served
for a while it is tried again soon.
"""

from __future__ import annotations

from collections.abc import Callable

from mmbot.units import Milliseconds

FIRST_MS: Milliseconds = 500
LONGEST_MS: Milliseconds = 20_000
# A connection that the bot gave up was useful if it lasted this long.
USEFUL_MS: Milliseconds = 60_000


class Backoff:
    """The waits between one client's connections."""

    def __init__(self, draw: Callable[[], float]) -> None:
        """Begin with the shortest wait; `draw` returns a number from 0 to 1 for the jitter."""
        self._draw = draw
        self._next = FIRST_MS

    def after(self, lasted: Milliseconds, *, served: bool, given_up: bool = False) -> Milliseconds:
        """Return the wait after an attempt: half to one and a half times the wait that is due.

        Args:
            lasted: How long it took to fail, or how long the connection lived.
            served: Whether the connection delivered anything.
            given_up: Whether the bot closed it because it could not use it.
        """
        useful = max(self._next, USEFUL_MS) if given_up else self._next
        due = FIRST_MS if served and lasted > useful else self._next
        self._next = min(2 * due, LONGEST_MS)
        return round(due * (0.5 + self._draw()))
