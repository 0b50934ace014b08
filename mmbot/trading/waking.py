"""When the engine is to be woken, and what it looks at then.

Nothing is looked at by the clock that did not ask for it: a reading that is due, a gate that the
clock opens or shuts, an order's rest or renewal, room that an order has left. What concerns one
event alone is asked for by its ticker, and only its markets are reviewed then.
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
    """Asks for the wakes that no single market asks for, and does what is due at a wake."""

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
        # The day on which the engine was woken last, and whether it had lost what a day may lose.
        self._day: tuple[dt.date, bool] | None = None

    def request(self, now: Milliseconds) -> None:
        """Ask to be woken for the next reading, and whenever the clock alone changes a gate."""
        self._buffer.wake_by(self._account.due)
        self._buffer.wake_by(self._listings.due)
        self._buffer.wake_by(self._listings.fees_due)
        self._buffer.wake_by(self._listings.fees.next_change(now))
        for event_state in self._state.events.values():
            self._buffer.wake_by(event_state.next_change(now), event_state.ticker)
        # What a day may lose is counted anew.
        self._buffer.wake_by(_next_day(self._state.clock, now))

    def order_changed(self, event: OrderEvent, now: Milliseconds) -> None:
        """Have what found no room looked at; the market that made it is first to quote in it."""
        if _may_make_room(event):
            self.room_made(now)

    def room_made(self, now: Milliseconds) -> None:
        """Have the events looked at in which a quote found no room."""
        waiting = (self._state.event_of_market[t].ticker for t in sorted(self._state.without_room))
        for event_ticker in dict.fromkeys(waiting):
            self._buffer.wake_by(now + self._state.intervals.no_room_ms, event_ticker)

    def woken(self, now: Milliseconds) -> tuple[str, ...]:
        """Do what is due; return the markets of the events that anything is due in."""
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
        """Return whether the engine was woken, of these events, for more than each by itself."""
        state = self._state
        day = state.clock.at(now).date()
        before, self._day = (
            self._day,
            (day, state.losses.loss(day) >= state.settings.limits.daily_loss),
        )
        return not due or EVERY_EVENT in due or due >= state.events.keys() or self._day != before


def _next_day(clock: CalendarClock, now: Milliseconds) -> Milliseconds:
    """Return when the next day begins by the calendar."""
    at = clock.at(now)
    return clock.wall_time(dt.datetime.combine(at.date() + dt.timedelta(1), dt.time(), at.tzinfo))


def _may_make_room(event: OrderEvent) -> bool:
    """Return whether an order may take up less than before."""
    if isinstance(event, OrderReported):
        return event.report.status == "ended"
    return not isinstance(event, OrderPlaced | OrderRenewed | WriteUnknown | OrderQueryFailed)
