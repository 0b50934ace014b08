"""A bot that hands out a record of every step: its input and its outputs."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import BotInput, EventOccurred, ForecastFitted, Predictor
from mmbot.bot.outputs import Output
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.kalshi.auth import Signer
from mmbot.recording import records
from mmbot.tsa.calendar import CalendarClock, Week
from mmbot.tsa.counts import Counts
from mmbot.units import Milliseconds

_Answer = TypeVar("_Answer", Belief, float)


class RecordedBot(Bot):
    """A bot that calls `keep` with the record of each step before its outputs are executed."""

    def __init__(
        self,
        settings: Settings,
        clock: CalendarClock,
        signer: Signer,
        session: str,
        rng: random.Random,
        *,
        keep: Callable[[bytes], None],
        versions: dict[str, str] | None = None,
    ) -> None:
        """Begin a session and its record.

        The bot decides by what `records.decisive` keeps of the settings. `versions` are those of
        the code that decides, by name. A replay draws from `random.Random(session)`: `rng` must be
        the same.
        """
        settings = records.decisive(settings)
        super().__init__(settings, clock, signer, session, rng)
        self._keep = keep
        self._forecasts: list[records.Forecast] = []
        begun = records.SessionRecord(settings, clock, session, versions or {})
        keep(records.encode(begun, 0, records.encode_outputs(())))

    def handle(self, happened: BotInput, now: Milliseconds) -> list[Output]:
        """Apply an input and record the step; one that fails is recorded with its error."""
        what = records.recorded(happened)
        if isinstance(what, EventOccurred):
            happened = what
        elif isinstance(happened, ForecastFitted):
            predictor = _RecordedPredictor(happened.predictor, self._forecasts)
            happened = msgspec.structs.replace(happened, predictor=predictor)
        try:
            outputs = super().handle(happened, now)
        except Exception as error:
            # The input at which the bot fails is the one that will be looked for.
            self._record(what, now, records.encode_failure(error))
            raise
        self._record(what, now, records.encode_outputs(outputs))
        return outputs

    def _record(self, what: records.Input, now: Milliseconds, outputs: bytes) -> None:
        self._keep(records.encode(what, now, outputs, self._forecasts))
        self._forecasts.clear()


class _RecordedPredictor:
    """A forecaster whose every answer is recorded."""

    def __init__(self, predictor: Predictor, answers: list[records.Forecast]) -> None:
        self._predictor = predictor
        self._answers = answers

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        return self._kept(lambda: self._predictor.belief(counts, week, strikes))

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        return self._kept(lambda: self._predictor.deviations(counts, day, count))

    def _kept(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            answer = ask()
        except BadInput as error:
            self._answers.append(str(error))
            raise
        self._answers.append(answer)
        return answer
