"""The settling counts as an array of logarithms, addressed by the ordinal of the day."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.tsa.counts import Counts

Floats: TypeAlias = NDArray[np.float64]
Days: TypeAlias = NDArray[np.int64]

# Travel collapsed and recovered between these days: what lies between teaches nothing.
BREAK_STARTS = dt.date(2020, 2, 20).toordinal()
BREAK_ENDS = dt.date(2021, 6, 1).toordinal()


class History(msgspec.Struct, frozen=True):
    """One logarithm of a settling count for each day from `first` on, NaN where there is none.

    Attributes:
        first: The ordinal of the first day.
        logs: Natural logarithms, shape (days,).
    """

    first: int
    logs: Floats

    @classmethod
    def of(cls, counts: Counts) -> History:
        """Take the settling counts outside the break; raise `BadInput` if there are none."""
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
        """Return the logarithms of `days` (ordinals, any shape), NaN where there is none."""
        offsets = days - self.first
        inside = (offsets >= 0) & (offsets < len(self.logs))
        padded = np.append(self.logs, np.nan)
        return padded[np.where(inside, offsets, -1)]

    def up_to(self, last: int) -> History:
        """Return the history that ends with the day `last`."""
        return History(self.first, self.logs[: max(last + 1 - self.first, 0)])

    def digest(self, label: str) -> str:
        """Return a name for the exact content, and for `label`: sixteen hexadecimal digits."""
        content = hashlib.sha256(f"{label},{self.first},".encode())
        content.update(self.logs.astype("<f8").tobytes())
        return content.hexdigest()[:16]
