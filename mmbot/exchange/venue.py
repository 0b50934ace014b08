"""The simulated exchange as a whole, sans I/O: bytes and wall times in, bytes and times out.

`handle` answers a REST call, `open_session` opens a WebSocket session, `advance` does whatever is
due by a time, and `next_event_at` returns when to call it next. The methods under "Operator" are
what the real exchange's staff do, and its failures.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol

from mmbot.exchange.accounts import Account
from mmbot.exchange.broadcast import broadcast, broadcast_event, broadcast_fees
from mmbot.exchange.exchange_state import (
    STRUCTURES,
    ExchangeEvent,
    ExchangeState,
    FeeChange,
    SimulatedExchangeSettings,
)
from mmbot.exchange.facts import Fact
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.market_actions import (
    amend,
    announce,
    cancel_resting,
    determine,
    dispute,
    halt,
    pause,
    settle,
    unpause,
)
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.render import Json
from mmbot.exchange.rest.rest_errors import refusal_answer
from mmbot.exchange.rest.router import RestRouter
from mmbot.exchange.stream_session import StreamSession
from mmbot.exchange.timetable import Release, maintenance_windows, settlement_times
from mmbot.kalshi.http import STREAM_PATH, HttpAnswer, HttpRequest
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.units import Milliseconds, Price

_MOST_SESSIONS: Final = 10


class Participants(Protocol):
    """The crowd, driven by the venue: it acts when due, and is notified of events and counts."""

    def next_at(self) -> Milliseconds | None:
        """Return the wall time of its next action."""

    def act(self, now: Milliseconds) -> None:
        """Perform the actions that are due."""

    def event_listed(self, event: ExchangeEvent, now: Milliseconds) -> None:
        """Handle the listing of another week's event."""

    def count_released(self, day: dt.date, now: Milliseconds) -> None:
        """Handle the release of a day's count."""


