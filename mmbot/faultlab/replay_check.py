"""The lives that a bot had in a world, recorded in memory and lived again."""

from __future__ import annotations

from mmbot.bot.bot import Bot
from mmbot.config import Settings
from mmbot.kalshi.auth import Signer
from mmbot.recording.recorder import RecordedBot
from mmbot.recording.records import join, split
from mmbot.recording.replay import replay
from mmbot.tsa.calendar import CalendarClock


class ReplayCheck:
    """Begins bots that are recorded, and replays them when they are through."""

    def __init__(self) -> None:
        # Inputs that came out identical so far.
        self.replayed = 0
        self._lives: list[list[bytes]] = []

    def begin(self, settings: Settings, clock: CalendarClock, signer: Signer, life: str) -> Bot:
        """Return a bot that begins its life on the record."""
        records: list[bytes] = []
        self._lives.append(records)
        return RecordedBot(settings, clock, signer, life, keep=records.append)

    def replay(self) -> str:
        """Replay what was recorded since the last time; return the first difference, or nothing."""
        lives, self._lives = self._lives, []
        for records in lives:
            verdict = replay(split(join(records)))
            if verdict.difference is not None:
                return f"life {verdict.life}, {verdict.difference}"
            self.replayed += verdict.inputs
        return ""
