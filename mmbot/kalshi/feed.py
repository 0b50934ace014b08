"""The WebSocket stream, without its socket: frames in; events and frames to send out.

The frames of all books share one sequence number. After a gap in it no book can be trusted: the
feed reports that and requests new snapshots. Fills, own orders, order groups and market lifecycle
have subscriptions of their own; the stream counts as up when all of these are confirmed, and what
happened before that has to be read by REST.

A message that cannot be read invalidates only what it is about: one book, one order, one market's
fills, or nothing if it does not concern us. Only an unreadable envelope, or an unreadable answer to
a subscription, costs the connection.

Nearly all frames are book changes by others. `book_change` reads only these, in a fraction of the
time; a frame that it leaves to `received` has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.kalshi import messages as wire
from mmbot.kalshi import vocabulary
from mmbot.kalshi.account_messages import fill_on_stream, order_on_stream
from mmbot.kalshi.book_changes import COUNTS, PRICES, SIDES, read_change
from mmbot.kalshi.stream_events import fee_change, group_change, market_change
from mmbot.kalshi.subscriptions import (
    BOOKS,
    GROUPS,
    LIFECYCLE,
    UNREADABLE_MS,
    FeedStep,
    Subscriptions,
)
from mmbot.kalshi.unknown_words import EXAMINED_DELTA, VocabularyMonitor
from mmbot.trading.events import (
    CLOCK_TOLERANCE_MS,
    BookChanged,
    BookReplaced,
    FeedLagged,
    Filled,
    FillUnreadable,
    ListingStale,
    OrderReported,
    OrderUnreadable,
)
from mmbot.trading.values import USUAL_INTERVALS, OrderReport
from mmbot.units import Milliseconds

# A message of unknown type has its channel distrusted at most once in this time, so that repairs
# cannot go on without end.
_DOUBTED_MS = UNREADABLE_MS
_MOST_DOUBTED = 100
# The stream lags from a frame older than the first on, until one is no older than the second.
_LAGGING_MS, _IN_TIME_MS = 3_000, 1_000
# The same for frames that seem to come from the future: the clocks differ.
_EARLIEST_MS = -CLOCK_TOLERANCE_MS


class Feed:
    """The state of one stream; every input returns its outputs as a `FeedStep`."""

    def __init__(
        self,
        series: str,
        silence_ms: Milliseconds = USUAL_INTERVALS.books_silent_ms,
        subaccount: int = 0,
    ) -> None:
        """Begin unconnected.

        Args:
            series: The series whose markets are ours; messages about others are ignored.
            silence_ms: After how long a silence the books' channel is probed.
            subaccount: The subaccount whose orders and fills are ours.
        """
        self._prefix = f"{series}-"
        self._subaccount = subaccount
        self.unknown_words = VocabularyMonitor(vocabulary.STREAM)
        # When the last frame was sent, by the exchange's clock.
        self._last_sent: Milliseconds | None = None
        # When the stream last reported an own order or fill.
        self._own_heard: Milliseconds | None = None
        # The end of a lag, held back until the rest of its frame is handled.
        self._in_time_again: FeedLagged | None = None
        self._subscriptions = Subscriptions(silence_ms)
        self._reset_connection()

    def _reset_connection(self) -> None:
        self._subscriptions.reset()
        self._lagging = False
        self._last_seq: dict[int, int] = {}
        # The number of a subscription's last frame, if that came late.
        self._late_seq: dict[int, int] = {}
        # The number of the change to be read quickly; `None` while frames are late or disordered.
        self._quick_seq: int | None = None
        # Types that nobody knows -> when their channel was last doubted.
        self._doubted: dict[tuple[str, str], Milliseconds] = {}

    # Inputs

    def connected(self, now: Milliseconds) -> FeedStep:
        """Subscribe to everything on a new connection."""
        self._reset_connection()
        step = self._subscriptions.begin(now)
        self._subscriptions.subscribe_all()
        return step

    def disconnected(self) -> None:
        """Reset the state of a connection that is gone."""
        self._reset_connection()

    def watch(self, tickers: Iterable[str], now: Milliseconds) -> FeedStep:
        """Subscribe to the books of these markets and of no others."""
        step = self._subscriptions.begin(now)
        self._subscriptions.watch(tickers)
        return step

    def book_change(self, data: bytes | str, now: Milliseconds) -> BookChanged | None:
        """Read a frame that is exactly the next change of a known book by somebody else.

        `None` leaves any other frame to `received`: another message, or a change out of sequence,
        late, by an own order, or unreadable.
        """
        try:
            frame = read_change(data)
        except wire.UNREADABLE:
            return None
        sid, seq, change = frame.sid, frame.seq, frame.msg
        subscriptions, ticker = self._subscriptions, change.market_ticker
        sent = frame.sending_ts_ms or change.ts_ms
        if (
            seq != self._quick_seq
            or sid != subscriptions.book_sid
            or not _EARLIEST_MS <= now - sent <= _LAGGING_MS
            or ticker not in subscriptions.followed
            or change.client_order_id is not None
        ):
            return None
        price, count = PRICES[change.price_dollars], COUNTS[change.delta_fp]
        if price is None or count is None:
            return None
        if not seq % EXAMINED_DELTA:
            self.unknown_words.examine_frame(BOOKS, data, seq)
        self._last_seq[sid] = seq
        self._quick_seq = seq + 1
        self._last_sent = sent
        subscriptions.books_heard = now
        return BookChanged(ticker, SIDES[change.side], price, count)

    def received(self, data: bytes | str, now: Milliseconds) -> FeedStep:
        """Handle one frame: a message of any channel, or the answer to a subscription.

        What cannot be read is reported in the step and raises nothing; frames of a connection that
        was given up are ignored.
        """
        step = self._subscriptions.begin(now)
        if not self._subscriptions.connected:
            return step
        self._in_time_again = None
        try:
            frame = wire.decode_frame(data)
            self.unknown_words.examine_frame(frame.type, data, frame.seq)
            self._track_age(frame.sending_ts_ms)
            if frame.sid == self._subscriptions.book_sid and frame.type != BOOKS:
                self._subscriptions.books_heard = now
            if self._in_sequence(frame):
                self._handle(frame)
        except wire.Malformed as error:
            # What the frame was about is lost, so everything has to be read by REST.
            self._subscriptions.give_up(f"malformed: {error}"[:200])
        # A frame that ends the lag may itself reveal a gap or end the connection, which must be
        # handled before anything is quoted.
        if self._in_time_again is not None and not step.reconnect:
            step.events.append(self._in_time_again)
        last = self._last_seq.get(self._subscriptions.book_sid)
        self._quick_seq = None if last is None or self._lagging or self._late_seq else last + 1
        return step

    def repair(self, tickers: Iterable[str], now: Milliseconds) -> FeedStep:
        """Request new snapshots of books, or a new connection if a snapshot did not help."""
        step = self._subscriptions.begin(now)
        self._subscriptions.repair(tickers)
        return step

    def renew(self, reason: str, now: Milliseconds) -> FeedStep:
        """Request a new connection, as this one is silent or wrong."""
        step = self._subscriptions.begin(now)
        if self._subscriptions.connected:
            self._subscriptions.give_up(reason)
        return step

    def age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the last frame was sent, by the exchange's clock."""
        return None if self._last_sent is None else max(0, now - self._last_sent)

    def own_age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the stream last reported an own order or fill."""
        return None if self._own_heard is None else max(0, now - self._own_heard)

    def woken(self, now: Milliseconds) -> FeedStep:
        """Act on the deadlines that have passed."""
        step = self._subscriptions.begin(now)
        self._subscriptions.woken()
        return step

    @property
    def next_deadline(self) -> Milliseconds | None:
        """When the next answer or snapshot is overdue, if any is awaited."""
        return self._subscriptions.next_deadline

    # Age and sequence

    def _track_age(self, sent: Milliseconds) -> None:
        """Report when frames begin to arrive late or early; note when they are in time again."""
        if not sent:
            return
        self._last_sent = sent
        age = self._subscriptions.now - sent
        early, late = (-_IN_TIME_MS, _IN_TIME_MS) if self._lagging else (_EARLIEST_MS, _LAGGING_MS)
        lagging = not early <= age <= late
        if lagging != self._lagging:
            self._lagging = lagging
            change = FeedLagged(age, lagging)
            if lagging:
                self._subscriptions.step.events.append(change)
            else:
                self._in_time_again = change

    def _in_sequence(self, frame: wire.Frame) -> bool:
        """Return whether to read a frame: not if it is a duplicate or out of order."""
        if not (frame.sid and frame.seq):
            return True
        last = self._last_seq.get(frame.sid)
        if last is not None and frame.seq <= last:
            self._handle_late(frame.sid, frame.seq)
            return False
        self._late_seq.pop(frame.sid, None)
        self._last_seq[frame.sid] = frame.seq
        if last is not None and frame.seq != last + 1:
            self._handle_gap(frame.sid, frame.seq - last - 1)
        return True

    def _handle_late(self, sid: int, seq: int) -> None:
        """Note a frame that is repeated or was overtaken.

        After two consecutive ones the sequence may have restarted, and new frames cannot be told
        from duplicates: only a new connection helps.
        """
        before, self._late_seq[sid] = self._late_seq.get(sid), seq
        if before == seq - 1:
            self._subscriptions.give_up("the sequence numbers of its frames may have restarted")

    def _handle_gap(self, sid: int, frames: int) -> None:
        subscriptions = self._subscriptions
        channel = subscriptions.channels.get(sid, "")
        subscriptions.note("stream.gap", "warning", channel=channel, frames=frames)
        if sid == subscriptions.book_sid:
            subscriptions.distrust_books("sequence gap")
            subscriptions.request_snapshots(subscriptions.book_tickers)
        elif channel == LIFECYCLE:
            subscriptions.step.listing_stale = True
        elif channel == GROUPS:
            # Only this channel reports that a group was triggered.
            subscriptions.give_up("a gap in the order group updates")

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
                self._subscriptions.subscribed(frame)
            case "error":
                self._subscriptions.failed(frame)
            case "ok" | "unsubscribed":
                pass
            case _:
                self._unknown(frame)

    def _unknown(self, frame: wire.Frame) -> None:
        """Distrust the channel of a message of unknown type."""
        subscriptions = self._subscriptions
        channel, now = subscriptions.channels.get(frame.sid, ""), subscriptions.now
        doubted = self._doubted.get((channel, frame.type))
        if not channel or (doubted is not None and now < doubted + _DOUBTED_MS):
            return
        if len(self._doubted) < _MOST_DOUBTED:
            self._doubted[channel, frame.type] = now
        if channel == BOOKS:
            subscriptions.distrust_books("a message of unknown type")
            subscriptions.request_snapshots(subscriptions.book_tickers)
        elif channel == LIFECYCLE:
            subscriptions.step.listing_stale = True
        elif channel == GROUPS:
            subscriptions.give_up("an order group update of unknown type")
        else:
            subscriptions.step.events.append(FillUnreadable("", f"message {frame.type}"[:200]))

    def _fill(self, frame: wire.Frame) -> None:
        self._own_heard = self._subscriptions.now
        fill = fill_on_stream(frame.msg, self._prefix, self._subaccount)
        if isinstance(fill, FillUnreadable):
            self._subscriptions.step.events.append(fill)
        elif fill is not None:
            self._subscriptions.step.events.append(Filled(fill))

    def _order(self, frame: wire.Frame) -> None:
        self._own_heard = self._subscriptions.now
        order = order_on_stream(frame.msg, self._subaccount)
        if isinstance(order, OrderReport):
            self._subscriptions.step.events.append(OrderReported(order))
        elif isinstance(order, OrderUnreadable):
            self._subscriptions.step.events.append(order)

    def _snapshot(self, frame: wire.Frame) -> None:
        if not self._is_of_books(frame) or not self._has_number(frame):
            return
        try:
            snapshot = wire.decode(frame.msg, wire.BookSnapshot)
            bids = wire.book_levels(snapshot.yes_dollars_fp)
            asks = wire.book_levels(snapshot.no_dollars_fp)
        except wire.Malformed as error:
            self._subscriptions.book_unreadable(frame, str(error))
            return
        ticker = snapshot.market_ticker
        self._subscriptions.snapshot_came(ticker, snapshot.clock)
        self._subscriptions.step.events.append(BookReplaced(ticker, bids, asks))

    def _is_of_books(self, frame: wire.Frame) -> bool:
        return bool(frame.sid) and frame.sid == self._subscriptions.book_sid

    def _has_number(self, frame: wire.Frame) -> bool:
        """Return whether a frame of the books has a sequence number.

        Without one a gap cannot be detected: as with a restarted sequence, only a new connection
        helps.
        """
        if not frame.seq:
            self._subscriptions.give_up(f"{frame.type} without its sequence number")
        return bool(frame.seq)

    def _delta(self, frame: wire.Frame) -> None:
        subscriptions = self._subscriptions
        is_books = self._is_of_books(frame)
        if is_books and not self._has_number(frame):
            return
        try:
            delta, side, price, count = wire.book_change(frame.msg)
        except wire.Malformed as error:
            if is_books:
                subscriptions.book_unreadable(frame, str(error))
            return
        if not frame.sending_ts_ms:
            self._track_age(delta.ts_ms)
        # In paper trading, changes by own orders do not come from the exchange.
        if is_books and delta.client_order_id is None:
            subscriptions.books_heard = subscriptions.now
        if is_books and subscriptions.changed(delta.market_ticker, delta.clock):
            whose = wire.word(delta.client_order_id)
            change = BookChanged(delta.market_ticker, side, price, count, whose)
            subscriptions.step.events.append(change)

    def _group_update(self, frame: wire.Frame) -> None:
        try:
            change = group_change(frame.msg)
        except wire.Malformed:
            # It does not say which group it is about.
            return
        if change is not None:
            self._subscriptions.step.events.append(change)

    def _market_lifecycle(self, frame: wire.Frame) -> None:
        change = market_change(frame.msg, self._prefix)
        if isinstance(change, ListingStale):
            self._subscriptions.step.listing_stale = True
        elif change is not None:
            self._subscriptions.step.events.append(change)

    def _fee_changed(self, frame: wire.Frame) -> None:
        change = fee_change(frame.msg, self._prefix)
        if change is not None:
            self._subscriptions.step.events.append(change)
            self._subscriptions.step.listing_stale = True

    def _event_changed(self, frame: wire.Frame) -> None:
        if wire.is_ours(wire.subject(frame.msg).event_ticker, self._prefix):
            self._subscriptions.step.listing_stale = True
