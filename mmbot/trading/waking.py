"""When the engine is woken, and what it reviews then.

The clock triggers only what requested a wake: a reading that is due, a gate that opens or shuts
with time, an order's minimum rest or renewal, room that an order has left. A wake for one event is
requested under its ticker, and only its markets are reviewed then.
"""

from __future__ import annotations

import datetime as dt

from mmbot.trading.account import AccountReader
from mmbot.trading.command_buffer import EVERY_EVENT, CommandBuffer
from mmbot.trading.events import (
    OrderEvent,
    OrderPlaced,
    OrderQueryFailed,
    OrderRenewed,
    OrderReported,
    WriteUnknown,
)
from mmbot.trading.listings import Listings
from mmbot.trading.markouts import Markouts
from mmbot.trading.state import TradingState
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Milliseconds


class Waking:
    """Requests the wakes that no single market requests, and does what is due at a wake."""

    def __init__(
        self,
        state: TradingState,
        buffer: CommandBuffer,
        account: AccountReader,
        listings: Listings,
        markouts: Markouts,
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._account = account
        self._listings = listings
        self._markouts = markouts
        # The day of the last wake, and whether the daily loss limit was reached then.
        self._day: tuple[dt.date, bool] | None = None

    def request(self, now: Milliseconds) -> None:
        """Request wakes for the next readings, and whenever the clock alone changes a gate."""
        self._buffer.wake_by(self._account.due)
        self._buffer.wake_by(self._listings.due)
        self._buffer.wake_by(self._listings.fees_due)
        self._buffer.wake_by(self._listings.fees.next_change(now))
        for event_state in self._state.events.values():
            self._buffer.wake_by(event_state.next_change(now), event_state.ticker)
        # The daily loss starts again at zero.
        self._buffer.wake_by(_next_day(self._state.clock, now))

    def order_changed(self, event: OrderEvent, now: Milliseconds) -> None:
        """Have quotes without room reviewed if an order may have made some; its market is first."""
        if _may_make_room(event):
            self.room_made(now)

    def room_made(self, now: Milliseconds) -> None:
        """Request a wake for the events in which a quote had no room."""
        waiting = (self._state.event_of_market[t].ticker for t in sorted(self._state.without_room))
        for event_ticker in dict.fromkeys(waiting):
            self._buffer.wake_by(now + self._state.intervals.no_room_ms, event_ticker)

    def woken(self, now: Milliseconds) -> tuple[str, ...]:
        """Do what is due; return the markets to review."""
        due = self._buffer.due(now)
        if self._concerns_all(due, now):
            self._buffer.woken_for_all()
            self._account.read_when_due(now)
            self._listings.read_when_due(now)
            self._listings.fees.update(now)
            self._markouts.take_due(now)
            self.request(now)
            return tuple(self._state.event_of_market)
        self._buffer.woken(due)
        self._markouts.take_due(now)
        events = [each for each in self._state.events.values() if each.ticker in due]
        for event_state in events:
            self._buffer.wake_by(event_state.next_change(now), event_state.ticker)
        return tuple(ticker for event_state in events for ticker in event_state.markets)

    def _concerns_all(self, due: set[str], now: Milliseconds) -> bool:
        """Return whether the wake concerns every event, rather than only those in `due`."""
        state = self._state
        day = state.clock.at(now).date()
        before, self._day = (
            self._day,
            (day, state.losses.loss(day) >= state.settings.limits.daily_loss),
        )
        return not due or EVERY_EVENT in due or due >= state.events.keys() or self._day != before


def _next_day(clock: CalendarClock, now: Milliseconds) -> Milliseconds:
    """Return the wall time at which the next calendar day begins."""
    at = clock.at(now)
    return clock.wall_time(dt.datetime.combine(at.date() + dt.timedelta(1), dt.time(), at.tzinfo))


def _may_make_room(event: OrderEvent) -> bool:
    """Return whether an order may use less room than before."""
    if isinstance(event, OrderReported):
        return event.report.status == "ended"
    return not isinstance(event, OrderPlaced | OrderRenewed | WriteUnknown | OrderQueryFailed)
