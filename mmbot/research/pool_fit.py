"""The pool of belief and mid that has the highest log score on settled markets.

logit p = a_k logit p_belief + (1 - a_k) b logit p_mid, with a weight of the belief for each number
k of published days, 0 <= a_k <= 1, and one sharpness of the market, within the bounds of the
settings. All are estimated together, by Newton's method on the parameters that are not at a bound
(Fisher scoring, projected; Bertsekas, "Projected Newton methods for optimization problems with
simple constraints", 1982). For one k the score is concave in a and (1 - a) b, so that its maximum
is unique.

All markets of an event share one outcome, so the standard errors are clustered by event (the
sandwich of Liang and Zeger, "Longitudinal data analysis using generalized linear models", 1986).
A parameter that the data do not identify has none: if belief and sharpened mid never differ, if the
belief has all the weight, so that no sharpness matters, or if one is a multiple of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from mmbot.forecast.history import Floats
from mmbot.research.backtest import MarketPrediction
from mmbot.trading.fair import logits

_Indices: TypeAlias = npt.NDArray[np.intp]

# The bounds of `market_sharpness` in the settings.
SHARPNESS_BOUNDS = 0.5, 2.0
_STEPS, _HALVINGS = 100, 30
# Convergence: no parameter's slope, per market, is greater.
_TOLERANCE = 1e-9
# A direction with less information, scaled to correlations, is not identified, and neither is a
# parameter with more than such a share of it.
_LEAST_INFORMATION, _LARGEST_SHARE = 1e-6, 1e-3


class PoolParameters(msgspec.Struct, frozen=True):
    """The belief's weight by the number of published days, and the factor of the mids' log-odds."""

    weights: tuple[float, ...]
    sharpness: float


class StandardErrors(msgspec.Struct, frozen=True):
    """The standard error of each parameter; `None` if the data do not identify it."""

    weights: tuple[float | None, ...]
    sharpness: float | None


class PoolSamples(msgspec.Struct, frozen=True):
    """Settled markets.

    Attributes:
        weights: The number of weights.
        days: The index of the weight of each market's belief.
        events: The number of events.
        event: The index of the event that each market belongs to.
        belief: The belief's log-odds.
        mid: The mid's log-odds.
        outcomes: 1 if YES came true, else 0.
    """

    weights: int
    days: _Indices
    events: int
    event: _Indices
    belief: Floats
    mid: Floats
    outcomes: Floats

    @classmethod
    def of(cls, predictions: Sequence[MarketPrediction], weights: int) -> PoolSamples:
        """Return the samples of some markets; the last weight is for all further days."""
        names = sorted({each.week for each in predictions})
        days = [min(each.days_published, weights - 1) for each in predictions]
        return cls(
            weights,
            np.array(days, dtype=np.intp),
            len(names),
            np.searchsorted(names, [each.week for each in predictions]),
            logits([each.belief for each in predictions]),
            logits([each.mid for each in predictions]),
            np.array([each.outcome for each in predictions], dtype=float),
        )

    def only(self, chosen: npt.NDArray[np.bool_]) -> PoolSamples:
        """Return some of the markets; their events keep their numbers."""
        return PoolSamples(
            self.weights,
            self.days[chosen],
            self.events,
            self.event[chosen],
            self.belief[chosen],
            self.mid[chosen],
            self.outcomes[chosen],
        )

    def clusters(self, place: int) -> int:
        """Return the number of events that one weight is estimated from."""
        return len(np.unique(self.event[self.days == place]))

    def losses(self, parameters: PoolParameters) -> Floats:
        """Return -ln of the probability that each market's outcome had in the pool."""
        return self._losses(_vector(parameters))

    def best(self, start: PoolParameters) -> PoolParameters:
        """Return the parameters of the least loss, searched for from `start`.

        A parameter that the data do not identify stays where it starts.
        """
        low = np.array([0.0] * self.weights + [SHARPNESS_BOUNDS[0]])
        high = np.array([1.0] * self.weights + [SHARPNESS_BOUNDS[1]])
        found, loss = _vector(start), float(self._losses(_vector(start)).sum())
        for _ in range(_STEPS):
            slopes, information = self._slopes(found)
            gradient = slopes.sum(axis=0)
            held = ((found <= low) & (gradient < 0)) | ((found >= high) & (gradient > 0))
            free = np.flatnonzero(~held)
            if not (np.abs(gradient[free]) > _TOLERANCE * len(self.days)).any():
                break
            step = np.zeros(len(found))
            step[free] = np.linalg.lstsq(
                information[np.ix_(free, free)], gradient[free], rcond=_LEAST_INFORMATION
            )[0]
            steps = (step / 2**halvings for halvings in range(_HALVINGS))
            moves = (np.clip(found + each, low, high) for each in steps)
            better = next((each for each in moves if self._losses(each).sum() < loss), None)
            if better is None:
                break
            found, loss = better, float(self._losses(better).sum())
        return PoolParameters(tuple(found[:-1].tolist()), float(found[-1]))

    def errors(self, best: PoolParameters) -> StandardErrors:
        """Return the standard errors of the parameters of the least loss."""
        slopes, information = self._slopes(_vector(best))
        known = _told_apart(information)
        by_event = np.stack(
            [np.bincount(self.event, each, minlength=self.events) for each in slopes.T], axis=1
        )
        inverse = np.linalg.pinv(information, rcond=_LEAST_INFORMATION, hermitian=True)
        spread = inverse @ by_event.T @ by_event @ inverse * self.events / max(self.events - 1, 1)
        enough = [self.clusters(place) >= 2 for place in range(self.weights)]
        found = [
            float(np.sqrt(variance)) if told and several else None
            for variance, told, several in zip(
                np.diag(spread).tolist(), known.tolist(), [*enough, self.events >= 2], strict=True
            )
        ]
        return StandardErrors(tuple(found[:-1]), found[-1])

    def told_apart(self, best: PoolParameters) -> tuple[bool, ...]:
        """Return whether the data identify each weight and, last, the sharpness."""
        return tuple(_told_apart(self._slopes(_vector(best))[1]).tolist())

    def _odds(self, vector: Floats) -> Floats:
        weight = vector[self.days]
        odds: Floats = weight * self.belief + (1 - weight) * vector[-1] * self.mid
        return odds

    def _losses(self, vector: Floats) -> Floats:
        signs = 1 - 2 * self.outcomes
        losses: Floats = np.logaddexp(0.0, signs * self._odds(vector))
        return losses

    def _slopes(self, vector: Floats) -> tuple[Floats, Floats]:
        """Return each market's slopes of the log score, and the information of all."""
        weight, sharpness = vector[self.days], vector[-1]
        odds_slopes = np.zeros((len(self.days), len(vector)))
        odds_slopes[np.arange(len(self.days)), self.days] = self.belief - sharpness * self.mid
        odds_slopes[:, -1] = (1 - weight) * self.mid
        pooled = 1 / (1 + np.exp(-self._odds(vector)))
        slopes: Floats = (self.outcomes - pooled)[:, None] * odds_slopes
        information: Floats = odds_slopes.T @ ((pooled * (1 - pooled))[:, None] * odds_slopes)
        return slopes, information


def _vector(parameters: PoolParameters) -> Floats:
    return np.array((*parameters.weights, parameters.sharpness))


def _told_apart(information: Floats) -> npt.NDArray[np.bool_]:
    """Return for each parameter whether the data identify it."""
    scale = np.sqrt(np.diag(information))
    alone = scale > _LEAST_INFORMATION
    safe = np.where(alone, scale, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(safe, safe))
    shares: Floats = (vectors[:, values < _LEAST_INFORMATION] ** 2).sum(axis=1)
    told: npt.NDArray[np.bool_] = alone & (shares < _LARGEST_SHARE)
    return told
