"""Requoting: compare wanted quotes with live orders, and send what differs.

A pass reviews some markets: for each it decides which quotes it should show, or which gate keeps it
from quoting, and compares that with the orders there. What differs is sent by `order_writer`.

There is at most one live order on each side of a market. A quote moves by cancel and place, and the
place waits until the cancel is confirmed and every fill of the order is booked. An order that lets
an event lose more than its limit is cancelled, whatever the cause (new settings, an earlier
session); so are the orders for which the collateral does not suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from mmbot.trading.book import Top
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.event_state import EventState
from mmbot.trading.gate_checks import (
    belief_gate,
    fee_gate,
    final_gate,
    hold_gate,
    market_gate,
    service_gate,
    shard_gate,
)
from mmbot.trading.gates import CLOSING_MARGIN_MS, NOT_LEARNT_YET, Gate, ShutGate
from mmbot.trading.headroom import Headroom, MarketHeadroom, headroom_basis
from mmbot.trading.market_state import MarketState
from mmbot.trading.order import Order, OrderState
from mmbot.trading.order_action import OrderAction, order_action, renewal_due
from mmbot.trading.order_writer import (
    OrderWriter,
    WantedCancel,
    WantedPlace,
    Writes,
    expiry,
    last_expiry,
)
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.quoting import (
    Quote,
    QuoteBounds,
    Quotes,
    danger,
    quote_bounds,
    wanted_quotes,
)
from mmbot.trading.state import ShardState, TradingState
from mmbot.trading.values import Side
from mmbot.units import Count, Milliseconds

# By themselves, as they are looked up for every order or gate, and an enum's members are slow.
_RESTING: Final = OrderState.RESTING
_UNKNOWN: Final = OrderState.UNKNOWN
_FEE_TYPE: Final = Gate.FEE_TYPE
_EVENT_UNREADABLE: Final = Gate.EVENT_UNREADABLE
_UNREADABLE: Final = Gate.UNREADABLE
_CONTRADICTS: Final = Gate.POSITION_CONTRADICTS


class _Done(msgspec.Struct, frozen=True, gc=False):
    """The inputs with which a review of a market left nothing to do, and until when that holds."""

    bounds: QuoteBounds
    top: Top
    common_gate: Gate | None
    until: Milliseconds


class Requoting:
    """Reviews markets, in one pass at one instant after another."""

    def __init__(
        self, state: TradingState, buffer: CommandBuffer, new_client_id: Callable[[], str]
    ) -> None:
        """Begin with nothing decided.

        Args:
            state: The engine's state, with its orders.
            buffer: Where the commands go.
            new_client_id: Returns the id of the next order.
        """
        self._state = state
        self._buffer = buffer
        self._writer = OrderWriter(state, buffer, new_client_id)
        # Both as the last pass left them: they hold while nothing but books changes, and nothing
        # is sent. The headroom also holds as long as its basis, if it `may_differ`.
        self._headroom: Headroom | None = None
        self._may_differ = False
        self._done: dict[str, _Done] = {}
        self._begin(0, check_limit=False)

    def _begin(self, now: Milliseconds, *, check_limit: bool) -> None:
        self._now = now
        self._check_limit = check_limit
        if check_limit:
            self._may_differ = True
            self._done.clear()
        # Whether an order was found that must be cancelled, so that others were given its room.
        self._excess_found = False
        # The events of the markets reviewed so far; the last of them is under review.
        self._events: list[str] = []
        self._writes = Writes()
        # The markets whose gate has changed, by event and reason.
        self._changed_gates: dict[tuple[str, str], list[str]] = {}

    def _forget(self) -> None:
        self._headroom = None
        self._done.clear()

    def run(self, tickers: Iterable[str], now: Milliseconds, *, check_limit: bool) -> None:
        """Review these markets, and send the writes that follow.

        With `check_limit` positions, orders or the loss limit may have changed, so that orders
        within the limit until now may be beyond it.
        """
        self._begin(now, check_limit=check_limit)
        reviewed, common_gate = None, None
        for ticker in tickers:
            event_state = self._state.event_of_market[ticker]
            if event_state is not reviewed:
                reviewed, common_gate = event_state, self._common_gate(event_state)
                self._events.append(event_state.ticker)
            market = event_state.markets[ticker]
            if ticker not in self._done or not self._is_done(event_state, market, common_gate):
                self._review_market(event_state, market, ticker, common_gate)
        if self._changed_gates:
            self._log_gates()
        changed = self._writer.send(self._writes, self._events, now, self._headroom_in)
        if changed or self._excess_found:
            self._forget()

    def _common_gate(self, event_state: EventState) -> Gate | None:
        """Return why no market of an event may be quoted."""
        return (
            service_gate(self._state.service)
            or fee_gate(event_state)
            or (Gate.EVENT_UNREADABLE if event_state.unreadable else None)
            or (None if event_state.reconciled else Gate.NOT_RECONCILED)
            or belief_gate(event_state.belief, event_state.releases, event_state.windows, self._now)
        )

    def _headroom_in(self, ticker: str) -> MarketHeadroom:
        """Return the headroom in a market: that of an earlier pass if nothing has changed since."""
        headroom = self._headroom
        if headroom is None or self._may_differ:
            basis, self._may_differ = headroom_basis(self._state), False
            if headroom is None or headroom.basis != basis:
                headroom = self._headroom = Headroom(self._state, basis)
        return headroom.at(ticker)

    # What should change

    def _review_market(
        self,
        event_state: EventState,
        market: MarketState,
        ticker: str,
        common_gate: Gate | None,
    ) -> None:
        self._state.without_room.discard(ticker)
        shard = self._state.shard(market.terms.shard)
        bounds, quotes = self._wanted(event_state, market, shard, common_gate)
        hold = hold_gate(market, self._now)
        gate = quotes.gate or hold
        if gate or market.shut_gate:
            self._set_gate(event_state, market, gate)
        if hold:
            self._buffer.wake_by(market.held_until, event_state.ticker)
        orders = self._state.orders.of(ticker)
        self._review_side("bid", quotes.bid, market, orders, shard.group)
        self._review_side("ask", quotes.ask, market, orders, shard.group)
        until = None if hold else self._unchanged_until(market, orders)
        if bounds is None or market.top is None or until is None:
            self._done.pop(ticker, None)
        else:
            self._done[ticker] = _Done(bounds, market.top, common_gate, until)

    def _is_done(
        self, event_state: EventState, market: MarketState, common_gate: Gate | None
    ) -> bool:
        """Return whether another review of a market would change nothing."""
        done, limits = self._done[market.terms.ticker], market.quote_limits
        return (
            self._now < done.until
            and done.top == market.top
            and done.common_gate is common_gate
            and limits is not None
            and limits.gate is None
            and self._bounds(event_state, market, limits) is done.bounds
        )

    def _unchanged_until(self, market: MarketState, orders: Iterable[Order]) -> Milliseconds | None:
        """Return when the clock alone may change what is due; `None` if that is not known."""
        until = market.terms.closes - CLOSING_MARGIN_MS
        for order in orders:
            if order.state is _RESTING:
                if order.kept_for is None:
                    return None
                until = min(until, order.kept_until)
        return until

    def _wanted(
        self,
        event_state: EventState,
        market: MarketState,
        shard: ShardState,
        common_gate: Gate | None,
    ) -> tuple[QuoteBounds | None, Quotes]:
        """Return the quotes that a market should show, and the bounds behind them, if any."""
        limits = market.quote_limits
        gate = (
            final_gate(market, self._now)
            or (Gate.PAUSED_BY_OPERATOR if market.terms.ticker in self._state.paused else None)
            or common_gate
            or market_gate(market, self._now)
            or shard_gate(shard)
            or (limits.gate if limits else None)
        )
        if gate or limits is None or market.top is None:
            return None, Quotes(gate=gate)
        bounds = self._bounds(event_state, market, limits)
        return bounds, wanted_quotes(bounds, market.top)

    def _bounds(
        self, event_state: EventState, market: MarketState, limits: QuoteLimits
    ) -> QuoteBounds:
        """Return the bounds of a market's quotes, recomputed if an input has changed."""
        bounds, terms, settings = market.bounds, market.terms, self._state.settings
        position, grid = event_state.portfolio.position(terms.ticker), terms.grid
        reduce_only = event_state.reduce_only
        if bounds is None or not bounds.hold_for(
            limits, position, grid, settings, reduce_only=reduce_only
        ):
            bounds = quote_bounds(limits, position, grid, settings, reduce_only=reduce_only)
            market.bounds = bounds
        return bounds

    def _set_gate(self, event_state: EventState, market: MarketState, gate: Gate | None) -> None:
        """Set why a market is not quoted, and note it for the log if that changed."""
        shut = None if gate is None else self._shut(event_state, market, gate)
        if shut == market.shut_gate:
            return
        market.shut_gate = shut
        changed = self._changed_gates.setdefault((event_state.ticker, market.reason), [])
        changed.append(market.ticker)

    def _log_gates(self) -> None:
        """Log one line for all markets of an event that changed to the same gate."""
        for (event_ticker, reason), tickers in self._changed_gates.items():
            name = "quotes.blocked" if reason else "quotes.open"
            which: dict[str, Any] = {"market": tickers[0]}
            if len(tickers) > 1:
                which = {"markets": len(tickers), "tickers": tickers}
            self._buffer.log(name, event_ticker=event_ticker, **which, reason=reason)

    def _shut(self, event_state: EventState, market: MarketState, gate: Gate) -> ShutGate:
        """Return a shut gate with its detail."""
        exchange = self._state.service.exchange
        if exchange and exchange.gate is gate:
            return exchange
        if gate is _FEE_TYPE:
            return ShutGate(gate, event_state.unknown_fee)
        if gate is _EVENT_UNREADABLE:
            return ShutGate(gate, event_state.unreadable)
        if gate is _UNREADABLE:
            return ShutGate(gate, market.unreadable)
        return ShutGate(gate, market.contradiction if gate is _CONTRADICTS else "")

    def _review_side(
        self,
        side: Side,
        wanted: Quote | None,
        market: MarketState,
        orders: tuple[Order, ...],
        group: str,
    ) -> None:
        """Decide on the orders on one side of a market, or on a new one if there is none."""
        found = False
        for order in orders:
            if order.side != side:
                continue
            # One order a side is wanted; any other was adopted and is cancelled.
            quote = None if found else wanted
            if order.state is _RESTING and not self._is_kept(order, quote):
                self._review_order(order, quote, market, orders, group)
            found = True
        if found or wanted is None or not wanted.count or hold_gate(market, self._now):
            return
        if _may_place(wanted, orders):
            self._writes.places.append(WantedPlace(market, wanted))

    def _review_order(
        self,
        order: Order,
        wanted: Quote | None,
        market: MarketState,
        orders: tuple[Order, ...],
        group: str,
    ) -> None:
        """Decide on a resting order, one of its market's `orders`; it should be in `group`."""
        now, settings = self._now, self._state.settings
        order.kept_for = None
        reason = "reprice" if market.shut_gate is None else market.reason or "reprice"
        excess = self._headroom_in(order.ticker).excess(order) if self._check_limit else None
        if excess:
            wanted, reason, self._excess_found = None, excess, True
        elif now < order.spared_until and self._cannot_judge_yet(market):
            self._buffer.wake_by(order.spared_until, self._events[-1])
            return
        elif order.group and group and order.group != group:
            wanted, reason = None, "other_group"
        attainable = None if wanted is None else self._attainable(order, wanted)
        renewal = renewal_due(order, settings.orders, last_expiry(market))
        action = order_action(order, attainable, now, settings.quoting, renewal)
        if action == "decrease" and attainable and not _any_unknown(orders):
            self._writes.decreases.append((order, attainable.count))
        elif action == "cancel" and now >= order.cancel_after:
            fair = market.fair
            worst = danger(order.side, order.price, 0.5 if fair is None else fair)
            self._writes.cancels.append(WantedCancel(worst, reason, order))
        elif action == "renew" and self._may_renew(order, orders, market):
            self._writes.renewals.append(order)
        else:
            self._wake_for(order, attainable, action, renewal)
            if action == "keep" and attainable is wanted:
                order.kept_for = wanted

    def _cannot_judge_yet(self, market: MarketState) -> bool:
        """Return whether this session still lacks what it needs to judge an adopted order."""
        if market.shut_gate is None:
            return self._state.cash is None
        return market.shut_gate.gate in NOT_LEARNT_YET

    def _is_kept(self, order: Order, wanted: Quote | None) -> bool:
        """Return whether the last review kept the order for this quote and still holds.

        Any other change of an order, or of what its review depends on, comes with a check of the
        limit, except for the room for a larger order; an order that lacks it is reviewed each time.
        """
        return (
            wanted is not None
            and not self._check_limit
            and self._now < order.kept_until
            and order.kept_for == wanted
        )

    def _may_renew(self, order: Order, orders: tuple[Order, ...], market: MarketState) -> bool:
        """Return whether an order can be extended, and no renewal was refused a moment ago."""
        return (
            self._now >= order.change_after
            and not _any_unknown(orders)
            and expiry(self._state, market, self._now) > order.expires
        )

    def _wake_for(
        self, order: Order, wanted: Quote | None, action: OrderAction, renewal: Milliseconds
    ) -> None:
        """Request a wake whenever the clock alone changes what to do about an order."""
        quoting, now = self._state.settings.quoting, self._now
        instants = [renewal, order.cancel_after, order.change_after]
        rested = order.placed_at + quoting.minimum_rest
        if rested > now and action != order_action(order, wanted, rested, quoting, renewal):
            instants.append(rested)
        to_come = [at for at in instants if at > now]
        for at in to_come:
            self._buffer.wake_by(at, self._events[-1])
        order.kept_until = min([renewal, *to_come])

    def _attainable(self, order: Order, wanted: Quote) -> Quote:
        """Return `wanted` cut to the size that an order in this one's place could have."""
        if wanted.count <= 2 * order.remaining:
            return wanted
        missing = Count(wanted.count - order.remaining)
        more = self._headroom_in(order.ticker).room(wanted.side, wanted.price, missing)
        return msgspec.structs.replace(wanted, count=Count(order.remaining + more))


def _may_place(wanted: Quote, orders: Iterable[Order]) -> bool:
    """Return whether no order of the other side is unknown or would cross the quote."""
    return not any(order.state is _UNKNOWN or _crosses(order, wanted) for order in orders)


def _any_unknown(orders: Iterable[Order]) -> bool:
    return any(order.state is _UNKNOWN for order in orders)


def _crosses(order: Order, wanted: Quote) -> bool:
    """Return whether an order of the other side rests at or beyond a quote's price."""
    return order.price <= wanted.price if wanted.side == "bid" else order.price >= wanted.price
