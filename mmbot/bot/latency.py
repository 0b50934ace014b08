"""The bot's latencies in operation, as histograms in bounded memory.

Durations are handed in; nothing here reads a clock. Each quantity has a histogram since the start,
for metrics, and one since the last line of the log.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, TypeAlias

# The upper bounds of the buckets, in milliseconds or microseconds: three for each doubling, up to
# 2**15. A percentile is at most a bucket, or 26%, too large.
BOUNDS: Final[tuple[float, ...]] = tuple(2 ** (step / 3) for step in range(-18, 46))

Line: TypeAlias = dict[str, float | int | dict[str, float]]


class Histogram:
    """Durations in buckets whose bounds have a constant ratio.

    Attributes:
        counts: The number of durations in each bucket of `BOUNDS`, and beyond the last.
        total: Their sum.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self._greatest = 0.0

    def add(self, duration: float) -> None:
        """Add a duration; a negative one counts as zero."""
        duration = max(0.0, duration)
        self.counts[bisect_left(BOUNDS, duration)] += 1
        self.total += duration
        self._greatest = max(self._greatest, duration)

    def __len__(self) -> int:
        """Return the number of durations."""
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """Return the duration at a share of 0 to 1, such as 0.99; `None` without durations."""
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
    """One quantity: all durations, and those since they were last logged."""

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
    """The measurements of one session.

    Attributes:
        frames: The number of frames received.
        order_us: From the reading of a frame to the writing of the order that it leads to.
        age_ms: The age of the latest frame when it was handled, by the exchange's clock.
        lag_ms: How late the event loop was.
        risk_cent_seconds: The stale quote exposure of each new belief: cents times contracts times
        seconds until the last wrong quote was off.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._frames_told = 0
        self.order_us, self.age_ms, self.lag_ms = Recent(), Recent(), Recent()
        self.risk_cent_seconds = Recent()

    def __iter__(self) -> Iterator[tuple[str, Histogram]]:
        """Iterate over the quantities: each name with its histogram since the start."""
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
