"""The commands that one event leads to, in order, and when the engine has to be woken next."""

from __future__ import annotations

from typing import Any

from mmbot.trading.commands import Command, Note, NoteLevel, RenewStream, RepairBooks, WakeAt
from mmbot.units import Milliseconds


class CommandBuffer:
    """Collects commands while an event is handled."""

    def __init__(self) -> None:
        self._commands: list[Command] = []
        self._wake_at: Milliseconds | None = None

    def add(self, *commands: Command) -> None:
        """Add commands."""
        self._commands += commands

    @property
    def repairs(self) -> bool:
        """Whether books or the stream are to be repaired, which may end the stream at once."""
        return any(isinstance(command, RepairBooks | RenewStream) for command in self._commands)

    def log(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        """Add a line for the log."""
        self._commands.append(Note(name, fields, level))

    def wake_by(self, at: Milliseconds | None) -> None:
        """Have the engine woken at `at`, unless it is to be woken sooner anyway."""
        if at is not None and (self._wake_at is None or at < self._wake_at):
            self._wake_at = at
            self._commands.append(WakeAt(at))

    def woken(self) -> None:
        """Clear the requested wake-up: it has happened."""
        self._wake_at = None

    def drain(self) -> list[Command]:
        """Return the commands collected since the last call, and clear them."""
        commands, self._commands = self._commands, []
        return commands
