"""The forecaster: from daily counts to the belief of a week.

A method is a point forecast of days and a conditioning of past weeks' residuals on the published
days. `Forecaster.fit` does the slow part once; a belief from one more published day is then quick.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from types import MappingProxyType

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast import residuals
from mmbot.forecast.belief import Belief, WeekWeight
from mmbot.forecast.combination import Combination
from mmbot.forecast.conditioning import (
    ENOUGH_WEEKS,
    Conditioned,
    Conditioning,
    PastWeeks,
    PresentWeek,
    equally_weighted,
    reweighted,
)
from mmbot.forecast.history import Floats, History
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.residuals import (
    WEEKS_AHEAD,
    Fitted,
    PointMethod,
    Progress,
    ResidualBank,
    monday_of,
)
from mmbot.forecast.seasonal import Seasonal
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

_WEEKDAYS = np.arange(7)
_HEAVIEST_SHOWN = 5


class Method(msgspec.Struct, frozen=True):
    """A point method, the conditioning of its residuals, and the least number of past weeks."""

    name: str
    point: PointMethod
    conditioning: Conditioning
    least_weeks: int


SEED = Method("seed", Seasonal(), equally_weighted, 8)
COMBINED = Method("combined", Combination(), reweighted, ENOUGH_WEEKS)
METHODS = MappingProxyType({method.name: method for method in (COMBINED, SEED)})
DEFAULT = COMBINED.name


class WeekForecast(msgspec.Struct, frozen=True):
    """The distribution of one week's average, before it is evaluated at strikes.

    Attributes:
        mixture: The distribution of the average, in passengers.
        weeks: The past weeks behind it, length n; none if all seven days are published.
        weights: The weight of each past week, shape (n,), summing to 1.
        reasons: The factors of each weight, shape (3, n); see `Conditioned`.
    """

    mixture: Mixture
    weeks: tuple[Week, ...]
    weights: Floats
    reasons: Floats


class Forecaster(msgspec.Struct, frozen=True):
    """A method fitted to the whole weeks of a history; to be fitted again when a week has ended.

    Attributes:
        method: The method; the seed where the history is too short for the one asked for.
        fitted: Its fitted point forecast.
        bank: Its residual bank.
    """

    method: Method
    fitted: Fitted
    bank: ResidualBank

    @classmethod
    def fit(
        cls,
        counts: Counts,
        method: str = DEFAULT,
        bank: ResidualBank | None = None,
        progress: Progress | None = None,
    ) -> Forecaster:
        """Fit `method`, and extend the residual bank or make a new one.

        Args:
            counts: The counts; days after the last whole week are not used.
            method: The name of the method, a key of `METHODS`.
            bank: A bank to extend.
            progress: Called with the number of new weeks of the bank done, and their number.

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
        """Return the distribution of the average of `week`, given the published days in `counts`.

        Any of the week's days may be published. A week that has not begun is forecast from the
        current one.

        Raises:
            BadInput: `week` is four weeks or more ahead of the counts, past weeks are too few, or
                counts of the year before are missing.
        """
        return self._forecast(History.of(counts), week)

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        """Return the belief of `week` at ascending `strikes`, in passengers; see `forecast`.

        Raises:
            BadInput: As for `forecast`.
        """
        history = History.of(counts)
        forecast = self._forecast(history, week)
        mixture, weights, weeks = forecast.mixture, forecast.weights, forecast.weeks
        # Rounding of the sums over scenarios could break the order in the last bits.
        above = np.minimum.accumulate(mixture.above(strikes))
        few = 0 < len(weeks) < ENOUGH_WEEKS
        heaviest = np.argsort(-weights, kind="stable")[:_HEAVIEST_SHOWN]
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
                WeekWeight(weeks[i], float(weights[i]), *forecast.reasons[:, i].tolist())
                for i in heaviest
            ),
        )

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return the logarithm of `count` less its forecast, in standard deviations.

        The standard deviation is 1.4826 times the median absolute error of past weeks, which is
        robust against storms and errors of the page.

        Args:
            counts: The counts; those of `day` and later are not used.
            day: The day.
            count: Its count, in passengers.

        Raises:
            BadInput: The day is four weeks or more ahead of the counts, or past weeks are too few.
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
            return _certain(present)
        past = past_residuals(self.bank, history, origin, ahead, present)
        if len(past.mondays) < SEED.least_weeks:
            raise BadInput(
                f"{len(past.mondays)} past weeks are too few to forecast {week.sunday} from;"
                f" {SEED.least_weeks} are needed, each with counts of a year before it"
            )
        if np.isnan(present.expected[present.open]).any():
            raise BadInput(f"counts of the year before {week.sunday} are missing; add them")
        return _week_forecast(past, self.method.conditioning(past, present))

    def _present(self, history: History, monday: int) -> PresentWeek:
        days = monday + _WEEKDAYS
        before = self.fitted.predict(history.up_to(monday - 1), days)
        published = history.at(days)
        return PresentWeek(
            monday, self.fitted.predict(history, days), published, published - before
        )


def past_residuals(
    bank: ResidualBank, history: History, origin: int, ahead: int, present: PresentWeek
) -> PastWeeks:
    """Return the residuals of the weeks that had ended by the origin.

    They are of forecasts from the same origin in their own weeks, and of the same open days. Where
    the published days are not the first of the week, the origin is that of its leading ones.

    Args:
        bank: The residual bank.
        history: The counts.
        origin: The ordinal of the Monday of the week in which the forecast is made.
        ahead: The number of weeks from that week to the present week.
        present: The week to forecast.
    """
    leading = int(np.isnan(history.at(origin + _WEEKDAYS)).argmax())
    first = 7 * ahead
    targets = bank.mondays + first
    actual = history.at(targets[:, None] + _WEEKDAYS)
    predicted = bank.predicted[:, leading, first : first + 7]
    before_week = bank.predicted[:, 0, first : first + 7]
    remainder = _log_sum(actual[:, present.open]) - _log_sum(predicted[:, present.open])
    daily = actual - before_week
    usable = np.isfinite(remainder) & np.isfinite(daily).all(axis=1) & (targets + 7 <= origin)
    return PastWeeks(targets[usable], remainder[usable], daily[usable])


def _certain(present: PresentWeek) -> WeekForecast:
    """Return the forecast of a week whose seven days are published: its average, without spread."""
    average = np.rint(np.exp(present.published)).sum() / 7
    return WeekForecast(
        Mixture(np.array([average]), np.zeros(1), np.ones(1)), (), np.empty(0), np.empty((3, 0))
    )


def _week_forecast(past: PastWeeks, conditioned: Conditioned) -> WeekForecast:
    sundays = (dt.date.fromordinal(int(monday) + 6) for monday in past.mondays)
    weeks = tuple(map(Week, sundays))
    return WeekForecast(conditioned.mixture, weeks, conditioned.weights, conditioned.reasons)


def _log_sum(logs: Floats) -> Floats:
    """Return ln of the sum of exp over the days, from shape (n, days) to (n,)."""
    sums: Floats = np.exp(logs).sum(axis=1)
    return np.log(sums)
