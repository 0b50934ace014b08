"""Keeping the beliefs that the engine asked for in step with the counts."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from mmbot.daemon.bank_file import bank_path, load_bank, store_bank
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.model import Forecaster
from mmbot.forecast.residuals import Bank
from mmbot.tsa.calendar import Week
from mmbot.tsa.counts import Counts

_Wish = tuple[Week, tuple[int, ...]]

# The weekly series lists the week that runs and, at times, two or three more.
_MOST_WISHES = 16
# A fit of so many weeks takes long enough to say how far it is.
_WORTH_REPORTING = 50


class Beliefs:
    """Forms a belief for every wish, at once and again whenever the counts change."""

    def __init__(self, method: str, directory: Path, formed: Callable[[Belief], None]) -> None:
        """Keep the forecasts of past weeks in `directory`; hand every belief to `formed`."""
        self._method = method
        self._bank_path = bank_path(directory, method)
        self._formed = formed
        self._wishes: dict[_Wish, None] = {}
        self._counts = Counts()
        self._forecaster: Forecaster | None = None
        self._fitted_for: Week | None = None
        self._given_up = threading.Event()
        self._log = structlog.get_logger()

    async def fit(self, counts: Counts) -> None:
        """Fit the forecaster to the whole weeks of `counts`, off the event loop.

        Raises:
            BadInput: There are no counts.
        """
        started = time.monotonic()
        self._counts = counts
        self._forecaster = await asyncio.to_thread(self._fit, counts)
        self._fitted_for = _running_week(counts)
        self._log.info(
            "forecast.fitted",
            method=self._forecaster.method.name,
            seconds=round(time.monotonic() - started, 3),
        )

    def _fit(self, counts: Counts) -> Forecaster:
        stored = load_bank(self._bank_path)
        forecaster = Forecaster.fit(counts, self._method, stored, self._report)
        if forecaster.bank.method == self._method:
            self._store(forecaster.bank)
        return forecaster

    def _store(self, bank: Bank) -> None:
        try:
            store_bank(self._bank_path, bank)
        except BadInput as error:
            # It only saves the next life some seconds.
            self._log.warning("forecast.not_kept", reason=str(error))

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return how far a new count is from its forecast, in standard deviations.

        Without a forecaster, or with too little history for it to judge, nothing is implausible.
        """
        if self._forecaster is None:
            return 0.0
        try:
            return self._forecaster.deviations(counts, day, count)
        except BadInput:
            return 0.0

    def give_up(self) -> None:
        """End a fit that is under way in its thread."""
        self._given_up.set()

    def _report(self, done: int, of: int) -> None:
        if self._given_up.is_set():
            raise asyncio.CancelledError
        if of >= _WORTH_REPORTING and done % (of // 10) == 0:
            self._log.info("forecast.fitting", weeks=done, of=of)

    def want(self, week: Week, strikes: tuple[int, ...]) -> None:
        """Form a belief of `week` at `strikes` from now on."""
        if len(self._wishes) >= _MOST_WISHES:
            del self._wishes[next(iter(self._wishes))]
        self._wishes[week, strikes] = None
        self._form((week, strikes))

    async def update(self, counts: Counts) -> None:
        """Take in new counts: every belief at once, the fit only when a week has ended."""
        self._counts = counts
        for wish in tuple(self._wishes):
            self._form(wish)
        if _running_week(counts) != self._fitted_for:
            await self.fit(counts)
            for wish in tuple(self._wishes):
                self._form(wish)

    def _form(self, wish: _Wish) -> None:
        if self._forecaster is None:
            return
        week, strikes = wish
        try:
            belief = self._forecaster.belief(self._counts, week, strikes)
        except BadInput as error:
            self._log.error("belief.impossible", week=str(week.sunday), reason=str(error))
            return
        self._formed(belief)


def _running_week(counts: Counts) -> Week | None:
    """Return the week of the first day after the last that is known."""
    last = counts.last_day
    return None if last is None else Week.of(last + dt.timedelta(days=1))
