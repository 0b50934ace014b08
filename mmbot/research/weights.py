"""The weight of the belief in fair value, estimated from settled markets.

Fair value is pooled in log-odds, logit p = a logit p_belief + (1 - a) logit p_mid. The estimate of
a maximises the log score of the pooled probabilities, sum of y ln p + (1 - y) ln(1 - p), over
0 <= a <= 1; the score is concave in a. All markets of an event share one outcome, so the standard
error is clustered by event (the sandwich of Liang and Zeger, "Longitudinal data analysis using
generalized linear models", 1986). The proposal shrinks the estimate towards the weight in force,
which counts as a prior worth a number of events.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from mmbot.forecast.history import Floats
from mmbot.research.backtest import MarketPrediction
from mmbot.research.scoring import student_quantile
from mmbot.trading.fair import logits

# The number of events that the weight in force is worth as a prior.
_PRIOR_EVENTS = 20
# With fewer events than this nothing is proposed.
FEWEST_EVENTS = 10
_HALVINGS = 50


class WeightProposal(msgspec.Struct, frozen=True):
    """The proposed weight of the belief at one number of published days.

    Attributes:
        days_published: The number of published days.
        events: The number of settled events that it is estimated from.
        samples: The number of market samples of these events.
        present: The weight in force.
        estimate: The weight of the highest log score; `None` where belief and mid never differed.
        standard_error: The estimate's; `None` with fewer than two events.
        proposed: The weight in force, or another if the data contradict it at the 5 % level.
    """

    days_published: int = msgspec.field(name="known")
    events: int
    samples: int
    present: float
    estimate: float | None
    standard_error: float | None = msgspec.field(name="error")
    proposed: float

    @property
    def changes(self) -> bool:
        """Whether another weight than the one in force is proposed."""
        return self.proposed != self.present


def propose(
    predictions: Iterable[MarketPrediction], present: Sequence[float]
) -> list[WeightProposal]:
    """Return a proposal for each number of published days.

    The last weight in `present` is for that number of days and all larger ones.
    """
    by_days = defaultdict(list)
    for prediction in predictions:
        by_days[min(prediction.days_published, len(present) - 1)].append(prediction)
    return [_propose(days, by_days[days], weight) for days, weight in enumerate(present)]


def _propose(
    days_published: int, predictions: Sequence[MarketPrediction], present: float
) -> WeightProposal:
    events = sorted({prediction.week for prediction in predictions})
    estimate, error = _estimate(predictions, events)
    proposed = present
    n = len(events)
    if estimate is not None and error is not None and n >= FEWEST_EVENTS:
        significant = abs(estimate - present) > student_quantile(0.975, n - 1) * error
        if significant:
            proposed = round(present + n / (n + _PRIOR_EVENTS) * (estimate - present), 2)
    return WeightProposal(days_published, n, len(predictions), present, estimate, error, proposed)


def _estimate(
    predictions: Sequence[MarketPrediction], events: Sequence[str]
) -> tuple[float | None, float | None]:
    """Return the estimate, by bisection on the slope of the log score, and its standard error."""
    mid = logits([each.mid for each in predictions])
    gap = logits([each.belief for each in predictions]) - mid
    outcomes = np.array([each.outcome for each in predictions], dtype=float)
    if not np.any(gap):
        return None, None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if np.sum(_slopes(middle, mid, gap, outcomes)) > 0:
            low = middle
        else:
            high = middle
    estimate = (low + high) / 2
    if len(events) < 2:
        return estimate, None
    event_index = np.searchsorted(events, [each.week for each in predictions])
    slopes = np.bincount(event_index, _slopes(estimate, mid, gap, outcomes))
    pooled = _pooled(estimate, mid, gap)
    information = float(np.sum(pooled * (1 - pooled) * gap**2))
    spread = len(events) / (len(events) - 1) * float(np.sum(slopes**2))
    return estimate, math.sqrt(spread) / information


def _pooled(weight: float, mid: Floats, gap: Floats) -> Floats:
    return 1 / (1 + np.exp(-(mid + weight * gap)))


def _slopes(weight: float, mid: Floats, gap: Floats, outcomes: Floats) -> Floats:
    """Return the derivative of each opinion's log score by the weight, shape (opinions,)."""
    return (outcomes - _pooled(weight, mid, gap)) * gap
