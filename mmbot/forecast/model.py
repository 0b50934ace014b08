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
from mmbot.forecast import residuals, seasonal
from mmbot.forecast.belief import Belief
from mmbot.forecast.conditioning import Conditioning, Past, Present, equally_weighted
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.residuals import WEEKS_AHEAD, Bank, Fitted, PointMethod, Progress, monday_of
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

LEAST_WEEKS = 8
_WEEK = np.arange(7)


class Method(msgspec.Struct, frozen=True):
    """A point forecast, what is made of its residuals, and how many past weeks that takes."""

    name: str
    point: PointMethod
    conditioning: Conditioning
    least_weeks: int = LEAST_WEEKS


class _Seasonal:
    name = "seed"

    def fit(self, history: History) -> Fitted:  # noqa: ARG002 (nothing about it is slow)
        return self

    def predict(self, history: History, days: Days) -> Floats:
        return seasonal.predict(history, days)


SEED = Method("seed", _Seasonal(), equally_weighted)
METHODS = MappingProxyType({method.name: method for method in (SEED,)})


class Forecaster(msgspec.Struct, frozen=True):
    """A method fitted to the whole weeks of a history. Fit anew when a week has ended."""

    method: Method
    fitted: Fitted
    bank: Bank

    @classmethod
    def fit(
        cls,
        counts: Counts,
        method: str = SEED.name,
        bank: Bank | None = None,
        progress: Progress | None = None,
    ) -> Forecaster:
        """Fit `method`, making the bank or extending the one given.

        Raises:
            BadInput: There is no such method, or the history is too short to say anything.
        """
        if method not in METHODS:
            raise BadInput(f"{method!r} is no forecast method; choose from {', '.join(METHODS)}")
        history = History.of(counts)
        chosen = METHODS[method]
        full = residuals.extend(bank, chosen.point, history, progress)
        fitted = chosen.point.fit(history.up_to(monday_of(history.last + 1) - 1))
        return cls(chosen, fitted, full)

    def distribution(self, counts: Counts, week: Week) -> Mixture:
        """Return what is thought of the average of `week`, given the published days in `counts`.

        Raises:
            BadInput: `week` is too far ahead of the counts, or the history is too short.
        """
        history = History.of(counts)
        present, origin, ahead = self._present(history, week)
        if not present.open.any():
            return certain(present)
        past = past_weeks(self.bank, history, origin, ahead, present)
        if len(past.mondays) < self.method.least_weeks:
            raise BadInput(
                f"{len(past.mondays)} past weeks are too few to forecast {week.sunday} from:"
                f" {self.method.least_weeks} are needed, each with the year before it"
            )
        return self.method.conditioning(past, present)

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        """Return the belief of `week`, given the published days in `counts`; see `distribution`."""
        mixture = self.distribution(counts, week)
        weeks = len(mixture.means)
        above = np.minimum.accumulate(mixture.above(strikes))
        return Belief(
            week=week,
            known=len(counts.known(week)),
            strikes=tuple(strikes),
            above=tuple(above.tolist()),
            mean=mixture.mean,
            sd=mixture.sd,
            method=self.method.name if weeks >= 30 else f"{self.method.name} ({weeks} weeks)",
            digest=counts.digest,
        )

    def _present(self, history: History, week: Week) -> tuple[Present, int, int]:
        target = week.monday.toordinal()
        # The origin's week is the one in question, or, if that has not begun, the running one.
        origin = min(target, monday_of(history.last + 1))
        ahead = (target - origin) // 7
        if ahead >= WEEKS_AHEAD:
            last = dt.date.fromordinal(history.last)
            raise BadInput(f"the counts end on {last}, too early to forecast {week.sunday}")
        days = target + _WEEK
        before = self.fitted.predict(history.up_to(target - 1), days)
        published = history.at(days)
        present = Present(target, self.fitted.predict(history, days), published, published - before)
        return present, origin, ahead


def certain(present: Present) -> Mixture:
    """Return the average of a week whose seven days are published."""
    average = np.rint(np.exp(present.published)).sum() / 7
    return Mixture(np.array([average]), np.zeros(1), np.ones(1))


def past_weeks(bank: Bank, history: History, origin: int, ahead: int, present: Present) -> Past:
    """Return the residuals of the weeks that had ended by the origin.

    They are seen from the same origin of their own weeks, and over the same open days. Where the
    published days are not the first of the week, the nearest origin is the one of its leading days.
    """
    leading = int(np.isnan(history.at(origin + _WEEK)).argmax()) if origin <= history.last else 0
    first = 7 * ahead
    targets = bank.mondays + first
    actual = history.at(targets[:, None] + _WEEK)
    predicted = bank.predicted[:, leading, first : first + 7]
    monday = bank.predicted[:, 0, first : first + 7]
    remainder = _log_sum(actual[:, present.open]) - _log_sum(predicted[:, present.open])
    daily = actual - monday
    # `<=`: the last day of the week is the one before the origin's Monday, or earlier.
    usable = np.isfinite(remainder) & np.isfinite(daily).all(axis=1) & (targets + 7 <= origin)
    return Past(targets[usable], remainder[usable], daily[usable])


def _log_sum(logs: Floats) -> Floats:
    sums: Floats = np.exp(logs).sum(axis=1)
    return np.log(sums)
