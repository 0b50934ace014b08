"""The belief: the distribution of a week's average at the strikes of its markets.

`Belief` is the plain value that trading reads. The probabilities are non-increasing in the strike
for every method, and the digest identifies the inputs.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from mmbot.underlying.calendar import Week


class WeekWeight(msgspec.Struct, frozen=True):
    """The weight of a past week in a belief, and its factors.

    The weight is the product of the three factors, scaled so that all weights sum to 1.

    Attributes:
        week: The past week.
        weight: Its weight, 0 to 1.
        recent: Recency: 1 now, halved with every half-life.
        season: Similarity of season and class of week.
        alike: Similarity of the residuals of the published days: 1 where they are equal.
    """

    week: Week
    weight: float
    recent: float
    season: float
    alike: float


class MemberWeight(msgspec.Struct, frozen=True):
    """A method's share in a belief, and its own mean and standard deviation, in passengers."""

    method: str
    weight: float
    mean: float
    sd: float


class Belief(msgspec.Struct, frozen=True):
    """The distribution of one week's average.

    Attributes:
        week: The week.
        days_published: The number of its published days (k).
        strikes: The strikes in passengers, strictly ascending, length m.
        above: P(average > strike) for each strike, non-increasing, length m.
        mean: The expected average, in passengers.
        sd: The standard deviation of the average, in passengers.
        method: The name of the method that made it.
        digest: The digest of the exact inputs.
        effective_weeks: The effective sample size of past weeks, 1 / sum of squared weights (Kish,
            "Survey Sampling", 1965); 0 if all seven days are published.
        heaviest: The past weeks with the largest weights, in descending order.
        members: The methods behind it; none if all seven days are published.

    Raises:
        ValueError: Strikes and probabilities differ in length or are out of order, or a
            probability is not within 0 to 1.
    """

    week: Week
    days_published: int
    strikes: tuple[int, ...]
    above: tuple[float, ...]
    mean: float
    sd: float
    method: str
    digest: str
    effective_weeks: float = 0.0
    heaviest: tuple[WeekWeight, ...] = ()
    members: tuple[MemberWeight, ...] = ()

    def __post_init__(self) -> None:
        if len(self.strikes) != len(self.above):
            raise ValueError(f"{len(self.strikes)} strikes with {len(self.above)} probabilities")
        if any(low >= high for low, high in pairwise(self.strikes)):
            raise ValueError("the strikes of a belief ascend")
        if any(not 0.0 <= p <= 1.0 for p in self.above):
            raise ValueError("a probability lies between 0 and 1")
        if any(low < high for low, high in pairwise(self.above)):
            raise ValueError("a higher strike cannot be likelier to be passed")

    @property
    def cells(self) -> tuple[float, ...]:
        """The probability of each outcome cell, length m + 1: below, between and above strikes."""
        bounds = (1.0, *self.above, 0.0)
        return tuple(low - high for low, high in pairwise(bounds))
