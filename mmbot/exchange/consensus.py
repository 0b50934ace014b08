"""What those who have read the same counts think of a week's average.

Either the truth, blurred as much as good forecasts were, for counts of any kind; or what can be
learnt from each count, for made-up ones, of which it is known what was to be expected.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Final, Protocol

from mmbot.tsa.calendar import Week

# The error of a good forecast of the week's average with 0, 1, ... 7 days published.
_ERROR: Final = (46e3, 39e3, 32e3, 25e3, 18e3, 11e3, 6e3, 1e3)
# How long the error is remembered.
_MEMORY_HOURS: Final = 30.0


class Consensus(Protocol):
    """The common opinion."""

    def of(self, week: Week, known: int, hours: float) -> NormalDist:
        """Return the belief in the average of `week` with `known` days out, after so many hours."""


class Wander:
    """A mean-reverting random walk of unit variance, sampled at irregular times."""

    def __init__(self, rng: random.Random, memory_hours: float) -> None:
        self._rng = rng
        self._memory_hours = memory_hours
        self._value = rng.gauss(0, 1)
        self._hours = 0.0

    def at(self, hours: float) -> float:
        """Return the value at a time that never goes back."""
        kept = math.exp(-max(hours - self._hours, 0.0) / self._memory_hours)
        self._value = kept * self._value + math.sqrt(1 - kept * kept) * self._rng.gauss(0, 1)
        self._hours = max(hours, self._hours)
        return self._value


class Blurred:
    """The truth plus an error that wanders, and shrinks with every published day."""

    def __init__(self, average: Callable[[Week], float], rng: random.Random) -> None:
        self._average = average
        self._rng = rng
        self._errors: dict[Week, Wander] = {}

    def of(self, week: Week, known: int, hours: float) -> NormalDist:
        """Return the belief; see `Consensus`."""
        error = self._errors.get(week)
        if error is None:
            error = self._errors[week] = Wander(self._rng, _MEMORY_HOURS)
        spread = _ERROR[known]
        return NormalDist(self._average(week) + spread * error.at(hours), spread)


class Learnt:
    """What the published days of a week say of the others.

    The logarithm of each count is what was expected plus a deviation that the days of a week have
    in common plus one of its own, both normal with the same spread s. So n published days that
    deviate by d_1 ... d_n let the open ones be expected (d_1 + ... + d_n) / (n + 1) higher, and
    the variance of the common deviation is then s^2 / (n + 1) (conjugate normal updating). What a
    count reveals is thus as much as the spread it takes away.
    """

    def __init__(
        self, expected: Mapping[dt.date, int], counts: Mapping[dt.date, int], spread: float
    ) -> None:
        """Know what was expected of each day and what came; `spread` is s."""
        self._expected = expected
        self._counts = counts
        self._spread = spread

    def of(self, week: Week, known: int, _hours: float) -> NormalDist:
        """Return the belief; see `Consensus`."""
        published, open_ = week.days[:known], week.days[known:]
        common = sum(math.log(self._counts[d] / self._expected[d]) for d in published)
        rest = math.exp(common / (known + 1)) * sum(self._expected[d] for d in open_)
        mean = (sum(self._counts[d] for d in published) + rest) / 7
        days = len(open_)
        relative = self._spread * math.sqrt(days**2 / (known + 1) + days) / max(days, 1)
        return NormalDist(mean, max(relative * rest / 7, _ERROR[-1]))
