"""The forecast methods: the parts of each, and its prior weight in the pool."""

from __future__ import annotations

from functools import partial
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
        corrected: Whether it provides for error correction, because its level moves slowly.
        spread: The factor that scales the width of its distribution.
    """

    name: str
    point: PointMethod
    conditioning: Conditioning
    least_weeks: int
    prior: float
    corrected: bool = False
    spread: float = 1.0


SEED = Method("seed", Seasonal(), equally_weighted, 8, 0.1)
# The prior weights are not fitted: about equal, less for a variant, least for the seed.
POOL = (
    Method("combined", COMBINED, reweighted, ENOUGH_WEEKS, 0.25, corrected=True),
    # Travel for a holiday on a Monday begins in the week that ends on its eve.
    Method("adaptive", ADAPTIVE, partial(reweighted, holiday_margin_days=1), ENOUGH_WEEKS, 0.25),
    Method("adaptive-normal", ADAPTIVE, normal, ENOUGH_WEEKS, 0.2),
    # In the pool a narrower distribution adds more than one that is calibrated on its own.
    Method("boosted", GradientBoosting(), reweighted, ENOUGH_WEEKS, 0.2, spread=0.7),
    SEED,
)
# The members by the name used in the config: the pool, or one method alone.
METHODS = MappingProxyType({"pool": POOL, **{method.name: (method,) for method in POOL}})
DEFAULT = "pool"
