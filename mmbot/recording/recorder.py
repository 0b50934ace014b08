"""A bot whose every input, and what it asked for, is handed out as a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmbot.bot.bot import Bot, Output
from mmbot.config import Settings
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.http import HttpAnswer
from mmbot.recording import records
from mmbot.recording.versions import versions
from mmbot.trading.events import InputEvent, SettingsChanged
from mmbot.tsa.calendar import CalendarClock


class RecordedBot(Bot):
    """The bot, and `keep` is called with each record before the outputs are carried out."""

    def __init__(
        self,
        settings: Settings,
        clock: CalendarClock,
        signer: Signer,
        life: str,
        held: tuple[str, ...] = (),
        *,
        keep: Callable[[bytes], None],
    ) -> None:
        """Begin a life and its record; its settings are those that decisions hang on."""
        settings = records.decisive(settings)
        super().__init__(settings, clock, signer, life, held)
        self._keep = keep
        begun = records.SessionRecord(settings, clock, life, held, versions())
        keep(records.encode(begun, records.encode_outputs(())))

    def hold(self, events: tuple[str, ...]) -> None:
        """Take note of events to be settled, on the record."""
        super().hold(events)
        self._keep(records.encode(records.HeldEvents(events), records.encode_outputs(())))

    def connected(self, now: int) -> list[Output]:
        """Take note of a connection, on the record."""
        return self._record(records.Connected(now), super().connected, now)

    def disconnected(self, now: int) -> list[Output]:
        """Take note that the stream is gone, on the record."""
        return self._record(records.Disconnected(now), super().disconnected, now)

    def received(self, frame: bytes | str, now: int) -> list[Output]:
        """Take in a frame, on the record."""
        return self._record(records.Received.of(now, frame), super().received, frame, now)

    def answered(self, call_id: int, answer: HttpAnswer | None, now: int) -> list[Output]:
        """Take in an answer, on the record."""
        taken = records.Answered(now, call_id, answer)
        return self._record(taken, super().answered, call_id, answer, now)

    def told(self, event: InputEvent, now: int) -> list[Output]:
        """Take in a belief or a word of the operator, on the record."""
        if isinstance(event, SettingsChanged):
            event = SettingsChanged(records.decisive(event.settings))
        return self._record(records.EventGiven(now, event), super().told, event, now)

    def woken(self, now: int) -> list[Output]:
        """Take note of the time, on the record."""
        return self._record(records.Woke(now), super().woken, now)

    def _record(
        self, taken: records.Input, step: Callable[..., list[Output]], *args: Any
    ) -> list[Output]:
        try:
            outputs = step(*args)
        except Exception as error:
            # The input at which the bot fails is the one that somebody will want to see.
            self._keep(records.encode(taken, records.encode_failure(error)))
            raise
        self._keep(records.encode(taken, records.encode_outputs(outputs)))
        return outputs
