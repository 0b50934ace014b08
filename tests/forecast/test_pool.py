from __future__ import annotations

import datetime as dt
from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.errors import BadInput
from mmbot.forecast.conditioning import reweighted
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.methods import Method
from mmbot.forecast.mixture import Mixture
from mmbot.forecast.pool import ORIGINS, TrackRecord, extend, joined
from mmbot.forecast.residuals import ResidualBank
from mmbot.forecast.residuals import extend as extend_bank

FIRST = dt.date(2022, 1, 3).toordinal()
WEEKS = 60
HISTORY = History(FIRST, np.random.default_rng(1).normal(14.7, 0.02, 7 * WEEKS))


class Constant:
    """A point method that expects the same of every day."""

    def __init__(self, name: str, logarithm: float) -> None:
        self.name = name
        self._logarithm = logarithm

    def fit(self, history: History) -> Constant:
        return self

    def predict(self, history: History, days: Days) -> Floats:
        """From four weeks of history on."""
        known = np.isfinite(history.logs).sum() >= 28
        return np.full(len(days), self._logarithm if known else np.nan)


def method(name: str, logarithm: float, prior: float = 0.5) -> Method:
    return Method(name, Constant(name, logarithm), reweighted, 10, prior)


GOOD, GOOD_TOO = method("good", 14.7), method("good too", 14.7, prior=0.25)
BAD = method("bad", 14.8)


def banks(*methods: Method, history: History = HISTORY) -> dict[str, ResidualBank]:
    return {each.name: extend_bank(None, each.point, history) for each in methods}


def record(*methods: Method, history: History = HISTORY) -> TrackRecord:
    return _usual_record(*methods) if history is HISTORY else _record(*methods, history=history)


@cache
def _usual_record(*methods: Method) -> TrackRecord:
    """The same members are asked for by most tests, and a record takes a second."""
    return _record(*methods, history=HISTORY)


def _record(*methods: Method, history: History) -> TrackRecord:
    return extend(None, methods, banks(*methods, history=history), history, error_correction=False)


def after_week(n: int) -> int:
    return FIRST + 7 * n


def normal(mean: float, width: float) -> Mixture:
    return Mixture(np.array([mean]), np.array([width]), np.ones(1))


# Joining


def test_one_distribution_is_left_as_it_is() -> None:
    alone = normal(2e6, 3e4)
    assert joined([alone], np.ones(1)) is alone


@given(
    st.lists(
        st.tuples(st.floats(2e6, 2.2e6), st.floats(2e4, 6e4), st.floats(0.1, 1)),
        min_size=2,
        max_size=5,
    )
)
def test_the_whole_has_the_mean_of_the_means(parts: list[tuple[float, float, float]]) -> None:
    means, widths, raw = map(np.array, zip(*parts, strict=True))
    weights = raw / raw.sum()
    whole = joined([normal(m, w) for m, w in zip(means, widths, strict=True)], weights)
    assert whole.mean == pytest.approx(weights @ means)
    assert whole.weights.sum() == pytest.approx(1)
    assert np.sqrt(weights @ widths**2) <= whole.sd * 1.0001


def test_means_that_differ_do_not_widen_the_whole() -> None:
    apart = joined([normal(2.00e6, 3e4), normal(2.03e6, 3e4)], np.full(2, 0.5))
    assert apart.sd == pytest.approx(3e4)


def test_no_distribution_is_narrowed_to_less_than_half() -> None:
    apart = joined([normal(2.0e6, 3e4), normal(2.4e6, 3e4)], np.full(2, 0.5))
    assert apart.widths == pytest.approx(np.full(2, 1.5e4))


# Weights


def test_before_any_week_is_scored_the_weights_are_the_prior_ones() -> None:
    found = record(GOOD, GOOD_TOO).weights((GOOD, GOOD_TOO), FIRST, 0)
    assert found == pytest.approx([2 / 3, 1 / 3])


def test_a_member_that_errs_in_every_week_loses_its_weight_and_no_more_than_that() -> None:
    late = record(GOOD, BAD)
    early, later = (late.weights((GOOD, BAD), after_week(n), 2)[1] for n in (25, 60))
    assert 0 < later < early < 0.5


def test_equal_members_keep_their_prior_weights() -> None:
    found = record(GOOD, GOOD_TOO).weights((GOOD, GOOD_TOO), after_week(60), 3)
    assert found == pytest.approx([2 / 3, 1 / 3])


def test_a_member_that_cannot_tell_leaves_its_weight_to_the_rest() -> None:
    third = method("third", 14.75, prior=0.25)
    found = record(GOOD, GOOD_TOO, third)
    every = found.weights((GOOD, GOOD_TOO, third), after_week(60), 1)
    rest = found.weights((GOOD, third), after_week(60), 1)
    assert rest == pytest.approx(every[[0, 2]] / every[[0, 2]].sum())


@pytest.mark.parametrize("week", [40, 50])
def test_later_weeks_change_no_weight_and_no_widening(week: int) -> None:
    ruined = History(FIRST, np.where(np.arange(7 * WEEKS) < 7 * week, HISTORY.logs, 15.5))
    honest, spoilt = (record(GOOD, BAD, history=each) for each in (HISTORY, ruined))
    for k in ORIGINS:
        weights = honest.weights((GOOD, BAD), after_week(week), k)
        assert np.array_equal(weights, spoilt.weights((GOOD, BAD), after_week(week), k))
        assert honest.widening(after_week(week), k) == spoilt.widening(after_week(week), k)