class SimulatedVenue:
    """One exchange over a few calendar weeks."""

    def __init__(
        self,
        settings: SimulatedExchangeSettings,
        clock: CalendarClock,
        *,
        weeks: Sequence[Week],
        counts: Mapping[dt.date, int],
        releases: Iterable[Release],
        rng: random.Random,
    ) -> None:
        self.exchange = ExchangeState(settings, clock, rng)
        self.sessions: list[StreamSession] = []
        self.participants: Participants | None = None
        self.fact_listeners: list[Callable[[Sequence[Fact]], None]] = []
        self.releases_done = 0
        self._rest = RestRouter(self.exchange)
        self._counts = counts
        self._outcomes: dict[Week, float] = {}
        self._planned = 0
        self._actions: list[tuple[Milliseconds, int, Callable[[Milliseconds], None]]] = []
        for week in weeks:
            self._plan_week(week)
        for release in releases:
            self.schedule(clock.wall_time(release.at), partial(self._release, release.days))

    # Clients

    def handle(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Answer one REST call."""
        self.advance(now)
        answer = self._rest.answer(request, now)
        self.publish(now)
        return answer

    def open_session(
        self, headers: tuple[tuple[str, str], ...], now: Milliseconds
    ) -> StreamSession | HttpAnswer:
        """Open a WebSocket session, or return the answer that refuses its upgrade."""
        self.advance(now)
        lower = {name.lower(): value for name, value in headers}
        try:
            credential = self.exchange.gatekeeper.authenticate(lower, "GET", STREAM_PATH, now)
        except RequestRefused as refusal:
            return refusal_answer(refusal)
        if len(self.sessions) >= _MOST_SESSIONS:
            return refusal_answer(RequestRefused("too_many_requests"))
        session = StreamSession(self.exchange, credential)
        self.sessions.append(session)
        return session

    def receive(self, session: StreamSession, text: str | bytes, now: Milliseconds) -> None:
        """Execute a command that a session's client sent."""
        self.advance(now)
        session.receive(text, now)

    def close_session(self, session: StreamSession) -> None:
        """Remove a session whose connection is closed."""
        session.closed = True
        self.sessions = [s for s in self.sessions if not s.closed]

    # Time

    def next_event_at(self) -> Milliseconds | None:
        """Return the wall time at which `advance` has something to do next."""
        due = self._actions[0][0] if self._actions else None
        expiry = self.exchange.engine.next_expiry()
        if due is None or (expiry is not None and expiry < due):
            due = expiry
        traders = self.participants.next_at() if self.participants else None
        return traders if due is None or (traders is not None and traders < due) else due

    def advance(self, now: Milliseconds) -> None:
        """Perform everything that is due up to `now`, in order of time."""
        while (due := self.next_event_at()) is not None and due <= now:
            self.exchange.engine.expire(due)
            while self._actions and self._actions[0][0] <= due:
                at, _, action = heappop(self._actions)
                action(at)
            traders_at = self.participants.next_at() if self.participants else None
            if self.participants and traders_at is not None and traders_at <= due:
                self.participants.act(due)
            self.publish(due)

    def schedule(self, due: Milliseconds, action: Callable[[Milliseconds], None]) -> None:
        """Plan an action for a wall time."""
        self._planned += 1  # actions of one instant are performed in the order of planning
        heappush(self._actions, (due, self._planned, action))

    def publish(self, now: Milliseconds) -> None:
        """Record and publish the facts since this was last called."""
        engine = self.exchange.engine
        if not engine.facts:
            return
        facts, engine.facts = engine.facts, []
        self.exchange.history.record(facts)
        if self.exchange.settings.candles:
            self.exchange.quotes.record(facts, engine.markets)
        for watch in self.fact_listeners:
            watch(facts)
        broadcast(self.exchange, self.sessions, facts, now)

    def _plan_week(self, week: Week) -> None:
        clock, underlying = self.exchange.clock, self.exchange.settings.underlying
        event = self.exchange.list_event(week)
        for market in self.exchange.markets_of(event):
            self.schedule(market.terms.open_ms, partial(self._open, market))
            self._plan_close(market)
        determined, settled = (
            clock.wall_time(at) for at in settlement_times(underlying.settles(week))
        )
        self.schedule(determined, partial(self._determine, event))
        self.schedule(settled, partial(self._settle, event))
        if self.exchange.settings.maintenance:
            for start, end in maintenance_windows(week.opens, weeks=1):
                self.schedule(clock.wall_time(start), self.pause_trading)
                self.schedule(clock.wall_time(end), self.resume_trading)

    def _plan_close(self, market: ExchangeMarket) -> None:
        close = market.close_ms
        self.schedule(close, partial(self._close, market, close))
        cancelled = close + self.exchange.settings.close_cancel_delay_ms
        self.schedule(cancelled, partial(self._cancel_closed, market))

    def _open(self, market: ExchangeMarket, now: Milliseconds) -> None:
        if market.status == "initialized":
            market.status, market.updated_ms = "active", now

    def _close(self, market: ExchangeMarket, planned_for: Milliseconds, now: Milliseconds) -> None:
        if market.close_ms == planned_for and market.status in ("active", "inactive"):
            market.status, market.updated_ms = "closed", now

    def _cancel_closed(self, market: ExchangeMarket, now: Milliseconds) -> None:
        if market.status == "closed":
            cancel_resting(self.exchange.engine, market, now, "CloseCancel")

    def _release(self, days: Sequence[dt.date], now: Milliseconds) -> None:
        traded = {day for event in self.exchange.events.values() for day in event.week.days}
        for day in sorted(traded.intersection(days)):
            self.releases_done += 1
            if self.participants:
                self.participants.count_released(day, now)

    def outcome(self, week: Week) -> float:
        """Return what a week settles on, from its first-published counts."""
        if week not in self._outcomes:
            outcome = self.exchange.settings.underlying.outcome
            self._outcomes[week] = outcome([self._counts[day] for day in week.days])
        return self._outcomes[week]

    def _determine(self, event: ExchangeEvent, now: Milliseconds) -> None:
        outcome = self.outcome(event.week)
        for market in self.exchange.markets_of(event):
            result = "yes" if outcome > market.terms.floor_strike else "no"
            if market.scalar_value is not None:
                result = "scalar"
            determine(self.exchange.engine, market, result, f"{round(outcome):,}", now)

    def _settle(self, event: ExchangeEvent, now: Milliseconds) -> None:
        for market in self.exchange.markets_of(event):
            cancel_resting(self.exchange.engine, market, now, "CloseCancel")
            settle(self.exchange.engine, market, now)

    # Operator

    def pause_trading(self, now: Milliseconds) -> None:
        """Refuse new orders everywhere; orders with `cancel_order_on_pause` are cancelled."""
        self.exchange.engine.trading_paused = True
        halt(self.exchange.engine, self.exchange.engine.orders.values(), now)
        self.publish(now)

    def resume_trading(self, _now: Milliseconds) -> None:
        """Accept orders again."""
        self.exchange.engine.trading_paused = False

    def pause_exchange(self, now: Milliseconds) -> None:
        """Refuse every order operation, cancels included."""
        self.pause_trading(now)
        self.exchange.engine.exchange_paused = True

    def resume_exchange(self, now: Milliseconds) -> None:
        """End an exchange pause."""
        self.exchange.engine.exchange_paused = False
        self.resume_trading(now)

    def pause_market(self, ticker: str, now: Milliseconds) -> None:
        """Pause one market."""
        pause(self.exchange.engine, self.exchange.market(ticker), now)
        self.publish(now)

    def unpause_market(self, ticker: str, now: Milliseconds) -> None:
        """Resume trading in one market; every resting order in it is cancelled."""
        unpause(self.exchange.engine, self.exchange.market(ticker), now)
        self.publish(now)

    def move_close(self, ticker: str, close_ms: Milliseconds, now: Milliseconds) -> None:
        """Move a market's close."""
        market = self.exchange.market(ticker)
        market.close_ms = close_ms
        announce(self.exchange.engine, market, "close_date_updated", now)
        self._plan_close(market)
        self.publish(now)

    def dispute_market(self, ticker: str, now: Milliseconds) -> None:
        """Mark a market's result as disputed."""
        dispute(self.exchange.market(ticker), now)

    def amend_market(self, ticker: str, result: str, now: Milliseconds) -> None:
        """Change a market's result before it is paid out."""
        amend(self.exchange.engine, self.exchange.market(ticker), result, now)
        self.publish(now)

    def pay_fraction(self, ticker: str, value: Price, now: Milliseconds) -> None:
        """Have a market pay a fraction of a dollar, unless it is paid out already."""
        market = self.exchange.market(ticker)
        if market.settled_ms is not None:
            return
        market.scalar_value = value
        if market.result:
            self.amend_market(ticker, "scalar", now)

    def change_row(self, ticker: str, changes: Json, now: Milliseconds) -> None:
        """Change the listed row of an event or market, and announce it; `{}` undoes that."""
        self.exchange.oddities.changes[ticker] = changes
        self.exchange.oddities.changed_at[ticker] = now
        event = self.exchange.events.get(ticker) or self.exchange.events[ticker.rpartition("-")[0]]
        broadcast_event(self.exchange, event, self.sessions, now)

    def send_row(self, user_id: str, channel: str, kind: str, row: Json, now: Milliseconds) -> None:
        """Send a member a message of any content about its own account."""
        for session in self.sessions:
            if session.credential.user_id != user_id:
                continue
            session.set_time(now)
            for subscription in tuple(session.subscriptions.values()):
                if subscription.channel == channel:
                    session.publish(subscription, kind, row)

    def change_grid(self, ticker: str, structure: str, now: Milliseconds) -> None:
        """Change a market's price grid; resting orders stay."""
        market = self.exchange.market(ticker)
        market.structure, market.grid = structure, STRUCTURES[structure]
        announce(self.exchange.engine, market, "price_level_structure_updated", now)
        self.publish(now)

    def schedule_fees(self, fees: FeeSchedule, at: Milliseconds) -> None:
        """Change the series' fees at a wall time."""
        change = FeeChange(self.exchange.engine.new_id(), fees, at)
        self.exchange.fee_changes.append(change)

        def act(_now: Milliseconds) -> None:
            self.exchange.series_fees = fees
            events = [e for e in self.exchange.events.values() if e.fee_override is None]
            self.exchange.set_fees(fees, events)

        self.schedule(at, act)

    def override_fees(self, event_ticker: str, fees: FeeSchedule | None, now: Milliseconds) -> None:
        """Set one event's own fees from now on; `None` returns to the series' fees."""
        event = self.exchange.events[event_ticker]
        event.fee_override, event.updated_ms = fees, now
        self.exchange.set_fees(fees or self.exchange.series_fees, [event])
        change = FeeChange(self.exchange.engine.new_id(), fees, now, event_ticker)
        self.exchange.fee_changes.append(change)
        broadcast_fees(event, self.sessions, now)

    def add_event(self, week: Week, now: Milliseconds) -> ExchangeEvent:
        """List another week's event while the exchange runs."""
        self._plan_week(week)
        event = self.exchange.events[week.event_ticker(self.exchange.settings.series)]
        if self.participants:
            self.participants.event_listed(event, now)
        broadcast_event(self.exchange, event, self.sessions, now)
        for market in self.exchange.markets_of(event):
            announce(self.exchange.engine, market, "created", now)
        self.publish(now)
        return event

    def kill_channel(self, session: StreamSession, sid: int, code: int, now: Milliseconds) -> None:
        """End one subscription with a terminal error, 10 or 25."""
        session.set_time(now)
        session.end(session.subscriptions[sid], code)

    def drop_sessions(self) -> None:
        """Close every session; whoever serves one sees `closed`."""
        for session in self.sessions:
            session.closed = True
        self.sessions = []

    def account(self, user_id: str) -> Account:
        """Return a member's primary account."""
        return self.exchange.account(user_id, 0)
