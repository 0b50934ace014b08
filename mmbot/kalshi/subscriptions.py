"""The subscriptions of one stream: what is requested, awaited and requested again.

One subscription covers the books of all markets. If the snapshot of a book does not arrive within
seconds, all books are subscribed to again, and if that does not help the connection is given up.
If the books' channel is silent, a snapshot is requested as a probe.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import orjson

from mmbot.kalshi import messages as wire
from mmbot.trading.commands import Note, NoteLevel
from mmbot.trading.events import BooksDistrusted, InputEvent, StreamUp
from mmbot.units import Milliseconds

BOOKS: Final = "orderbook_delta"
LIFECYCLE: Final = "market_lifecycle_v2"
GROUPS: Final = "order_group_updates"
_CHANNELS_BESIDE_BOOKS: Final = ("fill", "user_orders", GROUPS, LIFECYCLE)

# Channel error and buffer overflow: these end the subscription.
_TERMINAL_ERRORS: Final = frozenset({10, 25})
# Errors of a command; the subscription continues.
_PASSING_ERRORS: Final = frozenset({*range(1, 10), *range(11, 25), 26, 27, 28})

# How long to wait for an answer or a snapshot before the next stronger remedy.
_TIMEOUT_MS: Final[Milliseconds] = 3_000
# The snapshot requested as a probe of a silent channel of books is due within this time.
_PROBE_MS: Final[Milliseconds] = 2_000
# How long a book that could not be read is left alone.
UNREADABLE_MS: Final[Milliseconds] = 60_000


class FeedStep(msgspec.Struct):
    """The outputs of one input."""

    events: list[InputEvent] = []
    frames: list[bytes] = []
    notes: list[Note] = []
    # Whether something changed that only a new reading of the listing shows.
    listing_stale: bool = False
    # Whether the connection must be replaced.
    reconnect: bool = False


class Subscriptions:
    """The state of one connection's subscriptions.

    Attributes:
        step: The outputs of the present input.
        now: The time of the present input.
        connected: Whether there is a connection.
        channels: The channel of each confirmed subscription, by its sid.
        book_sid: The subscription of the books, 0 while there is none.
        book_tickers: The markets that it covers or will cover.
        awaiting: Markets whose book awaits a snapshot, and until when.
        unreadable: Markets whose snapshot could not be read, and when another is requested.
        followed: Markets whose book is known and has changed since its snapshot, so that the next
        change in sequence applies to it.
        books_heard: When the last message came on the books' channel.
    """

    def __init__(self, silence_ms: Milliseconds) -> None:
        """Begin unconnected; a channel of books is probed once it is silent for `silence_ms`."""
        self._silence_ms = silence_ms
        self._tickers: tuple[str, ...] = ()
        self._probes = 0
        self.now: Milliseconds = 0
        self.step = FeedStep()
        self.reset()

    def reset(self) -> None:
        """Reset to a connection that is new or gone."""
        self.connected = False
        self._command_id = 0
        # Unconfirmed subscriptions: command id -> channel and deadline.
        self._pending: dict[int, tuple[str, Milliseconds]] = {}
        self.channels: dict[int, str] = {}
        self.book_sid = 0
        self.book_tickers: set[str] = set()
        self.awaiting: dict[str, Milliseconds] = {}
        self._resubscribed = False
        self.books_heard: Milliseconds = 0
        # When the books' channel is probed unless a message comes.
        self._probe_due: Milliseconds | None = None
        # The exchange's clock in each snapshot, until the first later change.
        self._snapshot_clocks: dict[str, int] = {}
        self._repaired_at: dict[str, Milliseconds] = {}
        self.unreadable: dict[str, Milliseconds] = {}
        self.followed: set[str] = set()
        # Markets whose book was dropped for an unreadable message, until a snapshot comes.
        self._unread: set[str] = set()

    # Outputs

    def begin(self, now: Milliseconds) -> FeedStep:
        """Begin the outputs of an input at `now`."""
        self.now = now
        self.step = FeedStep()
        return self.step

    def note(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        """Add a line for the log."""
        self.step.notes.append(Note(name, fields, level))

    def give_up(self, reason: str) -> None:
        """Request a new connection: fills and orders of this one are then read by REST."""
        self.note("stream.given_up", "warning", reason=reason)
        self.reset()
        self.step.reconnect = True

    def _send(self, cmd: str, params: dict[str, Any]) -> int:
        self._command_id += 1
        frame = {"id": self._command_id, "cmd": cmd, "params": params}
        self.step.frames.append(orjson.dumps(frame))
        return self._command_id

    # Inputs

    def subscribe_all(self) -> None:
        """Subscribe to everything on a new connection."""
        self.reset()
        self.connected = True
        for channel in _CHANNELS_BESIDE_BOOKS:
            self._subscribe(channel)
        self._subscribe_books()

    def watch(self, tickers: Iterable[str]) -> None:
        """Subscribe to the books of these markets and of no others."""
        self._tickers = tuple(tickers)
        if self.connected:
            self._remove_unwatched_books()
            self._add_watched_books()

    def repair(self, tickers: Iterable[str]) -> None:
        """Request new snapshots of books, or a new connection if a snapshot did not help."""
        wanted = [t for t in tickers if t in self.book_tickers and t not in self.unreadable]
        again = [
            t for t in wanted if self.now < self._repaired_at.get(t, -_TIMEOUT_MS) + _TIMEOUT_MS
        ]
        if again:
            self.give_up(f"the book of {again[0]} stays corrupt")
        elif wanted:
            self._repaired_at |= dict.fromkeys(wanted, self.now)
            self.request_snapshots(wanted)

    def woken(self) -> None:
        """Act on the deadlines that have passed."""
        if any(deadline <= self.now for _, deadline in self._pending.values()):
            self.give_up("a subscription was not answered")
        elif any(deadline <= self.now for deadline in self.awaiting.values()):
            self._resubscribe_books("no snapshot arrived")
        else:
            self._request_unreadable_again()
            if self._probe_due is not None and self.now >= self._probe_due:
                self._probe_books()

    @property
    def next_deadline(self) -> Milliseconds | None:
        """When the next answer or snapshot is overdue, if any is awaited."""
        if not (self._pending or self.awaiting or self.unreadable):
            return self._probe_due
        deadlines = [deadline for _, deadline in self._pending.values()]
        deadlines += [*self.awaiting.values(), *self.unreadable.values()]
        if self._probe_due is not None:
            deadlines.append(self._probe_due)
        return min(deadlines)

    # Requests

    def _subscribe(self, channel: str, **params: Any) -> None:
        command_id = self._send("subscribe", {"channels": [channel], **params})
        self._pending[command_id] = channel, self.now + _TIMEOUT_MS

    def _subscribe_books(self) -> None:
        if self._tickers:
            self.book_tickers = set(self._tickers)
            self._expect_snapshots(self._tickers)
            # Kalshi has announced that the flag's default will change: always state it.
            self._subscribe(BOOKS, market_tickers=list(self._tickers), use_yes_price=True)

    def _resubscribe_books(self, reason: str) -> None:
        if self._resubscribed:
            self.give_up(reason)
            return
        markets = len(self.awaiting)
        self.note("stream.resubscribing", "warning", markets=markets, reason=reason)
        self._resubscribed = True
        if self.book_sid:
            self._send("unsubscribe", {"sids": [self.book_sid]})
            self.book_sid = 0
        self.distrust_books("resubscribed")
        self._subscribe_books()

    def _add_watched_books(self) -> None:
        added = [ticker for ticker in self._tickers if ticker not in self.book_tickers]
        if not added:
            return
        if self.book_sid:
            self.book_tickers.update(added)
            self._expect_snapshots(added)
            self._update_books("add_markets", added)
        elif all(channel != BOOKS for channel, _ in self._pending.values()):
            self._subscribe_books()

    def _remove_unwatched_books(self) -> None:
        removed = self.book_tickers.difference(self._tickers)
        self._unread -= removed
        if removed and self.book_sid:
            self._update_books("delete_markets", sorted(removed))
        self.book_tickers -= removed
        self.followed -= removed
        for ticker in removed:
            self.awaiting.pop(ticker, None)
            self.unreadable.pop(ticker, None)

    def _update_books(self, action: str, tickers: Iterable[str]) -> None:
        params = {"sid": self.book_sid, "action": action, "market_tickers": list(tickers)}
        self._send("update_subscription", params)

    def request_snapshots(self, tickers: Iterable[str]) -> None:
        """Request snapshots of these books, if the books are subscribed to."""
        wanted = sorted(tickers)
        if self.book_sid and wanted:
            self._expect_snapshots(wanted)
            self._update_books("get_snapshot", wanted)

    def _request_unreadable_again(self) -> None:
        overdue = [ticker for ticker, due in self.unreadable.items() if due <= self.now]
        for ticker in overdue:
            del self.unreadable[ticker]
        if overdue:
            self.request_snapshots(overdue)

    def _expect_snapshots(self, tickers: Iterable[str], within: Milliseconds = _TIMEOUT_MS) -> None:
        expected = dict.fromkeys(tickers, self.now + within)
        self.awaiting |= expected
        self.followed -= expected.keys()

    def _probe_books(self) -> None:
        """Request a snapshot, of one market after another, if the books' channel is silent.

        Nothing else distinguishes a quiet channel from one that is dead on a live connection.
        """
        self._probe_due = self.now + self._silence_ms
        if self.now < self.books_heard + self._silence_ms:
            self._probe_due = self.books_heard + self._silence_ms
        elif (
            self.book_sid
            and not self.awaiting
            and (tickers := sorted(self.book_tickers - self.unreadable.keys()))
        ):
            self._probes += 1
            ticker = tickers[self._probes % len(tickers)]
            self._expect_snapshots((ticker,), _PROBE_MS)
            self._update_books("get_snapshot", (ticker,))

    # Answers

    def subscribed(self, frame: wire.Frame) -> None:
        """Handle the confirmation of a subscription."""
        answer = wire.decode(frame.msg, wire.Subscribed)
        self._pending.pop(frame.id, None)
        self.channels[answer.sid] = answer.channel
        if answer.channel == BOOKS:
            self.book_sid = answer.sid
            self._probe_due = self.now + self._silence_ms
            self._add_watched_books()
        elif set(_CHANNELS_BESIDE_BOOKS) <= set(self.channels.values()):
            self.step.events.append(StreamUp())

    def failed(self, frame: wire.Frame) -> None:
        """Handle an error of a command or of a channel."""
        error = _stream_error(frame.msg)
        channel = self.channels.get(frame.sid, "")
        self.note("stream.error", "warning", code=error.code, reason=error.msg, channel=channel)
        if frame.id in self._pending:
            self.give_up("a subscription was refused")
        elif error.code in _TERMINAL_ERRORS or (frame.sid and error.code not in _PASSING_ERRORS):
            if frame.sid == self.book_sid:
                self.book_sid = 0
                self._resubscribe_books("the subscription ended")
            else:
                self.give_up(f"the channel {channel} ended")

    def distrust_books(self, reason: str) -> None:
        """Report that every book may be wrong."""
        self.step.events.append(BooksDistrusted(tuple(sorted(self.book_tickers)), reason))

    def changed(self, ticker: str, clock: int) -> bool:
        """Return whether a change applies to a book; `clock` is the message's, 0 if it has none."""
        if ticker in self.awaiting or ticker in self.unreadable:
            return False
        # A snapshot includes every change up to its clock.
        if 0 < clock <= self._snapshot_clocks.get(ticker, 0):
            return False
        # After the first later change only the sequence counts: maintenance may set the clock back.
        self._snapshot_clocks.pop(ticker, None)
        self.followed.add(ticker)
        return True

    def snapshot_came(self, ticker: str, clock: int) -> None:
        """Note the snapshot of a book and the exchange's clock in it."""
        self.unreadable.pop(ticker, None)
        self._unread.discard(ticker)
        self._snapshot_clocks[ticker] = clock
        self.followed.discard(ticker)
        self.awaiting.pop(ticker, None)
        if not self.awaiting:
            self._resubscribed = False

    def book_unreadable(self, frame: wire.Frame, reason: str) -> None:
        """Drop the book that an unreadable message is about, or all books if that is not known.

        A snapshot is requested at once after a change, and after a while if the message was one.
        """
        ticker = wire.word(wire.subject(frame.msg).market_ticker)
        if ticker not in self.book_tickers:
            if not ticker and frame.type == BOOKS:
                self.distrust_books(reason[:200])
                self.request_snapshots(self.book_tickers.difference(self.awaiting))
            return
        if ticker not in self._unread:
            self._unread.add(ticker)
            self.step.events.append(BooksDistrusted((ticker,), reason[:200]))
        if frame.type == "orderbook_snapshot":
            self.awaiting.pop(ticker, None)
            self.followed.discard(ticker)
            self.unreadable[ticker] = self.now + UNREADABLE_MS
        elif ticker not in self.unreadable and ticker not in self.awaiting:
            self.request_snapshots((ticker,))


def _stream_error(raw: msgspec.Raw) -> wire.StreamError:
    """Read an error; an unreadable one has code 0, which is not in use."""
    try:
        return wire.decode(raw, wire.StreamError)
    except wire.Malformed as error:
        return wire.StreamError(msg=str(error)[:200])
