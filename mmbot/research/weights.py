"""How much the belief should count beside the market, judged by what came true.

Fair value is pooled in log-odds, logit p = a logit p_belief + (1 - a) logit p_market. The estimate
of a is where the log score of the pooled probabilities, sum of y ln p + (1 - y) ln(1 - p), is at
its highest within 0 and 1; the score is concave in a. All markets of an event share one outcome, so
events are the units of its standard error (the sandwich of Liang and Zeger, "Longitudinal data
analysis using generalized linear models", 1986). The proposal lies between the weight in force and
the estimate, as if the weight in force had come from a number of events, too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmbot.research.backtest import MarketOpinion
from mmbot.research.scoring import student_quantile
from mmbot.trading.fair import logits

# So many events the weight in force stands for.
_PRIOR_EVENTS = 20
# With fewer events than this nothing is proposed.
FEWEST_EVENTS = 10
_HALVINGS = 50

_Floats = NDArray[np.float64]


class Proposal(msgspec.Struct, frozen=True):
    """What one weight of the belief should be.

    Attributes:
        days_published: The number of known days it is for.
        events: How many events it was judged by.
        samples: How many opinions of theirs.
        present: The weight in force.
        estimate: Where the log score is highest; `None` where belief and market never differed.
        error: The estimate's standard error, of two events at least.
        proposed: The weight proposed: the one in force unless the data say otherwise.
    """

    days_published: int = msgspec.field(name="known")
    events: int
    samples: int
    present: float
    estimate: float | None
    error: float | None
    proposed: float

    @property
    def changes(self) -> bool:
        """Whether another weight than the one in force is proposed."""
        return self.proposed != self.present


def propose(opinions: Iterable[MarketOpinion], present: Sequence[float]) -> list[Proposal]:
    """Return a proposal for each number of known days; the last weight is for all further ones."""
    by_known = defaultdict(list)
    for opinion in opinions:
        by_known[min(opinion.days_published, len(present) - 1)].append(opinion)
    return [
        _propose(days_published, by_known[days_published], weight)
        for days_published, weight in enumerate(present)
    ]


def _propose(days_published: int, opinions: Sequence[MarketOpinion], present: float) -> Proposal:
    events = sorted({opinion.week for opinion in opinions})
    estimate, error = _estimate(opinions, events)
    proposed = present
    n = len(events)
    if estimate is not None and error is not None and n >= FEWEST_EVENTS:
        surprising = abs(estimate - present) > student_quantile(0.975, n - 1) * error
        if surprising:
            proposed = round(present + n / (n + _PRIOR_EVENTS) * (estimate - present), 2)
    return Proposal(days_published, n, len(opinions), present, estimate, error, proposed)


def _estimate(
    opinions: Sequence[MarketOpinion], events: Sequence[str]
) -> tuple[float | None, float | None]:
    market = logits([each.mid for each in opinions])
    gap = logits([each.belief for each in opinions]) - market
    came = np.array([each.outcome for each in opinions], dtype=float)
    if not np.any(gap):
        return None, None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if np.sum(_slopes(middle, market, gap, came)) > 0:
            low = middle
        else:
            high = middle
    estimate = (low + high) / 2
    if len(events) < 2:
        return estimate, None
    number = np.searchsorted(events, [each.week for each in opinions])
    slopes = np.bincount(number, _slopes(estimate, market, gap, came))
    pooled = _pooled(estimate, market, gap)
    information = float(np.sum(pooled * (1 - pooled) * gap**2))
    spread = len(events) / (len(events) - 1) * float(np.sum(slopes**2))
    return estimate, math.sqrt(spread) / information


def _pooled(weight: float, market: _Floats, gap: _Floats) -> _Floats:
    return 1 / (1 + np.exp(-(market + weight * gap)))


def _slopes(weight: float, market: _Floats, gap: _Floats, came: _Floats) -> _Floats:
    """Return by how much each opinion's log score rises with the weight."""
    return (came - _pooled(weight, market, gap)) * gap
