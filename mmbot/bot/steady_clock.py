"""The bot's time: the wall time at an anchor plus the time elapsed since, which cannot be set.

All waits in the bot use it, so a step of the machine's clock moves no deadline, and signatures stay
valid while that clock is wrong. It is compared with two others: the machine's clock, which shows
whether that was set, and the dates of the exchange's answers. If these agree with the machine's
clock instead (it was wrong at the start and has been set since, or the machine was suspended
unnoticed), the steady clock is anchored to the machine's clock again.

A step forwards is as if the machine had slept: what waits becomes due. A step backwards prolongs
every wait by the difference, so more than a minute is refused and the session has to end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from mmbot.trading.events import ClockCompared
from mmbot.units import Milliseconds

Correction: TypeAlias = Literal["none", "anchored", "refused"]

# The most by which the time may be set back in a running session.
_MOST_BACK_MS: Final = 60_000


class SteadyClock:
    """Milliseconds since the Unix epoch, unaffected by settings of the machine's clock."""

    def __init__(
        self, wall: Callable[[], Milliseconds], elapsed: Callable[[], Milliseconds]
    ) -> None:
        """Anchor at the machine's time.

        Args:
            wall: The machine's time.
            elapsed: The time since any origin; it counts suspension and cannot be set.
        """
        self._wall = wall
        self._elapsed = elapsed
        self.anchor()

    def anchor(self) -> None:
        """Adopt the machine's time; only before anything waits."""
        self._origin = self._wall() - self._elapsed()

    def now(self) -> Milliseconds:
        """Return the time."""
        return self._origin + self._elapsed()

    @property
    def ahead(self) -> Milliseconds:
        """How far it is ahead of the machine's clock."""
        return self.now() - self._wall()

    def compared(self) -> ClockCompared:
        """Return the comparison with the machine's clock."""
        ahead = self.ahead
        return ClockCompared("machine", ahead, ahead)

    def correct(self, date: Milliseconds, sent: Milliseconds, received: Milliseconds) -> Correction:
        """Anchor again if an answer's date proves this clock wrong and the machine's right.

        Args:
            date: The second in which the exchange answered.
            sent: When the request was sent, by this clock.
            received: When the answer was received, by this clock.
        """
        compared, ahead = ClockCompared.with_date(date, sent, received), self.ahead
        if compared.least <= 0 <= compared.most:
            return "none"
        if not compared.least <= ahead <= compared.most:
            return "none"
        if ahead > _MOST_BACK_MS:
            return "refused"
        self.anchor()
        return "anchored"
