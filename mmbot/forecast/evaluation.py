"""Walk-forward evaluation: every past week forecast from each of its seven origins, and scored.

At origin k the first k days of the week are published, and nothing later goes into the forecast.
All methods are scored on the same weeks and strikes, against the settling counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast import member, pool
from mmbot.forecast.calibration import Calibration, calibration, uniformity
from mmbot.forecast.history import Floats, History
from mmbot.forecast.methods import POOL, SEED, Method
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.model import Hindcasts
from mmbot.forecast.pool import ORIGINS
from mmbot.underlying.calendar import Week

_STRIKE_STEP = 50_000
_STRIKES = _STRIKE_STEP * np.arange(-4.0, 5.0)
# The log loss of a wrong forecast at probability 0 would be infinite.
_LEAST_PROBABILITY = 1e-3
_BOOTSTRAP_DRAWS = 2000
_BLOCK_WEEKS = 4


class ScoredForecast(msgspec.Struct, frozen=True):
    """The scores of one forecast of one week's average.

    Attributes:
        week: The Sunday's ISO date.
        days_published: The number of published days (k), which is the origin.
        error: (expected - actual) / actual average.
        squared: The squared error, in passengers squared.
        crps: The continuous ranked probability score, in passengers.
        brier: The Brier score of P(above), averaged over the nine strikes.
        log_loss: -ln of the probability given to the outcome, averaged over the nine strikes.
        pit: The probability integral transform: F(actual average) under the forecast.
        above: P(above) at each strike, length 9.
        passed: Whether the actual average was above each strike, length 9.
    """

    week: str
    days_published: int = msgspec.field(name="known")
    error: float
    squared: float
    crps: float
    brier: float
    log_loss: float
    pit: float
    above: tuple[float, ...]
    passed: tuple[bool, ...]


class Score(msgspec.Struct, frozen=True):
    """Mean scores of one method at one origin.

    Attributes:
        weeks: The number of weeks.
        mape: The mean absolute error of the average, in percent.
        rmse: The root mean squared error, in passengers.
        crps: The mean CRPS, in passengers.
        brier: The mean Brier score.
        log_loss: The mean log loss, in nats.
        coverage80: The share of outcomes in the central 80 % interval.
        coverage90: The same of the 90 % interval.
        pit: The p-value of the hypothesis that the PIT is uniform, as under calibration (Dawid,
            "Statistical theory: the prequential approach", 1984).
    """

    weeks: int
    mape: float
    rmse: float
    crps: float
    brier: float
    log_loss: float
    coverage80: float
    coverage90: float
    pit: float


class PairedDifference(msgspec.Struct, frozen=True):
    """A paired mean difference of the CRPS, in passengers, and its 90 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Walk(msgspec.Struct, frozen=True):
    """The inputs to the scores of each week in a walk-forward evaluation.

    Attributes:
        history: The counts.
        hindcasts: Those of the pool.
        error_correction: Whether the pool uses it; members alone are scored without it.
    """

    history: History
    hindcasts: Hindcasts
    error_correction: bool


def score_week(walk: Walk, week: Week) -> list[tuple[str, ScoredForecast]]:
    """Score the pool and each of its members on a week; return the name with each forecast.

    The nine strikes are the pool's mean at k = 0, rounded to 50,000 passengers, and four steps of
    50,000 either way.

    Args:
        walk: The forecasts.
        week: The week, with seven counts.

    Raises:
        BadInput: Too few weeks precede it even for the seed.
    """
    monday = week.monday.toordinal()
    average = float(np.exp(walk.history.at(monday + np.arange(7))).sum() / 7)
    found = [
        hindcast(walk.history, walk.hindcasts, monday, k, error_correction=walk.error_correction)
        for k in ORIGINS
    ]
    strikes = np.rint(found[0]["pool"].mean / _STRIKE_STEP) * _STRIKE_STEP + _STRIKES
    return [
        (name, _scored(week, k, mixture, average, strikes))
        for k, mixtures in zip(ORIGINS, found, strict=True)
        for name, mixture in mixtures.items()
    ]


