"""Reads the account when due, and applies what each reading shows."""

from __future__ import annotations

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import ConfirmFills, RenewStream, StopConfirmed
from mmbot.trading.event_state import EventState
from mmbot.trading.events import FillUnreadable, OrdersListed, Reconciled
from mmbot.trading.fill_booking import FillBooking
from mmbot.trading.fill_reports import MOST_UNDECIDED
from mmbot.trading.listings import Listings
from mmbot.trading.order import OrderState
from mmbot.trading.order_manager import OrderManager
from mmbot.trading.position_check import (
    LISTS_BEHIND_MS,
    PositionReading,
    known_first,
    read_positions,
)
from mmbot.trading.reading_requests import account_request, listing_request
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill
from mmbot.units import Milliseconds, format_money, total

_RETRY_MS = 2_000
# How long after its lists should include something the account is read.
_MARGIN_MS = 1_000
# The exchange's lists of an account lag by about a second; a session waits for twice that.
_LISTS_BEHIND_MS = 2_000
# How soon the account is read again after part of it was unreadable or in doubt: by then its lists
# show what had happened.
_DOUBT_MS = 5_000
# A single reading may fail because a fill arrived during it; not this many in a row.
_FAILURES_TOLERATED = 3


class AccountReader:
    """Keeps orders, fills and balances reconciled with the account; `due` is the next reading."""

    def __init__(
        self,
        state: TradingState,
        buffer: CommandBuffer,
        orders: OrderManager,
        fills: FillBooking,
        listings: Listings,
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._orders = orders
        self._fills = fills
        self._listings = listings
        # From when the lists should include everything that earlier sessions did.
        self._readable_from: Milliseconds = 0
        self._failures = 0
        # Readings in a row in which the records of a position contradicted each other.
        self._contradictions = 0
        # A reading requested at or after this time is still needed.
        self._awaited_from: Milliseconds = 0
        self._confirming_stop = False
        # Markets with an impossible fill on the stream, and when a reading can first decide on it.
        self._doubted: dict[str, Milliseconds] = {}
        # While the stream's fills are distrusted: a reading requested from this time on ends that.
        self._trusted_from: Milliseconds | None = None
        self.due: Milliseconds | None = None

    def session_started(self, at: Milliseconds) -> None:
        """Delay readings until the lists include all that earlier sessions did up to `at`."""
        self._readable_from = at + _LISTS_BEHIND_MS

    def read(self, now: Milliseconds) -> None:
        """Read the account, or once its lists include what earlier sessions did."""
        wait = self._readable_from - now
        # A clock that was set back meanwhile must not delay the reading.
        if 0 < wait <= _LISTS_BEHIND_MS:
            self.read_within(wait, now)
        else:
            self._buffer.add(account_request(self._state, now))

    def read_once_listed(self, now: Milliseconds) -> None:
        """Schedule a reading for when the account's lists include whatever has happened by now.

        An earlier reading that is due or in progress does not replace it.
        """
        self._awaited_from = now + LISTS_BEHIND_MS + _MARGIN_MS
        self._read_by(self._awaited_from)

    def _read_by(self, at: Milliseconds) -> None:
        self.due = at if self.due is None else min(self.due, at)
        self._buffer.wake_by(self.due)

    def read_within(self, wait: Milliseconds, now: Milliseconds) -> None:
        """Schedule the next reading in `wait`, replacing the one that was due."""
        self.due = now + wait
        self._buffer.wake_by(self.due)

    def check_ends(self, now: Milliseconds) -> None:
        """Schedule a reading if an order was reported ended, neither filled nor being cancelled."""
        if self._orders.end_in_doubt:
            self._orders.end_in_doubt = False
            self.read_once_listed(now)

    def read_when_due(self, now: Milliseconds) -> None:
        """Read the account if it is due."""
        if self.due is not None and now >= self.due:
            self.due = now + self._state.intervals.account_ms
            self.read(now)

    def apply_reading(self, event: Reconciled, now: Milliseconds) -> None:
        """Apply a reading of the account: its fills, its resting orders, its balances."""
        self._state.account_read_at = now
        self._book(event, now)
        agrees = self._check_positions(event, now)
        self._contradictions = 0 if agrees else self._contradictions + 1
        if self._contradictions % _FAILURES_TOLERATED == 1:
            # A missed settlement would explain it: the positions were paid out.
            self._buffer.add(listing_request(self._state))
        in_doubt = self._apply_orders(event, now)
        self._apply_unreadable(event)
        self._state.update_balances(event.balances)
        self._set_reconciled(event, now)
        self._listings.book_late_fills(now)
        self._failures = 0
        service = self._state.service
        # The balances are sometimes missing, and quotes stay cautious until they are read.
        soon = service.stopping or self._state.cash is None or not agrees
        wait = _DOUBT_MS if in_doubt or event.unreadable else self._state.intervals.account_ms
        self.read_within(_RETRY_MS if soon else wait, now)
        if event.requested_at < self._awaited_from:
            self._read_by(max(now, self._awaited_from))
        if service.stopping and not _lists_own(event) and not self._any_unsettled(now):
            self._buffer.add(StopConfirmed())

    def _any_unsettled(self, now: Milliseconds) -> bool:
        """Return whether an order is live, or may have fills that a list does not show yet."""
        return any(
            order.state is not OrderState.AWAITING_FILLS or now < order.over_since + _DOUBT_MS
            for order in self._state.orders
        )

    def apply_orders(self, event: OrdersListed, now: Milliseconds) -> None:
        """Apply the list of orders of a reading that failed; it alone can confirm a stop.

        An order that only awaits fills does not prevent that: it no longer rests.
        """
        self._apply_orders(event, now)
        live = any(o.state is not OrderState.AWAITING_FILLS for o in self._state.orders)
        if self._state.service.stopping and not _lists_own(event) and not live:
            self._buffer.add(StopConfirmed())

    def _apply_orders(self, event: Reconciled | OrdersListed, now: Milliseconds) -> bool:
        """Apply a list of orders; return whether the state of any is in doubt."""
        for report in event.orders:
            self._orders.apply_report(report, now, queried=False)
        in_doubt = self._orders.revive(event.orders, now)
        for unreadable in event.unreadable_orders:
            self._orders.apply_unreadable(unreadable, now, listed=True)
        listed = {report.client_id for report in event.orders}
        listed |= {unreadable.client_id for unreadable in event.unreadable_orders}
        self._orders.mark_missing_unknown(listed, now)
        return self._orders.cancel_strays(event.orders, now) or in_doubt

    def _apply_unreadable(self, event: Reconciled) -> None:
        """Shut the markets with an unreadable fill or position, and log each once."""
        reasons = {each.ticker: each.reason for each in event.unreadable}
        for ticker in [t for t, at in self._doubted.items() if event.requested_at >= at]:
            del self._doubted[ticker]
            event_state = self._state.event_of_market.get(ticker)
            if event_state is not None:
                event_state.fills.doubt_no_more(ticker)
        for _, market in self._state.markets():
            reason = reasons.get(market.ticker, "")
            if not reason and market.ticker in self._doubted:
                # The account's lists may not have the fill yet.
                continue
            if reason and reason != market.unread_fills:
                self._buffer.log(
                    "account.unreadable", "warning", market=market.ticker, reason=reason
                )
            market.unread_fills = reason

    def fill_unreadable(self, event: FillUnreadable, now: Milliseconds) -> None:
        """Shut the market of a fill that was reported and cannot be read, and read the account."""
        market = self._state.find_market(event.ticker)
        if market is not None:
            market.unread_fills = market.unread_fills or event.reason
        self._buffer.log("fill.unreadable", "warning", market=event.ticker, reason=event.reason)
        # The lists lag: they may lack what was reported a moment ago.
        if self.due is None or self.due > now + _LISTS_BEHIND_MS:
            self.read_within(_LISTS_BEHIND_MS, now)

    def doubts(self, fill: Fill, now: Milliseconds) -> bool:
        """Return whether a fill on the stream fits no live order; only a list can confirm it then.

        Its market and its order's market are then shut until a reading whose lists must include
        it; until then the fill counts in the worst case only where it hurts.
        """
        misfit = self._fills.misfit(fill)
        if not misfit:
            return False
        event_state = self._state.event_of_market.get(fill.ticker)
        kept = event_state is None or event_state.fills.doubt(fill)
        order = self._state.orders.of_fill(fill)
        for ticker in (fill.ticker, "" if order is None else order.ticker):
            market = self._state.find_market(ticker)
            if market is not None:
                market.unread_fills = market.unread_fills or misfit
                self._doubted[ticker] = now + LISTS_BEHIND_MS + _MARGIN_MS
        self.read_once_listed(now)
        if kept:
            self._buffer.log("fill.unreadable", "warning", market=fill.ticker, reason=misfit)
        else:
            self._distrust_fills(now)
        return True

    def fill_booked(self, ticker: str, now: Milliseconds) -> bool:
        """Have a reading confirm a fill on the stream; return whether too many fills wait."""
        self.read_once_listed(now)
        too_many = self._state.event_of_market[ticker].fills.is_full
        if too_many:
            self._distrust_fills(now)
        return too_many

    def _distrust_fills(self, now: Milliseconds) -> None:
        """Quote nothing until a reading whose lists include all that the stream has reported."""
        if self._trusted_from is None:
            reason = f"{MOST_UNDECIDED} fills that it reported are not confirmed by the account yet"
            self._buffer.log("fills.distrusted", "warning", reason=reason)
            self._buffer.add(RenewStream(reason))
        self._state.service.reconciled = False
        self._trusted_from = now + LISTS_BEHIND_MS + _MARGIN_MS

    def _book(self, event: Reconciled, now: Milliseconds) -> None:
        for event_state in self._state.events.values():
            for fill in known_first(_fills_in(event_state, event.fills), event_state.fills):
                self._fills.book(fill, "list", now)
            confirmed = event_state.fills.take_confirmed()
            if confirmed:
                self._buffer.add(ConfirmFills(tuple(confirmed)))

    def _check_positions(self, event: Reconciled, now: Milliseconds) -> bool:
        """Compare the records of each position; return whether all agree.

        A market in which they disagree is shut until a reading in which they agree. A fill that
        only the stream reported is voided if that explains the whole difference and the exchange
        states that less of its order is filled. A fill that the list states differently is booked
        as listed, provided that the account's list and its position agree.
        """
        agrees = True
        as_of = event.requested_at - LISTS_BEHIND_MS
        for report in event.orders:
            of_order = self._state.event_of_market.get(report.ticker)
            if of_order is not None:
                of_order.fills.order_stated(report.order_id, report.filled, as_of)
        for event_state in self._state.events.values():
            held = {t: event.positions[t] for t in event_state.markets if t in event.positions}
            readings = read_positions(
                event_state.fills,
                _fills_in(event_state, event.fills),
                held,
                as_of,
            )
            for reading in readings:
                agrees &= self._check_position(event_state, reading)
            self._correct(event_state, readings, now)
        return agrees

    def _correct(
        self, event_state: EventState, readings: list[PositionReading], now: Milliseconds
    ) -> None:
        """Book misreported fills as listed, in markets where the list adds up to the position."""
        doubtful = {each.ticker for each in readings if each.listed != each.held}
        corrections = {
            fill.key: (reported, fill, each.contradiction)
            for each in readings
            for reported, fill in each.misstated
        }
        for reported, fill, reason in corrections.values():
            if not doubtful & {reported.fill.ticker, fill.ticker}:
                self._fills.void(event_state, reported, reason)
                self._fills.book(fill, "list", now)
                if "stream" in reported.ids:
                    # The stream did report it, only wrongly.
                    event_state.fills.add(fill, "stream", now)

    def _check_position(self, event_state: EventState, reading: PositionReading) -> bool:
        market = event_state.markets[reading.ticker]
        before, market.contradiction = market.contradiction, reading.contradiction
        if not market.contradiction:
            if before:
                self._buffer.log("position.agrees", market=market.ticker, before=before)
            return True
        reason = market.contradiction
        if reason != before:
            self._buffer.log("position.contradicts", "warning", market=market.ticker, reason=reason)
        for reported in reading.invented:
            if event_state.fills.is_disproved(reported):
                self._fills.void(event_state, reported, reason)
            else:
                self._fills.query_order_of(reported.fill)
        # The next reading opens the market if the records agree.
        return False

    def _set_reconciled(self, event: Reconciled, now: Milliseconds) -> None:
        service = self._state.service
        if self._trusted_from is not None and event.requested_at >= self._trusted_from:
            self._trusted_from = None
        before, service.reconciled = (
            service.reconciled,
            service.streaming and self._trusted_from is None,
        )
        if service.reconciled and not before:
            self._buffer.log(
                "account.reconciled",
                orders=len(event.orders),
                fills=len(event.fills),
                balance=event.balances and format_money(total(event.balances.values())),
            )
        if service.reconciled:
            for event_state in self._state.events.values():
                event_state.reconciled = True
            self._listings.book_results(now)

    def reading_failed(self, now: Milliseconds) -> None:
        """Read the account again soon; after several failures in a row, quote nothing."""
        self._failures += 1
        self.read_within(_RETRY_MS, now)
        if self._failures >= _FAILURES_TOLERATED:
            self._state.service.reconciled = False

    def confirm_stop(self, now: Milliseconds) -> None:
        """Once no own order is live, read the account so that the exchange confirms it."""
        if not self._confirming_stop and not len(self._state.orders):
            self._confirming_stop = True
            self.read(now)


def _fills_in(event_state: EventState, fills: tuple[Fill, ...]) -> list[Fill]:
    return [fill for fill in fills if fill.ticker in event_state.markets]


def _lists_own(event: Reconciled | OrdersListed) -> bool:
    """Return whether a list of orders includes one of ours."""
    ours = any(report.client_id.startswith(CLIENT_ID_PREFIX) for report in event.orders)
    return ours or bool(event.unreadable_orders)
