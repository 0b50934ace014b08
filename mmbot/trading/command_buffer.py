"""The commands that one event leads to, in order, and the engine's next wake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mmbot.trading.commands import Command, Note, NoteLevel, RenewStream, RepairBooks, WakeAt
from mmbot.units import Milliseconds

# In place of an event's ticker: a wake for what may concern every event.
EVERY_EVENT: Final = ""
# Likewise: a wake to record views of markets, which affects no quote.
ONLY_VIEWS: Final = "views"


class CommandBuffer:
    """Collects commands while an event is handled."""

    def __init__(self) -> None:
        self._commands: list[Command] = []
        # When the engine is to be woken for each event, and the earliest of these times.
        self._wakes: dict[str, Milliseconds] = {}
        self._wake_at: Milliseconds | None = None

    def add(self, command: Command) -> None:
        """Add a command."""
        self._commands.append(command)

    @property
    def repairs(self) -> bool:
        """Whether books or the stream are being repaired, which may end the stream at once."""
        return any(isinstance(command, RepairBooks | RenewStream) for command in self._commands)

    def log(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        """Add a line for the log."""
        self._commands.append(Note(name, fields, level))

    def wake_by(self, at: Milliseconds | None, event: str = EVERY_EVENT) -> None:
        """Have the engine woken for an event at `at`, unless an earlier wake is set for it."""
        if at is None or at >= self._wakes.get(event, at + 1):
            return
        self._wakes[event] = at
        if self._wake_at is None or at < self._wake_at:
            self._wake_at = at
            self._commands.append(WakeAt(at))

    def due(self, now: Milliseconds) -> set[str]:
        """Return the events for which the engine was to be woken by now."""
        return {event for event, at in self._wakes.items() if at <= now}

    def woken(self, events: Iterable[str]) -> None:
        """Clear the wakes of these events, which have happened."""
        for event in events:
            del self._wakes[event]
        self._wake_at = None
        if self._wakes:
            self._wake_at = min(self._wakes.values())
            self._commands.append(WakeAt(self._wake_at))

    def woken_for_all(self) -> None:
        """Clear every wake: all of them are about to be requested again."""
        self._wakes.clear()
        self._wake_at = None

    def drain(self) -> list[Command]:
        """Return the commands collected since the last call, and clear them."""
        commands, self._commands = self._commands, []
        return commands
