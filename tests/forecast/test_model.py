from __future__ import annotations

import datetime as dt
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import pytest

from mmbot.errors import BadInput
from mmbot.forecast.history import History
from mmbot.forecast.member import hindcast
from mmbot.forecast.methods import METHODS, POOL, Method
from mmbot.forecast.model import Forecaster, Hindcasts
from mmbot.forecast.plausibility import MOST_DEVIATIONS
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts, Vintage

STRIKES = tuple(range(1_500_000, 3_500_001, 50_000))
WEEKDAY = (2.3, 1.9, 2.1, 2.6, 2.7, 2.1, 2.6)


def history(first: dt.date, days: int, seed: int = 1) -> Counts:
    """Counts with a weekly shape, a yearly wave, slow growth and noise, part of it lasting."""
    shocks, noise = np.random.default_rng(seed).normal(0, 0.02, (2, days))
    lasting = 0.0
    for i in range(days):
        lasting = 0.8 * lasting + 0.6 * shocks[i]
        noise[i] += lasting
    vintages = {}
    for i in range(days):
        day = first + dt.timedelta(days=i)
        wave = 1 + 0.1 * np.sin(2 * np.pi * day.timetuple().tm_yday / 365.25) + i / 20_000
        count = round(1e6 * WEEKDAY[day.weekday()] * wave * np.exp(noise[i]))
        vintages[day] = (Vintage(count, assumed_release(day)),)
    return Counts(MappingProxyType(vintages))


FULL = history(dt.date(2022, 1, 3), 7 * 150)
WEEK = Week.of(dt.date(2022, 1, 3) + dt.timedelta(weeks=140))


def counts_with(k: int) -> Counts:
    """The counts up to the first k days of the week."""
    return FULL.up_to(WEEK.monday + dt.timedelta(days=k - 1))


def fitted(method: str, k: int = 0) -> Forecaster:
    return _fitted(method, k)


# The cache tells `(method, 0)` from `(method,)`: it is always asked with both arguments.
@lru_cache(maxsize=64)
def _fitted(method: str, k: int) -> Forecaster:
    """The forecasts of past weeks are shared, as they take long."""
    held = None if (method, k) == ("pool", 0) else _fitted("pool", 0).hindcasts
    return Forecaster.fit(counts_with(k), method, held)


def with_changed(counts: Counts, day: dt.date, factor: float) -> Counts:
    held = counts.vintages[day][0]
    changed = (Vintage(round(held.count * factor), held.seen),)
    return Counts(MappingProxyType({**counts.vintages, day: changed}))


methods = pytest.mark.parametrize("method", METHODS)


@methods
@pytest.mark.parametrize("k", range(7))
def test_the_belief_is_near_the_actual_average(method: str, k: int) -> None:
    belief = fitted(method, k).belief(counts_with(k), WEEK, STRIKES)
    actual = np.mean([FULL.settling_count(day) for day in WEEK.days])
    assert belief.days_published == k
    assert abs(belief.mean - actual) < 4 * belief.sd


@methods
def test_each_published_day_narrows_the_belief(method: str) -> None:
    forecaster = fitted(method)
    spreads = [forecaster.belief(counts_with(k), WEEK, STRIKES).sd for k in range(8)]
    assert spreads[7] == 0
    assert spreads[6] < spreads[3] < spreads[0]


