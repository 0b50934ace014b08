"""Frames in, events and frames to send out: subscriptions, sequence, distrust and repair.

One subscription carries the books of all markets; its frames are numbered one by one across all
of them. A number that does not follow taints every book: the feed says so and asks for new
snapshots. If they do not come it subscribes anew, and after that it asks for another connection.
Fills, own orders and lifecycle come on subscriptions of their own; the stream counts as up when
all of these are confirmed, because whatever happened before has to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import orjson

from mmbot.kalshi import messages as wire
from mmbot.kalshi import vocabulary
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.trading.commands import Note, NoteLevel
from mmbot.trading.events import (
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    Filled,
    GroupChanged,
    InputEvent,
    MarketActivity,
    MarketClosing,
    MarketSettled,
    OrderReported,
    PriceGridChanged,
    StreamUp,
)
from mmbot.trading.values import GroupNews

_BOOKS = "orderbook_delta"
_LIFECYCLE = "market_lifecycle_v2"
_GROUPS = "order_group_updates"
_PRIVATE = ("fill", "user_orders", _GROUPS, _LIFECYCLE)
_GROUP_NEWS: dict[str, GroupNews] = {
    "triggered": "triggered",
    "reset": "reset",
    "deleted": "deleted",
}

# A channel error and a buffer overflow end the subscription they are about.
_TERMINAL = frozenset({10, 25})

# How long an answer or a snapshot may take before the next, stronger remedy, in milliseconds.
_PATIENCE = 3_000
# A frame this old when it comes is late, and the stream with it, until one comes in time again.
_LATE, _IN_TIME = 3_000, 1_000


class FeedStep(msgspec.Struct):
    """What came of one input."""

    events: list[InputEvent] = []
    frames: list[bytes] = []
    notes: list[Note] = []
    # Something changed that only a new reading of the listing can tell.
    listing_stale: bool = False
    # The connection is of no more use.
    reconnect: bool = False


class Feed:
    """One stream, without its socket; every input returns what came of it."""

    def __init__(self, series: str) -> None:
        self._prefix = f"{series}-"
        self.drift = VocabularyMonitor(vocabulary.STREAM)
        # How old the last frame was when it came, in milliseconds, by the exchange's clock.
        self.age: int | None = None
        self._tickers: tuple[str, ...] = ()
        self._now = 0
        self._step = FeedStep()
        self._forget_connection()
        self._handlers: dict[str, Callable[[wire.Frame], None]] = {
            "orderbook_delta": self._delta,
            "orderbook_snapshot": self._snapshot,
            "fill": self._fill,
            "user_order": self._user_order,
            "order_group_updates": self._group_update,
            "market_lifecycle_v2": self._market_lifecycle,
            "event_lifecycle": self._event_changed,
            "event_fee_update": self._event_changed,
            "subscribed": self._subscribed,
            "error": self._error,
        }

    def _forget_connection(self) -> None:
        self._connected = False
        self._late = False
        self._command_id = 0
        # Subscriptions that were asked for: command id -> channel and deadline.
        self._pending: dict[int, tuple[str, int]] = {}
        self._channels: dict[int, str] = {}
        self._last_seq: dict[int, int] = {}
        self._book_sid = 0
        self._carried: set[str] = set()
        # Markets whose book waits for a snapshot, and until when.
        self._missing: dict[str, int] = {}
        self._resubscribed = False
        self._snapshot_clocks: dict[str, int] = {}
        self._repaired_at: dict[str, int] = {}

    # Inputs

    def connected(self, now: int) -> FeedStep:
        """Take note of a new connection; everything is subscribed anew."""
        self._forget_connection()
        self._begin(now)
        self._connected = True
        for channel in _PRIVATE:
            self._subscribe(channel)
        self._subscribe_books()
        return self._step

    def disconnected(self) -> None:
        """Take note that the connection is gone."""
        self._forget_connection()

    def watch(self, tickers: Iterable[str], now: int) -> FeedStep:
        """Carry the books of these markets and of no others."""
        self._begin(now)
        self._tickers = tuple(tickers)
        if self._connected:
            self._drop_the_others()
            self._carry_the_rest()
        return self._step

    def received(self, data: bytes | str, now: int) -> FeedStep:
        """Take in one frame."""
        self._begin(now)
        if not self._connected:
            return self._step
        try:
            frame = wire.decode_frame(data)
            self.drift.look_at_frame(frame.type, data)
            self._notice_age(frame.sending_ts_ms)
            handler = self._handlers.get(frame.type)
            if self._follows(frame) and handler is not None:
                handler(frame)
        except wire.Malformed as error:
            # Whatever the frame would have said is lost; fills and orders only REST can tell.
            self._give_up(f"malformed: {error}"[:200])
        # A frame that ends the lateness may itself tell of a gap, or end the connection: nothing
        # is quoted before that.
        self._step.events.sort(key=_is_in_time_again)
        if self._step.reconnect:
            self._step.events = [e for e in self._step.events if not _is_in_time_again(e)]
        return self._step

    def repair(self, tickers: Iterable[str], now: int) -> FeedStep:
        """Get new snapshots of books; if that was no help to one just now, another connection."""
        self._begin(now)
        wanted = [ticker for ticker in tickers if ticker in self._carried]
        again = [t for t in wanted if now < self._repaired_at.get(t, -_PATIENCE) + _PATIENCE]
        if again:
            self._give_up(f"the book of {again[0]} stays corrupt")
        elif wanted:
            self._repaired_at |= dict.fromkeys(wanted, now)
            self._ask_for_snapshots(wanted)
        return self._step

    def woken(self, now: int) -> FeedStep:
        """Act on whatever should have come by now."""
        self._begin(now)
        if any(deadline <= now for _, deadline in self._pending.values()):
            self._give_up("a subscription was not answered")
        elif any(deadline <= now for deadline in self._missing.values()):
            self._resubscribe_books("no snapshot came")
        return self._step

    @property
    def next_deadline(self) -> int | None:
        """When something should have come."""
        deadlines = [deadline for _, deadline in self._pending.values()]
        return min([*deadlines, *self._missing.values()], default=None)

    # Subscriptions

    def _begin(self, now: int) -> None:
        self._now = now
        self._step = FeedStep()

    def _note(self, name: str, level: NoteLevel = "info", **fields: Any) -> None:
        self._step.notes.append(Note(name, fields, level))

    def _send(self, cmd: str, params: dict[str, Any]) -> int:
        self._command_id += 1
        frame = {"id": self._command_id, "cmd": cmd, "params": params}
        self._step.frames.append(orjson.dumps(frame))
        return self._command_id

    def _subscribe(self, channel: str, **params: Any) -> None:
        command_id = self._send("subscribe", {"channels": [channel], **params})
        self._pending[command_id] = channel, self._now + _PATIENCE

    def _subscribe_books(self) -> None:
        if self._tickers:
            self._carried = set(self._tickers)
            self._expect_snapshots(self._tickers)
            # The default of the flag is announced to change: it is always said.
            self._subscribe(_BOOKS, market_tickers=list(self._tickers), use_yes_price=True)

    def _resubscribe_books(self, reason: str) -> None:
        if self._resubscribed:
            self._give_up(reason)
            return
        self._note("stream.resubscribing", "warning", markets=len(self._missing), reason=reason)
        self._resubscribed = True
        if self._book_sid:
            self._send("unsubscribe", {"sids": [self._book_sid]})
            self._book_sid = 0
        self._distrust("resubscribed")
        self._subscribe_books()

    def _carry_the_rest(self) -> None:
        rest = [ticker for ticker in self._tickers if ticker not in self._carried]
        if not rest:
            return
        if self._book_sid:
            self._carried.update(rest)
            self._expect_snapshots(rest)
            self._update("add_markets", rest)
        elif all(channel != _BOOKS for channel, _ in self._pending.values()):
            self._subscribe_books()

    def _drop_the_others(self) -> None:
        others = self._carried.difference(self._tickers)
        if others and self._book_sid:
            self._update("delete_markets", sorted(others))
        self._carried -= others
        for ticker in others:
            self._missing.pop(ticker, None)

    def _subscribed(self, frame: wire.Frame) -> None:
        answer = wire.decode(frame.msg, wire.Subscribed)
        self._pending.pop(frame.id, None)
        self._channels[answer.sid] = answer.channel
        if answer.channel == _BOOKS:
            self._book_sid = answer.sid
            self._carry_the_rest()
        elif set(_PRIVATE) <= set(self._channels.values()):
            self._step.events.append(StreamUp())

    def _update(self, action: str, tickers: Iterable[str]) -> None:
        params = {"sid": self._book_sid, "action": action, "market_tickers": list(tickers)}
        self._send("update_subscription", params)

    def _error(self, frame: wire.Frame) -> None:
        error = wire.decode(frame.msg, wire.StreamError)
        channel = self._channels.get(frame.sid, "")
        self._note("stream.error", "warning", code=error.code, reason=error.msg, channel=channel)
        if frame.id in self._pending:
            self._give_up("a subscription was refused")
        elif error.code in _TERMINAL:
            if frame.sid == self._book_sid:
                self._book_sid = 0
                self._resubscribe_books("the subscription ended")
            else:
                self._give_up(f"the channel {channel} ended")

    def _give_up(self, reason: str) -> None:
        # Fills and orders that the rest of the stream would have told, REST will tell.
        self._note("stream.given_up", "warning", reason=reason)
        self._forget_connection()
        self._step.reconnect = True

    def _notice_age(self, sent: int) -> None:
        """Say when frames begin to come late, and when they come in time again."""
        if not sent:
            return
        self.age = max(0, self._now - sent)
        late = self.age > (_IN_TIME if self._late else _LATE)
        if late != self._late:
            self._late = late
            self._step.events.append(FeedLagged(self.age, late))

    # Sequence and trust

    def _follows(self, frame: wire.Frame) -> bool:
        """Say whether a frame is to be read; one that was overtaken is not."""
        if not (frame.sid and frame.seq):
            return True
        last = self._last_seq.get(frame.sid)
        if last is not None and frame.seq <= last:
            return False
        self._last_seq[frame.sid] = frame.seq
        if last is not None and frame.seq != last + 1:
            self._gap(frame.sid, frame.seq - last - 1)
        return True

    def _gap(self, sid: int, frames: int) -> None:
        channel = self._channels.get(sid, "")
        self._note("stream.gap", "warning", channel=channel, frames=frames)
        if sid == self._book_sid:
            self._distrust("sequence gap")
            self._ask_for_snapshots(self._carried)
        elif channel == _LIFECYCLE:
            self._step.listing_stale = True
        elif channel == _GROUPS:
            # Whether a group was triggered only this channel tells.
            self._give_up("a gap in what is said of order groups")

    def _distrust(self, reason: str) -> None:
        self._step.events.append(BooksDistrusted(tuple(sorted(self._carried)), reason))

    def _ask_for_snapshots(self, tickers: Iterable[str]) -> None:
        if self._book_sid:
            wanted = sorted(tickers)
            self._expect_snapshots(wanted)
            self._update("get_snapshot", wanted)

    def _expect_snapshots(self, tickers: Iterable[str]) -> None:
        self._missing |= dict.fromkeys(tickers, self._now + _PATIENCE)

    # Messages

    def _snapshot(self, frame: wire.Frame) -> None:
        if frame.sid != self._book_sid:
            return
        snapshot = wire.decode(frame.msg, wire.BookSnapshot)
        ticker = snapshot.market_ticker
        bids = wire.book_levels(snapshot.yes_dollars_fp)
        asks = wire.book_levels(snapshot.no_dollars_fp)
        self._snapshot_clocks[ticker] = snapshot.clock
        self._missing.pop(ticker, None)
        if not self._missing:
            self._resubscribed = False
        self._step.events.append(BookReplaced(ticker, bids, asks))

    def _delta(self, frame: wire.Frame) -> None:
        delta, side, price, count = wire.book_change(frame.msg)
        if not frame.sending_ts_ms:
            self._notice_age(delta.ts_ms)
        ticker = delta.market_ticker
        waiting = ticker in self._missing or frame.sid != self._book_sid
        # A snapshot includes whatever bears its clock or an earlier one.
        if waiting or 0 < delta.clock <= self._snapshot_clocks.get(ticker, 0):
            return
        # Once past it, the numbering is trusted alone: maintenance may set the clock back.
        self._snapshot_clocks.pop(ticker, None)
        self._step.events.append(BookChanged(ticker, side, price, count))

    def _fill(self, frame: wire.Frame) -> None:
        self._step.events.append(Filled(wire.stream_fill(frame.msg)))

    def _user_order(self, frame: wire.Frame) -> None:
        self._step.events.append(OrderReported(wire.stream_order(frame.msg)))

    def _group_update(self, frame: wire.Frame) -> None:
        update = wire.decode(frame.msg, wire.GroupUpdate)
        news = _GROUP_NEWS.get(update.event_type)
        if news is not None:
            self._step.events.append(GroupChanged(update.order_group_id, news))

    def _market_lifecycle(self, frame: wire.Frame) -> None:
        # Every market of the exchange comes by here; only ours has to make sense.
        ticker = wire.decode(frame.msg, wire.LifecycleSubject).market_ticker
        if not ticker.startswith(self._prefix):
            return
        change = wire.decode(frame.msg, wire.MarketLifecycle)
        match change.event_type:
            case "close_date_updated" if change.close_ts is not None:
                self._step.events.append(MarketClosing(ticker, change.close_ts * 1000))
            case "price_level_structure_updated" if change.price_ranges:
                grid = wire.price_grid(ticker, change.price_ranges)
                self._step.events.append(PriceGridChanged(ticker, grid))
            case "activated" | "deactivated":
                active = change.event_type == "activated"
                self._step.events.append(MarketActivity(ticker, active))
            case "determined" | "settled":
                value = wire.settlement_value(change.result)
                if value is not None:
                    final = change.event_type == "settled"
                    self._step.events.append(MarketSettled(ticker, value, final))
            case _:
                self._step.listing_stale = True

    def _event_changed(self, frame: wire.Frame) -> None:
        change = wire.decode(frame.msg, wire.LifecycleSubject)
        if change.event_ticker.startswith(self._prefix):
            self._step.listing_stale = True


def _is_in_time_again(event: InputEvent) -> bool:
    return isinstance(event, FeedLagged) and not event.late
