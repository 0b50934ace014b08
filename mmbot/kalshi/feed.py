"""The WebSocket stream, without its socket: frames in; events and frames to send out.

One subscription covers the books of all markets; its frames carry one sequence number across all
of them. After a gap in it no book can be trusted: the feed reports that and requests new snapshots.
If they do not come it resubscribes, and if that does not help it asks for another connection.
Fills, own orders, order groups and market lifecycle have subscriptions of their own; the stream
counts as up when all of these are confirmed; what happened before that has to be read by REST.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from mmbot.kalshi import messages as wire
from mmbot.kalshi import vocabulary
from mmbot.kalshi.account_messages import stream_fill, stream_order
from mmbot.kalshi.stream_events import group_change, market_change
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.trading.commands import Note, NoteLevel
from mmbot.trading.events import (
    CLOCK_TOLERANCE_MS,
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    Filled,
    InputEvent,
    ListingStale,
    OrderReported,
    StreamUp,
)
from mmbot.units import Milliseconds

_BOOKS = "orderbook_delta"
_LIFECYCLE = "market_lifecycle_v2"
_GROUPS = "order_group_updates"
_CHANNELS_BESIDE_BOOKS = ("fill", "user_orders", _GROUPS, _LIFECYCLE)

# A channel error and a buffer overflow end the subscription they are about.
_TERMINAL_ERRORS = frozenset({10, 25})

# How long to wait for an answer or a snapshot before the next, stronger remedy.
_TIMEOUT_MS = 3_000
# The stream lags from a frame older than the first on, until one is no older than the second.
_LAGGING_MS, _IN_TIME_MS = 3_000, 1_000
# The same for frames that seem to come from the future: the clocks differ.
_AHEAD_MS = CLOCK_TOLERANCE_MS


class FeedStep(msgspec.Struct):
    """The outputs of one input."""

    events: list[InputEvent] = []
    frames: list[bytes] = []
    notes: list[Note] = []
    # Something changed that only a new reading of the listing shows.
    listing_stale: bool = False
    # The connection must be replaced.
    reconnect: bool = False


class Feed:
    """The state of one stream; every input returns its outputs as a `FeedStep`."""

    def __init__(self, series: str) -> None:
        self._prefix = f"{series}-"
        self.unknown_words = VocabularyMonitor(vocabulary.STREAM)
        # How old the last frame was on arrival, by the exchange's clock.
        self.age: Milliseconds | None = None
        self._tickers: tuple[str, ...] = ()
        self._now: Milliseconds = 0
        self._step = FeedStep()
        # The end of a lag, held back until the rest of its frame is handled.
        self._in_time_again: FeedLagged | None = None
        self._reset_connection()

    def _reset_connection(self) -> None:
        self._connected = False
        self._lagging = False
        self._command_id = 0
        # Unconfirmed subscriptions: command id -> channel and deadline.
        self._pending: dict[int, tuple[str, Milliseconds]] = {}
        # Confirmed subscriptions: sid -> channel.
        self._channels: dict[int, str] = {}
        self._last_seq: dict[int, int] = {}
        # The subscription of the books, 0 while there is none, and the markets it covers.
        self._book_sid = 0
        self._book_tickers: set[str] = set()
        # Markets whose book awaits a snapshot -> deadline.
        self._awaiting_snapshot: dict[str, Milliseconds] = {}
        self._resubscribed = False
        self._snapshot_clocks: dict[str, int] = {}
        self._repaired_at: dict[str, Milliseconds] = {}

    # Inputs

    def connected(self, now: Milliseconds) -> FeedStep:
        """Subscribe to everything on a new connection."""
        self._reset_connection()
        step = self._start_step(now)
        self._connected = True
        for channel in _CHANNELS_BESIDE_BOOKS:
            self._subscribe(channel)
        self._subscribe_books()
        return step

    def disconnected(self) -> None:
        """Reset the state of a connection that is gone."""
        self._reset_connection()

    def watch(self, tickers: Iterable[str], now: Milliseconds) -> FeedStep:
        """Subscribe to the books of these markets and of no others."""
        step = self._start_step(now)
        self._tickers = tuple(tickers)
        if self._connected:
            self._remove_unwatched_books()
            self._add_watched_books()
        return step

    def received(self, data: bytes | str, now: Milliseconds) -> FeedStep:
        """Handle one frame."""
        step = self._start_step(now)
        if not self._connected:
            return step
        self._in_time_again = None
        try:
            frame = wire.decode_frame(data)
            self.unknown_words.examine_frame(frame.type, data)
            self._track_age(frame.sending_ts_ms)
            if self._in_sequence(frame):
                self._handle(frame)
        except wire.Malformed as error:
            # What the frame reported is lost; fills and orders have to be read by REST.
            self._give_up(f"malformed: {error}"[:200])
        # A frame that ends the lag may itself reveal a gap or end the connection: nothing may be
        # quoted before that is handled.
        if self._in_time_again is not None and not step.reconnect:
            step.events.append(self._in_time_again)
        return step

    def repair(self, tickers: Iterable[str], now: Milliseconds) -> FeedStep:
        """Request new snapshots of books, or a new connection if a snapshot did not help."""
        step = self._start_step(now)
        wanted = [ticker for ticker in tickers if ticker in self._book_tickers]
        again = [t for t in wanted if now < self._repaired_at.get(t, -_TIMEOUT_MS) + _TIMEOUT_MS]
        if again:
            self._give_up(f"the book of {again[0]} stays corrupt")
        elif wanted:
            self._repaired_at |= dict.fromkeys(wanted, now)
            self._request_snapshots(wanted)
        return step

    def woken(self, now: Milliseconds) -> FeedStep:
        """Act on the deadlines that have passed."""
        step = self._start_step(now)
        if any(deadline <= now for _, deadline in self._pending.values()):
            self._give_up("a subscription was not answered")
        elif any(deadline <= now for deadline in self._awaiting_snapshot.values()):
            self._resubscribe_books("no snapshot came")
        return step

    @property
    def next_deadline(self) -> Milliseconds | None:
        """When the next answer or snapshot is overdue, if any is awaited."""
        deadlines = [deadline for _, deadline in self._pending.values()]
        return min([*deadlines, *self._awaiting_snapshot.values()], default=None)

    # Outputs

    def _start_step(self, now: Milliseconds) -> FeedStep:
        self._now = now
        self._step = FeedStep()
        return self._step

    def _note(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        self._step.notes.append(Note(name, fields, level))

    def _send(self, cmd: str, params: dict[str, Any]) -> int:
        self._command_id += 1
        frame = {"id": self._command_id, "cmd": cmd, "params": params}
        self._step.frames.append(orjson.dumps(frame))
        return self._command_id

    def _give_up(self, reason: str) -> None:
        # Fills and orders that this connection would have reported are read by REST.
        self._note("stream.given_up", "warning", reason=reason)
        self._reset_connection()
        self._step.reconnect = True

    # Subscriptions

    def _subscribe(self, channel: str, **params: Any) -> None:
        command_id = self._send("subscribe", {"channels": [channel], **params})
        self._pending[command_id] = channel, self._now + _TIMEOUT_MS

    def _subscribe_books(self) -> None:
        if self._tickers:
            self._book_tickers = set(self._tickers)
            self._expect_snapshots(self._tickers)
            # Kalshi has announced that the flag's default will change: always state it.
            self._subscribe(_BOOKS, market_tickers=list(self._tickers), use_yes_price=True)

    def _resubscribe_books(self, reason: str) -> None:
        if self._resubscribed:
            self._give_up(reason)
            return
        markets = len(self._awaiting_snapshot)
        self._note("stream.resubscribing", "warning", markets=markets, reason=reason)
        self._resubscribed = True
        if self._book_sid:
            self._send("unsubscribe", {"sids": [self._book_sid]})
            self._book_sid = 0
        self._distrust_books("resubscribed")
        self._subscribe_books()

    def _add_watched_books(self) -> None:
        added = [ticker for ticker in self._tickers if ticker not in self._book_tickers]
        if not added:
            return
        if self._book_sid:
            self._book_tickers.update(added)
            self._expect_snapshots(added)
            self._update_books("add_markets", added)
        elif all(channel != _BOOKS for channel, _ in self._pending.values()):
            self._subscribe_books()

    def _remove_unwatched_books(self) -> None:
        removed = self._book_tickers.difference(self._tickers)
        if removed and self._book_sid:
            self._update_books("delete_markets", sorted(removed))
        self._book_tickers -= removed
        for ticker in removed:
            self._awaiting_snapshot.pop(ticker, None)

    def _update_books(self, action: str, tickers: Iterable[str]) -> None:
        params = {"sid": self._book_sid, "action": action, "market_tickers": list(tickers)}
        self._send("update_subscription", params)

    def _request_snapshots(self, tickers: Iterable[str]) -> None:
        if self._book_sid:
            wanted = sorted(tickers)
            self._expect_snapshots(wanted)
            self._update_books("get_snapshot", wanted)

    def _expect_snapshots(self, tickers: Iterable[str]) -> None:
        self._awaiting_snapshot |= dict.fromkeys(tickers, self._now + _TIMEOUT_MS)

    def _subscribed(self, frame: wire.Frame) -> None:
        answer = wire.decode(frame.msg, wire.Subscribed)
        self._pending.pop(frame.id, None)
        self._channels[answer.sid] = answer.channel
        if answer.channel == _BOOKS:
            self._book_sid = answer.sid
            self._add_watched_books()
        elif set(_CHANNELS_BESIDE_BOOKS) <= set(self._channels.values()):
            self._step.events.append(StreamUp())

    def _error(self, frame: wire.Frame) -> None:
        error = wire.decode(frame.msg, wire.StreamError)
        channel = self._channels.get(frame.sid, "")
        self._note("stream.error", "warning", code=error.code, reason=error.msg, channel=channel)
        if frame.id in self._pending:
            self._give_up("a subscription was refused")
        elif error.code in _TERMINAL_ERRORS:
            if frame.sid == self._book_sid:
                self._book_sid = 0
                self._resubscribe_books("the subscription ended")
            else:
                self._give_up(f"the channel {channel} ended")

    # Age and sequence

    def _track_age(self, sent: Milliseconds) -> None:
        """Report when frames begin to come late or too early; note when they are in time again."""
        if not sent:
            return
        age = self._now - sent
        self.age = max(0, age)
        early, late = (-_IN_TIME_MS, _IN_TIME_MS) if self._lagging else (-_AHEAD_MS, _LAGGING_MS)
        lagging = not early <= age <= late
        if lagging != self._lagging:
            self._lagging = lagging
            change = FeedLagged(age, lagging)
            if lagging:
                self._step.events.append(change)
            else:
                self._in_time_again = change

    def _in_sequence(self, frame: wire.Frame) -> bool:
        """Return whether to read a frame: not if it is repeated or was overtaken."""
        if not (frame.sid and frame.seq):
            return True
        last = self._last_seq.get(frame.sid)
        if last is not None and frame.seq <= last:
            return False
        self._last_seq[frame.sid] = frame.seq
        if last is not None and frame.seq != last + 1:
            self._handle_gap(frame.sid, frame.seq - last - 1)
        return True

    def _handle_gap(self, sid: int, frames: int) -> None:
        channel = self._channels.get(sid, "")
        self._note("stream.gap", "warning", channel=channel, frames=frames)
        if sid == self._book_sid:
            self._distrust_books("sequence gap")
            self._request_snapshots(self._book_tickers)
        elif channel == _LIFECYCLE:
            self._step.listing_stale = True
        elif channel == _GROUPS:
            # Only this channel tells whether a group was triggered.
            self._give_up("a gap in the order group updates")

    def _distrust_books(self, reason: str) -> None:
        self._step.events.append(BooksDistrusted(tuple(sorted(self._book_tickers)), reason))

    # Messages

    def _handle(self, frame: wire.Frame) -> None:
        match frame.type:
            case "orderbook_delta":
                self._delta(frame)
            case "orderbook_snapshot":
                self._snapshot(frame)
            case "fill":
                self._step.events.append(Filled(stream_fill(frame.msg)))
            case "user_order":
                self._step.events.append(OrderReported(stream_order(frame.msg)))
            case "order_group_updates":
                self._group_update(frame)
            case "market_lifecycle_v2":
                self._market_lifecycle(frame)
            case "event_lifecycle" | "event_fee_update":
                self._event_changed(frame)
            case "subscribed":
                self._subscribed(frame)
            case "error":
                self._error(frame)
            case _:
                pass  # replies without content, and types yet unknown

    def _snapshot(self, frame: wire.Frame) -> None:
        if frame.sid != self._book_sid:
            return
        snapshot = wire.decode(frame.msg, wire.BookSnapshot)
        ticker = snapshot.market_ticker
        bids = wire.book_levels(snapshot.yes_dollars_fp)
        asks = wire.book_levels(snapshot.no_dollars_fp)
        self._snapshot_clocks[ticker] = snapshot.clock
        self._awaiting_snapshot.pop(ticker, None)
        if not self._awaiting_snapshot:
            self._resubscribed = False
        self._step.events.append(BookReplaced(ticker, bids, asks))

    def _delta(self, frame: wire.Frame) -> None:
        delta, side, price, count = wire.book_change(frame.msg)
        if not frame.sending_ts_ms:
            self._track_age(delta.ts_ms)
        ticker = delta.market_ticker
        if ticker in self._awaiting_snapshot or frame.sid != self._book_sid:
            return
        # A snapshot includes every change with its clock or an earlier one.
        if 0 < delta.clock <= self._snapshot_clocks.get(ticker, 0):
            return
        # After the first later change only the sequence counts: maintenance may set the clock back.
        self._snapshot_clocks.pop(ticker, None)
        self._step.events.append(BookChanged(ticker, side, price, count))

    def _group_update(self, frame: wire.Frame) -> None:
        change = group_change(frame.msg)
        if change is not None:
            self._step.events.append(change)

    def _market_lifecycle(self, frame: wire.Frame) -> None:
        change = market_change(frame.msg, self._prefix)
        if isinstance(change, ListingStale):
            self._step.listing_stale = True
        elif change is not None:
            self._step.events.append(change)

    def _event_changed(self, frame: wire.Frame) -> None:
        subject = wire.decode(frame.msg, wire.LifecycleSubject)
        if subject.event_ticker.startswith(self._prefix):
            self._step.listing_stale = True
