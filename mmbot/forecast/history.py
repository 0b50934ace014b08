"""The settling counts as an array of natural logarithms, indexed by the ordinal of the day."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.underlying.counts import Counts

Floats: TypeAlias = NDArray[np.float64]
Days: TypeAlias = NDArray[np.int64]

# Travel collapsed and recovered between these days; the counts between them are left out.
BREAK_STARTS = dt.date(2020, 2, 20).toordinal()
BREAK_ENDS = dt.date(2021, 6, 1).toordinal()


class History(msgspec.Struct, frozen=True):
    """The logarithm of the settling count of each day from `first` on, NaN in a gap.

    Attributes:
        first: The ordinal of the first day.
        logs: Natural logarithms of passengers, shape (days,).
    """

    first: int
    logs: Floats

    @classmethod
    def of(cls, counts: Counts) -> History:
        """Return the history of the settling counts outside the break.

        Raises:
            BadInput: There are no counts.
        """
        first, values = counts.series()
        logs = np.log(np.asarray(values))
        start = first.toordinal()
        logs[max(BREAK_STARTS - start, 0) : max(BREAK_ENDS - start, 0)] = np.nan
        return cls(start, logs)

    @property
    def last(self) -> int:
        """The ordinal of the last day."""
        return self.first + len(self.logs) - 1

    def at(self, days: Days) -> Floats:
        """Return the logarithms of `days` (ordinals), in the same shape; NaN without a count."""
        if not self.logs.size:
            return np.full(days.shape, np.nan)
        offsets = days - self.first
        inside = (offsets >= 0) & (offsets < self.logs.size)
        return np.where(inside, self.logs.take(offsets, mode="clip"), np.nan)

    def up_to(self, last: int) -> History:
        """Return the history up to and including the day with the ordinal `last`."""
        return History(self.first, self.logs[: max(last + 1 - self.first, 0)])

    def digest(self, label: str) -> str:
        """Return the digest of `label` and the exact content: sixteen hexadecimal digits."""
        content = hashlib.sha256(f"{label},{self.first},".encode())
        content.update(self.logs.astype("<f8").tobytes())
        return content.hexdigest()[:16]
