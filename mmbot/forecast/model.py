"""The forecaster: from daily counts to the belief of a week.

A method is a point forecast of days and a way to lay past weeks' residuals over it. `Forecaster`
does the slow part once; a belief from one more published day is then quick.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from types import MappingProxyType

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast import residuals
from mmbot.forecast.belief import Belief, Weighing
from mmbot.forecast.combination import Combination
from mmbot.forecast.conditioning import (
    ENOUGH_WEEKS,
    Conditioned,
    Conditioning,
    Past,
    Present,
    equally_weighted,
    reweighted,
)
from mmbot.forecast.history import Floats, History
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.residuals import WEEKS_AHEAD, Bank, Fitted, PointMethod, Progress, monday_of
from mmbot.forecast.seasonal import Seasonal
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

_WEEK = np.arange(7)
_HEAVIEST = 5


class Method(msgspec.Struct, frozen=True):
    """A point forecast, what is made of its residuals, and how many past weeks that takes."""

    name: str
    point: PointMethod
    conditioning: Conditioning
    least_weeks: int


SEED = Method("seed", Seasonal(), equally_weighted, 8)
COMBINED = Method("combined", Combination(), reweighted, ENOUGH_WEEKS)
METHODS = MappingProxyType({method.name: method for method in (COMBINED, SEED)})
DEFAULT = COMBINED.name


class WeekForecast(msgspec.Struct, frozen=True):
    """What is thought of one week's average, before any ladder.

    Attributes:
        mixture: The distribution of the average.
        weeks: The past weeks it was made from; none if all seven days are published.
        weights: The weight of each, shape (weeks,), adding up to 1.
        reasons: What each weight is the product of, shape (3, weeks); see `Conditioned`.
    """

    mixture: Mixture
    weeks: tuple[Week, ...]
    weights: Floats
    reasons: Floats


class Forecaster(msgspec.Struct, frozen=True):
    """A method fitted to the whole weeks of a history. Fit anew when a week has ended.

    Attributes:
        method: The method; the plain one where the history is too short for the one asked for.
        fitted: Its point forecast.
        bank: What it would have forecast of past weeks.
    """

    method: Method
    fitted: Fitted
    bank: Bank

    @classmethod
    def fit(
        cls,
        counts: Counts,
        method: str = DEFAULT,
        bank: Bank | None = None,
        progress: Progress | None = None,
    ) -> Forecaster:
        """Fit `method`, making the bank or extending the one given.

        Raises:
            BadInput: There is no such method, or there are no counts.
        """
        if method not in METHODS:
            raise BadInput(f"{method!r} is no forecast method; choose from {', '.join(METHODS)}")
        history = History.of(counts)
        chosen = METHODS[method]
        full = residuals.extend(bank, chosen.point, history, progress)
        if full.usable < chosen.least_weeks and chosen is not SEED:
            return cls.fit(counts, SEED.name)
        fitted = chosen.point.fit(history.up_to(monday_of(history.last + 1) - 1))
        return cls(chosen, fitted, full)

    def forecast(self, counts: Counts, week: Week) -> WeekForecast:
        """Return what is thought of the average of `week`, given the published days in `counts`.

        Any of the week's days may be published. A week that has not begun is seen from the running
        one.

        Raises:
            BadInput: `week` is too far ahead of the counts, or the history is too short.
        """
        return self._forecast(History.of(counts), week)

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        """Return the belief of `week`, given the published days in `counts`; see `forecast`."""
        history = History.of(counts)
        forecast = self._forecast(history, week)
        mixture, weights, weeks = forecast.mixture, forecast.weights, forecast.weeks
        # The last bits of a sum over scenarios need not be in order.
        above = np.minimum.accumulate(mixture.above(strikes))
        few = 0 < len(weeks) < ENOUGH_WEEKS
        heaviest = np.argsort(-weights, kind="stable")[:_HEAVIEST]
        return Belief(
            week=week,
            days_published=len(counts.published_days(week)),
            strikes=tuple(strikes),
            above=tuple(above.tolist()),
            mean=mixture.mean,
            sd=mixture.sd,
            method=f"{self.method.name} ({len(weeks)} weeks)" if few else self.method.name,
            digest=history.digest(self.method.name),
            effective_weeks=float(1 / (weights @ weights)) if weeks else 0.0,
            heaviest=tuple(
                Weighing(weeks[i], float(weights[i]), *forecast.reasons[:, i].tolist())
                for i in heaviest
            ),
        )

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return how far `count` is from its forecast, in standard deviations.

        The deviation is 1.4826 times the median absolute error of past weeks, which a few storms
        and mistakes do not widen.

        Args:
            counts: What is known without it.
            day: The day.
            count: Its count.

        Raises:
            BadInput: The day is too far ahead of the counts, or the history is too short.
        """
        history = History.of(counts)
        ordinal = day.toordinal()
        before = history.up_to(ordinal - 1)
        origin = monday_of(before.last + 1)
        offset = ordinal - origin
        if offset >= 7 * WEEKS_AHEAD:
            raise BadInput(f"the counts end too early to judge the count of {day}")
        days = np.array([ordinal])
        expected = self.fitted.predict(before, days)[0]
        leading = before.last + 1 - origin
        errors = history.at(self.bank.mondays + offset) - self.bank.predicted[:, leading, offset]
        errors = errors[np.isfinite(errors) & (self.bank.mondays + offset < ordinal)]
        if len(errors) < SEED.least_weeks:
            raise BadInput(f"{len(errors)} past weeks are too few to judge the count of {day}")
        return float((np.log(count) - expected) / (1.4826 * np.median(np.abs(errors))))

    def _forecast(self, history: History, week: Week) -> WeekForecast:
        target = week.monday.toordinal()
        origin = min(target, monday_of(history.last + 1))
        ahead = (target - origin) // 7
        if ahead >= WEEKS_AHEAD:
            last = dt.date.fromordinal(history.last)
            raise BadInput(f"the counts end on {last}, too early to forecast {week.sunday}")
        present = self._present(history, target)
        if not present.open.any():
            return certain(present)
        past = past_weeks(self.bank, history, origin, ahead, present)
        if len(past.mondays) < SEED.least_weeks:
            raise BadInput(
                f"{len(past.mondays)} past weeks are too few to forecast {week.sunday} from;"
                f" {SEED.least_weeks} are needed, each with counts of a year before it"
            )
        if np.isnan(present.expected[present.open]).any():
            raise BadInput(f"counts of the year before {week.sunday} are missing; add them")
        return _named(past, self.method.conditioning(past, present))

    def _present(self, history: History, monday: int) -> Present:
        days = monday + _WEEK
        before = self.fitted.predict(history.up_to(monday - 1), days)
        published = history.at(days)
        return Present(monday, self.fitted.predict(history, days), published, published - before)