def test_after_the_last_week_its_weights_stay() -> None:
    found = record(GOOD, BAD)
    last = found.weights((GOOD, BAD), after_week(WEEKS), 0)
    assert np.array_equal(last, found.weights((GOOD, BAD), after_week(WEEKS + 3), 0))


# Widening


def with_pits(*pits: float) -> TrackRecord:
    n = len(pits)
    grid = np.tile(np.array(pits)[:, None], (1, len(ORIGINS)))
    return TrackRecord(("good",), FIRST, np.zeros((n + 1, 7, 1)), grid, ("",) * n)


def test_outcomes_outside_the_distributions_widen_the_next() -> None:
    assert with_pits(*[0.01, 0.99] * 13).widening(after_week(26), 4) > 1.5


@pytest.mark.parametrize("pits", [(), (0.5,) * 30, tuple(np.linspace(0.05, 0.95, 26))])
def test_a_forecast_is_never_narrowed(pits: tuple[float, ...]) -> None:
    assert with_pits(*pits).widening(after_week(len(pits)), 0) == 1.0


def test_weeks_that_nobody_forecast_do_not_count() -> None:
    unknown = with_pits(*[0.01, 0.99] * 5, *[float("nan")] * 10)
    assert unknown.widening(after_week(20), 0) == with_pits(*[0.01, 0.99] * 5).widening(
        after_week(10), 0
    )


@pytest.mark.parametrize(("outside", "widens"), [(9, False), (10, True)])
def test_outcomes_widen_the_next_once_their_coverage_leaves_its_band(
    outside: int, widens: bool
) -> None:
    found = with_pits(*[0.001] * outside, *[0.5] * (26 - outside))
    low, _ = found.calibration()[0].band
    assert ((26 - outside) / 26 < low) == widens
    assert (found.widening(after_week(26), 0) > 1) == widens


def test_outcomes_beyond_all_expectation_widen_by_a_bounded_factor() -> None:
    assert with_pits(0.0, 0.0).widening(after_week(2), 0) < 1.5


def test_the_calibration_is_that_of_the_forecasts_there_were() -> None:
    found = with_pits(float("nan"), 0.5, 0.99).calibration()
    assert {k: (each.weeks, each.coverage80) for k, each in found.items()} == dict.fromkeys(
        ORIGINS, (2, 0.5)
    )
    assert with_pits(float("nan")).calibration() == {}


# Keeping


def test_a_record_reads_as_it_was_written() -> None:
    found = record(GOOD, GOOD_TOO)
    again = TrackRecord.decode(found.encode())
    assert (again.members, again.monday, again.digests) == (
        found.members,
        found.monday,
        found.digests,
    )
    assert np.array_equal(again.learnt, found.learnt)
    assert np.array_equal(again.pits, found.pits, equal_nan=True)


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", msgspec.msgpack.encode((1, ("a",), 1, b"x", b"", ()))]
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        TrackRecord.decode(content)


class Counting:
    def __init__(self) -> None:
        self.done: list[tuple[int, int]] = []

    def __call__(self, done: int, of: int) -> None:
        self.done.append((done, of))


def extended(held: TrackRecord | None, history: History = HISTORY) -> tuple[TrackRecord, int]:
    """The record of all weeks, and how many of them were new."""
    progress = Counting()
    made = extend(
        held,
        (GOOD, GOOD_TOO),
        banks(GOOD, GOOD_TOO, history=history),
        history,
        error_correction=False,
        progress=progress,
    )
    return made, len(progress.done)


def test_only_new_weeks_are_scored_and_the_result_is_that_of_all() -> None:
    afresh, every = extended(None)
    earlier, _ = extended(None, HISTORY.up_to(after_week(50) - 1))
    again, new = extended(earlier)
    assert (every, new) == (WEEKS, 10)
    assert np.array_equal(afresh.learnt, again.learnt)
    assert np.array_equal(afresh.pits, again.pits, equal_nan=True)


def test_weeks_that_were_scored_otherwise_are_scored_again() -> None:
    found = record(GOOD, GOOD_TOO)
    other = msgspec.structs.replace(found, learnt=found.learnt + 0.1)
    again, new = extended(other)
    assert new == WEEKS
    assert np.array_equal(again.learnt, found.learnt)


@pytest.mark.parametrize(
    "changes", [{"members": ("good",)}, {"monday": FIRST - 7}, {"digests": ("",) * WEEKS}]
)
def test_the_record_of_other_forecasts_is_not_used(changes: dict[str, object]) -> None:
    found = record(GOOD, GOOD_TOO)
    _, new = extended(msgspec.structs.replace(found, **changes))
    assert new == WEEKS


def test_a_week_without_a_count_teaches_nothing() -> None:
    gap = HISTORY.logs.copy()
    gap[7 * 50 + 6] = np.nan
    found = record(GOOD, BAD, history=History(FIRST, gap))
    before, after = (found.learnt[n, 0, 1] - found.learnt[n, 0, 0] for n in (50, 51))
    assert after == pytest.approx(before * 0.5 ** (1 / 52))
    assert np.isnan(found.pits[50]).all()


def test_no_week_makes_an_empty_record() -> None:
    found = record(GOOD, GOOD_TOO, history=HISTORY.up_to(FIRST + 2))
    assert (found.digests, found.weights((GOOD,), FIRST, 0).tolist()) == ((), [1.0])
