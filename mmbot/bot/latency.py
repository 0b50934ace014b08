"""How quick the bot is in service: histograms in bounded memory, as values.

Whoever measures hands in durations; nothing here reads a clock. Each histogram has a total since
the start, which metrics read, and what was added since the last line of the log.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, TypeAlias

# The upper bounds of the buckets: three for each doubling, up to half a minute in milliseconds or
# microseconds; a percentile is at most a quarter too large.
BOUNDS: Final[tuple[float, ...]] = tuple(2 ** (step / 3) for step in range(-18, 46))

Line: TypeAlias = dict[str, float | int | dict[str, float]]


class Histogram:
    """Durations in buckets of a constant ratio.

    Attributes:
        counts: How many durations there were in each bucket of `BOUNDS`, and beyond the last.
        total: Their sum.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self._greatest = 0.0

    def add(self, duration: float) -> None:
        """Add a duration; one below zero counts as none."""
        duration = max(0.0, duration)
        self.counts[bisect_left(BOUNDS, duration)] += 1
        self.total += duration
        self._greatest = max(self._greatest, duration)

    def __len__(self) -> int:
        """Return how many durations there were."""
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """Return a duration that so large a share does not exceed; `None` if there is none."""
        wanted, seen = share * len(self), 0
        if not wanted:
            return None
        place = 0
        while seen + self.counts[place] < wanted:
            seen += self.counts[place]
            place += 1
        return min((*BOUNDS, self._greatest)[place], self._greatest)

    def summary(self) -> dict[str, float]:
        """Return the figures of a line of the log; empty if nothing was measured."""
        figures = {"p50": self.percentile(0.5), "p99": self.percentile(0.99)}
        shown = {name: round(value, 3) for name, value in figures.items() if value is not None}
        return {"n": len(self), **shown, "max": round(self._greatest, 3)} if shown else {}


class Recent:
    """One quantity: all of it, and what came since it was last told."""

    def __init__(self) -> None:
        self.all, self.untold = Histogram(), Histogram()

    def add(self, duration: float) -> None:
        """Add a duration."""
        self.all.add(duration)
        self.untold.add(duration)

    def tell(self) -> dict[str, float]:
        """Return the figures since this was last called."""
        told, self.untold = self.untold, Histogram()
        return told.summary()


class Latency:
    """What is measured of one session.

    Attributes:
        frames: How many frames were received.
        order_us: From the reading of a frame to the writing of the order that answers it.
        age_ms: How old the latest frame was, by the exchange's clock, when it was handled.
        lag_ms: How late the event loop was.
        risk_cent_seconds: What each new belief left at risk until the last wrong quote was off:
            cents times contracts times seconds.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._frames_told = 0
        self.order_us, self.age_ms, self.lag_ms = Recent(), Recent(), Recent()
        self.risk_cent_seconds = Recent()

    def __iter__(self) -> Iterator[tuple[str, Histogram]]:
        """Iterate over the names of the histograms and their totals."""
        for name in ("order_us", "age_ms", "lag_ms", "risk_cent_seconds"):
            yield name, getattr(self, name).all

    def tell(self) -> Line:
        """Return the figures since this was last called, for the log."""
        frames, self._frames_told = self.frames - self._frames_told, self.frames
        return {
            "frames": frames,
            "order_us": self.order_us.tell(),
            "age_ms": self.age_ms.tell(),
            "lag_ms": self.lag_ms.tell(),
            "risk_cent_seconds": self.risk_cent_seconds.tell(),
        }