def past_weeks(bank: Bank, history: History, origin: int, ahead: int, present: Present) -> Past:
    """Return the residuals of the weeks that had ended by the origin.

    They are seen from the same origin of their own weeks, and over the same open days. Where the
    published days are not the first of the week, the nearest origin is the one of its leading days.

    Args:
        bank: Forecasts of past weeks.
        history: The counts.
        origin: The ordinal of the Monday of the week that the present week is seen from.
        ahead: How many weeks the present week lies after that one.
        present: The present week.
    """
    leading = int(np.isnan(history.at(origin + _WEEK)).argmax())
    first = 7 * ahead
    targets = bank.mondays + first
    actual = history.at(targets[:, None] + _WEEK)
    predicted = bank.predicted[:, leading, first : first + 7]
    monday = bank.predicted[:, 0, first : first + 7]
    remainder = _log_sum(actual[:, present.open]) - _log_sum(predicted[:, present.open])
    daily = actual - monday
    usable = np.isfinite(remainder) & np.isfinite(daily).all(axis=1) & (targets + 7 <= origin)
    return Past(targets[usable], remainder[usable], daily[usable])


def certain(present: Present) -> WeekForecast:
    """Return the average of a week whose seven days are published."""
    average = np.rint(np.exp(present.published)).sum() / 7
    return WeekForecast(
        Mixture(np.array([average]), np.zeros(1), np.ones(1)), (), np.empty(0), np.empty((3, 0))
    )


def _named(past: Past, conditioned: Conditioned) -> WeekForecast:
    sundays = (dt.date.fromordinal(int(monday) + 6) for monday in past.mondays)
    weeks = tuple(map(Week, sundays))
    return WeekForecast(conditioned.mixture, weeks, conditioned.weights, conditioned.reasons)


def _log_sum(logs: Floats) -> Floats:
    sums: Floats = np.exp(logs).sum(axis=1)
    return np.log(sums)
