"""When beliefs are formed, and when a forecaster is fitted for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from mmbot.bot.beliefs import MOST_WEEKS, Beliefs, BeliefStep, running_week
from mmbot.bot.inputs import ForecastFitted
from mmbot.bot.outputs import FitForecast
from mmbot.config import ForecastSettings
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.trading.commands import Note, RequestBelief
from mmbot.trading.gates import Gate
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from tests.bot.builders import Forecasts

WEEK = Week(dt.date(2026, 11, 29))
REQUEST = RequestBelief(WEEK, (2_700_000, 2_800_000))
LATER = RequestBelief(WEEK.following, (2_700_000,))


def counts(last: dt.date) -> Counts:
    known, _ = Counts().observe(last, 2_500_000, assumed_release(last))
    return known


BEFORE = counts(dt.date(2026, 11, 22))
MONDAY = counts(dt.date(2026, 11, 23))
SUNDAY = counts(dt.date(2026, 11, 29))


class Refusing(Forecasts):
    """Knows too little."""

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        raise BadInput(f"{len(counts)} days are too few for {week.sunday}, {len(strikes)} strikes")

    def deviations(self, _counts: Counts, _day: dt.date, _count: int) -> float:
        raise BadInput("too few")


class Judging(Forecasts):
    """Finds every count too high."""

    def deviations(self, _counts: Counts, _day: dt.date, _count: int) -> float:
        return 7.0


def fitted() -> Beliefs:
    beliefs = Beliefs(ForecastSettings(method="seed"))
    beliefs.counts_changed(BEFORE)
    beliefs.fitted(ForecastFitted(Forecasts(), WEEK), BEFORE)
    return beliefs


def test_a_belief_is_formed_as_soon_as_it_is_requested() -> None:
    (belief,) = fitted().request(REQUEST, MONDAY).beliefs
    assert (belief.week, belief.strikes) == (REQUEST.week, REQUEST.strikes)


def test_without_a_forecaster_a_request_waits_for_the_fit() -> None:
    beliefs = Beliefs(ForecastSettings(method="seed"))
    assert not beliefs.request(REQUEST, BEFORE).beliefs
    assert beliefs.fitted(ForecastFitted(Forecasts(), WEEK), BEFORE).beliefs


def test_every_belief_is_formed_anew_when_the_counts_change() -> None:
    beliefs = fitted()
    for request in (REQUEST, LATER):
        beliefs.request(request, BEFORE)
    step = beliefs.counts_changed(MONDAY)
    assert [belief.week for belief in step.beliefs] == [WEEK, WEEK.following]


def test_the_forecaster_is_fitted_at_first_and_when_a_week_has_ended() -> None:
    beliefs = Beliefs(ForecastSettings(method="seed"))
    assert beliefs.counts_changed(BEFORE).fit == FitForecast("seed", BEFORE, WEEK)
    assert beliefs.counts_changed(MONDAY).fit is None
    assert beliefs.counts_changed(SUNDAY).fit == FitForecast("seed", SUNDAY, WEEK.following)
    assert beliefs.counts_changed(SUNDAY).fit is None


def test_until_the_new_fit_is_finished_the_old_one_serves() -> None:
    beliefs = fitted()
    beliefs.request(LATER, BEFORE)
    assert beliefs.counts_changed(SUNDAY).beliefs
    assert beliefs.fitted(ForecastFitted(Forecasts(), WEEK.following), SUNDAY).beliefs


def test_a_belief_that_cannot_be_formed_is_told_and_costs_no_other() -> None:
    beliefs = Beliefs(ForecastSettings(method="seed"))
    beliefs.request(REQUEST, BEFORE)
    step = beliefs.fitted(ForecastFitted(Refusing(), WEEK), BEFORE)
    assert not step.beliefs
    (note,) = step.notes
    assert (note.name, note.level) == ("belief.impossible", "error")
    assert note.fields == {
        "week": "2026-11-29",
        "reason": "1 days are too few for 2026-11-29, 2 strikes",
    }


# So many weeks at once


def weeks(number: int) -> list[Week]:
    found = [WEEK]
    while len(found) < number:
        found.append(found[-1].following)
    return found


def requested(beliefs: Beliefs, listed: Sequence[Week]) -> list[Note]:
    steps = [beliefs.request(RequestBelief(week, (1,)), BEFORE) for week in listed]
    return [note for step in steps for note in step.notes]


def formed(step: BeliefStep) -> set[Week]:
    return {belief.week for belief in step.beliefs}


def test_a_request_with_other_strikes_takes_the_place_of_the_one_before_it() -> None:
    beliefs = fitted()
    for strike in range(20):
        beliefs.request(RequestBelief(WEEK, (strike,)), BEFORE)
    (belief,) = beliefs.counts_changed(MONDAY).beliefs
    assert belief.strikes == (19,)


@pytest.mark.parametrize("backwards", [False, True])
def test_of_more_weeks_than_there_are_beliefs_the_earliest_have_one_and_the_rest_is_told_once(
    backwards: bool,
) -> None:
    beliefs = Beliefs(ForecastSettings(method="seed"))
    listed = weeks(100)
    notes = requested(beliefs, listed[::-1] if backwards else listed)
    assert [(note.name, note.level) for note in notes] == [("belief.left_out", "warning")]
    assert notes[0].fields["most"] == MOST_WEEKS
    step = beliefs.fitted(ForecastFitted(Forecasts(), WEEK), BEFORE)
    assert formed(step) == set(listed[:MOST_WEEKS])


def test_a_week_that_is_left_out_has_its_turn_once_another_has_ended() -> None:
    beliefs, listed = fitted(), weeks(MOST_WEEKS + 2)
    requested(beliefs, listed)
    assert formed(beliefs.counts_changed(MONDAY)) == set(listed[:-2])
    # The week that has ended learns of its last count.
    assert formed(beliefs.counts_changed(SUNDAY)) == set(listed[:-2])
    later = counts(listed[1].sunday)
    assert formed(beliefs.counts_changed(later)) == set(listed[1:-1])


def test_a_week_that_has_a_belief_keeps_it_when_an_earlier_one_is_listed() -> None:
    beliefs, listed = fitted(), weeks(MOST_WEEKS + 1)
    requested(beliefs, listed[1:])
    (note,) = requested(beliefs, listed[:1])
    assert note.fields["week"] == str(WEEK.sunday)
    assert formed(beliefs.counts_changed(MONDAY)) == set(listed[1:])


@pytest.mark.parametrize(
    ("forecasts", "deviations"), [(None, 0.0), (Refusing(), 0.0), (Judging(), 7.0)]
)
def test_only_a_forecaster_that_knows_enough_finds_a_count_implausible(
    forecasts: Forecasts | None, deviations: float
) -> None:
    beliefs = Beliefs(ForecastSettings(method="seed"))
    if forecasts is not None:
        beliefs.fitted(ForecastFitted(forecasts, WEEK), BEFORE)
    assert beliefs.deviations(BEFORE, WEEK.monday, 2_500_000) == deviations


def test_the_running_week_is_that_of_the_first_day_without_a_count() -> None:
    assert running_week(BEFORE) == running_week(MONDAY) == WEEK
    assert running_week(SUNDAY) == WEEK.following
    assert running_week(Counts()) is None


def test_the_gate_of_a_week_without_a_belief_says_how_many_have_one() -> None:
    assert f"({MOST_WEEKS} weeks have one at most)" in Gate.NO_BELIEF.meaning
