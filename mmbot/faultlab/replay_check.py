"""Records the sessions of a bot in a world in memory, and replays them."""

from __future__ import annotations

import random

from mmbot.bot.bot import Bot
from mmbot.config import Settings
from mmbot.kalshi.auth import Signer
from mmbot.recording.recorder import RecordedBot
from mmbot.recording.records import join, split
from mmbot.recording.replay import replay
from mmbot.underlying.calendar import CalendarClock


class ReplayCheck:
    """Begins recorded sessions, and replays them when they are over."""

    def __init__(self) -> None:
        # Inputs replayed with identical outputs so far.
        self.replayed = 0
        self._sessions: list[list[bytes]] = []

    def begin(
        self,
        settings: Settings,
        clock: CalendarClock,
        signer: Signer,
        session: str,
        rng: random.Random,
    ) -> Bot:
        """Return a bot whose session is recorded."""
        records: list[bytes] = []
        self._sessions.append(records)
        return RecordedBot(settings, clock, signer, session, rng, keep=records.append)

    def replay(self) -> str:
        """Replay what was recorded since the last call; return the first difference, or ""."""
        sessions, self._sessions = self._sessions, []
        for records in sessions:
            result = replay(split(join(records)), versions={})
            if result.difference is not None:
                return f"session {result.session}, {result.difference}"
            self.replayed += result.inputs
        return ""
