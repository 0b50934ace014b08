"""The account: when it is read, and what a reading changes."""

from __future__ import annotations

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import StopConfirmed
from mmbot.trading.events import Reconciled
from mmbot.trading.listings import Listings
from mmbot.trading.order_manager import OrderManager
from mmbot.trading.reading_requests import account_request, listing_request
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX
from mmbot.units import Milliseconds, format_money, total

_INTERVAL_MS = 60_000
_RETRY_MS = 2_000
# The exchange's lists of an account lag by about a second; a session waits for twice that.
_LISTS_BEHIND_MS = 2_000
# A single failed reading may have been overtaken by a fill; this many in a row were not.
_FAILURES_TOLERATED = 3


class AccountReader:
    """Keeps orders, fills and balances reconciled with the account; `due` is the next reading."""

    def __init__(
        self,
        state: TradingState,
        buffer: CommandBuffer,
        orders: OrderManager,
        listings: Listings,
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._orders = orders
        self._listings = listings
        # From when the lists should include everything that earlier sessions did.
        self._readable_from: Milliseconds = 0
        self._failures = 0
        self._confirming_stop = False
        self.due: Milliseconds | None = None

    def session_started(self, at: Milliseconds) -> None:
        """Read nothing before the lists include everything that earlier sessions did until `at`."""
        self._readable_from = at + _LISTS_BEHIND_MS

    def read(self, now: Milliseconds) -> None:
        """Read the account, or schedule that for when the lists include earlier sessions."""
        wait = self._readable_from - now
        # A clock that was set back meanwhile must not delay the reading.
        if 0 < wait <= _LISTS_BEHIND_MS:
            self.read_within(wait, now)
        else:
            self._buffer.add(account_request(self._state))

    def read_within(self, wait: Milliseconds, now: Milliseconds) -> None:
        """Schedule the next reading in `wait`, in place of the one that was due."""
        self.due = now + wait
        self._buffer.wake_by(self.due)

    def read_when_due(self, now: Milliseconds) -> None:
        """Read the account if it is due."""
        if self.due is not None and now >= self.due:
            self.due = now + _INTERVAL_MS
            self.read(now)

    def apply_reading(self, event: Reconciled, now: Milliseconds) -> None:
        """Apply a reading of the account: its fills, its resting orders, its balances."""
        for fill in event.fills:
            self._orders.book(fill, now)
        self._orders.log_restored()
        for report in event.orders:
            self._orders.apply_report(report, now, queried=False)
        self._orders.mark_missing_unknown({report.client_id for report in event.orders}, now)
        self._orders.cancel_strays(event.orders, now)
        self._state.update_balances(event.balances)
        self._set_reconciled(event, now)
        self._failures = 0
        service = self._state.service
        # Balances cannot always be read, and until they are, the quotes are cautious.
        soon = service.stopping or self._state.cash is None
        self.read_within(_RETRY_MS if soon else _INTERVAL_MS, now)
        own = any(report.client_id.startswith(CLIENT_ID_PREFIX) for report in event.orders)
        if service.stopping and not own and not len(self._state.orders):
            self._buffer.add(StopConfirmed())

    def _set_reconciled(self, event: Reconciled, now: Milliseconds) -> None:
        service = self._state.service
        if service.streaming and not service.reconciled:
            self._buffer.log(
                "account.reconciled",
                orders=len(event.orders),
                fills=len(event.fills),
                balance=event.balances and format_money(total(event.balances.values())),
            )
        service.reconciled = service.streaming
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
        if self._failures % _FAILURES_TOLERATED == 0:
            # A missed settlement looks like a contradiction: fills without their position.
            self._buffer.add(listing_request(self._state))

    def confirm_stop(self, now: Milliseconds) -> None:
        """Once no own order is live, read the account to have the exchange confirm it."""
        if not self._confirming_stop and not len(self._state.orders):
            self._confirming_stop = True
            self.read(now)
