"""The belief: what is thought of a week's average, its ladder already evaluated.

`Belief` is the plain value that trading reads. Whatever method made it, the probabilities do not
increase with the strike, and the digest names the inputs it came from.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from mmbot.tsa.calendar import Week


class Weighing(msgspec.Struct, frozen=True):
    """How much a past week counts in a belief, and why.

    The weight is the product of the three reasons, scaled so that all weights add up to 1.

    Attributes:
        week: The past week.
        weight: Its share.
        recent: How recent it is: 1 now, halved with every half-life.
        season: How near it is in season and in kind of week.
        alike: How much its days so far resembled this week's: 1 for the same surprises.
    """

    week: Week
    weight: float
    recent: float
    season: float
    alike: float


class Belief(msgspec.Struct, frozen=True):
    """What is thought of one week's average.

    Attributes:
        week: The week.
        days_published: How many of its days are published (k).
        strikes: The strikes in passengers, ascending.
        above: P(average > strike) for each strike, non-increasing.
        mean: The expected average, in passengers.
        sd: The standard deviation of the average, in passengers.
        method: The name of the method that made it.
        digest: A name for the exact inputs it was made from.
        effective_weeks: The effective number of past weeks behind it: 1 / sum of squared weights.
        heaviest: The past weeks that weigh most, heaviest first.
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
    heaviest: tuple[Weighing, ...] = ()

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
        """The probability of each outcome cell: below all strikes, between two, above all."""
        edges = (1.0, *self.above, 0.0)
        return tuple(low - high for low, high in pairwise(edges))
