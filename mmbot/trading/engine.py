"""The engine: one event in, commands out.

A deterministic state machine. Time comes in with each event; a wish to be woken goes out as
`WakeAt`, and the waking is an event. Nothing here reads a clock, draws a number or moves a byte,
so the same events at the same times give the same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mmbot.config import Settings
from mmbot.forecast.belief import Weighing
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Command, SweepConfirmed
from mmbot.trading.events import (
    BeliefFormed,
    BookChanged,
    BookReplaced,
    BooksDistrusted,
    CountsMissing,
    FeedLagged,
    Filled,
    GroupChanged,
    GroupReady,
    GroupUnavailable,
    Halted,
    InputEvent,
    LimitsRead,
    ListingRead,
    ListingStale,
    MarketActivity,
    MarketClosing,
    MarketSettled,
    OrderAbsent,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    OrderQueryFailed,
    OrderRenewed,
    OrderReported,
    PriceGridChanged,
    ReadingFailed,
    Reconciled,
    Resumed,
    SessionStarted,
    SettingsChanged,
    Stopping,
    StreamLost,
    StreamUp,
    TasksDown,
    Woken,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.listings import Listings
from mmbot.trading.market_data import MarketData
from mmbot.trading.markouts import Markouts
from mmbot.trading.order_groups import OrderGroups
from mmbot.trading.order_manager import OrderManager
from mmbot.trading.repricing import refresh
from mmbot.trading.requoting import Requote
from mmbot.trading.stale_quotes import StaleQuoteExposure
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX, ReadingName
from mmbot.tsa.calendar import CalendarClock, from_milliseconds
from mmbot.units import format_money

# Milliseconds.
_ACCOUNT_EVERY = 60_000
# The exchange's lists of an account are about a second behind; a life waits for twice that.
_TOLD_WITHIN = 2_000
_RETRY = 2_000
_FAILURES_TOLERATED = 3

_Tickers = Iterable[str]


class Engine:
    """Feed it every event with the time at which it happened."""

    def __init__(
        self, settings: Settings, clock: CalendarClock, life: str, held: tuple[str, ...] = ()
    ) -> None:
        """Begin with an empty desk.

        Args:
            settings: What to quote and within which limits.
            clock: The calendar as a function of wall time.
            life: A name for this life of the bot that no other bears; client ids contain it.
            held: Events of earlier lives whose settlement is still to be booked.
        """
        self.state = TradingState(settings, clock, held=held)
        self._life = life
        self._placed = 0
        self._account_due: int | None = None
        # From when on the lists should have all that earlier lives did.
        self._told_from = 0
        self._failures: dict[ReadingName, int] = {"account": 0, "listing": 0}
        self._verifying = False
        self._out = CommandBuffer()
        self._fences = OrderGroups(self.state, self._out)
        self._views = Markouts(self.state, self._out)
        self._orders = OrderManager(self.state, self._out, self._fences, self._views)
        self._at_risk = StaleQuoteExposure(self.state, self._out)
        self._listings = Listings(self.state, self._out, self._orders)
        self._data = MarketData(self.state, self._out)
        self._for_one_market = self._handlers_for_one_market(self._data)
        self._for_many_markets = self._handlers_for_many_markets(self._data)

    def _handlers_for_one_market(self, data: MarketData) -> dict[type, Callable[[Any], str | None]]:
        orders, listings = self._orders, self._listings
        return {
            BookChanged: data.changed,
            BookReplaced: data.replaced,
            Filled: orders.filled,
            OrderPlaced: orders.placed,
            OrderCancelled: orders.cancelled,
            OrderRenewed: orders.renewed,
            OrderDecreased: orders.decreased,
            OrderReported: orders.reported,
            OrderAbsent: orders.absent,
            OrderQueryFailed: orders.look_up_failed,
            WriteRefused: orders.refused,
            WriteUnknown: orders.unknown,
            MarketClosing: self._market_closing,
            MarketActivity: listings.activity,
            PriceGridChanged: listings.regridded,
            MarketSettled: listings.settled,
        }

    def _handlers_for_many_markets(self, data: MarketData) -> dict[type, Callable[[Any], _Tickers]]:
        fences = self._fences
        return {
            ListingRead: self._listing_read,
            ListingStale: self._listing_stale,
            GroupReady: fences.secured,
            GroupUnavailable: fences.not_secured,
            GroupChanged: fences.changed,
            BooksDistrusted: data.distrusted,
            StreamUp: self._stream_up,
            StreamLost: data.lost,
            FeedLagged: data.lagged,
            Reconciled: self._reconciled,
            ReadingFailed: self._reading_failed,
            LimitsRead: self._budget_read,
            BeliefFormed: self._belief_formed,
            SettingsChanged: self._settings_changed,
            SessionStarted: self._life_began,
            Halted: self._halted,
            Resumed: self._resumed,
            CountsMissing: self._counts_missing,
            TasksDown: self._helpers_missing,
            Stopping: self._stopping,
            Woken: self._woken,
        }

    def handle(self, event: InputEvent, now: int) -> list[Command]:
        """Take in one event that happened at `now` (milliseconds); return what to do."""
        self._out.open(now)
        handler = self._for_one_market.get(type(event))
        if handler is not None:
            ticker = handler(event)
            tickers: _Tickers = () if ticker is None else (ticker,)
        else:
            tickers = self._for_many_markets[type(event)](event)
        # By far the most events are of books, and these say nothing about our orders.
        books_only = isinstance(event, BookChanged | BookReplaced)
        if not books_only:
            self._orders.chase()
            self._fences.see_to()
        affected = refresh(self.state, self._out, tickers, books_only=books_only)
        if not books_only:
            self._at_risk.follow()
        review = Requote(self.state, self._out, self._new_client_id, check_limit=not books_only)
        review.run(affected)
        if self.state.service.stopping:
            self._verify_end()
        return self._out.take()

    def _woken(self, _event: Woken) -> _Tickers:
        self._out.woken()
        self._read_again()
        self._views.take()
        self._wake_for_the_clock()
        return tuple(self.state.event_of_market)

    def _new_client_id(self) -> str:
        self._placed += 1
        return f"{CLIENT_ID_PREFIX}{self._life}-{self._placed}"

    def _wake_for_the_clock(self) -> None:
        self._out.wake_by(self._account_due)
        self._out.wake_by(self._listings.due)
        for ladder in self.state.events.values():
            self._out.wake_by(ladder.next_change(self._out.now))

    def _read_again(self) -> None:
        now = self._out.now
        if self._account_due is not None and now >= self._account_due:
            self._account_due = now + _ACCOUNT_EVERY
            self._read_account()
        self._listings.read_when_due()

    # The listing

    def _listing_read(self, event: ListingRead) -> _Tickers:
        self._failures["listing"] = 0
        self._listings.read(event)
        known = all(ladder.reconciled for ladder in self.state.events.values())
        if not (known and self.state.service.reconciled):
            self._read_account()
        self._wake_for_the_clock()
        return tuple(self.state.event_of_market)

    def _listing_stale(self, _event: ListingStale) -> _Tickers:
        self._listings.stale()
        return ()

    def _market_closing(self, event: MarketClosing) -> str | None:
        ticker = self._listings.closing(event)
        self._wake_for_the_clock()
        return ticker

    # The account

    def _stream_up(self, _event: StreamUp) -> _Tickers:
        self._data.up()
        if self.state.events:
            # Also makes a reading that began before the stream was up worth nothing.
            self._read_account()
        return tuple(self.state.event_of_market)

    def _reconciled(self, event: Reconciled) -> _Tickers:
        for fill in event.fills:
            self._orders.book(fill)
        for report in event.orders:
            self._orders.take_report(report, looked_up=False)
        self._orders.doubt_missing({report.client_id for report in event.orders})
        self._orders.cancel_strays(event.orders)
        self.state.count_cash(event.balances)
        service = self.state.service
        if service.streaming and not service.reconciled:
            self._out.note(
                "account.reconciled",
                orders=len(event.orders),
                fills=len(event.fills),
                balance=event.balances and format_money(sum(event.balances.values())),
            )
        service.reconciled = service.streaming
        if service.reconciled:
            for ladder in self.state.events.values():
                ladder.reconciled = True
            self._listings.book_results()
        self._failures["account"] = 0
        # The balance is not always had, and until it is, the quotes are cautious.
        soon = service.stopping or self.state.cash is None
        self._read_account_within(_RETRY if soon else _ACCOUNT_EVERY)
        own = any(report.client_id.startswith(CLIENT_ID_PREFIX) for report in event.orders)
        if service.stopping and not own and not len(self.state.orders):
            self._out.send(SweepConfirmed())
        return tuple(self.state.event_of_market)

    def _reading_failed(self, event: ReadingFailed) -> _Tickers:
        self._out.note(f"{event.what}.not_read", "warning", reason=event.reason)
        self._failures[event.what] += 1
        # A reading may have been overtaken by a fill; again and again it was not.
        distrusted = self._failures[event.what] >= _FAILURES_TOLERATED
        if event.what == "listing":
            self._listings.read_within(_RETRY)
            if distrusted:
                self.state.service.shut = "listing_not_read"
        else:
            self._read_account_within(_RETRY)
            if distrusted:
                self.state.service.reconciled = False
            if self._failures["account"] % _FAILURES_TOLERATED == 0:
                # A settlement that was missed takes a position out of the account.
                self._out.send(self.state.listing_reading())
        return tuple(self.state.event_of_market)

    def _read_account(self) -> None:
        """Read the account, but not before the lists should have all that earlier lives did."""
        wait = self._told_from - self._out.now
        # A clock that was set back meanwhile is not waited for.
        if 0 < wait <= _TOLD_WITHIN:
            self._read_account_within(wait)
        else:
            self._out.send(self.state.account_reading())

    def _read_account_within(self, wait: int) -> None:
        self._account_due = self._out.now + wait
        self._out.wake_by(self._account_due)

    def _budget_read(self, event: LimitsRead) -> _Tickers:
        if self.state.budget.learn(event):
            self._out.note("budget.read", refill=event.refill, capacity=event.capacity)
        return ()

    # Belief, settings, end

    def _belief_formed(self, event: BeliefFormed) -> _Tickers:
        belief = event.belief
        for ladder in self.state.events.values():
            if ladder.week == belief.week and ladder.strikes == belief.strikes:
                before = ladder.belief
                ladder.believe(belief, self._out.now, self.state.clock)
                self._views.believed(ladder)
                self._out.note(
                    "belief.updated",
                    event_ticker=ladder.ticker,
                    known=belief.days_published,
                    mean=round(belief.mean),
                    moved=round(belief.mean - before.mean) if before else None,
                    sd=round(belief.sd),
                    method=belief.method,
                    effective_weeks=round(belief.effective_weeks, 1),
                    heaviest=[_weighing(past) for past in belief.heaviest],
                    digest=belief.digest,
                )
                return tuple(ladder.markets)
        return ()

    def _settings_changed(self, event: SettingsChanged) -> _Tickers:
        if event.settings == self.state.settings:
            return ()
        if event.settings.limits.fill_cap != self.state.settings.limits.fill_cap:
            self._fences.renew()
        self.state.settings = event.settings
        return self._expect_releases()

    def _expect_releases(self) -> _Tickers:
        state = self.state
        for ladder in state.events.values():
            ladder.expect_releases(state.settings, state.clock, state.missing)
        return tuple(state.event_of_market)

    def _life_began(self, event: SessionStarted) -> _Tickers:
        self._told_from = event.at + _TOLD_WITHIN
        self.state.losses.recall(event.marks)
        return ()

    def _counts_missing(self, event: CountsMissing) -> _Tickers:
        self.state.missing = frozenset(event.days)
        self._out.note("counts.missing", days=[day.isoformat() for day in event.days])
        tickers = self._expect_releases()
        self._wake_for_the_clock()
        return tickers

    def _halted(self, event: Halted) -> _Tickers:
        self.state.service.halted = True
        since = from_milliseconds(event.since).isoformat(timespec="seconds")
        live = len(self.state.orders)
        self._out.note("halted", "warning", since=since, reason=event.reason, live_orders=live)
        return tuple(self.state.event_of_market)

    def _resumed(self, _event: Resumed) -> _Tickers:
        self.state.service.halted = False
        self._out.note("resumed")
        return tuple(self.state.event_of_market)

    def _helpers_missing(self, event: TasksDown) -> _Tickers:
        self.state.service.missing = event.names
        return tuple(self.state.event_of_market)

    def _stopping(self, _event: Stopping) -> _Tickers:
        self.state.service.stopping = True
        self._read_account_within(_RETRY)
        self._out.note("stopping", live_orders=len(self.state.orders))
        return tuple(self.state.event_of_market)

    def _verify_end(self) -> None:
        """Once nothing of ours is live any more, have the exchange say the same."""
        if not self._verifying and not len(self.state.orders):
            self._verifying = True
            self._read_account()


def _weighing(past: Weighing) -> dict[str, Any]:
    """Return how much a past week weighs in a belief, and why, for the log."""
    return {
        "week": str(past.week.sunday),
        "weight": round(past.weight, 4),
        "recent": round(past.recent, 3),
        "season": round(past.season, 3),
        "alike": round(past.alike, 3),
    }
