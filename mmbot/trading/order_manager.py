"""What the exchange's answers, reports and fills do to our orders.

Messages of one order may come in any order, twice, or not at all: a fill before the answer to the
place it belongs to, an answer after the order is over. A write without an answer leaves its order
unknown, which keeps that market from being written to until the exchange has been asked, by the
order's own id, what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Cancel, NoteLevel, QueryOrder
from mmbot.trading.events import (
    Filled,
    OrderAbsent,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    OrderQueryFailed,
    OrderRenewed,
    OrderReported,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.gates import MarketState
from mmbot.trading.markouts import Markouts
from mmbot.trading.order_groups import OrderGroups
from mmbot.trading.orders import Order, adopted_order
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill, OrderReport, Refusal
from mmbot.units import format_count, format_money, format_price

# Milliseconds.
_LOOK_UP_FIRST, _LOOK_UP_LATEST = 250, 8_000
_EXPIRY_GRACE = 2_000
_REFUSED_AGAIN = 1_000
# An order that the exchange does not know this long after it was sent never arrived.
_ABSENT_AFTER = 15_000
# A reading of the account may lag behind what an order's own answer said by this much.
_READING_LAG = 5_000

# How long a market gets no new order after one was refused.
_HOLDS: dict[Refusal, int] = {
    "post_only_cross": 1_000,
    "insufficient_balance": 60_000,
    "paused": 5_000,
    "inactive": 5_000,
    "rate_limited": 1_000,
    "unauthorised": 60_000,
    "clock": 60_000,
    "forbidden": 600_000,
}
_LONG_HOLD = 30_000
# Refusals that hold for more than their market: for its shard, whose balance is one, or for all.
_SHARD_WIDE: frozenset[Refusal] = frozenset({"insufficient_balance"})
_ACCOUNT_WIDE: frozenset[Refusal] = frozenset({"unauthorised", "clock", "forbidden"})
# Refusals that say that the listing is not what it was.
_LISTING_STALE: frozenset[Refusal] = frozenset({"paused", "inactive"})
# That many in a row mean that the book we look at is not the book there is.
_POST_ONLY_REFUSALS_BEFORE_REPAIR = 3

# What looking an order up costs: by its own id, and through the list of all orders.
_LOOK_UP_COST, _SEARCH_COST = 2.0, 10.0
# What is left for the readings of account and listing: both at once, of a page each.
_READING_RESERVE = 100.0


class OrderManager:
    """Applies messages to the desk's orders; each method returns the market to look at again."""

    def __init__(
        self, state: TradingState, outbox: CommandBuffer, fences: OrderGroups, views: Markouts
    ) -> None:
        self._state = state
        self._out = outbox
        self._fences = fences
        self._views = views

    # Answers to writes

    def placed(self, event: OrderPlaced) -> str | None:
        """A place was applied."""
        order = self._state.orders.get(event.client_id)
        if order is None:
            return None
        if order.state == "placing" or not order.order_id:
            order.state = "resting"
        order.filled = max(order.filled, event.filled)
        self._identify(order, event.order_id)
        self._state.event_of_market[order.ticker].markets[order.ticker].post_only_refusals = 0
        return order.ticker

    def cancelled(self, event: OrderCancelled) -> str | None:
        """A cancel was applied."""
        order = self._state.orders.get(event.client_id)
        if order is None:
            return None
        order.filled = max(order.filled, order.count - event.remaining)
        self._state.orders.end(order)
        return order.ticker

    def renewed(self, event: OrderRenewed) -> str | None:
        """A renewal was applied."""
        order = self._state.orders.get(event.client_id)
        if order is None:
            return None
        if order.state in {"renewing", "unknown"}:
            order.state = "resting"
        order.expires = max(order.expires, event.expires)
        return order.ticker

    def decreased(self, event: OrderDecreased) -> str | None:
        """A decrease was applied.

        What was filled before it the answer does not say: where no report has told it yet, the
        exchange is asked, because a renewal has to name the whole.
        """
        order = self._state.orders.get(event.client_id)
        if order is None:
            return None
        if order.remaining > event.remaining:
            order.doubt()
        elif order.state in {"decreasing", "unknown"}:
            order.state = "resting"
        return order.ticker

    def refused(self, event: WriteRefused) -> str | None:
        """A write was not applied."""
        order = self._state.orders.get(event.client_id)
        if order is None:
            return None
        self._out.note(
            "order.refused",
            _level(event.refusal),
            market=order.ticker,
            client_order_id=order.client_id,
            write=event.write,
            refusal=event.refusal,
            detail=event.detail,
        )
        if event.refusal == "rate_limited":
            self._state.budget.drain(self._out.now)
        if event.refusal in _LISTING_STALE:
            self._out.send(self._state.listing_reading())
        if event.refusal == "group_triggered":
            self._fences.trigger(self._shard_of(order))
        if event.write == "place":
            self._place_refused(order, event.refusal)
        else:
            self._change_refused(order, event)
        return order.ticker

    def _place_refused(self, order: Order, refusal: Refusal) -> None:
        if refusal == "already_exists":
            # It landed before: the exchange can tell what became of it.
            order.doubt()
            return
        self._state.orders.end(order)
        if refusal == "group_triggered":
            return
        for held in self._held_by(order, refusal):
            held.keep_new_orders_away(self._out.now + _HOLDS.get(refusal, _LONG_HOLD), refusal)
        if refusal == "not_found":
            # The market or the group is gone.
            self._out.send(self._state.listing_reading())
            self._fences.verify(self._shard_of(order))
        if refusal == "post_only_cross":
            listing = self._state.event_of_market[order.ticker].markets[order.ticker]
            listing.post_only_refusals += 1
            if listing.post_only_refusals >= _POST_ONLY_REFUSALS_BEFORE_REPAIR:
                reason = "post-only orders refused again and again"
                self._state.distrust(order.ticker, reason, self._out)

    def _shard_of(self, order: Order) -> int:
        return self._state.event_of_market[order.ticker].markets[order.ticker].terms.shard

    def _held_by(self, order: Order, refusal: Refusal) -> list[MarketState]:
        """Return the markets that get no new order because this one was refused."""
        shard = self._shard_of(order)
        return [
            listing
            for ticker, ladder in self._state.event_of_market.items()
            if (listing := ladder.markets[ticker]).terms.ticker == order.ticker
            or refusal in _ACCOUNT_WIDE
            or (refusal in _SHARD_WIDE and listing.terms.shard == shard)
        ]

    def _change_refused(self, order: Order, event: WriteRefused) -> None:
        again = self._out.now + _REFUSED_AGAIN
        if event.write == "cancel":
            order.cancel_after = again
        else:
            order.change_after = again
        if event.refusal in {"not_found", "inactive", "no_change"}:
            # It is over, or is what it should be already: the exchange can tell which.
            order.doubt()
        elif order.state in {"renewing", "decreasing", "cancelling"}:
            order.state = "resting"

    def unknown(self, event: WriteUnknown) -> str | None:
        """Nobody can say whether a write was applied."""
        order = self._state.orders.get(event.client_id)
        if order is None:
            return None
        self._out.note(
            "order.unknown",
            "warning",
            market=order.ticker,
            client_order_id=order.client_id,
            write=event.write,
            detail=event.detail,
        )
        order.doubt()
        return order.ticker

    # Orders in doubt

    def doubt_missing(self, found: set[str]) -> None:
        """Doubt the orders that a reading of the account should have shown and did not."""
        latest = self._out.now - _READING_LAG
        for order in self._state.orders:
            missing = order.client_id not in found and order.placed_at < latest
            if missing and order.state == "resting":
                order.doubt()

    def chase(self) -> None:
        """Ask after every order in doubt whose time to be asked after has come."""
        now = self._out.now
        fills_owed = False
        for order in self._state.orders:
            self._doubt_overdue(order)
            if order.state not in {"unknown", "owed"}:
                continue
            if order.state == "owed" and not order.asked_often:
                # Its fills are most likely on their way.
                order.asked_at, order.asked_often = now, 1
            if now >= _next_question(order):
                if order.state == "owed":
                    fills_owed = True
                elif not self._look_up(order):
                    continue
                order.asked_at, order.asked_often = now, order.asked_often + 1
            self._out.wake_by(_next_question(order))
        if fills_owed:
            self._out.send(self._state.account_reading())

    def _doubt_overdue(self, order: Order) -> None:
        """Doubt an order that should have run out by now; the clocks may differ."""
        if order.state not in {"resting", "renewing", "decreasing"} or not order.expires:
            return
        overdue = max(order.expires + _EXPIRY_GRACE, order.asked_at + _LOOK_UP_LATEST)
        if self._out.now >= overdue:
            order.doubt()
        else:
            self._out.wake_by(overdue)

    def _look_up(self, order: Order) -> bool:
        """Ask what became of an order, if that can be paid; else look again when it can."""
        reads, now = self._state.budget.reads, self._out.now
        cost = _LOOK_UP_COST if order.order_id else _SEARCH_COST
        if not reads.spend(cost, now, reserve=min(_READING_RESERVE, reads.capacity - cost)):
            self._out.wake_by(reads.payable_at(cost + _READING_RESERVE, now))
            return False
        self._out.send(QueryOrder(order.client_id, order.order_id, order.ticker, order.placed_at))
        return True

    def reported(self, event: OrderReported) -> str | None:
        """The exchange spoke of an order, asked or unasked."""
        return self.take_report(event.report, looked_up=event.looked_up)

    def take_report(self, report: OrderReport, *, looked_up: bool) -> str | None:
        """Learn from a report; one of ours that is not known was placed in an earlier life."""
        if not report.client_id.startswith(CLIENT_ID_PREFIX):
            return None
        orders = self._state.orders
        order = orders.get(report.client_id)
        if order is None:
            return self._adopt(report)
        # A report that nobody asked for may be older than the last write; it settles only
        # whether the order came to be at all.
        asked = looked_up and order.state == "unknown"
        if asked or order.state == "placing" or not order.order_id:
            order.state = "resting"
        if not order.order_id:
            self._identify(order, report.order_id)
        if orders.get(report.client_id) is order:
            orders.report(order, report)
        return order.ticker

    def _adopt(self, report: OrderReport) -> str | None:
        orders = self._state.orders
        unknown_market = report.ticker not in self._state.event_of_market
        if report.status == "ended" or orders.is_over(report.client_id) or unknown_market:
            return None
        order = adopted_order(report, self._out.now)
        orders.add(order)
        self._identify(order, report.order_id)
        self._out.note("order.adopted", market=order.ticker, client_order_id=order.client_id)
        return order.ticker

    def cancel_strays(self, reports: Iterable[OrderReport]) -> None:
        """Take off orders of ours that rest in markets we know nothing about."""
        budget = self._state.budget
        for report in reports:
            ours = report.client_id.startswith(CLIENT_ID_PREFIX)
            if not ours or report.ticker in self._state.event_of_market:
                continue
            if not budget.spend(budget.cancel_cost, self._out.now):
                return
            self._out.send(Cancel(report.client_id, report.order_id, report.ticker, report.shard))
            self._out.note("order.stray", "warning", market=report.ticker)

    def absent(self, event: OrderAbsent) -> str | None:
        """The exchange knows no such order; too soon, and it may still be on its way."""
        order = self._state.orders.get(event.client_id)
        if order is None or order.state != "unknown":
            return None
        if self._out.now >= order.placed_at + _ABSENT_AFTER:
            if order.order_id:
                self._state.orders.end(order)
            else:
                self._state.orders.forget(order)
        return order.ticker

    def abandon(self, ticker: str) -> None:
        """Let go of the orders of a market that is decided."""
        for order in self._state.orders.of(ticker):
            self._state.orders.forget(order)
            self._out.note(
                "order.abandoned",
                "warning",
                market=ticker,
                client_order_id=order.client_id,
                state=order.state,
                owed=format_count(order.filled - order.booked),
            )

    def look_up_failed(self, event: OrderQueryFailed) -> None:
        """The question was not answered; it is asked again in its turn."""
        self._out.note(
            "order.look_up_failed",
            "warning",
            client_order_id=event.client_id,
            detail=event.detail,
        )

    def _identify(self, order: Order, order_id: str) -> None:
        portfolio = self._state.event_of_market[order.ticker].portfolio
        self._state.orders.identify(order, order_id, portfolio.filled(order_id))

    # Fills

    def filled(self, event: Filled) -> str | None:
        """A trade of ours was reported."""
        return self.book(event.fill)

    def book(self, fill: Fill) -> str | None:
        """Book a fill that is news, and tell its order."""
        ladder = self._state.event_of_market.get(fill.ticker)
        if ladder is None or not ladder.portfolio.book(fill):
            return None
        ladder.heed(fill, self._out.now)
        booking = self._views.booking(fill, ladder)
        self._out.send(booking)
        self._out.note(
            "fill",
            event_ticker=ladder.ticker,
            market=fill.ticker,
            trade_id=fill.trade_id,
            order_id=fill.order_id,
            side=fill.side,
            price=format_price(fill.price),
            count=format_count(fill.count),
            fee=format_money(fill.fee),
            position=format_count(ladder.portfolio.position(fill.ticker)),
            fair=ladder.markets[fill.ticker].fair,
            known=booking.days_published,
        )
        orders = self._state.orders
        order = orders.by_order_id(fill.order_id) or orders.get(fill.client_id)
        if order is not None:
            self._identify(order, fill.order_id)
        return fill.ticker


def _next_question(order: Order) -> int:
    """Return when the exchange may be asked after an order again: at once, then ever later."""
    if not order.asked_often:
        return order.asked_at
    return order.asked_at + min(_LOOK_UP_FIRST << min(order.asked_often, 10), _LOOK_UP_LATEST)


def _level(refusal: Refusal) -> NoteLevel:
    if refusal in _ACCOUNT_WIDE:
        return "error"
    return "info" if refusal == "post_only_cross" else "warning"
