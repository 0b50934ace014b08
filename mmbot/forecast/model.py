"""The forecaster: from daily counts to the belief of a week.

A forecaster is a pool of one or more members. `Forecaster.fit` does the slow part once; a belief
from one more published day is then quick. The weight of a member that cannot forecast, because the
history is too short or counts of the year before are missing, goes to the others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast import pool, residuals
from mmbot.forecast.belief import Belief, MemberWeight, WeekWeight
from mmbot.forecast.conditioning import ENOUGH_WEEKS, Conditioned, PresentWeek
from mmbot.forecast.fitting import Progress
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.member import distribution, leading_days, past_residuals
from mmbot.forecast.methods import DEFAULT, METHODS, SEED, Method
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.pool import TrackRecord
from mmbot.forecast.residuals import (
    WEEKS_AHEAD,
    Fitted,
    ResidualBank,
    monday_of,
)
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

_WEEKDAYS = np.arange(7)
_HEAVIEST_SHOWN = 5


class Hindcasts(msgspec.Struct, frozen=True):
    """Slow to compute and worth storing: forecasts of past weeks and what was learnt from them.

    Attributes:
        banks: The residual bank of each point method, by its name.
        record: The members' track record.
    """

    banks: Mapping[str, ResidualBank]
    record: TrackRecord

    def encode(self) -> bytes:
        """Return them as bytes."""
        banks = tuple(bank.encode() for bank in self.banks.values())
        return msgspec.msgpack.encode((banks, self.record.encode()))

    @classmethod
    def decode(cls, content: bytes) -> Hindcasts:
        """Read them from bytes.

        Raises:
            BadInput: They are not in this program's format.
        """
        try:
            banks, record = msgspec.msgpack.decode(content, type=tuple[tuple[bytes, ...], bytes])
        except msgspec.DecodeError:
            raise BadInput("the stored forecasts of past weeks cannot be read") from None
        read = map(ResidualBank.decode, banks)
        return cls({bank.method: bank for bank in read}, TrackRecord.decode(record))


class WeekForecast(msgspec.Struct, frozen=True):
    """The distribution of one week's average, before it is evaluated at strikes.

    Attributes:
        mixture: The distribution of the average, in passengers.
        members: The members behind it, with their weights; none if all seven days are published.
        weeks: The past weeks behind it, length n; none if all seven days are published.
        weights: The weight of each past week over all members, shape (n,), summing to 1.
        reasons: The factors of each weight, shape (3, n), each the mean over the members that use
            the week; see `Conditioned`.
    """

    mixture: Mixture
    members: tuple[MemberWeight, ...]
    weeks: tuple[Week, ...]
    weights: Floats
    reasons: Floats


class Forecaster(msgspec.Struct, frozen=True):
    """Methods fitted to the whole weeks of a history; to be fitted again when a week has ended.

    Attributes:
        name: The name of the pool or of the method; the seed's where the history is too short.
        members: The methods that could be fitted.
        fitted: The fitted point forecasts, by the name of the point method.
        hindcasts: The forecasts of past weeks.
        error_correction: Whether to correct the methods that provide for it.
    """

    name: str
    members: tuple[Method, ...]
    fitted: Mapping[str, Fitted]
    hindcasts: Hindcasts
    error_correction: bool

    @classmethod
    def fit(
        cls,
        counts: Counts,
        method: str = DEFAULT,
        hindcasts: Hindcasts | None = None,
        progress: Progress | None = None,
        *,
        error_correction: bool = True,
    ) -> Forecaster:
        """Fit `method`, and extend the hindcasts or make new ones.

        Args:
            counts: The counts; days after the last whole week are not used.
            method: The name of the pool or of a method, a key of `METHODS`.
            hindcasts: Hindcasts to extend.
            progress: Called with the number of new weeks done and their total, over all
                steps.
            error_correction: Whether to correct the methods that provide for it.

        Raises:
            BadInput: There is no such method, or there are no counts.
        """
        if method not in METHODS:
            raise BadInput(f"{method!r} is not a forecast method; choose from {', '.join(METHODS)}")
        history = History.of(counts)
        members = METHODS[method]
        points = {member.point.name: member.point for member in members}
        steps = _Steps(progress, len(points) + 1)
        held = {} if hindcasts is None else hindcasts.banks
        banks = {
            name: residuals.extend(held.get(name), point, history, steps.following())
            for name, point in points.items()
        }
        usable = tuple(m for m in members if banks[m.point.name].usable >= m.least_weeks)
        if not usable and SEED not in members:
            return cls.fit(counts, SEED.name, error_correction=error_correction)
        record = pool.extend(
            None if hindcasts is None else hindcasts.record,
            members,
            banks,
            history,
            error_correction=error_correction,
            progress=steps.following(),
        )
        whole = history.up_to(monday_of(history.last + 1) - 1)
        usable = usable or (SEED,)
        needed = {member.point.name for member in usable}
        fitted = {name: point.fit(whole) for name, point in points.items() if name in needed}
        name = SEED.name if usable == (SEED,) else method
        return cls(name, usable, fitted, Hindcasts(banks, record), error_correction)

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
        # Rounding in the sums over scenarios could break monotonicity in the last bits.
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
            method=f"{self.name} ({len(weeks)} weeks)" if few else self.name,
            digest=history.digest(f"{self.name} {self.error_correction}"),
            effective_weeks=float(1 / (weights @ weights)) if weeks else 0.0,
            heaviest=tuple(
                WeekWeight(weeks[i], float(weights[i]), *forecast.reasons[:, i].tolist())
                for i in heaviest
            ),
            members=forecast.members,
        )

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return the logarithm of `count` less its forecast, in standard deviations.

        The forecast is that of the first member. The standard deviation is 1.4826 times the median
        absolute error of past weeks, which is robust to storms and errors on the page.

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
        name = self.members[0].point.name
        bank = self.hindcasts.banks[name]
        expected = self.fitted[name].predict(before, np.array([ordinal]))[0]
        leading = before.last + 1 - origin
        errors = history.at(bank.mondays + offset) - bank.predicted[:, leading, offset]
        errors = errors[np.isfinite(errors) & (bank.mondays + offset < ordinal)]
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
        published = history.at(target + _WEEKDAYS)
        if np.isfinite(published).all():
            return _certain(published)
        presents = {name: self._present(name, history, target) for name in self.fitted}
        past = {
            name: past_residuals(self.hindcasts.banks[name], history, origin, ahead, present)
            for name, present in presents.items()
        }
        found: list[tuple[Method, Conditioned]] = []
        for method in self.members:
            name = method.point.name
            one = distribution(
                method, past[name], presents[name], ahead, error_correction=self.error_correction
            )
            if one is not None:
                found.append((method, one))
        if not found:
            weeks = max(len(each.mondays) for each in past.values())
            raise _impossible(week, weeks)
        methods = [method for method, _ in found]
        record, k = self.hindcasts.record, leading_days(history, origin)
        mondays = [past[method.point.name].mondays for method in methods]
        forecast = _joined(found, record.weights(methods, origin, k), mondays)
        if len(found) == 1:
            return forecast
        wider = forecast.mixture.scaled(record.widening(origin, k))
        return msgspec.structs.replace(forecast, mixture=wider)

    def _present(self, name: str, history: History, monday: int) -> PresentWeek:
        days = monday + _WEEKDAYS
        fitted = self.fitted[name]
        before = fitted.predict(history.up_to(monday - 1), days)
        published = history.at(days)
        return PresentWeek(monday, fitted.predict(history, days), published, published - before)


class _Steps:
    """Reports several steps, each over the same weeks, as one progress."""

    def __init__(self, progress: Progress | None, steps: int) -> None:
        self._progress = progress
        self._steps = steps
        self._begun = 0

    def following(self) -> Progress | None:
        """Begin the next step, and return its callback."""
        report = self._progress
        if report is None:
            return None
        before, self._begun = self._begun, self._begun + 1
        return lambda done, of: report(before * of + done, self._steps * of)


def _impossible(week: Week, weeks: int) -> BadInput:
    if weeks < SEED.least_weeks:
        return BadInput(
            f"{weeks} past weeks are too few to forecast {week.sunday} from;"
            f" {SEED.least_weeks} are needed, each with counts of a year before it"
        )
    return BadInput(f"counts of the year before {week.sunday} are missing; add them")


def _certain(published: Floats) -> WeekForecast:
    """Return the forecast of a week whose seven days are published: its average, without spread."""
    average = np.rint(np.exp(published)).sum() / 7
    mixture = Mixture(np.array([average]), np.zeros(1), np.ones(1))
    return WeekForecast(mixture, (), (), np.empty(0), np.empty((3, 0)))


def _joined(
    found: Sequence[tuple[Method, Conditioned]], weights: Floats, mondays: Sequence[Days]
) -> WeekForecast:
    """Join the members' distributions, and the weights that they give to past weeks.

    Args:
        found: The members that can forecast, with their distributions.
        weights: Their weights, shape (members,).
        mondays: For each member, the ordinals of its past weeks' Mondays.
    """
    weeks = np.unique(np.concatenate(mondays))
    shares, reasons = np.zeros(len(weeks)), np.zeros((3, len(weeks)))
    users = np.zeros(len(weeks))
    for (_, each), weight, known in zip(found, weights, mondays, strict=True):
        at = np.searchsorted(weeks, known)
        shares[at] += weight * each.weights
        reasons[:, at] += weight * each.reasons
        users[at] += weight
    mixtures = [each.mixture for _, each in found]
    members = tuple(
        MemberWeight(method.name, float(weight), mixture.mean, mixture.sd)
        for (method, _), weight, mixture in zip(found, weights, mixtures, strict=True)
    )
    sundays = (dt.date.fromordinal(int(monday) + 6) for monday in weeks)
    return WeekForecast(
        pool.joined(mixtures, weights), members, tuple(map(Week, sundays)), shares, reasons / users
    )
