"""The beliefs that the engine has requested, formed at once and again whenever the counts change.

The forecaster is fitted outside, as that is slow, and again when a week has ended; no belief is
formed before the first fit is finished. At most `MOST_WEEKS` weeks have a belief at once, the
earliest first; a week that is left out is not quoted until another has ended.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from mmbot.bot.inputs import ForecastFitted
from mmbot.bot.outputs import FitForecast
from mmbot.config import ForecastSettings
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.fitting import Predictor
from mmbot.trading.commands import Note, RequestBelief
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

# The series lists the running week and sometimes two or three more. Each belief takes time on the
# event loop whenever a count arrives.
MOST_WEEKS = 16


class BeliefStep(msgspec.Struct):
    """The result of one input: beliefs, notes, and the fit to request, if any."""

    beliefs: list[Belief] = []
    notes: list[Note] = []
    fit: FitForecast | None = None


class Beliefs:
    """Forms a belief for each request from the latest counts and the latest fit."""

    def __init__(self, settings: ForecastSettings) -> None:
        """Begin without a forecaster; `settings` say which one to fit."""
        self._settings = settings
        self._requests: dict[Week, RequestBelief] = {}
        # The weeks with a belief: the engine trades on these, so they are kept up to date.
        self._formed: set[Week] = set()
        self._told_left_out = False
        self._predictor: Predictor | None = None
        # The running week of the counts in the latest `FitForecast`.
        self._fitted_for: Week | None = None
        self._fit_requested = False

    def request(self, request: RequestBelief, counts: Counts) -> BeliefStep:
        """Form a belief now and whenever the counts change; replaces its week's earlier request."""
        self._requests.pop(request.week, None)
        self._requests[request.week] = request
        chosen = self._chosen(counts)
        step = self._form([request] if request in chosen else [], counts)
        if len(chosen) == len(self._requests):
            self._told_left_out = False
        elif not self._told_left_out:
            self._told_left_out = True
            fields = {"week": str(_first_without(self._requests, chosen)), "most": MOST_WEEKS}
            step.notes.append(Note("belief.left_out", fields, "warning"))
        return step

    def _chosen(self, counts: Counts) -> list[RequestBelief]:
        """Return the requests to answer, in order of arrival."""
        running = running_week(counts)
        if running is not None:
            # The last count of a week comes in the next week.
            for week in [each for each in self._requests if each.following < running]:
                del self._requests[week]
                self._formed.discard(week)
        others = sorted(self._requests.keys() - self._formed)
        chosen = self._formed.union(others[: MOST_WEEKS - len(self._formed)])
        return [request for week, request in self._requests.items() if week in chosen]

    def counts_changed(self, counts: Counts) -> BeliefStep:
        """Form every belief again; request a fit at the first call and when a week has ended."""
        step = self._form(self._chosen(counts), counts)
        week = running_week(counts)
        if not self._fit_requested or week != self._fitted_for:
            self._fit_requested, self._fitted_for = True, week
            step.fit = FitForecast(
                self._settings.method, counts, week, self._settings.error_correction
            )
        return step

    def fitted(self, fitted: ForecastFitted, counts: Counts) -> BeliefStep:
        """Replace the forecaster and form every belief with the new one."""
        self._predictor = fitted.predictor
        return self._form(self._chosen(counts), counts)

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return the distance of a new count from its forecast, in standard deviations.

        It is 0 without a forecaster, or with too little history to judge by.
        """
        if self._predictor is None:
            return 0.0
        try:
            return self._predictor.deviations(counts, day, count)
        except BadInput:
            return 0.0

    def _form(self, requests: Iterable[RequestBelief], counts: Counts) -> BeliefStep:
        step = BeliefStep()
        if self._predictor is None:
            return step
        for request in requests:
            try:
                belief = self._predictor.belief(counts, request.week, request.strikes)
            except BadInput as error:
                fields = {"week": str(request.week.sunday), "reason": str(error)}
                step.notes.append(Note("belief.impossible", fields, "error"))
            else:
                step.beliefs.append(belief)
                self._formed.add(request.week)
        return step


def _first_without(requests: Iterable[Week], chosen: Iterable[RequestBelief]) -> dt.date:
    """Return the Sunday of the earliest week that is requested but not chosen."""
    return min(set(requests) - {request.week for request in chosen}).sunday


def running_week(counts: Counts) -> Week | None:
    """Return the week of the day after the last day with a count."""
    last = counts.last_day
    return None if last is None else Week.of(last + dt.timedelta(days=1))