def hindcast(
    history: History, hindcasts: Hindcasts, monday: int, k: int, *, error_correction: bool
) -> dict[str, Mixture]:
    """Return the forecasts of a past week by the pool and by each member alone.

    As in a live forecast of one method, the seed replaces a member that has too few past weeks.

    Args:
        history: The counts, later ones included; those after the origin are not used.
        hindcasts: Those of the pool.
        monday: The ordinal of the week's Monday.
        k: The number of published days, 0 to 6.
        error_correction: Whether the pool uses it; members alone do without it.

    Raises:
        BadInput: Past weeks are too few even for the seed.
    """

    def by_member(methods: Iterable[Method], *, corrected: bool) -> dict[Method, Mixture | None]:
        return {
            method: member.hindcast(
                method,
                hindcasts.banks[method.point.name],
                history,
                monday,
                k,
                error_correction=corrected,
            )
            for method in methods
        }

    alone = by_member(POOL, corrected=False)
    seed = alone[SEED]
    if seed is None:
        raise BadInput("too few past weeks come before the first week to evaluate; start later")
    changed = (method for method in POOL if method.corrected and error_correction)
    pooled = alone | by_member(changed, corrected=True)
    parts = {method: mixture for method, mixture in pooled.items() if mixture is not None}
    record = hindcasts.record
    together = pool.joined(list(parts.values()), record.weights(list(parts), monday, k))
    return {
        "pool": together.scaled(record.widening(monday, k)) if len(parts) > 1 else together,
        **{method.name: mixture or seed for method, mixture in alone.items()},
    }


def summarise(forecasts: Sequence[ScoredForecast]) -> dict[int, Score]:
    """Return the mean scores of one method by origin."""
    ordered = sorted(forecasts, key=lambda each: each.days_published)
    return {
        days_published: _score(list(group))
        for days_published, group in groupby(ordered, lambda each: each.days_published)
    }


def difference(
    forecasts: Sequence[ScoredForecast],
    baseline: Sequence[ScoredForecast],
    days_published: int,
    rng: np.random.Generator,
) -> PairedDifference:
    """Return the mean CRPS at one origin less the baseline's, paired by week.

    The interval is from a circular block bootstrap with blocks of four weeks: Politis and Romano,
    "A circular block-resampling procedure for stationary data" (1992).
    """
    theirs = {each.week: each.crps for each in baseline if each.days_published == days_published}
    paired = np.array(
        [
            each.crps - theirs[each.week]
            for each in forecasts
            if each.days_published == days_published
        ]
    )
    n = len(paired)
    starts = rng.integers(n, size=(_BOOTSTRAP_DRAWS, math.ceil(n / _BLOCK_WEEKS)))
    blocks = starts[:, :, None] + np.arange(_BLOCK_WEEKS)
    picks = blocks.reshape(_BOOTSTRAP_DRAWS, -1)[:, :n] % n
    low, high = np.quantile(paired[picks].mean(axis=1), [0.05, 0.95])
    return PairedDifference(float(paired.mean()), float(low), float(high))


def recent_calibration(forecasts: Sequence[ScoredForecast]) -> dict[int, Calibration]:
    """Return the calibration of one method's latest forecasts by origin."""
    by_origin: dict[int, list[float]] = {}
    for each in sorted(forecasts, key=lambda each: (each.days_published, each.week)):
        by_origin.setdefault(each.days_published, []).append(each.pit)
    return {k: calibration(pits) for k, pits in by_origin.items()}


def _scored(
    week: Week, k: int, mixture: Mixture, average: float, strikes: Floats
) -> ScoredForecast:
    above, passed = mixture.above(strikes), average > strikes
    given = np.where(passed, above, 1 - above)
    return ScoredForecast(
        week=week.sunday.isoformat(),
        days_published=k,
        error=mixture.mean / average - 1,
        squared=(mixture.mean - average) ** 2,
        crps=mixture.crps(average),
        brier=float(np.mean((above - passed) ** 2)),
        log_loss=float(np.mean(-np.log(np.maximum(given, _LEAST_PROBABILITY)))),
        pit=float(1 - mixture.above([average])[0]),
        above=tuple(above.tolist()),
        passed=tuple(passed.tolist()),
    )


def _score(forecasts: Sequence[ScoredForecast]) -> Score:
    def mean(field: str) -> float:
        return float(np.mean([getattr(each, field) for each in forecasts]))

    pit = np.array([each.pit for each in forecasts])
    off_centre = np.abs(pit - 0.5)
    return Score(
        weeks=len(forecasts),
        mape=100 * float(np.mean([abs(each.error) for each in forecasts])),
        rmse=math.sqrt(mean("squared")),
        crps=mean("crps"),
        brier=mean("brier"),
        log_loss=mean("log_loss"),
        coverage80=float(np.mean(off_centre <= 0.4)),
        coverage90=float(np.mean(off_centre <= 0.45)),
        pit=uniformity(pit),
    )
