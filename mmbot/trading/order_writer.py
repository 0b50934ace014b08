"""Sends the order writes that a review of markets wants, as far as the tokens allow.

Cancels come first, the most dangerous order first, then decreases, renewals and places. Nothing is
queued: what the tokens do not allow is reviewed again when they do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Cancel, Decrease, Note, Place, Renew
from mmbot.trading.gates import CLOSING_MARGIN_MS
from mmbot.trading.headroom import MarketHeadroom
from mmbot.trading.market_state import MarketState
from mmbot.trading.order import Order, OrderCause
from mmbot.trading.quoting import Quote
from mmbot.trading.state import TradingState
from mmbot.units import ONE_CONTRACT, Count, Milliseconds, format_count, format_price


class WantedPlace(msgspec.Struct, frozen=True):
    """A wanted quote with no order of ours in its place."""

    market: MarketState
    quote: Quote


class WantedCancel(msgspec.Struct, frozen=True, gc=False):
    """An own order to cancel, how dangerous it is, and why."""

    danger: float
    reason: str
    order: Order


_DANGER: Final = attrgetter("danger")
# By itself, as it is looked up before a cancel goes out, and an enum's members are slow.
_CANCEL_SENT: Final = OrderCause.CANCEL_SENT


class Writes(msgspec.Struct):
    """The writes that a review wants; a decrease has the contracts that are to remain."""

    cancels: list[WantedCancel] = []
    decreases: list[tuple[Order, Count]] = []
    renewals: list[Order] = []
    places: list[WantedPlace] = []


class OrderWriter:
    """Sends the writes of one review after another."""

    def __init__(
        self, state: TradingState, buffer: CommandBuffer, new_client_id: Callable[[], str]
    ) -> None:
        """Begin with nothing sent; `new_client_id` returns the id of the next order."""
        self._state = state
        self._buffer = buffer
        self._new_client_id = new_client_id
        self._now: Milliseconds = 0
        self._events: Collection[str] = ()

    def send(
        self,
        writes: Writes,
        events: Collection[str],
        now: Milliseconds,
        headroom_in: Callable[[str], MarketHeadroom],
    ) -> bool:
        """Send what the tokens allow of the writes in some events' markets.

        `headroom_in` returns the headroom in a market, as the review has found it. Return whether
        it may be another after that.
        """
        self._events, self._now = events, now
        changed = bool(writes.cancels or writes.decreases or writes.renewals)
        if writes.cancels:
            self._send_cancels(writes.cancels)
        if writes.decreases:
            self._send_decreases(writes.decreases)
        if writes.renewals:
            self._send_renewals(writes.renewals)
        if writes.places and self._send_places(writes.places, headroom_in):
            changed = True
        return changed

    def _send_cancels(self, cancels: Sequence[WantedCancel]) -> None:
        if len(cancels) > 1:
            cancels = sorted(cancels, key=_DANGER, reverse=True)
        for cancel in cancels:
            if not self._pay(self._state.budget.cancel_cost):
                return
            order, danger_cents = cancel.order, round(cancel.danger) / 100
            order.change(_CANCEL_SENT)
            shard = self._state.market(order.ticker).terms.shard
            self._buffer.add(Cancel(order.client_id, order.order_id, order.ticker, shard))
            self._log("order.cancel", order, reason=cancel.reason, danger_cents=danger_cents)

    def _send_decreases(self, decreases: Sequence[tuple[Order, Count]]) -> None:
        for order, remaining in decreases:
            if not self._pay(self._state.budget.decrease_cost, self._cancel_reserve()):
                return
            order.change(OrderCause.DECREASE_SENT)
            shard = self._state.market(order.ticker).terms.shard
            self._buffer.add(
                Decrease(order.client_id, order.order_id, order.ticker, shard, remaining)
            )
            self._log("order.decrease", order, remaining=format_count(remaining))

    def _send_renewals(self, renewals: Sequence[Order]) -> None:
        for order in sorted(renewals, key=lambda o: o.expires):
            if not self._pay(self._state.budget.renew_cost, self._cancel_reserve()):
                return
            market = self._state.market(order.ticker)
            order.change(OrderCause.RENEWAL_SENT)
            self._buffer.add(
                Renew(
                    order.client_id,
                    order.order_id,
                    order.ticker,
                    market.terms.shard,
                    order.side,
                    order.price,
                    order.count,
                    expiry(self._state, market, self._now),
                )
            )

    def _send_places(
        self, places: Sequence[WantedPlace], headroom_in: Callable[[str], MarketHeadroom]
    ) -> bool:
        """Send places as far as there is room; return whether any may still be sent, or was."""
        if self._buffer.repairs:
            # Whether there still is a stream to quote by shows once the repair has begun.
            self._buffer.wake_by(self._now)
            return True
        claimed = False
        unheard = self._state.service.unheard
        most = 1 if unheard else self._state.settings.limits.orders
        for place in sorted(places, key=_distance_from_even_odds):
            if len(self._state.orders) >= most:
                self._state.without_room.add(place.market.ticker)
                continue
            quote = place.quote
            headroom = headroom_in(place.market.ticker)
            least = min(ONE_CONTRACT, quote.count)
            count = headroom.claim(quote.side, quote.price, quote.count, least=least)
            if not count:
                self._state.without_room.add(place.market.ticker)
                continue
            claimed = True
            if not self._pay(self._state.budget.place_cost, self._cancel_reserve()):
                break
            self._send_place(place, count)
        return claimed

    def _send_place(self, place: WantedPlace, count: Count) -> None:
        quote, terms = place.quote, place.market.terms
        expires = expiry(self._state, place.market, self._now)
        if expires <= self._now + CLOSING_MARGIN_MS:
            return
        order = Order(
            client_id=self._new_client_id(),
            ticker=terms.ticker,
            side=quote.side,
            price=quote.price,
            count=count,
            expires=expires,
            placed_at=self._now,
            group=self._state.shard(terms.shard).group,
        )
        self._state.orders.add(order)
        place.market.calm = None
        self._buffer.add(
            Place(
                order.client_id,
                terms.ticker,
                terms.shard,
                quote.side,
                quote.price,
                count,
                expires,
                order.group,
            )
        )
        fee = self._state.event_of_market[terms.ticker].fee
        charged = {} if fee.is_free else {"fee_each": format_price(fee.each(quote.price))}
        self._log("order.place", order, fair=place.market.fair, **charged)

    def _pay(self, cost: float, reserve: float = 0.0) -> bool:
        """Spend tokens for a write if that leaves `reserve`; if not, request a wake for then."""
        budget = self._state.budget
        if budget.spend(cost, self._now, reserve=reserve):
            return True
        payable_at = budget.payable_at(cost + reserve, self._now)
        for event_ticker in self._events:
            self._buffer.wake_by(payable_at, event_ticker)
        return False

    def _cancel_reserve(self) -> float:
        """Return the tokens kept for cancelling every order and one more.

        Capped so that a full bucket can still pay for a place, a renewal or a decrease.
        """
        budget = self._state.budget
        reserve = budget.cancel_cost * (len(self._state.orders) + 1)
        dearest = max(budget.place_cost, budget.renew_cost, budget.decrease_cost)
        return min(reserve, budget.capacity - dearest)

    def _log(self, name: str, order: Order, **fields: Any) -> None:
        which = {
            "event_ticker": self._state.event_of_market[order.ticker].ticker,
            "market": order.ticker,
            "client_order_id": order.client_id,
            "side": order.side,
            "price": format_price(order.price),
            "count": format_count(order.count),
            **fields,
        }
        self._buffer.add(Note(name, which))


def expiry(state: TradingState, market: MarketState, now: Milliseconds) -> Milliseconds:
    """Return the expiry of an order sent now, in whole seconds as the exchange requires."""
    return min((now + state.settings.orders.lifetime) // 1000 * 1000, last_expiry(market))


def last_expiry(market: MarketState) -> Milliseconds:
    """Return the latest expiry that an order may have."""
    return market.terms.closes // 1000 * 1000


def _distance_from_even_odds(place: WantedPlace) -> float:
    return abs((place.market.fair or 0.0) - 0.5)
