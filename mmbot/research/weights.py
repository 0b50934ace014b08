"""What settled markets say about the pool of belief and mid that makes fair values.

Log scores are losses: the mean of -ln of the probability of the outcome, so that less is better.
The pool in force is compared with the mid alone, with the mid sharpened, and with tuning on the
same data: the parameters that are best on all other events, scored on the one left out. Intervals
are clustered by event.

Another weight or sharpness is proposed only if there are enough events, if the best one differs
significantly from the one in force, and if tuning would have paid on the events left out. The
proposal goes only part of the way, because the values in force are a prior worth a number of
events.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from mmbot.forecast.history import Floats
from mmbot.research.backtest import MarketPrediction
from mmbot.research.pool_fit import SHARPNESS_BOUNDS, PoolParameters, PoolSamples
from mmbot.research.scoring import Interval, clustered_ratio, student_quantile

# The number of events that the values in force are worth as a prior.
_PRIOR_EVENTS = 20
# With fewer events than this nothing is proposed. Tuned on ten weeks, and scored on the weeks left
# out, the pool was worse than the mid alone.
FEWEST_EVENTS = 26
# The most folds of cross-validation: with more events, several are left out at a time.
_MOST_FOLDS = 52
# A parameter counts as known when its 95 % interval reaches no further than this either way.
KNOWN_WITHIN = 0.1


class Proposal(msgspec.Struct, frozen=True):
    """The proposed value of a parameter of the pool.

    Attributes:
        events: The number of settled events that it is estimated from.
        samples: The number of market samples of these events.
        present: The value in force.
        estimate: The value with the best log score; `None` if the data do not identify it.
        standard_error: The estimate's; `None` with fewer than two events.
        proposed: The value in force, or another if the data contradict it.
        interval: The estimate's 95 % interval, as far as it is within the bounds.
        events_needed: After how many events, scattered as these are, it would be known.
    """

    events: int
    samples: int
    present: float
    estimate: float | None
    standard_error: float | None = msgspec.field(name="error")
    proposed: float
    interval: tuple[float, float] | None = msgspec.field(name="interval95")
    events_needed: int | None

    @property
    def changes(self) -> bool:
        """Whether a value other than the one in force is proposed."""
        return self.proposed != self.present


class WeightProposal(Proposal, frozen=True, kw_only=True):
    """The proposed weight of the belief at one number of published days."""

    days_published: int = msgspec.field(name="known")


class LogScores(msgspec.Struct, frozen=True):
    """Log scores on the same markets, as losses, and their differences from the mid's.

    Attributes:
        n: The number of market samples.
        events: The number of events.
        mid: The score of the mid alone.
        sharpened: The score of the mid with the sharpness in force.
        pooled: The score of the pool in force.
        tuned: The score of the pool tuned on all other events.
    """

    n: int
    events: int
    mid: float
    sharpened: float
    pooled: float
    tuned: float
    sharpened_less_mid: Interval
    pooled_less_mid: Interval
    tuned_less_mid: Interval


class PoolReview(msgspec.Struct, frozen=True):
    """Proposals for the parameters of the pool, and the log scores they rest on.

    Attributes:
        weights: A proposal for each number of published days.
        sharpness: The proposal for the sharpness of the market.
        scores: The log scores by the number of published days; `None` without markets.
        total: The log scores of all markets.
    """

    weights: tuple[WeightProposal, ...]
    sharpness: Proposal
    scores: dict[int, LogScores | None]
    total: LogScores | None

    @property
    def changes(self) -> bool:
        """Whether any value other than those in force is proposed."""
        return self.sharpness.changes or any(each.changes for each in self.weights)

    @property
    def tuning_pays(self) -> bool:
        """Whether the pool tuned on the other events beats the one in force."""
        return _tuning_pays(self.total)


def review(
    predictions: Sequence[MarketPrediction], weights: Sequence[float], sharpness: float
) -> PoolReview:
    """Return what settled markets say about the pool in force.

    Args:
        predictions: Belief, mid and outcome of each market sample.
        weights: The belief's weights in force; the last is for all further days.
        sharpness: The sharpness of the market in force.
    """
    present = PoolParameters(tuple(weights), sharpness)
    samples = PoolSamples.of(predictions, len(weights))
    at = [samples.days == place for place in range(len(weights))]
    losses = _losses(samples, present)
    scores = {place: _scores(samples, losses, chosen) for place, chosen in enumerate(at)}
    total = _scores(samples, losses, samples.days >= 0)
    pays = _tuning_pays(total)
    best = samples.best(present)
    told, errors = samples.told_apart(best), samples.errors(best)
    found = [
        _proposed(
            *(samples.clusters(place), int(np.sum(at[place])), weight),
            *(best.weights[place] if told[place] else None, errors.weights[place]),
            *(0.0, 1.0),
            pays=pays,
        )
        for place, weight in enumerate(weights)
    ]
    return PoolReview(
        tuple(
            WeightProposal(**msgspec.structs.asdict(each), days_published=place)
            for place, each in enumerate(found)
        ),
        _proposed(
            *(samples.events, len(samples.days), sharpness),
            *(best.sharpness if told[-1] else None, errors.sharpness),
            *SHARPNESS_BOUNDS,
            pays=pays,
        ),
        scores,
        total,
    )


def _proposed(
    events: int,
    samples: int,
    present: float,
    estimate: float | None,
    error: float | None,
    low: float,
    high: float,
    *,
    pays: bool,
) -> Proposal:
    if estimate is None or error is None:
        return Proposal(events, samples, present, estimate, None, present, None, None)
    reach = student_quantile(0.975, events - 1) * error
    proposed = present
    if events >= FEWEST_EVENTS and abs(estimate - present) > reach and pays:
        proposed = round(present + events / (events + _PRIOR_EVENTS) * (estimate - present), 2)
    return Proposal(
        events,
        samples,
        present,
        estimate,
        error,
        proposed,
        (max(estimate - reach, low), min(estimate + reach, high)),
        math.ceil(events * (reach / KNOWN_WITHIN) ** 2),
    )


class _Losses(msgspec.Struct, frozen=True):
    """The loss of each market sample by the mid, the mid sharpened, and two pools."""

    mid: Floats
    sharpened: Floats
    pooled: Floats
    tuned: Floats


def _losses(samples: PoolSamples, present: PoolParameters) -> _Losses:
    nothing = (0.0,) * samples.weights
    tuned = np.zeros(len(samples.days))
    folds = min(samples.events, _MOST_FOLDS)
    for fold in range(folds):
        left_out = samples.event % folds == fold
        # From the values in force: a better start would leak what is left out.
        best = samples.only(~left_out).best(present)
        tuned[left_out] = samples.only(left_out).losses(best)
    return _Losses(
        samples.losses(PoolParameters(nothing, 1.0)),
        samples.losses(PoolParameters(nothing, present.sharpness)),
        samples.losses(present),
        tuned,
    )


def _scores(
    samples: PoolSamples, losses: _Losses, chosen: npt.NDArray[np.bool_]
) -> LogScores | None:
    events, event = np.unique(samples.event[chosen], return_inverse=True)
    if not len(events):
        return None
    sizes = np.bincount(event).tolist()

    def less_mid(loss: Floats) -> Interval:
        return clustered_ratio(np.bincount(event, (loss - losses.mid)[chosen]).tolist(), sizes)

    return LogScores(
        len(event),
        len(events),
        float(losses.mid[chosen].mean()),
        float(losses.sharpened[chosen].mean()),
        float(losses.pooled[chosen].mean()),
        float(losses.tuned[chosen].mean()),
        less_mid(losses.sharpened),
        less_mid(losses.pooled),
        less_mid(losses.tuned),
    )


def _tuning_pays(total: LogScores | None) -> bool:
    return total is not None and total.tuned < total.pooled
