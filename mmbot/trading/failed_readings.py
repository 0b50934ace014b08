"""Logs failed readings: of several in a row the first, and the success that ends them."""

from __future__ import annotations

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.events import ReadingFailed
from mmbot.trading.values import ReadingKind


class FailedReadings:
    """Counts how many readings of each kind have failed in a row."""

    def __init__(self, buffer: CommandBuffer) -> None:
        self._buffer = buffer
        self._in_a_row: dict[ReadingKind, int] = {}

    def failed(self, event: ReadingFailed) -> None:
        """Count a failed reading."""
        before = self._in_a_row.get(event.what, 0)
        self._in_a_row[event.what] = before + 1
        if not before:
            name = "listing.not_read" if event.what == "listing" else "account.not_read"
            self._buffer.log(name, "warning", reason=event.reason)

    def succeeded(self, what: ReadingKind) -> None:
        """Reset the count after a successful reading."""
        failed = self._in_a_row.pop(what, 0)
        if failed:
            name = "listing.read_again" if what == "listing" else "account.read_again"
            self._buffer.log(name, failed=failed)
