"""Python's garbage collector, kept out of the way of orders.

What the process has at its start stays to its end, so it is frozen: no collection looks at it
again. From then on the oldest generation, whose collection takes longest, is collected when nobody
waits, and after a while in any case.
"""

from __future__ import annotations

import gc
from typing import Final

_PAUSE_SECONDS: Final = 30.0
_LONGEST_SECONDS: Final = 300.0
# Young objects are collected as usual, in less time than a frame takes.
_THRESHOLDS: Final = (5_000, 20, 1_000_000)


class GarbageCollector:
    """Decides when to collect; times are seconds from any origin."""

    def __init__(self) -> None:
        self._collected_at = 0.0

    def freeze(self, now: float) -> None:
        """Collect once, and leave alone what there is."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        self._collected_at = now

    def collect_if_due(self, now: float, *, idle: bool) -> bool:
        """Collect if it was not done lately and nobody waits; return whether it was done."""
        pause = _PAUSE_SECONDS if idle else _LONGEST_SECONDS
        if now - self._collected_at < pause:
            return False
        gc.collect()
        self._collected_at = now
        return True
