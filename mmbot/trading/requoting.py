"""Desired against live: what to write now, the most dangerous order first.

A review looks at some markets, settles for each which quotes it should show and why not, compares
that with the orders that live there, and sends what the budget can pay: cancels first, then
decreases, renewals and places. What cannot be paid is not queued; the review says when to look
again.

There is at most one live order on each side of a market. A quote moves by cancel and place, and
the place waits until the cancel is confirmed and every fill of it is booked. An order that lets
an event lose more than its limit goes, whatever made it so: new settings, or an earlier life; so
do as many as cannot be paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import Cancel, Decrease, Note, Place, Renew
from mmbot.trading.gates import (
    CLOSING_MARGIN,
    NOT_LEARNT_YET,
    MarketState,
    belief_gate,
    final_gate,
    hold_reason,
    market_gate,
    service_gate,
    shard_gate,
)
from mmbot.trading.headroom import Headroom
from mmbot.trading.orders import Order, order_action, renewal_due
from mmbot.trading.quoting import Quote, Quotes, danger, wanted_quotes
from mmbot.trading.state import EventState, TradingState
from mmbot.trading.values import Side
from mmbot.units import ONE_CONTRACT, Count, format_count, format_price

# When the worst case leaves no room, something else has to happen first; look again after this.
_ROOM_RETRY = 1_000

_SIDES: tuple[Side, Side] = ("bid", "ask")


class _Opening(msgspec.Struct, frozen=True):
    """A place in the book that should be ours and is empty."""

    ladder: EventState
    listing: MarketState
    quote: Quote


class _Withdrawal(NamedTuple):
    """An order of ours that should not stand, and how dangerous it is."""

    danger: float
    reason: str
    order: Order


class Requote:
    """One pass over some markets at one instant."""

    def __init__(
        self,
        state: TradingState,
        outbox: CommandBuffer,
        new_client_id: Callable[[], str],
        *,
        check_limit: bool,
    ) -> None:
        """Begin with nothing decided.

        Args:
            state: What is known, and the orders.
            outbox: Where the writes go.
            new_client_id: Names the next order.
            check_limit: Whether positions, orders or the loss limit may have changed, so that
                orders within the limit until now may be beyond it.
        """
        self._check_limit = check_limit
        self._state = state
        self._out = outbox
        self._new_client_id = new_client_id
        self._withdrawals: list[_Withdrawal] = []
        self._decreases: list[tuple[Order, Count]] = []
        self._renewals: list[Order] = []
        self._openings: list[_Opening] = []
        self._headroom = Headroom(state)

    def run(self, tickers: Iterable[str]) -> None:
        """Review these markets."""
        for ladder, its in groupby(tickers, self._state.event_of_market.__getitem__):
            common_reason = self._common_reason(ladder)
            for ticker in its:
                self._look_at(ladder, ladder.markets[ticker], common_reason)
        self._send_cancels()
        self._send_decreases()
        self._send_renewals()
        self._send_places()

    def _common_reason(self, ladder: EventState) -> str:
        """Return why no market of an event may be quoted."""
        return (
            service_gate(self._state.service)
            or ("" if ladder.reconciled else "not_reconciled")
            or belief_gate(ladder.belief, ladder.releases, ladder.windows, self._out.now)
        )

    def _look_at(self, ladder: EventState, listing: MarketState, common_reason: str) -> None:
        quotes = self._wanted(ladder, listing, common_reason)
        held = hold_reason(listing, self._out.now)
        self._note_reason(ladder, listing, quotes.reason or held)
        orders = self._state.orders.of(listing.terms.ticker)
        if held:
            self._out.wake_by(listing.held_until)
        if orders:
            self._compare(orders, quotes, listing)
        for wanted in (quotes.bid, quotes.ask):
            if wanted and wanted.count and not held and _may_open(wanted, orders):
                self._openings.append(_Opening(ladder, listing, wanted))

    def _wanted(self, ladder: EventState, listing: MarketState, common_reason: str) -> Quotes:
        now = self._out.now
        reason = (
            final_gate(listing, now)
            or common_reason
            or market_gate(listing, now)
            or shard_gate(self._state.shard(listing.terms.shard))
        )
        limits = listing.quote_limits
        reason = reason or (limits.reason if limits else "")
        if reason or limits is None or listing.top is None:
            return Quotes(reason=reason)
        return wanted_quotes(
            limits,
            listing.top,
            ladder.portfolio.position(listing.terms.ticker),
            listing.terms.grid,
            self._state.settings,
            reduce_only=ladder.reduce_only,
        )

    def _note_reason(self, ladder: EventState, listing: MarketState, reason: str) -> None:
        if reason == listing.reason:
            return
        listing.reason = reason
        self._out.note(
            "quotes.blocked" if reason else "quotes.open",
            event_ticker=ladder.ticker,
            market=listing.terms.ticker,
            reason=reason,
        )

    def _compare(self, orders: tuple[Order, ...], quotes: Quotes, listing: MarketState) -> None:
        unsure = any(order.state == "unknown" for order in orders)
        for side in _SIDES:
            live = [order for order in orders if order.side == side]
            for order in live:
                # One live order a side is meant; any other was adopted, and goes.
                meant = quotes.on(side) if order is live[0] else None
                self._judge(order, meant, listing, unsure=unsure)

    def _judge(
        self, order: Order, wanted: Quote | None, listing: MarketState, *, unsure: bool
    ) -> None:
        if order.state != "resting":
            return
        now = self._out.now
        quoting, life = self._state.settings.quoting, self._state.settings.orders
        reason = listing.reason or "reprice"
        group = self._state.shard(listing.terms.shard).group
        excess = self._headroom.at(order.ticker).excess(order) if self._check_limit else ""
        if excess:
            wanted, reason = None, excess
        elif now < order.spared_until and self._knows_too_little(listing):
            self._out.wake_by(order.spared_until)
            return
        elif order.group and group and order.group != group:
            wanted, reason = None, "other_group"
        attainable = self._attainable(order, wanted)
        decision = order_action(order, attainable, now, quoting, life)
        if decision == "decrease" and attainable and not unsure:
            self._decreases.append((order, attainable.count))
        elif decision == "cancel" and now >= order.cancel_after:
            fair = listing.fair if listing.fair is not None else 0.5
            self._withdrawals.append(
                _Withdrawal(danger(order.side, order.price, fair), reason, order)
            )
        elif decision == "renew" and not unsure and now >= order.change_after:
            if self._expiry(listing) > order.expires:
                self._renewals.append(order)
        else:
            self._wake_for(order, now)

    def _knows_too_little(self, listing: MarketState) -> bool:
        """Say whether this life has yet to learn what an earlier one judged its orders by."""
        sized_by_guess = not listing.reason and self._state.cash is None
        return sized_by_guess or listing.reason in NOT_LEARNT_YET

    def _wake_for(self, order: Order, now: int) -> None:
        """Look at an order again whenever the clock alone may change what is to be done."""
        settings = self._state.settings
        for due in (
            renewal_due(order, settings.orders),
            order.placed_at + settings.quoting.minimum_rest,
            order.cancel_after,
            order.change_after,
        ):
            if due > now:
                self._out.wake_by(due)

    def _attainable(self, order: Order, wanted: Quote | None) -> Quote | None:
        """Return `wanted` cut to the size that an order in this one's place could have."""
        if wanted is None or wanted.count <= 2 * order.remaining:
            return wanted
        missing = wanted.count - order.remaining
        more = self._headroom.at(order.ticker).room(wanted.side, wanted.price, missing)
        return msgspec.structs.replace(wanted, count=order.remaining + more)

    def _expiry(self, listing: MarketState) -> int:
        """Return until when an order may be sent to live: whole seconds, as the exchange has it."""
        latest = min(self._out.now + self._state.settings.orders.lifetime, listing.terms.closes)
        return latest // 1000 * 1000

    def _send_cancels(self) -> None:
        budget = self._state.budget
        withdrawals = sorted(self._withdrawals, key=lambda w: w.danger, reverse=True)
        for worst, reason, order in withdrawals:
            if not budget.spend(budget.cancel_cost, self._out.now):
                self._out.wake_by(budget.payable_at(budget.cancel_cost, self._out.now))
                return
            order.state = "cancelling"
            listing = self._listing(order)
            self._out.send(
                Cancel(order.client_id, order.order_id, order.ticker, listing.terms.shard)
            )
            self._note("order.cancel", order, reason=reason, danger_cents=round(worst / 100, 2))

    def _send_decreases(self) -> None:
        budget = self._state.budget
        for order, remaining in self._decreases:
            reserve = self._cancel_reserve()
            if not budget.spend(budget.decrease_cost, self._out.now, reserve=reserve):
                self._out.wake_by(budget.payable_at(budget.decrease_cost + reserve, self._out.now))
                return
            order.state = "decreasing"
            shard = self._listing(order).terms.shard
            self._out.send(
                Decrease(order.client_id, order.order_id, order.ticker, shard, remaining)
            )
            self._note("order.decrease", order, remaining=format_count(remaining))

    def _send_renewals(self) -> None:
        budget = self._state.budget
        for order in sorted(self._renewals, key=lambda o: o.expires):
            if not budget.spend(budget.renew_cost, self._out.now, reserve=self._cancel_reserve()):
                self._out.wake_by(
                    budget.payable_at(budget.renew_cost + self._cancel_reserve(), self._out.now)
                )
                return
            listing = self._listing(order)
            order.state = "renewing"
            self._out.send(
                Renew(
                    order.client_id,
                    order.order_id,
                    order.ticker,
                    listing.terms.shard,
                    order.side,
                    order.price,
                    order.count,
                    self._expiry(listing),
                )
            )

    def _send_places(self) -> None:
        budget = self._state.budget
        for opening in sorted(self._openings, key=_nearest_the_money_first):
            if len(self._state.orders) >= self._state.settings.limits.orders:
                return
            quote = opening.quote
            headroom = self._headroom.at(opening.listing.terms.ticker)
            least = min(ONE_CONTRACT, quote.count)
            count = headroom.claim(quote.side, quote.price, quote.count, least=least)
            if not count:
                self._out.wake_by(self._out.now + _ROOM_RETRY)
                continue
            if not budget.spend(budget.place_cost, self._out.now, reserve=self._cancel_reserve()):
                self._out.wake_by(
                    budget.payable_at(budget.place_cost + self._cancel_reserve(), self._out.now)
                )
                return
            self._place(opening, count)

    def _place(self, opening: _Opening, count: int) -> None:
        quote, market = opening.quote, opening.listing.terms
        expires = self._expiry(opening.listing)
        if expires <= self._out.now + CLOSING_MARGIN:
            return
        order = Order(
            client_id=self._new_client_id(),
            ticker=market.ticker,
            side=quote.side,
            price=quote.price,
            count=count,
            expires=expires,
            placed_at=self._out.now,
            group=self._state.shard(market.shard).group,
        )
        self._state.orders.add(order)
        self._out.send(
            Place(
                order.client_id,
                market.ticker,
                market.shard,
                quote.side,
                quote.price,
                count,
                expires,
                order.group,
            )
        )
        self._note("order.place", order, fair=opening.listing.fair)

    def _cancel_reserve(self) -> float:
        """Return the tokens that taking every order off would cost: these are never spent."""
        budget = self._state.budget
        reserve = budget.cancel_cost * (len(self._state.orders) + 1)
        return min(reserve, budget.capacity - max(budget.place_cost, budget.renew_cost))

    def _listing(self, order: Order) -> MarketState:
        return self._state.event_of_market[order.ticker].markets[order.ticker]

    def _note(self, name: str, order: Order, **fields: Any) -> None:
        described = {
            "event_ticker": self._state.event_of_market[order.ticker].ticker,
            "market": order.ticker,
            "client_order_id": order.client_id,
            "side": order.side,
            "price": format_price(order.price),
            "count": format_count(order.count),
        }
        self._out.send(Note(name, described | fields))


def _may_open(wanted: Quote, orders: Iterable[Order]) -> bool:
    """Say whether no order of ours is in a quote's place, in doubt, or in its way."""
    for order in orders:
        if order.side == wanted.side or order.state == "unknown" or _meets(order, wanted):
            return False
    return True


def _meets(order: Order, wanted: Quote) -> bool:
    """Say whether an order of the other side rests at or beyond a quote's price."""
    return order.price <= wanted.price if wanted.side == "bid" else order.price >= wanted.price


def _nearest_the_money_first(opening: _Opening) -> float:
    return abs((opening.listing.fair or 0.0) - 0.5)
