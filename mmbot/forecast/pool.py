"""The pool: a mixture of the members' distributions, with weights learnt from their hindcasts.

The weights are those of exponentiated gradient descent on the CRPS of the pool, which rewards a
member for what it adds to the others and not for its own score alone: Kivinen and Warmuth,
"Exponentiated gradient versus gradient descent for linear predictors" (1997); for the CRPS:
Berrisch and Ziel, "CRPS learning" (2023). What was learnt decays with a half-life of a quarter, so
that the weights return to the prior. Nothing of a week is used before it has ended.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast.calibration import RECENT_WEEKS, Calibration, calibration
from mmbot.forecast.fitting import Progress
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.member import hindcast
from mmbot.forecast.methods import Method
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.residuals import ResidualBank

ORIGINS = range(7)
# Of half-lives of 13, 26, 52 and 104 weeks, the one that would have scored best before 2023.
_RETAINED = 0.5 ** (1 / 13)
# The rate that bounds the regret of five members over the weeks remembered: Cesa-Bianchi and
# Lugosi, "Prediction, Learning, and Games" (2006), theorem 2.2.
_RATE = math.sqrt(8 * math.log(5) * (1 - _RETAINED))
_LEAST_NARROWING = 0.5
_PRIOR_WEEKS = 10
# One extreme outcome must not by itself widen the forecasts of the next half year.
_LEAST_PIT = 0.002
_NORMAL = NormalDist()
_GRID_POINTS = 257
_REACH_DEVIATIONS = 5.0


def joined(mixtures: Sequence[Mixture], weights: Floats) -> Mixture:
    """Return the weighted mixture of mixtures, `weights` of shape (members,) summing to 1.

    A mixture of calibrated distributions with different means is too wide (Gneiting and Ranjan,
    "Combining predictive distributions", 2013). So each is narrowed first, by the factor that makes
    the variance of the mixture the mean variance of its members.
    """
    if len(mixtures) == 1:
        return mixtures[0]
    means = np.array([each.mean for each in mixtures])
    within = weights @ np.array([each.sd for each in mixtures]) ** 2
    between = weights @ (means - weights @ means) ** 2
    factor = math.sqrt(max(1 - between / within, _LEAST_NARROWING**2))
    parts = [each.scaled(factor) for each in mixtures]
    return Mixture(
        np.concatenate([each.means for each in parts]),
        np.concatenate([each.widths for each in parts]),
        np.concatenate([w * each.weights for w, each in zip(weights, parts, strict=True)]),
    )


class TrackRecord(msgspec.Struct, frozen=True):
    """What was learnt from the forecasts of consecutive past weeks.

    Attributes:
        members: The names of the members.
        monday: The ordinal of the first week's Monday.
        learnt: The logarithm of each member's weight relative to its prior one, before each week
            and after the last, by number of published days; shape (weeks + 1, 7, members).
        pits: The probability integral transform F(actual average) of the pool's forecasts, before
            any widening, NaN where no member could forecast; shape (weeks, 7).
        digests: For each week, the digest of everything its row was computed from.
    """

    members: tuple[str, ...]
    monday: int
    learnt: Floats
    pits: Floats
    digests: tuple[str, ...]

    def weights(self, methods: Sequence[Method], monday: int, k: int) -> Floats:
        """Return the weights of some members in one week, summing to 1.

        Args:
            methods: The members that can forecast, at least one.
            monday: The ordinal of the week's Monday; only weeks before it count.
            k: The number of published days.
        """
        row = min(max((monday - self.monday) // 7, 0), len(self.learnt) - 1)
        columns = [self.members.index(method.name) for method in methods]
        return _weights(methods, self.learnt[row, k, columns])

    def widening(self, monday: int, k: int) -> float:
        """Return the factor, 1 or more, on the deviations of the pool's forecast of a week.

        It is 1 unless the 80 % coverage over the last `RECENT_WEEKS` is below the band. Then it is
        the standard deviation of the normal scores of their PITs, which is 1 under calibration,
        shrunk to 1 by a prior worth some weeks. Forecasts that were too wide are not narrowed.

        Args:
            monday: The ordinal of the week's Monday; only weeks before it count.
            k: The number of published days.
        """
        row = min(max((monday - self.monday) // 7, 0), len(self.pits))
        lately = self.pits[max(0, row - RECENT_WEEKS) : row, k]
        lately = lately[np.isfinite(lately)]
        if not len(lately) or (found := calibration(lately)).coverage80 >= found.band[0]:
            return 1.0
        pits = np.clip(lately, _LEAST_PIT, 1 - _LEAST_PIT)
        squares = sum(_NORMAL.inv_cdf(pit) ** 2 for pit in pits.tolist())
        return max(1.0, math.sqrt((squares + _PRIOR_WEEKS) / (len(pits) + _PRIOR_WEEKS)))

    def calibration(self) -> dict[int, Calibration]:
        """Return the calibration of the latest forecasts, before widening, by days published."""
        by_days = {k: self.pits[np.isfinite(self.pits[:, k]), k] for k in ORIGINS}
        return {k: calibration(pits) for k, pits in by_days.items() if len(pits)}

    def encode(self) -> bytes:
        """Return the record as bytes."""
        learnt, pits = (each.astype("<f8").tobytes() for each in (self.learnt, self.pits))
        return msgspec.msgpack.encode(
            _Stored(1, self.members, self.monday, learnt, pits, self.digests)
        )

    @classmethod
    def decode(cls, content: bytes) -> TrackRecord:
        """Read a record from bytes.

        Raises:
            BadInput: They are not a record in this program's format.
        """
        try:
            stored = msgspec.msgpack.decode(content, type=_Stored)
            learnt = np.frombuffer(stored.learnt, "<f8")
            pits = np.frombuffer(stored.pits, "<f8")
            weeks, members = len(stored.digests), len(stored.members)
            return cls(
                stored.members,
                stored.monday,
                learnt.reshape(weeks + 1, len(ORIGINS), members),
                pits.reshape(weeks, len(ORIGINS)),
                stored.digests,
            )
        except (msgspec.DecodeError, ValueError):
            raise BadInput("the stored record of past forecasts cannot be read") from None


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    form: Literal[1]
    members: tuple[str, ...]
    monday: int
    learnt: bytes
    pits: bytes
    digests: tuple[str, ...]


def extend(
    record: TrackRecord | None,
    methods: Sequence[Method],
    banks: Mapping[str, ResidualBank],
    history: History,
    *,
    error_correction: bool,
    progress: Progress | None = None,
) -> TrackRecord:
    """Return the record of exactly the weeks that are in the banks.

    Args:
        record: A record whose weeks are reused as far as they come from the same forecasts.
        methods: The members of the pool.
        banks: The residual bank of each point method, all of the same weeks.
        history: The counts.
        error_correction: Whether to correct the methods that provide for it.
        progress: Called with the number of new weeks done, and their total.
    """
    learner = _Learner(methods, banks, history, error_correction)
    names = tuple(method.name for method in methods)
    mondays = next(iter(banks.values())).mondays
    digests = _digests(names, banks, error_correction=error_correction)
    learnt = np.zeros((len(mondays) + 1, len(ORIGINS), len(methods)))
    pits = np.full((len(mondays), len(ORIGINS)), np.nan)
    done = _reusable(record, names, mondays, digests)
    if record is not None and done:
        learnt[: done + 1], pits[:done] = record.learnt[: done + 1], record.pits[:done]
        # The digests cover the counts but not the code, so the last week is recomputed as a check.
        again, _ = learner.after(int(mondays[done - 1]), learnt[done - 1])
        if not np.allclose(again, learnt[done], rtol=0, atol=1e-9):
            learnt[:], pits[:], done = 0.0, np.nan, 0
    for row in range(done, len(mondays)):
        learnt[row + 1], pits[row] = learner.after(int(mondays[row]), learnt[row])
        if progress is not None:
            progress(row + 1 - done, len(mondays) - done)
    return TrackRecord(names, int(mondays[0]) if len(mondays) else 0, learnt, pits, digests)


class _Learner(msgspec.Struct, frozen=True):
    """Updates the weights week by week, from the members' hindcasts."""

    methods: Sequence[Method]
    banks: Mapping[str, ResidualBank]
    history: History
    error_correction: bool

    def after(self, monday: int, learnt: Floats) -> tuple[Floats, Floats]:
        """Score the members on one past week, at each origin.

        Args:
            monday: The ordinal of the week's Monday.
            learnt: The logarithms of the relative weights before the week, shape (7, members).

        Returns:
            The same after the week, and the PIT of the pool's forecasts, shape (7,).
        """
        steps = [self._after(monday, k, learnt[k]) for k in ORIGINS]
        return np.stack([after for after, _ in steps]), np.array([pit for _, pit in steps])

    def _after(self, monday: int, k: int, learnt: Floats) -> tuple[Floats, float]:
        found = [
            hindcast(
                method,
                self.banks[method.point.name],
                self.history,
                monday,
                k,
                error_correction=self.error_correction,
            )
            for method in self.methods
        ]
        able = [i for i, mixture in enumerate(found) if mixture is not None]
        average = float(np.exp(self.history.at(monday + np.arange(7))).sum() / 7)
        after = _RETAINED * learnt
        if not able or math.isnan(average):
            return after, math.nan
        mixtures = [mixture for mixture in found if mixture is not None]
        weights = _weights([self.methods[i] for i in able], learnt[able])
        if len(able) > 1:
            after[able] -= _RATE * _relative_gradient(mixtures, average, weights)
        return after, float(1 - joined(mixtures, weights).above([average])[0])


