"""What one event came to: commands in order, and the earliest wish to be woken."""

from __future__ import annotations

from typing import Any

from mmbot.trading.commands import Command, Note, NoteLevel, WakeAt


class CommandBuffer:
    """Collects commands while an event is handled; `now` is the event's time in milliseconds."""

    def __init__(self) -> None:
        self.now = 0
        self._commands: list[Command] = []
        self._wake: int | None = None

    def open(self, now: int) -> None:
        """Begin with an event that happened at `now`."""
        self.now = now
        self._commands = []

    def take(self) -> list[Command]:
        """Return the commands collected since `open`."""
        return self._commands

    def send(self, *commands: Command) -> None:
        """Add commands."""
        self._commands += commands

    def note(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        """Add a line for the log."""
        self._commands.append(Note(name, fields, level))

    def woken(self) -> None:
        """Forget the wish that has just been granted."""
        self._wake = None

    def wake_by(self, at: int | None) -> None:
        """Ask to be woken at `at` unless that is to happen sooner anyway."""
        if at is not None and (self._wake is None or at < self._wake):
            self._wake = at
            self._commands.append(WakeAt(at))
