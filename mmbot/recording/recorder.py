"""A bot that records every step: its input and its outputs."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import (
    BotInput,
    EventOccurred,
    ForecastFitted,
    FrameReceived,
)
from mmbot.bot.outputs import Output
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.fitting import Predictor
from mmbot.kalshi.auth import Signer
from mmbot.recording import records
from mmbot.recording.late_records import Keep, LateRecords
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds

_Answer = TypeVar("_Answer", Belief, float)


class RecordedBot(Bot):
    """A bot whose every step is recorded."""

    def __init__(
        self,
        settings: Settings,
        clock: CalendarClock,
        signer: Signer,
        session: str,
        rng: random.Random,
        *,
        keep: Keep | LateRecords,
        versions: dict[str, str] | None = None,
    ) -> None:
        """Begin a session and its record.

        The bot uses only what `records.decisive` keeps of the settings. `versions` are those of the
        code that decisions depend on, by name. A replay draws from `random.Random(session)`, and
        `rng` must be the same.
        """
        settings = records.decisive(settings)
        super().__init__(settings, clock, signer, session, rng)
        self._records = keep if isinstance(keep, LateRecords) else LateRecords(keep)
        self._forecasts: list[records.Forecast] = []
        begun = records.SessionRecord(settings, clock, session, versions or {})
        self._records.add(begun, 0)

    def handle(self, happened: BotInput, now: Milliseconds) -> list[Output]:
        """Apply an input and record the step; if it fails, record the error."""
        if isinstance(happened, FrameReceived) and isinstance(happened.frame, bytes):
            # Nearly all inputs are frames, which need no conversion for the record.
            return self._handle(happened, happened, now)
        what = records.recorded(happened)
        if isinstance(what, EventOccurred):
            happened = what
        elif isinstance(happened, ForecastFitted):
            predictor = _RecordedPredictor(happened.predictor, self._forecasts)
            happened = msgspec.structs.replace(happened, predictor=predictor)
        return self._handle(what, happened, now)

    def _handle(
        self, what: records.Input | FrameReceived, happened: BotInput, now: Milliseconds
    ) -> list[Output]:
        try:
            outputs = super().handle(happened, now)
        except Exception as error:
            # Flushed at once, as the input at which the bot failed is the one to look for.
            self._records.add(what, now, records.encode_failure(error), self._asked())
            self._records.flush()
            raise
        self._records.add(what, now, outputs, self._asked() if self._forecasts else ())
        return outputs

    def _asked(self) -> tuple[records.Forecast, ...]:
        """Return, and clear, the answers of the forecaster in this step."""
        asked = tuple(self._forecasts)
        self._forecasts.clear()
        return asked


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
