"""The exchange's token buckets: a request is sent if its tokens are available now; none queues.

Tokens refill continuously up to the capacity. The local level is a conservative estimate of the
exchange's: tokens are deducted when a request is decided, in the engine's time.
"""

from __future__ import annotations

import msgspec

from mmbot.trading.events import LimitsRead
from mmbot.units import Milliseconds

# The lowest limits of any account: 100 tokens a second, bursts of 100; for reads, twice that.
_LEAST_REFILL = 100.0
_LEAST_READ_REFILL = 200.0


class TokenBucket(msgspec.Struct):
    """A token bucket; levels in tokens, `at` in milliseconds."""

    refill: float = _LEAST_REFILL
    capacity: float = _LEAST_REFILL
    level: float = 0.0
    at: Milliseconds = 0

    def available(self, now: Milliseconds) -> float:
        """Return the tokens available at `now`."""
        if now > self.at:
            self.level = min(self.capacity, self.level + (now - self.at) * self.refill / 1000)
            self.at = now
        return self.level

    def spend(self, cost: float, now: Milliseconds, *, reserve: float = 0.0) -> bool:
        """Spend `cost` if that leaves `reserve`; return whether it was spent."""
        if self.available(now) < cost + reserve:
            return False
        self.level -= cost
        return True

    def payable_at(self, cost: float, now: Milliseconds) -> Milliseconds:
        """Return when, later than `now`, `cost` is available if nothing else is spent."""
        missing = min(cost, self.capacity) - self.available(now)
        return now + max(1, int(missing * 1000 / self.refill) + 1)

    def resize(self, refill: float, capacity: float) -> None:
        """Set the refill rate and the capacity."""
        self.refill, self.capacity = refill, capacity
        self.level = min(self.level, capacity)

    def drain(self, now: Milliseconds) -> None:
        """Set the level to zero: the exchange's bucket was empty at `now`."""
        self.available(now)
        self.level = 0.0


class WriteBudget(TokenBucket):
    """The write bucket with the cost of each kind of write, and the read bucket."""

    place_cost: float = 10.0
    cancel_cost: float = 2.0
    renew_cost: float = 10.0
    decrease_cost: float = 10.0
    reads: TokenBucket = msgspec.field(
        default_factory=lambda: TokenBucket(_LEAST_READ_REFILL, _LEAST_READ_REFILL)
    )

    def update(self, read: LimitsRead) -> bool:
        """Set the limits that the exchange states; return whether the write bucket changed."""
        changed = (read.refill, read.capacity) != (self.refill, self.capacity)
        self.resize(read.refill, read.capacity)
        self.place_cost, self.cancel_cost = read.place_cost, read.cancel_cost
        self.renew_cost, self.decrease_cost = read.renew_cost, read.decrease_cost
        self.reads.resize(read.read_refill, read.read_capacity)
        return changed
