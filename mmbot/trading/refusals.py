"""Applies refused writes: their effects on order, market, order group, tokens and account."""

from __future__ import annotations

from collections.abc import Iterator

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import NoteLevel
from mmbot.trading.events import WriteRefused
from mmbot.trading.gates import Gate
from mmbot.trading.market_data import MarketData
from mmbot.trading.market_state import MarketState
from mmbot.trading.order import Order, OrderCause
from mmbot.trading.order_groups import OrderGroups
from mmbot.trading.reading_requests import listing_request
from mmbot.trading.state import TradingState
from mmbot.trading.values import Refusal
from mmbot.units import Milliseconds

# How long until a refused renewal, decrease or cancel may be sent again.
_RETRY_MS = 1_000
# How long a market gets no new order after a refusal.
_HOLDS_MS: dict[Refusal, Milliseconds] = {
    "post_only_cross": 1_000,
    "insufficient_balance": 60_000,
    "paused": 5_000,
    "inactive": 5_000,
    "rate_limited": 1_000,
    "unauthorised": 60_000,
    "clock": 60_000,
    "forbidden": 600_000,
}
_OTHER_HOLD_MS = 30_000
# Refusals that concern more than their market: its shard, which has one balance, or all.
_SHARD_WIDE: frozenset[Refusal] = frozenset({"insufficient_balance"})
_ACCOUNT_WIDE: frozenset[Refusal] = frozenset({"unauthorised", "clock", "forbidden"})
# Refusals after which the listing has to be read again.
_LISTING_STALE: frozenset[Refusal] = frozenset({"paused", "inactive"})
# After this many in a row, our book must differ from the exchange's.
_POST_ONLY_REFUSALS_BEFORE_REPAIR = 3


class Refusals:
    """Applies refused writes to orders, markets, groups and tokens."""

    def __init__(
        self,
        state: TradingState,
        buffer: CommandBuffer,
        order_groups: OrderGroups,
        market_data: MarketData,
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._order_groups = order_groups
        self._market_data = market_data

    def apply(self, order: Order, event: WriteRefused, now: Milliseconds) -> None:
        """Apply the refusal of one write to `order`."""
        self._buffer.log(
            "order.refused",
            _level(event.refusal),
            market=order.ticker,
            client_order_id=order.client_id,
            write=event.write,
            refusal=event.refusal,
            detail=event.detail,
        )
        if event.refusal == "rate_limited":
            self._state.budget.drain(now)
        if event.refusal in _LISTING_STALE:
            self._buffer.add(listing_request(self._state))
        if event.refusal == "group_triggered":
            self._order_groups.trigger(self._shard_of(order), now)
        if event.write == "place":
            self._place_refused(order, event.refusal, now)
        else:
            _change_refused(order, event, now)

    def _place_refused(self, order: Order, refusal: Refusal, now: Milliseconds) -> None:
        if refusal == "already_exists":
            # It was placed before: only the exchange knows its state.
            order.mark_unknown()
            return
        self._state.orders.end(order)
        if refusal == "group_triggered":
            return
        until = now + _HOLDS_MS.get(refusal, _OTHER_HOLD_MS)
        for market in self._markets_to_hold(order, refusal):
            market.hold(until, Gate(refusal))
        if refusal == "not_found":
            # The market or the group is gone.
            self._buffer.add(listing_request(self._state))
            self._order_groups.ensure(self._shard_of(order))
        if refusal == "post_only_cross":
            market = self._state.market(order.ticker)
            market.post_only_refusals += 1
            if market.post_only_refusals >= _POST_ONLY_REFUSALS_BEFORE_REPAIR:
                reason = "post-only orders refused again and again"
                self._market_data.distrust(order.ticker, reason)

    def _shard_of(self, order: Order) -> int:
        return self._state.market(order.ticker).terms.shard

    def _markets_to_hold(self, order: Order, refusal: Refusal) -> Iterator[MarketState]:
        """Iterate over the markets that get no new order because of this refusal."""
        shard = self._shard_of(order)
        for _, market in self._state.markets():
            if (
                market.ticker == order.ticker
                or refusal in _ACCOUNT_WIDE
                or (refusal in _SHARD_WIDE and market.terms.shard == shard)
            ):
                yield market


def _change_refused(order: Order, event: WriteRefused, now: Milliseconds) -> None:
    if event.write == "cancel":
        order.cancel_after = now + _RETRY_MS
    else:
        order.change_after = now + _RETRY_MS
    if event.refusal in {"not_found", "inactive", "no_change"}:
        # The order is over, or already as wanted: only the exchange knows which.
        order.mark_unknown()
    else:
        order.change(OrderCause.CHANGE_REFUSED)


def _level(refusal: Refusal) -> NoteLevel:
    if refusal in _ACCOUNT_WIDE:
        return "error"
    return "info" if refusal == "post_only_cross" else "warning"
