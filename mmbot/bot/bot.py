"""The bot: counts, beliefs, feed, engine and gateway together. Inputs in, outputs out; no I/O.

`driver` gives every input to `Bot.handle` and executes what it returns, in order. Times are
milliseconds since the Unix epoch.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import deque
from itertools import islice
from typing import assert_never

from mmbot.bot.beliefs import Beliefs, BeliefStep
from mmbot.bot.counts_reader import CountsReader, CountsStep
from mmbot.bot.inputs import (
    BotInput,
    CallAnswered,
    CountsGivenUp,
    EventOccurred,
    EventsHeld,
    ForecastFitted,
    FrameReceived,
    HistoryLoaded,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import Output, Reconnect, Transmit
from mmbot.config import Settings
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.gateway import Gateway
from mmbot.kalshi.http import STREAM_PATH
from mmbot.kalshi.subscriptions import FeedStep
from mmbot.kalshi.writes import WriteCommand
from mmbot.trading.commands import (
    Cancel,
    Command,
    ConfirmFills,
    Decrease,
    EnsureGroup,
    Note,
    Place,
    QueryOrder,
    ReadAccount,
    ReadFeeType,
    ReadListing,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    Renew,
    RenewStream,
    RepairBooks,
    RequestBelief,
    ResetGroup,
    StopConfirmed,
    VoidFill,
    WakeAt,
)
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BeliefFormed,
    InputEvent,
    ListingRead,
    ListingStale,
    SessionStarted,
    StreamLost,
    Woken,
)
from mmbot.trading.operator_events import CountsMissing, SettingsChanged
from mmbot.trading.order import OrderState
from mmbot.trading.values import USUAL_INTERVALS, Intervals
from mmbot.underlying.calendar import CalendarClock
from mmbot.underlying.counts import Counts
from mmbot.underlyings.registry import known
from mmbot.units import Milliseconds

# For how many orders a cancel is signed in advance, one each time.
_MOST_PREPARED = 100
# How many days without a count may still matter: those of some weeks.
_MOST_DAYS_GIVEN_UP = 60


class Bot:
    """One account's market maker, without its sockets and its clock."""

    def __init__(
        self,
        settings: Settings,
        clock: CalendarClock,
        signer: Signer,
        session: str,
        rng: random.Random,
        intervals: Intervals = USUAL_INTERVALS,
    ) -> None:
        """Begin unconnected and without counts.

        Args:
            settings: What to quote and where, on which underlying, within which limits.
            clock: The calendar as a function of wall time.
            signer: Signs the requests.
            session: A name unique to this session; client ids contain it.
            rng: Draws the jitter between readings of the counts' page.
            intervals: How often things are checked without a message.
        """
        underlying = known(settings).underlying
        self.engine = Engine(settings, underlying, clock, session)
        self.engine.state.intervals = intervals
        self._signer = signer
        self._feed = Feed(
            settings.exchange.series, intervals.books_silent_ms, settings.exchange.subaccount
        )
        self._gateway = Gateway(signer, settings.exchange)
        self._beliefs = Beliefs(settings.forecast)
        self._counts = CountsReader(
            underlying, settings.counts, clock, rng, self._beliefs.deviations
        )
        self._given_up: tuple[dt.date, ...] = ()
        self._engine_due: Milliseconds | None = None
        self._feed_due: Milliseconds | None = None
        self._counts_due: Milliseconds | None = None
        # The last output of the last step, which says when the bot is to be woken.
        self._wake: WakeAt | None = None
        self._out: list[Output] = []
        self._writes: list[WriteCommand] = []
        self._events: deque[InputEvent] = deque()

    @property
    def counts(self) -> Counts:
        """The daily counts as they are known now."""
        return self._counts.counts

    def feed_age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the exchange sent the last frame; it grows until the next."""
        return self._feed.age(now)

    def own_age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the stream last reported an own order or fill."""
        return self._feed.own_age(now)

    def page_age(self, now: Milliseconds) -> Milliseconds | None:
        """Return the time since the page of the counts was last read successfully."""
        read_at = self._counts.read_at
        return None if read_at is None else max(0, now - read_at)

    @property
    def unknown_words(self) -> dict[str, int]:
        """How often the exchange used each word that is not in the vocabulary."""
        return self._feed.unknown_words.counts | self._gateway.unknown_words.counts

    @property
    def streaming(self) -> bool:
        """Whether everything on the stream is subscribed."""
        return self.engine.state.service.streaming

    def stream_headers(self, now: Milliseconds) -> tuple[tuple[str, str], ...]:
        """Return the headers for opening the stream at `now`."""
        return self._signer.headers("GET", STREAM_PATH, now)

    def prepare(self, now: Milliseconds) -> None:
        """Do ahead, while nobody waits, a small part of what will be urgent."""
        # The latest orders first: the cancels of the others have been signed before.
        orders = reversed(tuple(self.engine.state.orders))
        resting = (order for order in orders if order.state is OrderState.RESTING)
        ids = (order.order_id for order in islice(resting, _MOST_PREPARED))
        self._gateway.prepare_writes(ids, now)

    def handle(self, happened: BotInput, now: Milliseconds) -> list[Output]:
        """Apply an input; return the outputs, to be executed in order."""
        self._out = []
        match happened:
            case FrameReceived():
                change = self._feed.book_change(happened.frame, now)
                if change is None:
                    self._apply_feed(self._feed.received(happened.frame, now))
                elif self.engine.absorb(change, now):
                    # No output follows, and the wake stays as it was.
                    return [] if self._wake is None else [self._wake]
                else:
                    self._decide(change, now)
            case CallAnswered():
                events, calls = self._gateway.answered(happened.call_id, happened.answer, now)
                self._out += calls
                self._events += events
            case TimerFired():
                self._timer_fired(now)
            case StreamOpened():
                self._apply_feed(self._feed.connected(now))
            case StreamClosed():
                self._feed.disconnected()
                self._feed_due = self._feed.next_deadline
                self._events.append(StreamLost())
            case EventOccurred():
                self._events.append(happened.event)
                match happened.event:
                    case SessionStarted():
                        self._apply_counts(self._counts.poll(now))
                    case SettingsChanged(settings):
                        self._counts.pace.settings = settings.counts
            case PageFetched():
                self._apply_counts(self._counts.fetched(happened, now))
            case ForecastFitted():
                self._apply_beliefs(self._beliefs.fitted(happened, self.counts))
            case HistoryLoaded():
                self._apply_counts(self._counts.load(happened.counts, now))
            case CountsGivenUp():
                self._given_up = happened.days
                self._apply_given_up()
            case EventsHeld():
                self.engine.state.held = happened.events
                self.engine.state.recorded = happened.fills
                self.engine.state.unconfirmed = happened.unconfirmed
            case _:
                assert_never(happened)
        return self._finish(now)

    def _timer_fired(self, now: Milliseconds) -> None:
        if _is_due(self._feed_due, now):
            self._apply_feed(self._feed.woken(now))
        if _is_due(self._counts_due, now):
            self._apply_counts(self._counts.woken(now))
        if _is_due(self._engine_due, now):
            self._engine_due = None
            self._events.append(Woken())

    # The parts

    def _apply_feed(self, step: FeedStep) -> None:
        self._out += step.notes
        self._out += [Transmit(frame) for frame in step.frames]
        self._events += step.events
        if step.reconnect:
            # The feed reads no further frames of it, however long the closing takes.
            self._out.append(Reconnect())
            self._events.append(StreamLost())
        if step.listing_stale:
            self._events.append(ListingStale())
        self._feed_due = self._feed.next_deadline

    def _apply_counts(self, step: CountsStep) -> None:
        self._out += step.outputs
        if step.changed:
            # Before the new belief, so that the gate stays shut until it has the count.
            self._apply_given_up()
            self._apply_beliefs(self._beliefs.counts_changed(self.counts))
        self._counts_due = self._counts.next_due

    def _apply_beliefs(self, step: BeliefStep) -> None:
        self._out += step.notes
        self._events += map(BeliefFormed, step.beliefs)
        if step.fit is not None:
            self._out.append(step.fit)

    def _apply_given_up(self) -> None:
        """Update the days declared missing; one whose count came after all is dropped."""
        missing, counts = self.engine.state.missing, self.counts
        for day in sorted(missing):
            if day in counts:
                fields = {"day": str(day), "count": counts.latest(day)}
                self._out.append(Note("counts.came_after_all", fields, "warning"))
        said = sorted(day for day in self._given_up if day not in counts)
        days = tuple(said[-_MOST_DAYS_GIVEN_UP:])
        if missing != set(days):
            self._events.append(CountsMissing(days))

    def _decide(self, event: InputEvent, now: Milliseconds) -> None:
        for command in self.engine.handle(event, now):
            self._execute(command, now)

    def _execute(self, command: Command, now: Milliseconds) -> None:
        match command:
            case Note():
                self._out.append(command)
            case Cancel() | Place() | Renew() | Decrease():
                self._writes.append(command)
            case WakeAt():
                self._engine_due = command.at
            case (
                QueryOrder()
                | ReadAccount()
                | ReadListing()
                | ReadFeeType()
                | EnsureGroup()
                | ResetGroup()
            ):
                self._out += self._gateway.start_reading(command, now)
            case RepairBooks():
                self._apply_feed(self._feed.repair(command.tickers, now))
            case RenewStream():
                self._apply_feed(self._feed.renew(command.reason, now))
            case RequestBelief():
                self._apply_beliefs(self._beliefs.request(command, self.counts))
            case (
                RecordFill()
                | ConfirmFills()
                | VoidFill()
                | RecordViews()
                | RecordSettlement()
                | RecordPnlMark()
                | StopConfirmed()
            ):
                self._out.append(command)
            case _:
                assert_never(command)

    def _finish(self, now: Milliseconds) -> list[Output]:
        """Let the engine handle all events, in order, and return all outputs, cancels first."""
        while self._events:
            event = self._events.popleft()
            self._decide(event, now)
            if isinstance(event, ListingRead):
                self._apply_feed(self._feed.watch(self.engine.state.unclosed(now), now))
        if self._writes:
            writes, self._writes = self._writes, []
            # One answer may give several events: their writes are sorted together, cancels first.
            self._out[:0] = self._gateway.write(writes, now)
        if self._feed.unknown_words.notes:
            self._out += self._feed.unknown_words.take_notes()
        if self._gateway.unknown_words.notes:
            self._out += self._gateway.unknown_words.take_notes()
        at = self._engine_due
        for due in (self._feed_due, self._counts_due):
            if due is not None and (at is None or due < at):
                at = due
        if at is None:
            self._wake = None
            return self._out
        if self._wake is None or self._wake.at != at:
            self._wake = WakeAt(at)
        self._out.append(self._wake)
        return self._out


def _is_due(at: Milliseconds | None, now: Milliseconds) -> bool:
    return at is not None and now >= at
