"""Writes the report of a week once every market of its event is settled.

`reports/SUNDAY.txt` in the state directory is for people and `reports/SUNDAY.json` for programs,
with the content of `mmbot report`. If a settlement is amended, the report is written again; if one
is booked again after a restart without a change, no alert is repeated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from mmbot.daemon.ledger_reader import TradeRecords, read_records
from mmbot.daemon.outbox import Alert
from mmbot.daemon.private_files import make_private_directory
from mmbot.errors import BadInput
from mmbot.underlying.calendar import Week

DIRECTORY = "reports"
# About ten years, at ten kilobytes a week.
MOST_REPORTS = 520
_PAUSE_SECONDS = 1.0
_CLOSE_SECONDS = 3.0


class WeekReport(msgspec.Struct, frozen=True):
    """A week's report as text, and its figures as JSON."""

    text: str
    figures: bytes


Render = Callable[[TradeRecords, str], WeekReport]


class WeekEnds:
    """Writes the reports of one ledger."""

    def __init__(self, directory: Path, render: Render, tell: Callable[[Alert], None]) -> None:
        """Begin without a report to write.

        Args:
            directory: The state directory.
            render: Makes the report of an event from the ledger.
            tell: Sends an alert; called with the report once it is written.
        """
        self._state = directory
        self._render = render
        self._tell = tell
        self._settled: deque[tuple[str, str]] = deque(maxlen=16)
        self._drain: Callable[[], Awaitable[object]] | None = None
        self._log = structlog.get_logger()

    def watch(self, drain: Callable[[], Awaitable[object]]) -> None:
        """Use `drain` to wait until the ledger has written everything."""
        self._drain = drain

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Note from a line of the bot's log that an event is settled."""
        if name == "event.settled":
            self._settled.append((fields["event_ticker"], fields["pnl"]))

    async def run(self) -> None:
        """Write reports until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            await self.write_pending()

    async def close(self) -> None:
        """Write the remaining reports, within a few seconds at the most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.write_pending()

    async def write_pending(self) -> None:
        """Write the reports of the events that were settled since the last call."""
        while self._settled:
            event, pnl = self._settled.popleft()
            if self._drain is not None:
                await self._drain()
            report, is_news = WeekReport("", b""), True
            try:
                report, is_news = await asyncio.to_thread(self._write, event)
            except (BadInput, OSError, ValueError) as error:
                self._log.warning("report.not_written", event_ticker=event, reason=str(error))
            if is_news:
                title = f"{event} is settled: P&L {pnl} dollars"
                self._tell(Alert("settlement", title, report.text))

    def _write(self, event: str) -> tuple[WeekReport, bool]:
        """Write the report of an event; return it, and whether its sums have changed."""
        report = self._render(read_records(self._state), event)
        directory = self._state / DIRECTORY
        make_private_directory(directory)
        name = Week.from_event_ticker(event).sunday.isoformat()
        before = directory / f"{name}.json"
        is_news = not before.exists() or _sums(before.read_bytes()) != _sums(report.figures)
        for suffix, content in (("txt", report.text.encode()), ("json", report.figures)):
            partial = directory / f".{name}.{suffix}"
            partial.write_bytes(content)
            partial.chmod(0o600)
            partial.replace(directory / f"{name}.{suffix}")
        self._log.info("report.written", path=str(directory / f"{name}.txt"))
        for path in sorted(directory.glob("*.*"))[: -2 * MOST_REPORTS]:
            path.unlink()
        return report, is_news


def _sums(figures: bytes) -> object:
    """Return the sums of a report; its other figures also depend on other weeks."""
    return msgspec.json.decode(figures, type=dict[str, Any]).get("total")