def _weights(methods: Sequence[Method], learnt: Floats) -> Floats:
    raw = np.array([method.prior for method in methods]) * np.exp(learnt - learnt.max())
    weights: Floats = raw / raw.sum()
    return weights


def _relative_gradient(mixtures: Sequence[Mixture], average: float, weights: Floats) -> Floats:
    """Return the gradient of the pool's CRPS in the weights, less its mean, shape (members,).

    It is E|X_m - average| - E|X_m - X| with X from the pool, here in units of the members' mean
    distance from the outcome. Distances are integrals over distribution functions on a grid.
    """
    means, sds = (np.array([getattr(m, name) for m in mixtures]) for name in ("mean", "sd"))
    low = min((means - _REACH_DEVIATIONS * sds).min(), average)
    high = max((means + _REACH_DEVIATIONS * sds).max(), average)
    grid, step = np.linspace(low, high, _GRID_POINTS, retstep=True)
    below = np.stack([1 - mixture.above(grid) for mixture in mixtures])
    to_outcome = np.abs(below - (grid >= average)).sum(axis=1) * step
    pool = weights @ below
    to_pool = (below * (1 - pool) + (1 - below) * pool).sum(axis=1) * step
    gradient = (to_outcome - to_pool) / (weights @ to_outcome)
    relative: Floats = gradient - weights @ gradient
    return relative


def _reusable(
    record: TrackRecord | None, names: tuple[str, ...], mondays: Days, digests: tuple[str, ...]
) -> int:
    """Return how many of the first weeks of `record` are still valid."""
    if record is None or not len(mondays) or record.members != names:
        return 0
    if record.monday != mondays[0]:
        return 0
    pairs = zip(record.digests, digests, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _digests(
    names: tuple[str, ...], banks: Mapping[str, ResidualBank], *, error_correction: bool
) -> tuple[str, ...]:
    """Return the digest of each week: of the members and of the rows of all banks up to it."""
    running = hashlib.sha256(f"{names},{error_correction}".encode())
    digests = []
    for row in range(len(next(iter(banks.values())).mondays)):
        for bank in banks.values():
            running.update(bank.digests[row].encode())
            running.update(bank.predicted[row].astype("<f8").tobytes())
        digests.append(running.hexdigest()[:16])
    return tuple(digests)
