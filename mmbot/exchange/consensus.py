"""The crowd's common belief in a week's average, given the days published so far.

`NoisyOutcome` is the outcome plus the error of a good forecast, for counts of any kind.
`PosteriorConsensus` updates on each count, for synthetic counts, whose expectation is known.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Final, Protocol

from mmbot.underlying.calendar import Week

# The time constant of the error's mean reversion.
_MEMORY_HOURS: Final = 30.0


class Consensus(Protocol):
    """The crowd's common belief."""

    def of(self, week: Week, days_published: int, hours: float) -> NormalDist:
        """Return the belief in the average of `week`, `hours` after the start.

        `hours` never decreases from one call to the next.
        """


class MeanRevertingNoise:
    """A mean-reverting Gaussian process of unit variance, sampled at irregular times."""

    def __init__(self, rng: random.Random, memory_hours: float) -> None:
        self._rng = rng
        self._memory_hours = memory_hours
        self._value = rng.gauss(0, 1)
        self._hours = 0.0

    def at(self, hours: float) -> float:
        """Return the value at a time, which must not decrease between calls."""
        kept = math.exp(-max(hours - self._hours, 0.0) / self._memory_hours)
        self._value = kept * self._value + math.sqrt(1 - kept * kept) * self._rng.gauss(0, 1)
        self._hours = max(hours, self._hours)
        return self._value


class NoisyOutcome:
    """The outcome plus a mean-reverting error, which shrinks with every published day."""

    def __init__(
        self, outcome: Callable[[Week], float], errors: Sequence[float], rng: random.Random
    ) -> None:
        """Take each week's outcome, and the standard errors with 0, 1, ... 7 days published."""
        self._outcome = outcome
        self._standard_errors = errors
        self._rng = rng
        self._errors: dict[Week, MeanRevertingNoise] = {}

    def of(self, week: Week, days_published: int, hours: float) -> NormalDist:
        """Return the belief; see `Consensus`."""
        error = self._errors.get(week)
        if error is None:
            error = self._errors[week] = MeanRevertingNoise(self._rng, _MEMORY_HOURS)
        stdev = self._standard_errors[days_published]
        return NormalDist(self._outcome(week) + stdev * error.at(hours), stdev)


class PosteriorConsensus:
    """The posterior of a week's average given its published days.

    The logarithm of each count is its expectation plus a deviation shared by the days of a week
    plus one of its own, both normal with standard deviation s. After n published days with
    deviations d_1 ... d_n the other days are expected (d_1 + ... + d_n) / (n + 1) higher, and the
    variance of the shared deviation is s^2 / (n + 1) (conjugate normal updating).
    """

    def __init__(
        self,
        expected: Mapping[dt.date, int],
        counts: Mapping[dt.date, int],
        spread: float,
        least_error: float,
    ) -> None:
        """Take the expected count of each day, the actual one, s as `spread`, and a least error."""
        self._least_error = least_error
        self._expected = expected
        self._counts = counts
        self._spread = spread

    def of(self, week: Week, days_published: int, _hours: float) -> NormalDist:
        """Return the belief; see `Consensus`."""
        published, open_ = week.days[:days_published], week.days[days_published:]
        common = sum(math.log(self._counts[d] / self._expected[d]) for d in published)
        rest = math.exp(common / (days_published + 1)) * sum(self._expected[d] for d in open_)
        mean = (sum(self._counts[d] for d in published) + rest) / 7
        days = len(open_)
        relative = self._spread * math.sqrt(days**2 / (days_published + 1) + days) / max(days, 1)
        return NormalDist(mean, max(relative * rest / 7, self._least_error))
