"""Alerts to people: decides which log lines and states are worth an alert, and sends it.

Alerts wait in a bounded queue until a task sends them, one at a time, through a separate process.
Nothing here delays the bot. An alert that cannot be sent costs one line in the log, which contains
no part of the addresses.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from mmbot.config import AlertKind, AlertSettings
from mmbot.daemon.alert_sender import Delivery, Letter
from mmbot.daemon.briefing import briefing
from mmbot.daemon.metrics import Measured
from mmbot.daemon.outbox import Alert, Outbox
from mmbot.daemon.private_files import open_private
from mmbot.daemon.status_line import prediction, status_line
from mmbot.errors import BadInput
from mmbot.status_report import StatusReport

_PAUSE_SECONDS = 2.0
# How long Apprise may take for all addresses, and how long the end of the process waits for it.
SEND_SECONDS = 60.0
CLOSE_SECONDS = 3.0
# A start that waits this long raises an alert, because nothing is quoted meanwhile.
LONG_START_SECONDS = 300.0
_SENDER = (sys.executable, "-m", "mmbot.daemon.alert_sender")
_LONGEST_BODY = 20_000

Send = Callable[[Letter], Awaitable[tuple[Delivery, ...]]]
FindAddresses = Callable[[AlertSettings], tuple[str, ...]]

# The alerts of the last hour, so that a process that restarts repeatedly sends no flood.
FILE_NAME = "alerts.json"
_SENT: msgspec.json.Decoder[tuple[tuple[float, AlertKind], ...]] = msgspec.json.Decoder(
    tuple[tuple[float, AlertKind], ...]
)


class Alerts:
    """The alerts of one process."""

    def __init__(
        self,
        settings: AlertSettings,
        find: FindAddresses,
        directory: Path,
        send: Send | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without an alert.

        Args:
            settings: The wanted kinds, and how often.
            find: Returns the addresses, which are secrets; nothing is sent while there are none.
            directory: The state directory, which stores what was sent when.
            send: Sends a letter; through a separate process unless given.
            clock: Seconds, from any origin.

        Raises:
            BadInput: The addresses cannot be read.
        """
        self._send = send or send_letter
        self._settings = settings
        self._find = find
        self._addresses = find(settings)
        self._unreadable = ""
        self._clock = clock
        self._path = directory / FILE_NAME
        self._outbox = Outbox(settings, self._sent_before())
        self._measure: Callable[[], Measured] | None = None
        self._known: dict[str, int] = {}
        self._published: set[str] = set()
        self._limited: set[str] = set()
        # An address that is added later gets no alert about the start.
        self._started = not self._addresses
        self._waits_for = ""
        self._waits_since: float | None = None
        self._told_waiting = False
        self._lost_at: float | None = None
        self._told_dead = False
        self._looked_at: dt.datetime | None = None
        self._failing: dict[str, str] = {}
        self._is_new = False
        self._log = structlog.get_logger()

    def watch(self, measure: Callable[[], Measured]) -> None:
        """Watch a bot's state from now on."""
        self._measure = measure

    @property
    def problems(self) -> tuple[str, ...]:
        """The addresses that did not take the latest alert, in sentences."""
        failing = tuple(
            f"alerts do not reach address {address} ({why}); see `mmbot alerts test`"
            for address, why in sorted(self._failing.items())
        )
        return (*failing, self._unreadable) if self._unreadable else failing

    def change(self, settings: AlertSettings) -> None:
        """Use other settings from now on; their addresses are read before the next check."""
        self._settings, self._is_new = settings, True
        self._outbox.change(settings)

    async def read_addresses(self) -> None:
        """Read the addresses again if they may have changed; keep them if they cannot be read."""
        if not (self._is_new or self._settings.urls_file):
            return
        self._is_new = False
        try:
            self._addresses = await asyncio.to_thread(self._find, self._settings)
        except BadInput as error:
            if str(error) != self._unreadable:
                self._log.warning("alert.no_addresses", reason=str(error))
            self._unreadable = str(error)
        else:
            self._unreadable = ""

    # What happens

    def tell(self, alert: Alert) -> None:
        """Queue an alert, to be sent as soon as the rate limits allow."""
        if self._addresses:
            self._outbox.put(alert)

    def waits_for(self, what: str) -> None:
        """Note what the start waits for."""
        self._waits_for = what
        if self._waits_since is None:
            self._waits_since = self._clock()

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Raise the alerts that follow from a line of the bot's log."""
        if not self._addresses:
            return
        match name:
            case "halted":
                reason = f": {fields['reason']}" if fields["reason"] else ""
                self.tell(Alert("halt", f"Halted{reason}"))
            case "resumed":
                self.tell(Alert("halt", "Resumed: quoting again"))
            case "group.triggered":
                title = f"More than {fields['cap']} contracts filled in 15 seconds: quotes are off"
                self.tell(Alert("limit", title))
            case "fill":
                self._outbox.put_fill(_fill_line(fields), self._clock())
            case "belief.updated":
                self._count_known(fields["event_ticker"], fields["known"])

    def _count_known(self, event: str, known: int) -> None:
        if known > self._known.get(event, known):
            # Sent at the next check, when every market has its new fair value.
            self._published.add(event)
        self._known[event] = known

    def look(self) -> None:
        """Raise the alerts that follow from the state of the bot."""
        self._look_at_start()
        if self._measure is None:
            return
        report = self._measure().report
        if report.reconciled and not self._started:
            self._started = True
            self.tell(Alert("start", "Started", status_line(report)))
        for event in report.events:
            if event.event in self._published:
                title = f"Count published; {prediction(event)}"
                self.tell(Alert("count", title, briefing(report)))
        self._published.clear()
        self._look_at_limits(report)
        self._look_at_feed(report)
        self._look_at_calendar(report)

    def _look_at_start(self) -> None:
        if self._started or self._told_waiting or self._waits_since is None:
            return
        waited = self._clock() - self._waits_since
        if waited >= LONG_START_SECONDS:
            title = f"It has waited for {waited / 60:.0f} minutes and trades nothing yet"
            self.tell(Alert("start", title, self._waits_for))
            self._told_waiting = True

    def _look_at_limits(self, report: StatusReport) -> None:
        limited = {event.event for event in report.events if event.reduce_only}
        for ticker in sorted(limited - self._limited):
            title = (
                f"{ticker} has reached its loss limit, or the day has: positions are only reduced"
            )
            self.tell(Alert("limit", title, status_line(report)))
        self._limited = limited

    def _look_at_feed(self, report: StatusReport) -> None:
        now = self._clock()
        if report.streaming:
            if self._told_dead and self._lost_at is not None:
                title = f"The exchange's stream is back after {now - self._lost_at:.0f} s"
                self.tell(Alert("feed", title))
            self._lost_at, self._told_dead = None, False
            return
        self._lost_at = now if self._lost_at is None else self._lost_at
        dead = now - self._lost_at >= self._settings.feed_dead_seconds
        if dead and self._started and not self._told_dead and not report.stopping:
            self._told_dead = True
            title = f"The exchange's stream has been down for {now - self._lost_at:.0f} s"
            self.tell(Alert("feed", title, status_line(report)))

    def _look_at_calendar(self, report: StatusReport) -> None:
        was, this = self._looked_at, report.calendar
        self._looked_at = this
        if was is None:
            return
        at = this.replace(
            hour=self._settings.morning_report.hour,
            minute=self._settings.morning_report.minute,
            second=self._settings.morning_report.second,
            microsecond=0,
        )
        if was < at <= this:
            title = f"{this:%A, %B} {this.day}: what the week is worth"
            self.tell(Alert("morning", title, briefing(report)))

    # The sending

    async def run(self) -> None:
        """Check and send until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            await self.read_addresses()
            if self._addresses:
                self.look()
                await self._send_due()

    async def close(self, how: str, why: str = "") -> None:
        """Send how the process ended, and what still waits; takes at most a few seconds."""
        self.tell(Alert("stop", how, why))
        self._outbox.hasten()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send_due()

    async def _send_due(self) -> None:
        while (alert := self._outbox.take(self._clock())) is not None:
            self._keep_sent()
            try:
                deliveries = await self._send(Letter(self._addresses, alert.title, alert.body))
            except asyncio.CancelledError:
                self._outbox.put(alert)
                raise
            self._judge(alert, deliveries)

    def _judge(self, alert: Alert, deliveries: tuple[Delivery, ...]) -> None:
        failures = {
            f"{number}: {each.kind}": each.failure for number, each in enumerate(deliveries, 1)
        }
        failed = {address: why for address, why in failures.items() if why}
        for address in sorted(failed.keys() - self._failing.keys()):
            self._log.warning("alert.not_sent", address=address, reason=failed[address])
        for address in sorted(self._failing.keys() - failed.keys()):
            self._log.info("alert.sent_again", address=address)
        self._failing = failed
        if len(failed) == len(deliveries):
            self._outbox.put_back(alert, self._clock())

    def _sent_before(self) -> list[tuple[float, AlertKind]]:
        """Return what earlier processes have sent, in times of this one's clock."""
        with suppress(OSError, msgspec.DecodeError):
            ahead = self._clock() - time.time()
            sent = _SENT.decode(self._path.read_bytes())
            return [(at + ahead, kind) for at, kind in sent if at <= time.time()]
        return []

    def _keep_sent(self) -> None:
        ahead = self._clock() - time.time()
        kept = msgspec.json.encode([(at - ahead, kind) for at, kind in self._outbox.taken])
        with suppress(OSError):
            descriptor = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with open(descriptor, "wb") as file:  # noqa: PTH123 (opened as private)
                file.write(kept)


def _fill_line(fields: Mapping[str, Any]) -> str:
    bought = "bought" if fields["side"] == "bid" else "sold"
    fair = fields["fair"]
    worth = "" if fair is None else f", worth {fair:.3f}"
    return (
        f"{bought} {fields['count']} {fields['market']} at {fields['price']}{worth}; "
        f"{fields['position']} held"
    )


async def send_letter(letter: Letter) -> tuple[Delivery, ...]:
    """Send a letter through a separate process; return the result for each address."""
    bounded = msgspec.structs.replace(letter, body=letter.body[:_LONGEST_BODY])
    process = await asyncio.create_subprocess_exec(
        *_SENDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SEND_SECONDS):
            answer, _ = await process.communicate(msgspec.json.encode(bounded))
        deliveries = msgspec.json.decode(answer, type=tuple[Delivery, ...])
    except TimeoutError:
        deliveries = _all(letter, f"it took more than {SEND_SECONDS:.0f} seconds")
    except (msgspec.DecodeError, OSError):
        deliveries = _all(letter, "the process that sends ended without an answer")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return deliveries


def _all(letter: Letter, failure: str) -> tuple[Delivery, ...]:
    return tuple(Delivery("address", failure) for _ in letter.addresses)
