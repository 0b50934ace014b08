"""Walk-forward scores: every week judged with what was known at each of its seven origins.

All methods are scored on the same weeks and strikes. Nothing after an origin goes into its
forecast; counts settle as they were first published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast.conditioning import Present
from mmbot.forecast.history import Floats, History
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.model import METHODS, SEED, Method, past_weeks
from mmbot.forecast.residuals import Bank
from mmbot.tsa.calendar import Week

ORIGINS = range(7)
_STRIKE_STEP = 50_000
_STRIKES = _STRIKE_STEP * np.arange(-4.0, 5.0)
# A probability of 0 that turns out wrong costs what one of a tenth of a percent would.
_LEAST_PROBABILITY = 1e-3
_BLOCK_WEEKS = 4


class Outcome(msgspec.Struct, frozen=True):
    """One forecast of one week, scored.

    Attributes:
        week: The Sunday's ISO date.
        days_published: How many days were published (k).
        error: Expected minus actual average, as a fraction of the actual one.
        squared: The square of the same in passengers.
        crps: The continuous ranked probability score, in passengers.
        brier: The mean squared error of P(above) over nine strikes.
        log_loss: The mean of -ln of the probability given to what happened, over nine strikes.
        pit: The probability that was given to averages up to the actual one.
        above: P(above) at the nine strikes.
        passed: Whether each of them was passed.
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
    """Means over the weeks of one method and origin; `mape` is in percent, `crps` in passengers.

    `pit` is the p-value of a Kolmogorov-Smirnov test of the hypothesis that the outcomes'
    probabilities are uniform, as those of a calibrated forecast are.
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


class Difference(msgspec.Struct, frozen=True):
    """A paired mean difference and its 90 % bootstrap interval."""

    mean: float
    low: float
    high: float


def walk_forward(
    history: History, banks: Mapping[str, Bank], default: str, weeks: Sequence[Week]
) -> Iterator[tuple[str, Outcome]]:
    """Score every method in `banks` on `weeks`; give each method's name with each outcome.

    Args:
        history: The counts.
        banks: By method, its forecasts of past weeks; those of `default` and of the seed.
        default: The method whose Monday forecast sets the strikes: its mean to the nearest 50,000,
            four steps either way.
        weeks: The weeks to score, each with seven counts.
    """
    for week in weeks:
        monday = week.monday.toordinal()
        strikes = None
        for name in (default, *(name for name in banks if name != default)):
            for k in ORIGINS:
                mixture = hindcast(history, banks, METHODS[name], monday, k)
                if strikes is None:
                    strikes = np.rint(mixture.mean / _STRIKE_STEP) * _STRIKE_STEP + _STRIKES
                average = float(np.exp(history.at(monday + np.arange(7))).sum() / 7)
                yield name, _outcome(week, k, mixture, average, strikes)


def hindcast(
    history: History, banks: Mapping[str, Bank], method: Method, monday: int, k: int
) -> Mixture:
    """Return what `method` would have thought of a past week once its first `k` days were known.

    As in a live forecast, the seed takes over where past weeks are too few.

    Raises:
        BadInput: Even for the seed they are.
    """
    known = history.up_to(monday - 1 + k)
    days = monday + np.arange(7)
    bank = banks[method.name]
    row = (monday - bank.monday) // 7
    if 0 <= row < len(bank.predicted):
        expected = bank.predicted[row]
        published = known.at(days)
        present = Present(monday, expected[k, :7], published, published - expected[0, :7])
        past = past_weeks(bank, known, monday, 0, present)
        if len(past.mondays) >= method.least_weeks:
            return method.conditioning(past, present).mixture
    if method is SEED:
        raise BadInput("too few past weeks come before the first week to evaluate; start later")
    return hindcast(history, banks, SEED, monday, k)


def summarise(outcomes: Sequence[Outcome]) -> dict[int, Score]:
    """Return the score of each origin."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.days_published)
    return {
        known: _score(list(group))
        for known, group in groupby(ordered, lambda each: each.days_published)
    }


def difference(
    outcomes: Sequence[Outcome], baseline: Sequence[Outcome], known: int, rng: np.random.Generator
) -> Difference:
    """Return by how much the CRPS at one origin differs from the baseline's, week by week.

    The interval is from a circular block bootstrap with blocks of four weeks: Politis and Romano,
    "A circular block-resampling procedure for stationary data" (1992).
    """
    theirs = {each.week: each.crps for each in baseline if each.days_published == known}
    paired = np.array(
        [each.crps - theirs[each.week] for each in outcomes if each.days_published == known]
    )
    n = len(paired)
    starts = rng.integers(n, size=(2000, math.ceil(n / _BLOCK_WEEKS)))
    picks = (starts[:, :, None] + np.arange(_BLOCK_WEEKS)).reshape(2000, -1)[:, :n] % n
    low, high = np.quantile(paired[picks].mean(axis=1), [0.05, 0.95])
    return Difference(float(paired.mean()), float(low), float(high))


def uniformity(values: Floats) -> float:
    """Return the p-value of the Kolmogorov-Smirnov test that `values` are uniform on 0 to 1.

    Stephens' approximation: "EDF Statistics for Goodness of Fit and Some Comparisons" (1974).
    """
    n = len(values)
    ordered = np.sort(values)
    steps = np.arange(n + 1) / n
    distance = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    scaled = distance * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    if scaled < 0.2:
        return 1.0
    terms = np.arange(1, 101)
    series = 2 * np.sum((-1.0) ** (terms - 1) * np.exp(-2 * (terms * scaled) ** 2))
    return float(np.clip(series, 0.0, 1.0))


def _outcome(week: Week, k: int, mixture: Mixture, average: float, strikes: Floats) -> Outcome:
    above, passed = mixture.above(strikes), average > strikes
    given = np.where(passed, above, 1 - above)
    return Outcome(
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


def _score(outcomes: Sequence[Outcome]) -> Score:
    def mean(field: str) -> float:
        return float(np.mean([getattr(outcome, field) for outcome in outcomes]))

    pit = np.array([outcome.pit for outcome in outcomes])
    off_centre = np.abs(pit - 0.5)
    return Score(
        weeks=len(outcomes),
        mape=100 * float(np.mean([abs(outcome.error) for outcome in outcomes])),
        rmse=math.sqrt(mean("squared")),
        crps=mean("crps"),
        brier=mean("brier"),
        log_loss=mean("log_loss"),
        coverage80=float(np.mean(off_centre <= 0.4)),
        coverage90=float(np.mean(off_centre <= 0.45)),
        pit=uniformity(pit),
    )