@methods
def test_a_week_with_every_day_published_is_certain(method: str) -> None:
    full = counts_with(7)
    total = sum(full.settling_count(day) for day in WEEK.days)
    strikes = (total // 7 - 1, total // 7, total // 7 + 1)
    belief = fitted(method).belief(full, WEEK, strikes)
    assert belief.mean == pytest.approx(total / 7)
    assert belief.above == (1.0, float(total % 7 > 0), 0.0)


@methods
def test_an_average_at_the_strike_is_not_above_it(method: str) -> None:
    counts = counts_with(7)
    total = sum(counts.settling_count(day) for day in WEEK.days)
    sunday = counts.settling_count(WEEK.sunday)
    even = with_changed(counts, WEEK.sunday, (sunday - total % 7) / sunday)
    strike = sum(even.settling_count(day) for day in WEEK.days) // 7
    assert fitted(method).belief(even, WEEK, (strike,)).above == (0.0,)


@pytest.mark.parametrize("k", [0, 3])
def test_counts_after_the_origin_change_no_method_nor_weight_by_a_bit(k: int) -> None:
    """The belief holds the weight, the mean and the spread of each method."""
    origin = WEEK.monday + dt.timedelta(days=k)
    ruined = {
        day: held if day < origin else (Vintage(1_234_567, held[0].seen),)
        for day, held in FULL.vintages.items()
    }
    later = Counts(MappingProxyType(ruined))
    held = fitted("pool").hindcasts
    spoilt = Forecaster.fit(later, "pool", held).hindcasts
    view = later.up_to(origin - dt.timedelta(days=1))
    honest = fitted("pool", k).belief(counts_with(k), WEEK, STRIKES)
    assert len(honest.members) == len(POOL)
    assert Forecaster.fit(view, "pool", spoilt).belief(view, WEEK, STRIKES) == honest


@methods
def test_a_forecaster_fitted_later_uses_no_weeks_after_the_origin(method: str) -> None:
    """Residuals of weeks that end after the origin stay out, whoever has them in the bank."""
    earlier = Week.of(WEEK.monday - dt.timedelta(weeks=3))
    view = FULL.up_to(earlier.monday - dt.timedelta(days=1))
    weeks = fitted(method).forecast(view, earlier).weeks
    assert max(weeks).following == earlier


@methods
def test_a_published_weekday_far_off_its_forecast_moves_the_rest(method: str) -> None:
    """More came on Monday than was expected: more is expected of the days to come."""
    plain = fitted(method).forecast(counts_with(1), WEEK).mixture.mean
    busier = with_changed(counts_with(1), WEEK.monday, 1.05)
    gained = fitted(method).forecast(busier, WEEK).mixture.mean - plain
    assert gained > 0.05 * FULL.settling_count(WEEK.monday) / 7


@methods
def test_the_last_published_day_changes_the_belief(method: str) -> None:
    last = WEEK.monday + dt.timedelta(days=2)
    forecaster = fitted(method)
    plain = forecaster.belief(counts_with(3), WEEK, STRIKES)
    changed = forecaster.belief(with_changed(counts_with(3), last, 1.05), WEEK, STRIKES)
    assert changed.above != plain.above
    assert changed.digest != plain.digest


@methods
def test_any_days_of_the_week_may_be_published(method: str) -> None:
    tuesday = WEEK.monday + dt.timedelta(days=1)
    without = {day: held for day, held in counts_with(3).vintages.items() if day != tuesday}
    belief = fitted(method).belief(Counts(MappingProxyType(without)), WEEK, STRIKES)
    assert belief.days_published == 2
    assert 0 < belief.sd < 100_000


@methods
def test_a_week_ahead_is_wider_than_the_current_one(method: str) -> None:
    forecaster = fitted(method, 2)
    ahead = forecaster.belief(counts_with(2), WEEK.following, STRIKES)
    assert ahead.days_published == 0
    assert ahead.sd > forecaster.belief(counts_with(2), WEEK, STRIKES).sd


@methods
def test_before_mondays_release_three_listed_weeks_have_a_belief(method: str) -> None:
    """On Monday morning the counts end with Thursday, in the week before."""
    thursday = FULL.up_to(WEEK.monday - dt.timedelta(days=4))
    forecaster = Forecaster.fit(thursday, method, fitted(method).hindcasts)
    weeks = (WEEK, WEEK.following, WEEK.following.following)
    spreads = [forecaster.belief(thursday, week, STRIKES).sd for week in weeks]
    assert min(spreads) > 0.7 * fitted(method).belief(counts_with(0), WEEK, STRIKES).sd


@methods
def test_a_week_too_far_ahead_is_refused(method: str) -> None:
    far = Week.of(WEEK.monday + dt.timedelta(weeks=4))
    with pytest.raises(BadInput, match="too early to forecast"):
        fitted(method, 2).belief(counts_with(2), far, STRIKES)


@methods
def test_a_short_history_names_its_number_of_weeks_and_is_never_certain(method: str) -> None:
    first = dt.date(2022, 1, 3)
    counts = history(first, 7 * 72)
    week = Week.of(first + dt.timedelta(weeks=72))
    forecaster = Forecaster.fit(counts, method)
    scenarios = forecaster.forecast(counts, week).mixture.means[:-1]
    beyond = (int(scenarios.min()) - 1_000, int(scenarios.max()) + 1_000)
    belief = forecaster.belief(counts, week, beyond)
    assert belief.method.startswith("seed (")
    assert all(0 < p < 1 for p in belief.above)


@methods
@pytest.mark.parametrize("days", [1, 100, 7 * 55])
def test_a_history_too_short_to_forecast_from_is_refused(method: str, days: int) -> None:
    first = dt.date(2022, 1, 3)
    counts = history(first, days)
    week = Week.of(first + dt.timedelta(days=days))
    with pytest.raises(BadInput, match="too few"):
        Forecaster.fit(counts, method).belief(counts, week, STRIKES)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(BadInput, match="not a forecast method"):
        Forecaster.fit(counts_with(0), "oracle")


def test_the_seed_is_last_years_week_times_the_trend() -> None:
    recent = [WEEK.days[1] - dt.timedelta(days=i) for i in range(28)]
    year = dt.timedelta(days=364)
    trend = sum(map(FULL.settling_count, recent)) / sum(
        FULL.settling_count(day - year) for day in recent
    )
    open_days = WEEK.days[2:]
    remainder = trend * sum(FULL.settling_count(day - year) for day in open_days)
    published = sum(FULL.settling_count(day) for day in WEEK.days[:2])
    scenarios = fitted("seed", 2).forecast(counts_with(2), WEEK).mixture.means
    implied = (7 * scenarios - published) / remainder
    assert implied[-1] == pytest.approx(_seed_residual(WEEK.monday - dt.timedelta(weeks=1), 2))


def _seed_residual(monday: dt.date, k: int) -> float:
    year = dt.timedelta(days=364)
    recent = [monday + dt.timedelta(days=k - 1 - i) for i in range(28)]
    trend = sum(map(FULL.settling_count, recent)) / sum(
        FULL.settling_count(day - year) for day in recent
    )
    open_days = [monday + dt.timedelta(days=j) for j in range(k, 7)]
    actual = sum(map(FULL.settling_count, open_days))
    return actual / (trend * sum(FULL.settling_count(day - year) for day in open_days))


def test_a_forecast_from_a_reused_bank_is_that_of_a_new_one() -> None:
    again = fitted("seed", 3)
    afresh = Forecaster.fit(counts_with(3), "seed")
    assert again.belief(counts_with(3), WEEK, STRIKES) == afresh.belief(
        counts_with(3), WEEK, STRIKES
    )


@methods
def test_the_weights_of_past_weeks_sum_to_one(method: str) -> None:
    forecast = fitted(method).forecast(counts_with(2), WEEK)
    assert forecast.weights.sum() == pytest.approx(1)
    assert len(forecast.weights) == len(forecast.weeks)


def test_the_belief_lists_the_weeks_of_the_largest_weights() -> None:
    belief = fitted("combined").belief(counts_with(2), WEEK, STRIKES)
    weights = [past.weight for past in belief.heaviest]
    assert weights == sorted(weights, reverse=True)
    assert 1 <= belief.effective_weeks <= 40
    assert all(past.week < WEEK for past in belief.heaviest)


def test_an_open_day_without_a_count_the_year_before_is_refused_by_the_seed() -> None:
    friday = WEEK.days[4] - dt.timedelta(days=364)
    gap = {day: held for day, held in counts_with(2).vintages.items() if day != friday}
    with pytest.raises(BadInput, match="year before"):
        fitted("seed").belief(Counts(MappingProxyType(gap)), WEEK, STRIKES)


def test_a_count_of_the_usual_size_is_a_few_deviations_off_at_most() -> None:
    tuesday = WEEK.days[1]
    assert (
        abs(fitted("combined").deviations(counts_with(1), tuesday, FULL.settling_count(tuesday)))
        < 4
    )


def test_a_count_with_a_digit_too_few_is_implausible() -> None:
    tuesday = WEEK.days[1]
    typo = FULL.settling_count(tuesday) // 10
    assert fitted("combined").deviations(counts_with(1), tuesday, typo) < -MOST_DEVIATIONS


def test_a_day_beyond_the_forecasts_cannot_be_judged() -> None:
    day = WEEK.days[0] + dt.timedelta(weeks=4)
    with pytest.raises(BadInput, match="end too early"):
        fitted("seed").deviations(counts_with(0), day, 2_000_000)


def test_a_history_too_short_for_a_standard_deviation_judges_no_count() -> None:
    short = history(dt.date(2022, 1, 3), 7 * 58)
    day = dt.date(2022, 1, 3) + dt.timedelta(days=7 * 58)
    with pytest.raises(BadInput, match="past weeks are too few to judge"):
        Forecaster.fit(short, "seed").deviations(short, day, 2_000_000)


def test_the_deviation_of_a_count_does_not_depend_on_itself() -> None:
    """A day read again is judged from the days before it, as when it was read first."""
    tuesday = WEEK.days[1]
    judged = fitted("combined").deviations(counts_with(1), tuesday, 2_000_000)
    assert fitted("combined").deviations(counts_with(2), tuesday, 2_000_000) == judged


@pytest.mark.parametrize("method", POOL, ids=lambda method: method.name)
@pytest.mark.parametrize("k", range(7))
def test_a_hindcast_is_the_forecast_of_a_live_bot(method: Method, k: int) -> None:
    bank = fitted("pool", 7).hindcasts.banks[method.point.name]
    history = History.of(counts_with(7))
    monday = WEEK.monday.toordinal()
    scored = hindcast(method, bank, history, monday, k, error_correction=True)
    live = fitted(method.name, k).forecast(counts_with(k), WEEK).mixture
    assert scored is not None
    assert scored.means == pytest.approx(live.means, rel=1e-9)
    assert scored.weights == pytest.approx(live.weights, rel=1e-9)


def test_the_weights_of_the_methods_sum_to_one() -> None:
    members = fitted("pool", 3).belief(counts_with(3), WEEK, STRIKES).members
    assert [member.method for member in members] == [method.name for method in POOL]
    assert sum(member.weight for member in members) == pytest.approx(1)


def test_a_method_that_cannot_tell_leaves_its_weight_to_the_rest() -> None:
    """The seed needs the count of the year before; the others do without."""
    friday = WEEK.days[4] - dt.timedelta(days=364)
    gap = {day: held for day, held in counts_with(2).vintages.items() if day != friday}
    forecast = fitted("pool", 2).forecast(Counts(MappingProxyType(gap)), WEEK)
    assert "seed" not in {member.method for member in forecast.members}
    assert sum(member.weight for member in forecast.members) == pytest.approx(1)


def test_the_pool_recovers_half_of_a_drift_within_six_weeks() -> None:
    later = Week.of(WEEK.monday + dt.timedelta(weeks=6))
    drifted = Counts(
        MappingProxyType(
            {
                day: held
                if day < WEEK.monday
                else (Vintage(round(1.01 * held[0].count), held[0].seen),)
                for day, held in FULL.vintages.items()
            }
        )
    )
    plain, moved = (_mean_before(later, counts) for counts in (FULL, drifted))
    assert moved / plain - 1 > 0.005


def _mean_before(week: Week, counts: Counts) -> float:
    view = counts.up_to(week.monday - dt.timedelta(days=1))
    forecaster = Forecaster.fit(view, "pool", fitted("pool").hindcasts)
    return forecaster.forecast(view, week).mixture.mean


def test_without_error_correction_another_belief_is_formed() -> None:
    held = fitted("pool").hindcasts
    plain = Forecaster.fit(counts_with(0), "pool", held, error_correction=False)
    belief = plain.belief(counts_with(0), WEEK, STRIKES)
    usual = fitted("pool").belief(counts_with(0), WEEK, STRIKES)
    assert belief.digest != usual.digest
    assert belief.members[0].mean != usual.members[0].mean
    assert belief.members[1].mean == usual.members[1].mean


def test_hindcasts_read_as_they_were_written() -> None:
    held = fitted("pool").hindcasts
    again = Hindcasts.decode(held.encode())
    forecaster = Forecaster.fit(counts_with(0), "pool", again)
    assert forecaster.belief(counts_with(0), WEEK, STRIKES) == fitted("pool").belief(
        counts_with(0), WEEK, STRIKES
    )


@pytest.mark.parametrize("content", [b"", b"no hindcasts"])
def test_other_bytes_are_no_hindcasts(content: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        Hindcasts.decode(content)


def test_progress_counts_the_weeks_of_every_step_once() -> None:
    told: list[tuple[int, int]] = []
    Forecaster.fit(counts_with(0), "seed", progress=lambda done, of: told.append((done, of)))
    weeks = (WEEK.monday - next(iter(FULL.vintages))).days // 7
    assert told == [(i + 1, 2 * weeks) for i in range(2 * weeks)]
