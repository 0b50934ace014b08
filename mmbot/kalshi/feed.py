"""The WebSocket stream, without its socket: frames in; events and frames to send out.

One subscription covers the books of all markets; its frames carry one sequence number across all
of them. After a gap in it no book can be trusted: the feed reports that and requests new snapshots.
If they do not come it resubscribes, and if that does not help it asks for another connection.
Fills, own orders, order groups and market lifecycle have subscriptions of their own; the stream
counts as up when all of these are confirmed; what happened before that has to be read by REST.

A message that cannot be read costs what it is about: one book, one order, one market's fills, or
nothing where it is not about ours. Only a frame without a readable envelope, and the answer to a
subscription, cost the connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from mmbot.kalshi import messages as wire
from mmbot.kalshi import vocabulary
from mmbot.kalshi.account_messages import fill_on_stream, order_on_stream
from mmbot.kalshi.stream_events import fee_change, group_change, market_change
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.trading.commands import Note, NoteLevel
from mmbot.trading.events import (
    CLOCK_TOLERANCE_MS,
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    Filled,
    FillUnreadable,
    InputEvent,
    ListingStale,
    OrderReported,
    OrderUnreadable,
    StreamUp,
)
from mmbot.trading.values import USUAL_INTERVALS, OrderReport
from mmbot.units import Milliseconds

_BOOKS = "orderbook_delta"
_LIFECYCLE = "market_lifecycle_v2"
_GROUPS = "order_group_updates"
_CHANNELS_BESIDE_BOOKS = ("fill", "user_orders", _GROUPS, _LIFECYCLE)

# A channel error and a buffer overflow end the subscription they are about.
_TERMINAL_ERRORS = frozenset({10, 25})
# Errors of a command, after which a subscription goes on.
_PASSING_ERRORS = frozenset({*range(1, 10), *range(11, 25), 26, 27, 28})

# How long to wait for an answer or a snapshot before the next, stronger remedy.
_TIMEOUT_MS = 3_000
# A channel of books that is silent is asked for a snapshot, due within this time.
_PROBE_MS = 2_000
# How long a book that could not be read is left alone, and the same for a type of message that
# nobody knows, so that neither can have the exchange asked without end.
_UNREADABLE_MS = 60_000
_MOST_DOUBTED = 100
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

    def __init__(
        self, series: str, silence_ms: Milliseconds = USUAL_INTERVALS.books_silent_ms
    ) -> None:
        """Begin unconnected; a channel of books is probed once it is silent for `silence_ms`."""
        self._silence_ms = silence_ms
        self._prefix = f"{series}-"
        self.unknown_words = VocabularyMonitor(vocabulary.STREAM)
        # When the last frame was sent, by the exchange's clock.
        self._last_sent: Milliseconds | None = None
        # When the stream last told of an own order or fill.
        self._own_heard: Milliseconds | None = None
        self._tickers: tuple[str, ...] = ()
        self._now: Milliseconds = 0
        self._step = FeedStep()
        # The end of a lag, held back until the rest of its frame is handled.
        self._in_time_again: FeedLagged | None = None
        self._probes = 0
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
        # When the books' channel was heard last, and when it is probed if it stays silent.
        self._books_heard: Milliseconds = 0
        self._probe_due: Milliseconds | None = None
        self._snapshot_clocks: dict[str, int] = {}
        self._repaired_at: dict[str, Milliseconds] = {}
        # Markets whose snapshot could not be read -> when another is requested.
        self._unreadable_books: dict[str, Milliseconds] = {}
        # Markets whose book was dropped because a message could not be read, until a snapshot came.
        self._unread: set[str] = set()
        # Types that nobody knows -> when their channel was last doubted.
        self._doubted: dict[tuple[str, str], Milliseconds] = {}

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
            if frame.sid == self._book_sid and frame.type != _BOOKS:
                self._books_heard = now
            if self._in_sequence(frame):
                self._handle(frame)
        except wire.Malformed as error:
            # What the frame reported, and whom it was about, is lost: all has to be read by REST.
            self._give_up(f"malformed: {error}"[:200])
        # A frame that ends the lag may itself reveal a gap or end the connection: nothing may be
        # quoted before that is handled.
        if self._in_time_again is not None and not step.reconnect:
            step.events.append(self._in_time_again)
        return step

    def repair(self, tickers: Iterable[str], now: Milliseconds) -> FeedStep:
        """Request new snapshots of books, or a new connection if a snapshot did not help."""
        step = self._start_step(now)
        wanted = [
            ticker
            for ticker in tickers
            if ticker in self._book_tickers and ticker not in self._unreadable_books
        ]
        again = [t for t in wanted if now < self._repaired_at.get(t, -_TIMEOUT_MS) + _TIMEOUT_MS]
        if again:
            self._give_up(f"the book of {again[0]} stays corrupt")
        elif wanted:
            self._repaired_at |= dict.fromkeys(wanted, now)
            self._request_snapshots(wanted)
        return step

    def renew(self, reason: str, now: Milliseconds) -> FeedStep:
        """Ask for another connection, as this one does not tell what happens."""
        step = self._start_step(now)
        if self._connected:
            self._give_up(reason)
        return step

    def age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the last frame was sent, by the exchange's clock."""
        return None if self._last_sent is None else max(0, now - self._last_sent)

    def own_age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the stream last told of an own order or fill."""
        return None if self._own_heard is None else max(0, now - self._own_heard)

    def woken(self, now: Milliseconds) -> FeedStep:
        """Act on the deadlines that have passed."""
        step = self._start_step(now)
        if any(deadline <= now for _, deadline in self._pending.values()):
            self._give_up("a subscription was not answered")
        elif any(deadline <= now for deadline in self._awaiting_snapshot.values()):
            self._resubscribe_books("no snapshot came")
        else:
            self._request_unreadable_again()
            if self._probe_due is not None and now >= self._probe_due:
                self._probe_books()
        return step

    @property
    def next_deadline(self) -> Milliseconds | None:
        """When the next answer or snapshot is overdue, if any is awaited."""
        deadlines = [deadline for _, deadline in self._pending.values()]
        deadlines += [*self._awaiting_snapshot.values(), *self._unreadable_books.values()]
        if self._probe_due is not None:
            deadlines.append(self._probe_due)
        return min(deadlines, default=None)

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
        self._unread -= removed
        if removed and self._book_sid:
            self._update_books("delete_markets", sorted(removed))
        self._book_tickers -= removed
        for ticker in removed:
            self._awaiting_snapshot.pop(ticker, None)
            self._unreadable_books.pop(ticker, None)

    def _update_books(self, action: str, tickers: Iterable[str]) -> None:
        params = {"sid": self._book_sid, "action": action, "market_tickers": list(tickers)}
        self._send("update_subscription", params)

    def _request_snapshots(self, tickers: Iterable[str]) -> None:
        wanted = sorted(tickers)
        if self._book_sid and wanted:
            self._expect_snapshots(wanted)
            self._update_books("get_snapshot", wanted)

    def _request_unreadable_again(self) -> None:
        overdue = [ticker for ticker, due in self._unreadable_books.items() if due <= self._now]
        for ticker in overdue:
            del self._unreadable_books[ticker]
        if overdue:
            self._request_snapshots(overdue)

    def _expect_snapshots(self, tickers: Iterable[str], within: Milliseconds = _TIMEOUT_MS) -> None:
        self._awaiting_snapshot |= dict.fromkeys(tickers, self._now + within)

    def _probe_books(self) -> None:
        """Ask the books' channel for a snapshot, one market after another, if it is silent.

        Nothing else tells a quiet channel from one that has died on a living connection.
        """
        self._probe_due = self._now + self._silence_ms
        if self._now < self._books_heard + self._silence_ms:
            self._probe_due = self._books_heard + self._silence_ms
        elif (
            self._book_sid
            and not self._awaiting_snapshot
            and (tickers := sorted(self._book_tickers - self._unreadable_books.keys()))
        ):
            self._probes += 1
            ticker = tickers[self._probes % len(tickers)]
            self._expect_snapshots((ticker,), _PROBE_MS)
            self._update_books("get_snapshot", (ticker,))

    def _subscribed(self, frame: wire.Frame) -> None:
        answer = wire.decode(frame.msg, wire.Subscribed)
        self._pending.pop(frame.id, None)
        self._channels[answer.sid] = answer.channel
        if answer.channel == _BOOKS:
            self._book_sid = answer.sid
            self._probe_due = self._now + self._silence_ms
            self._add_watched_books()
        elif set(_CHANNELS_BESIDE_BOOKS) <= set(self._channels.values()):
            self._step.events.append(StreamUp())

    def _error(self, frame: wire.Frame) -> None:
        error = _stream_error(frame.msg)
        channel = self._channels.get(frame.sid, "")
        self._note("stream.error", "warning", code=error.code, reason=error.msg, channel=channel)
        if frame.id in self._pending:
            self._give_up("a subscription was refused")
        elif error.code in _TERMINAL_ERRORS or (frame.sid and error.code not in _PASSING_ERRORS):
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
        self._last_sent = sent
        age = self._now - sent
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
                self._fill(frame)
            case "user_order":
                self._order(frame)
            case "order_group_updates":
                self._group_update(frame)
            case "market_lifecycle_v2":
                self._market_lifecycle(frame)
            case "event_fee_update":
                self._fee_changed(frame)
            case "event_lifecycle":
                self._event_changed(frame)
            case "subscribed":
                self._subscribed(frame)
            case "error":
                self._error(frame)
            case "ok" | "unsubscribed":
                pass
            case _:
                self._unknown(frame)

    def _unknown(self, frame: wire.Frame) -> None:
        """Doubt the channel on which a message came whose type nobody knows."""
        channel = self._channels.get(frame.sid, "")
        doubted = self._doubted.get((channel, frame.type))
        if not channel or (doubted is not None and self._now < doubted + _UNREADABLE_MS):
            return
        if len(self._doubted) < _MOST_DOUBTED:
            self._doubted[channel, frame.type] = self._now
        match channel:
            case "orderbook_delta":
                self._distrust_books("a message of unknown type")
                self._request_snapshots(self._book_tickers)
            case "market_lifecycle_v2":
                self._step.listing_stale = True
            case "order_group_updates":
                self._give_up("an order group update of unknown type")
            case _:
                self._step.events.append(FillUnreadable("", f"message {frame.type}"[:200]))

    def _fill(self, frame: wire.Frame) -> None:
        self._own_heard = self._now
        fill = fill_on_stream(frame.msg, self._prefix)
        if isinstance(fill, FillUnreadable):
            self._step.events.append(fill)
        elif fill is not None:
            self._step.events.append(Filled(fill))

    def _order(self, frame: wire.Frame) -> None:
        self._own_heard = self._now
        order = order_on_stream(frame.msg)
        if isinstance(order, OrderReport):
            self._step.events.append(OrderReported(order))
        elif isinstance(order, OrderUnreadable):
            self._step.events.append(order)

    def _snapshot(self, frame: wire.Frame) -> None:
        if frame.sid != self._book_sid:
            return
        try:
            snapshot = wire.decode(frame.msg, wire.BookSnapshot)
            bids = wire.book_levels(snapshot.yes_dollars_fp)
            asks = wire.book_levels(snapshot.no_dollars_fp)
        except wire.Malformed as error:
            self._book_unreadable(frame, str(error))
            return
        ticker = snapshot.market_ticker
        self._unreadable_books.pop(ticker, None)
        self._unread.discard(ticker)
        self._snapshot_clocks[ticker] = snapshot.clock
        self._awaiting_snapshot.pop(ticker, None)
        if not self._awaiting_snapshot:
            self._resubscribed = False
        self._step.events.append(BookReplaced(ticker, bids, asks))

    def _book_unreadable(self, frame: wire.Frame, reason: str) -> None:
        """Drop the book that a message is about, or every book if that cannot be told.

        A snapshot is requested at once after a change, and after a while if it was one itself.
        """
        ticker = wire.word(wire.subject(frame.msg).market_ticker)
        if ticker not in self._book_tickers:
            if not ticker and frame.type == _BOOKS:
                self._distrust_books(reason[:200])
                self._request_snapshots(self._book_tickers.difference(self._awaiting_snapshot))
            return
        if ticker not in self._unread:
            self._unread.add(ticker)
            self._step.events.append(BooksDistrusted((ticker,), reason[:200]))
        if frame.type == "orderbook_snapshot":
            self._awaiting_snapshot.pop(ticker, None)
            self._unreadable_books[ticker] = self._now + _UNREADABLE_MS
        elif ticker not in self._unreadable_books and ticker not in self._awaiting_snapshot:
            self._request_snapshots((ticker,))

    def _delta(self, frame: wire.Frame) -> None:
        try:
            delta, side, price, count = wire.book_change(frame.msg)
        except wire.Malformed as error:
            if frame.sid == self._book_sid:
                self._book_unreadable(frame, str(error))
            return
        if not frame.sending_ts_ms:
            self._track_age(delta.ts_ms)
        # In paper trading own changes do not come from the exchange.
        if frame.sid == self._book_sid and delta.client_order_id is None:
            self._books_heard = self._now
        ticker = delta.market_ticker
        awaiting = ticker in self._awaiting_snapshot or ticker in self._unreadable_books
        if awaiting or frame.sid != self._book_sid:
            return
        # A snapshot includes every change with its clock or an earlier one.
        if 0 < delta.clock <= self._snapshot_clocks.get(ticker, 0):
            return
        # After the first later change only the sequence counts: maintenance may set the clock back.
        self._snapshot_clocks.pop(ticker, None)
        self._step.events.append(BookChanged(ticker, side, price, count))

    def _group_update(self, frame: wire.Frame) -> None:
        try:
            change = group_change(frame.msg)
        except wire.Malformed:
            # It is about no group that can be told.
            return
        if change is not None:
            self._step.events.append(change)

    def _market_lifecycle(self, frame: wire.Frame) -> None:
        change = market_change(frame.msg, self._prefix)
        if isinstance(change, ListingStale):
            self._step.listing_stale = True
        elif change is not None:
            self._step.events.append(change)

    def _fee_changed(self, frame: wire.Frame) -> None:
        change = fee_change(frame.msg, self._prefix)
        if change is not None:
            self._step.events.append(change)
            self._step.listing_stale = True

    def _event_changed(self, frame: wire.Frame) -> None:
        if wire.is_ours(wire.subject(frame.msg).event_ticker, self._prefix):
            self._step.listing_stale = True


def _stream_error(raw: msgspec.Raw) -> wire.StreamError:
    """Read an error; one that cannot be read has code 0, which nobody knows."""
    try:
        return wire.decode(raw, wire.StreamError)
    except wire.Malformed as error:
        return wire.StreamError(msg=str(error)[:200])
