"""The forecast methods: what each is made of, and its weight in the pool before any is scored."""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from mmbot.forecast.adaptive import ADAPTIVE
from mmbot.forecast.boosted import GradientBoosting
from mmbot.forecast.combined import COMBINED
from mmbot.forecast.conditioning import (
    ENOUGH_WEEKS,
    Conditioning,
    equally_weighted,
    normal,
    reweighted,
)
from mmbot.forecast.residuals import PointMethod
from mmbot.forecast.seasonal import Seasonal


class Method(msgspec.Struct, frozen=True):
    """A point method and the conditioning of its residuals.

    Attributes:
        name: The name.
        point: The point forecast of days.
        conditioning: How past weeks' residuals become a distribution.
        least_weeks: The least number of past weeks.
        prior: The weight in the pool before any week is scored.
        corrected: Whether the error correction concerns it: its level moves slowly.
        spread: The factor on the deviations of its distribution from their mean.
    """

    name: str
    point: PointMethod
    conditioning: Conditioning
    least_weeks: int
    prior: float
    corrected: bool = False
    spread: float = 1.0


SEED = Method("seed", Seasonal(), equally_weighted, 8, 0.1)
# The prior weights were not fitted: about equal, less for a variant, least for the seed.
POOL = (
    Method("combined", COMBINED, reweighted, ENOUGH_WEEKS, 0.25, corrected=True),
    Method("adaptive", ADAPTIVE, reweighted, ENOUGH_WEEKS, 0.25),
    Method("adaptive-normal", ADAPTIVE, normal, ENOUGH_WEEKS, 0.2),
    # In the pool a narrower distribution adds more than one that would be calibrated alone.
    Method("boosted", GradientBoosting(), reweighted, ENOUGH_WEEKS, 0.2, spread=0.7),
    SEED,
)
# The members by the name that the config gives: the pool, or one method alone.
METHODS = MappingProxyType({"pool": POOL, **{method.name: (method,) for method in POOL}})
DEFAULT = "pool"
