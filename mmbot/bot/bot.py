"""The bot: feed, engine and gateway together. Bytes and times in, bytes and times out.

Whoever moves the bytes (the daemon over sockets, a simulator in virtual time) calls one of the
inputs for everything that happens and carries out what it returns, in order. Times are
milliseconds since the Unix epoch.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.feed import Feed, FeedStep
from mmbot.kalshi.gateway import Call, Gateway
from mmbot.kalshi.http import STREAM_PATH, HttpAnswer
from mmbot.kalshi.writes import WriteCommand
from mmbot.trading.commands import (
    Cancel,
    Command,
    Decrease,
    EnsureGroup,
    Note,
    Place,
    QueryOrder,
    ReadAccount,
    ReadListing,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    Renew,
    RepairBooks,
    RequestBelief,
    ResetGroup,
    SweepConfirmed,
    WakeAt,
)
from mmbot.trading.engine import Engine
from mmbot.trading.events import InputEvent, ListingRead, ListingStale, StreamLost, Woken
from mmbot.tsa.calendar import CalendarClock


class Transmit(msgspec.Struct, frozen=True, tag=True):
    """Send a frame on the stream."""

    frame: bytes


class Reconnect(msgspec.Struct, frozen=True, tag=True):
    """Close the stream and open another."""


Output: TypeAlias = (
    Transmit
    | Reconnect
    | Call
    | WakeAt
    | RequestBelief
    | RecordFill
    | RecordViews
    | RecordSettlement
    | RecordPnlMark
    | SweepConfirmed
    | Note
)


class Bot:
    """One account's market maker, without its sockets and its clock."""

    def __init__(
        self,
        settings: Settings,
        clock: CalendarClock,
        signer: Signer,
        life: str,
        held: tuple[str, ...] = (),
    ) -> None:
        """Begin unconnected; the parameters are those of `Engine` and `Gateway`."""
        self.engine = Engine(settings, clock, life, held)
        self._signer = signer
        self._feed = Feed(settings.exchange.series)
        self._gateway = Gateway(signer, settings.exchange)
        self._engine_wake: int | None = None
        self._out: list[Output] = []
        self._writes: list[WriteCommand] = []

    @property
    def feed_age(self) -> int | None:
        """How old the stream's last frame was when it came, in milliseconds."""
        return self._feed.age

    @property
    def drift(self) -> dict[str, int]:
        """What the exchange said that is not in the known vocabulary, and how often."""
        return self._feed.drift.counts | self._gateway.drift.counts

    @property
    def streaming(self) -> bool:
        """Whether everything on the stream is subscribed."""
        return self.engine.state.service.streaming

    def hold(self, events: tuple[str, ...]) -> None:
        """Take note, before the start, of events whose settlement is still to be booked."""
        self.engine.state.held = events

    def stream_headers(self, now: int) -> tuple[tuple[str, str], ...]:
        """Return the headers with which the stream is opened at `now`."""
        return self._signer.headers("GET", STREAM_PATH, now)

    def connected(self, now: int) -> list[Output]:
        """Take note that there is a connection; the stream is up when it is subscribed."""
        self._out = []
        self._carry(self._feed.connected(now), now)
        return self._finish(now)

    def disconnected(self, now: int) -> list[Output]:
        """Take note that the stream is gone."""
        self._out = []
        self._feed.disconnected()
        self._handle(StreamLost(), now)
        return self._finish(now)

    def received(self, frame: bytes | str, now: int) -> list[Output]:
        """Take in a frame of the stream."""
        self._out = []
        self._carry(self._feed.received(frame, now), now)
        return self._finish(now)

    def answered(self, call_id: int, answer: HttpAnswer | None, now: int) -> list[Output]:
        """Take in the answer to a call, or `None` where none came in time."""
        self._out = []
        events, calls = self._gateway.answered(call_id, answer, now)
        self._out += calls
        for event in events:
            self._handle(event, now)
        return self._finish(now)

    def told(self, event: InputEvent, now: int) -> list[Output]:
        """Take in a belief, or a word of the operator."""
        self._out = []
        self._handle(event, now)
        return self._finish(now)

    def woken(self, now: int) -> list[Output]:
        """Take note that the time of the last `WakeAt` has come."""
        self._out = []
        self._carry(self._feed.woken(now), now)
        if self._engine_wake is not None and now >= self._engine_wake:
            self._engine_wake = None
            self._handle(Woken(), now)
        return self._finish(now)

    def _carry(self, step: FeedStep, now: int) -> None:
        self._out += step.notes
        self._out += [Transmit(frame) for frame in step.frames]
        for event in step.events:
            self._handle(event, now)
        if step.reconnect:
            # Nothing more is heard on it, however long the closing takes.
            self._out.append(Reconnect())
            self._handle(StreamLost(), now)
        if step.listing_stale:
            self._handle(ListingStale(), now)

    def _handle(self, event: InputEvent, now: int) -> None:
        for command in self.engine.handle(event, now):
            self._perform(command, now)
        if isinstance(event, ListingRead):
            self._carry(self._feed.watch(self.engine.state.unclosed(now), now), now)

    def _perform(self, command: Command, now: int) -> None:
        match command:
            case Place() | Cancel() | Renew() | Decrease():
                self._writes.append(command)
            case QueryOrder() | ReadAccount() | ReadListing() | EnsureGroup() | ResetGroup():
                self._out += self._gateway.perform(command, now)
            case RepairBooks():
                self._carry(self._feed.repair(command.tickers, now), now)
            case WakeAt():
                self._engine_wake = command.at
            case _:
                self._out.append(command)

    def _finish(self, now: int) -> list[Output]:
        # One answer may be several events: whatever they bring about goes cancels first.
        writes, self._writes = self._writes, []
        self._out[:0] = self._gateway.write(writes, now)
        self._out += self._feed.drift.take_notes() + self._gateway.drift.take_notes()
        wishes = (self._engine_wake, self._feed.next_deadline)
        at = min((wish for wish in wishes if wish is not None), default=None)
        if at is not None:
            self._out.append(WakeAt(at))
        return self._out
