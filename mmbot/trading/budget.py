"""The exchange's write bucket as a value: what can be paid now is sent, nothing ever queues.

Tokens refill continuously up to the capacity. The local level is a cautious copy of the
exchange's: time is the engine's, and what is spent is taken off when the request is decided.
"""

from __future__ import annotations

import msgspec

# The least any account has: 100 tokens a second and no more than that at once.
_LEAST_REFILL = 100.0


class Budget(msgspec.Struct):
    """A token bucket; costs and levels in tokens, `at` in milliseconds."""

    refill: float = _LEAST_REFILL
    capacity: float = _LEAST_REFILL
    place_cost: float = 10.0
    cancel_cost: float = 2.0
    renew_cost: float = 10.0
    level: float = 0.0
    at: int = 0

    def available(self, now: int) -> float:
        """Return the tokens at hand at `now`."""
        self.level = min(self.capacity, self.level + max(0, now - self.at) * self.refill / 1000)
        self.at = max(self.at, now)
        return self.level

    def spend(self, cost: float, now: int, *, reserve: float = 0.0) -> bool:
        """Pay `cost` if `reserve` is left afterwards; say whether it was paid."""
        if self.available(now) < cost + reserve:
            return False
        self.level -= cost
        return True

    def payable_at(self, cost: float, now: int) -> int:
        """Return when, later than now, `cost` will be at hand if nothing else is spent."""
        missing = min(cost, self.capacity) - self.available(now)
        return now + max(1, int(missing * 1000 / self.refill) + 1)

    def drain(self, now: int) -> None:
        """Take note that the exchange's bucket was empty at `now`."""
        self.available(now)
        self.level = 0.0
