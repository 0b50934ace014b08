"""The engine: one event in, commands out.

A deterministic state machine. Time comes in with each event; the time to wake it at goes out as
`WakeAt`, and the waking is an event. Nothing here reads a clock, draws a number or does I/O, so the
same events at the same times give the same commands.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.account import AccountReader
from mmbot.trading.belief_note import belief_note
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Command
from mmbot.trading.echo_watch import EchoWatch
from mmbot.trading.events import (
    AccountEvent,
    BeliefFormed,
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    ClockCompared,
    EventFeeChanged,
    FeedLagged,
    FeeTypeRead,
    Filled,
    FillUnreadable,
    GroupChanged,
    GroupReady,
    GroupUnavailable,
    InputEvent,
    LedgerBehind,
    LimitsRead,
    ListingEvent,
    ListingRead,
    ListingStale,
    MarketActivity,
    MarketClosing,
    MarketEvent,
    MarketSettled,
    OrderAbsent,
    OrderCancelled,
    OrderDecreased,
    OrderEvent,
    OrderPlaced,
    OrderQueryFailed,
    OrderRenewed,
    OrderReported,
    OrdersListed,
    OrderUnreadable,
    OtherEvent,
    PriceGridChanged,
    ProcessEvent,
    ReadingFailed,
    Reconciled,
    SessionStarted,
    StreamEvent,
    StreamLost,
    StreamUp,
    TasksDown,
    Woken,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.failed_readings import FailedReadings
from mmbot.trading.fill_booking import FillBooking
from mmbot.trading.gates import task_gate
from mmbot.trading.listings import Listings
from mmbot.trading.market_data import MarketData
from mmbot.trading.markouts import Markouts
from mmbot.trading.operator_events import (
    CountsMissing,
    Halted,
    MarketsPaused,
    OperatorEvent,
    Resumed,
    SettingsChanged,
    Stopping,
)
from mmbot.trading.order_groups import OrderGroups
from mmbot.trading.order_manager import OrderManager
from mmbot.trading.order_queries import OrderQueries
from mmbot.trading.refusals import Refusals
from mmbot.trading.repricing import reprice, reprice_market
from mmbot.trading.requoting import Requoting
from mmbot.trading.stale_quotes import StaleQuoteExposure
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX
from mmbot.trading.waking import Waking
from mmbot.underlying.calendar import CalendarClock, from_milliseconds
from mmbot.underlying.underlying import Underlying
from mmbot.units import Milliseconds

# After a stop request, the account is read within this time.
_STOP_READING_MS = 2_000
# Once a clock is off, the exchange is asked for its date within this time.
_CLOCK_PROBE_MS = 1_000

_Tickers: TypeAlias = tuple[str, ...]


class Engine:
    """Decides what to do: `handle` takes every event with the time at which it happened."""

    def __init__(
        self,
        settings: Settings,
        underlying: Underlying,
        clock: CalendarClock,
        session: str,
        held: tuple[str, ...] = (),
    ) -> None:
        """Begin with no events and no orders.

        Args:
            settings: What to quote and within which limits.
            underlying: What the events are about.
            clock: The calendar as a function of wall time.
            session: A name that no other session of the bot has; client ids contain it.
            held: Events of earlier sessions whose settlement is still to be booked.
        """
        state = self.state = TradingState(settings, underlying, clock, held=held)
        buffer = self._buffer = CommandBuffer()
        self._session = session
        self._orders_placed = 0
        self._failed_readings = FailedReadings(buffer)
        self._market_data = MarketData(state, buffer)
        self._order_groups = OrderGroups(state, buffer)
        self._markouts = Markouts(state, buffer)
        self._echoes = EchoWatch(state, buffer, self._market_data)
        refusals = Refusals(state, buffer, self._order_groups, self._market_data)
        fills = FillBooking(state, buffer, self._markouts, self._echoes)
        self._orders = OrderManager(state, buffer, refusals, fills, self._echoes)
        self._order_queries = OrderQueries(state, buffer)
        self._listings = Listings(state, buffer, self._orders, self._market_data)
        self._account = AccountReader(state, buffer, self._orders, fills, self._listings)
        self._stale_quotes = StaleQuoteExposure(state)
        self._requoting = Requoting(state, buffer, self._new_client_id)
        self._waking = Waking(state, buffer, self._account, self._listings, self._markouts)

    def handle(self, event: InputEvent, now: Milliseconds) -> list[Command]:
        """Handle one event that happened at `now`; return the commands that follow from it."""
        self.state.orders.now = now
        # Books leave own orders unchanged: they skip what concerns orders only.
        if isinstance(event, BookChanged):
            self._book_changed(event, now)
            return self._finish(now)
        affected = self._apply(event, now)
        books_only = isinstance(event, BookReplaced)
        if not books_only:
            affected = self._check_echoes(affected, now)
            self._order_queries.query_unknown(now)
            self._order_groups.request_missing(now)
        to_review = reprice(self.state, self._buffer, affected, now, books_only=books_only)
        if not books_only:
            for note in self._stale_quotes.update(now):
                self._buffer.add(note)
            self._orders.log_dropped()
        self._requoting.run(to_review, now, check_limit=not books_only)
        return self._finish(now)

    def _book_changed(self, event: BookChanged, now: Milliseconds) -> None:
        event_state = self.state.event_of_market.get(event.ticker)
        if event_state is None:
            return
        market = event_state.markets[event.ticker]
        if self._market_data.book_changed(market, event, now):
            to_review = reprice_market(self.state, self._buffer, event_state, market, now)
            if to_review:
                self._requoting.run(to_review, now, check_limit=False)

    def _finish(self, now: Milliseconds) -> list[Command]:
        if self.state.service.stopping:
            self._account.confirm_stop(now)
        return self._buffer.drain()

    def absorb(self, change: BookChanged, now: Milliseconds) -> bool:
        """Apply the change of a book if no command follows from it; return whether it was."""
        return self._market_data.absorb(change, now)

    def _check_echoes(self, affected: _Tickers, now: Milliseconds) -> _Tickers:
        """Distrust what does not show on the stream; return the markets to review."""
        if not self._echoes.check(now):
            return affected
        if self.state.service.streaming and not self.state.service.reconciled:
            self._account.read(now)
        return tuple(self.state.event_of_market)

    def _apply(self, event: OtherEvent, now: Milliseconds) -> _Tickers:
        """Apply an event to the state; return the markets that it may affect."""
        match event:
            case BookReplaced():
                return self._market_data.book_replaced(event, now)
            case BooksDistrusted() | StreamUp() | StreamLost() | FeedLagged():
                return self._apply_stream(event, now)
            case Filled(fill) if self._account.doubts(fill, now):
                return tuple(self.state.event_of_market)
            case (
                OrderPlaced()
                | OrderCancelled()
                | OrderRenewed()
                | OrderDecreased()
                | WriteRefused()
                | WriteUnknown()
                | OrderReported()
                | OrderUnreadable()
                | OrderAbsent()
                | OrderQueryFailed()
                | Filled()
            ):
                return self._apply_order(event, now)
            case ListingRead() | FeeTypeRead() | EventFeeChanged() | ListingStale():
                return self._apply_listing(event, now)
            case MarketClosing() | MarketActivity() | PriceGridChanged() | MarketSettled():
                return self._apply_market(event, now)
            case GroupReady() | GroupUnavailable() | GroupChanged():
                return self._order_groups.apply(event, now)
            case Reconciled() | OrdersListed() | FillUnreadable() | ReadingFailed() | LimitsRead():
                return self._apply_account(event, now)
            case BeliefFormed():
                return self._belief_formed(event.belief, now)
            case (
                SettingsChanged()
                | CountsMissing()
                | MarketsPaused()
                | Halted()
                | Resumed()
                | Stopping()
            ):
                return self._apply_operator(event, now)
            case SessionStarted() | TasksDown() | LedgerBehind() | ClockCompared() | Woken():
                return self._apply_process(event, now)
            case _:
                assert_never(event)

    def _apply_stream(self, event: StreamEvent, now: Milliseconds) -> _Tickers:
        affected = self._market_data.stream_changed(event)
        if isinstance(event, StreamUp | StreamLost):
            self._echoes.connection_changed(now)
        if isinstance(event, StreamUp) and self.state.events:
            # A reading that began before the stream was up is superseded by this one.
            self._account.read(now)
        return affected

    def _apply_order(self, event: OrderEvent, now: Milliseconds) -> _Tickers:
        affected = _tickers(self._orders.apply(event, now))
        self._account.check_ends(now)
        self._waking.order_changed(event, now)
        if isinstance(event, Filled) and affected:
            self._listings.book_late_fills(now)
            if self._account.fill_booked(event.fill.ticker, now):
                return tuple(self.state.event_of_market)
        return affected

    def _apply_market(self, event: MarketEvent, now: Milliseconds) -> _Tickers:
        affected = _tickers(self._listings.apply(event, now))
        if isinstance(event, MarketClosing):
            self._waking.request(now)
        elif isinstance(event, MarketSettled):
            self._waking.room_made(now)
        return affected

    def _apply_listing(self, event: ListingEvent, now: Milliseconds) -> _Tickers:
        match event:
            case ListingRead():
                self._failed_readings.succeeded("listing")
                self._listings.apply_reading(event, now)
                known = all(each.reconciled for each in self.state.events.values())
                if not (known and self.state.service.reconciled):
                    self._account.read(now)
                self._waking.request(now)
                return tuple(self.state.event_of_market)
            case FeeTypeRead():
                self._listings.apply_fee_type(event, now)
                self._waking.request(now)
                return tuple(self.state.event_of_market)
            case EventFeeChanged():
                changed = self._listings.apply_event_fee(event, now)
                self._waking.request(now)
                return changed
            case ListingStale():
                self._listings.read_twice(now)
                return ()
            case _:
                assert_never(event)

    def _apply_account(self, event: AccountEvent, now: Milliseconds) -> _Tickers:
        match event:
            case Reconciled():
                self._failed_readings.succeeded("account")
                self._account.apply_reading(event, now)
            case OrdersListed():
                self._account.apply_orders(event, now)
            case FillUnreadable():
                self._account.fill_unreadable(event, now)
            case ReadingFailed():
                self._failed_readings.failed(event)
                reader = self._listings if event.what == "listing" else self._account
                reader.reading_failed(now)
            case LimitsRead():
                if self.state.budget.update(event):
                    self._buffer.log("budget.read", refill=event.refill, capacity=event.capacity)
                return ()
            case _:
                assert_never(event)
        return tuple(self.state.event_of_market)

    def _apply_operator(self, event: OperatorEvent, now: Milliseconds) -> _Tickers:
        service, live_orders = self.state.service, len(self.state.orders)
        match event:
            case SettingsChanged():
                return self._settings_changed(event.settings, now)
            case CountsMissing():
                self.state.missing = frozenset(event.days)
                self._buffer.log("counts.missing", days=[day.isoformat() for day in event.days])
                self.state.schedule_releases()
                self._waking.request(now)
            case MarketsPaused():
                before, self.state.paused = self.state.paused, frozenset(event.tickers)
                for ticker in sorted(self.state.paused - before):
                    self._buffer.log("market.paused", "warning", market=ticker)
                for ticker in sorted(before - self.state.paused):
                    self._buffer.log("market.unpaused", market=ticker)
            case Halted():
                service.halted = True
                service.halted_since, service.halt_reason = event.since, event.reason
                since = from_milliseconds(event.since).isoformat(timespec="seconds")
                self._buffer.log(
                    "halted", "warning", since=since, reason=event.reason, live_orders=live_orders
                )
            case Resumed():
                service.halted = False
                service.halted_since, service.halt_reason = None, ""
                self._buffer.log("resumed")
            case Stopping():
                service.stopping = True
                self._account.read_within(_STOP_READING_MS, now)
                self._buffer.log("stopping", live_orders=live_orders)
            case _:
                assert_never(event)
        return tuple(self.state.event_of_market)

    def _apply_process(self, event: ProcessEvent, now: Milliseconds) -> _Tickers:
        match event:
            case SessionStarted():
                self._account.session_started(event.at)
                self.state.losses.restore(event.marks)
                return ()
            case TasksDown():
                self.state.service.tasks_down = tuple(map(task_gate, event.names))
            case ClockCompared():
                self._clock_compared(event, now)
            case LedgerBehind():
                self.state.service.ledger_behind = event.behind
            case Woken():
                return self._waking.woken(now)
            case _:
                assert_never(event)
        return tuple(self.state.event_of_market)

    def _clock_compared(self, event: ClockCompared, now: Milliseconds) -> None:
        """Shut the gate while a clock is off; only answers, so requests, show when it is not."""
        ahead = (event.least + event.most) // 2
        if not self.state.service.clock_compared(event.against, off=event.off):
            return
        if event.off:
            self._listings.read_within(_CLOCK_PROBE_MS, now)
            self._buffer.log("clock.off", "warning", against=event.against, ahead_ms=ahead)
        else:
            self._buffer.log("clock.right", against=event.against, ahead_ms=ahead)

    def _belief_formed(self, belief: Belief, now: Milliseconds) -> _Tickers:
        for event_state in self.state.events.values():
            if event_state.week == belief.week and event_state.strikes == belief.strikes:
                before = event_state.belief
                event_state.update_belief(belief, now, self.state.clock)
                self._markouts.belief_updated(event_state, now)
                self._buffer.add(belief_note(event_state.ticker, belief, before))
                return tuple(event_state.markets)
        return ()

    def _settings_changed(self, settings: Settings, now: Milliseconds) -> _Tickers:
        if settings == self.state.settings:
            return ()
        if settings.limits.fill_cap != self.state.settings.limits.fill_cap:
            self._order_groups.replace_all(now)
        self.state.settings = settings
        self.state.schedule_releases()
        return tuple(self.state.event_of_market)

    def _new_client_id(self) -> str:
        self._orders_placed += 1
        return f"{CLIENT_ID_PREFIX}{self._session}-{self._orders_placed}"


def _tickers(ticker: str | None) -> _Tickers:
    return () if ticker is None else (ticker,)
