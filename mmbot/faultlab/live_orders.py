"""The bot's orders that rest on the exchange, by the exchange's own facts, checked one by one.

Orders that the bot cannot know about are tracked separately: those that an earlier session had in
flight, and those that a false report has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from mmbot.exchange.facts import AccountFilled, OrderChanged
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.agreement import InvariantBroken
from mmbot.faultlab.placement_checks import SKEW_MS
from mmbot.faultlab.traffic import CreateRequest
from mmbot.trading.orders import OwnOrders
from mmbot.trading.values import CLIENT_ID_PREFIX, Side
from mmbot.units import Milliseconds, Price

# How long after a false report of its end the bot may think that an order is over: until a reading
# of the account lists it again, a query confirms that it rests, and its replacement is cancelled,
# all of which may fail a few times.
_FALSELY_OVER_MS: Final = 40_000
# How long the bot's book may show an own order that has ended: the answer to its cancel may be
# late, and the stream later still.
_STILL_SHOWN_MS: Final = 30_000


class LiveOrders:
    """The resting orders, by order id.

    Raises:
        InvariantBroken: An order must not rest like this; raised by whatever method finds it.
    """

    def __init__(self, lifetime: Milliseconds) -> None:
        """Begin with none; no order may rest longer than `lifetime` unless it is renewed."""
        self.resting: dict[str, ExchangeOrder] = {}
        self.placed = 0
        self._session = ""
        # Those placed by the present session, by client id.
        self._of_session: dict[str, ExchangeOrder] = {}
        # Since when the operator has halted the bot, in true milliseconds.
        self.halted_at: Milliseconds | None = None
        # The time of the last fact.
        self.now: Milliseconds = 0
        self._lifetime = lifetime
        # Orders that a session had in flight at its end, and that came to rest in a later one.
        self._late: set[str] = set()
        # When an own order at this price last ended.
        self._lately_ours: dict[tuple[str, Side, Price], Milliseconds] = {}
        # When a false report last ended an order, by client id.
        self._false_ends: dict[str, Milliseconds] = {}

    def __iter__(self) -> Iterator[ExchangeOrder]:
        """Return the resting orders, oldest first."""
        return iter(self.resting.values())

    @property
    def session(self) -> str:
        """The present session."""
        return self._session

    @session.setter
    def session(self, session: str) -> None:
        self._session = session
        self._of_session = {
            order.client_order_id: order for order in self if session_of(order) == session
        }

    def changed(self, fact: OrderChanged) -> bool:
        """Follow a change of an own order, and check that it may rest like this.

        Return whether its possible losses may have changed; a longer life alone changes none.
        """
        order = fact.order
        before = self.resting.get(order.order_id)
        unforeseen = self.is_unforeseen(order)
        self._follow(order, fact)
        return (
            before is None
            or order.status != "resting"
            or (before.price, before.remaining) != (order.price, order.remaining)
            or self.is_unforeseen(order) != unforeseen
        )

    def _follow(self, order: ExchangeOrder, fact: OrderChanged) -> None:
        if fact.reason == "SelfTradeCancel":
            raise InvariantBroken("self_cross", f"{shown(order)} met another order of ours")
        if order.status != "resting":
            if self.resting.pop(order.order_id, None) is not None:
                self._of_session.pop(order.client_order_id, None)
                self._lately_ours[order.ticker, order.side, order.price] = fact.at
            return
        before = self.resting.get(order.order_id)
        self.resting[order.order_id] = order
        if session_of(order) == self._session:
            self._of_session[order.client_order_id] = order
        self._check_protections(order, fact.at)
        if before is None:
            self.placed += 1
            if order.client_order_id not in self._of_session:
                self._late.add(order.order_id)
            self._check_alone(order)
        elif (order.expires_ms or 0) > (before.expires_ms or 0):
            self._late.discard(order.order_id)
            if not self.may_be_taken_for_over(order):
                self._false_ends.pop(order.client_order_id, None)
            self._check_alone(order, renewed=True)

    def ended_falsely(self, client_id: str, now: Milliseconds) -> None:
        """Follow a false report that ends a resting order."""
        self.now = self._false_ends[client_id] = now

    def may_be_taken_for_over(self, order: ExchangeOrder) -> bool:
        """Return whether a false report ended an order so recently that the bot may believe it."""
        told = self._false_ends.get(order.client_order_id)
        return told is not None and self.now < told + _FALSELY_OVER_MS

    def is_unforeseen(self, order: ExchangeOrder | AccountFilled) -> bool:
        """Return whether the bot need not foresee what an order does."""
        return order.order_id in self._late or order.client_order_id in self._false_ends

    def own(self) -> Iterator[ExchangeOrder]:
        """Return the orders that the present session has placed and must know to be resting."""
        for order in self._of_session.values():
            if not self.may_be_taken_for_over(order):
                yield order

    def check_known(self, orders: OwnOrders) -> None:
        """Check that the bot knows every order of this session that rests."""
        if self._of_session.keys() <= orders.client_ids:
            return
        for order in self.own():
            if orders.get(order.client_order_id) is None:
                raise InvariantBroken(
                    "lost_order", f"{shown(order)} rests and the bot takes it for over"
                )

    def prices_lately_ours(self, sent: CreateRequest) -> Collection[Price]:
        """Return prices at which a book may still show ended own orders on its side."""
        since = self.now - _STILL_SHOWN_MS
        return {
            price
            for (ticker, side, price), ended in self._lately_ours.items()
            if (ticker, side) == (sent.ticker, sent.side) and ended >= since
        }

    def check_met_by(self, sent: CreateRequest) -> None:
        """Check that an order that is sent would trade with none of these."""
        for order in self:
            meets = order.side != sent.side and order.ticker == sent.ticker
            meets = meets and not self.may_be_taken_for_over(order)
            if meets and (sent.price >= order.price) == (sent.side == "bid"):
                raise InvariantBroken("self_cross", f"{sent.client_id} would meet {shown(order)}")

    def check_none(self, invariant: str, told: str) -> None:
        """Check that no order rests; `told` describes one that does."""
        for order in self:
            raise InvariantBroken(invariant, f"{shown(order)} {told}")

    def _check_protections(self, order: ExchangeOrder, now: Milliseconds) -> None:
        missing = [
            name
            for name, there in (
                ("expiry", order.expires_ms is not None),
                ("post_only", order.post_only),
                ("cancel_on_pause", order.cancel_on_pause),
                ("group", order.group_id is not None),
            )
            if not there
        ]
        if missing:
            raise InvariantBroken("fence", f"{shown(order)} rests without {', '.join(missing)}")
        if (order.expires_ms or 0) > now + self._lifetime + SKEW_MS:
            raise InvariantBroken("fence", f"{shown(order)} would outlive its lifetime")
        halted = self.halted_at
        if halted is not None and (order.expires_ms or 0) > halted + self._lifetime + SKEW_MS:
            raise InvariantBroken("halted", f"{shown(order)} was placed or renewed after the halt")

    def _check_alone(self, order: ExchangeOrder, *, renewed: bool = False) -> None:
        """Check that no other order is on its side or crosses it, save an earlier session's."""
        for other in self:
            if other.order_id == order.order_id or other.ticker != order.ticker:
                continue
            if self.may_be_taken_for_over(order) or self.may_be_taken_for_over(other):
                continue
            if other.side == order.side:
                late = {order.order_id, other.order_id} & self._late
                if renewed or not late:
                    raise InvariantBroken(
                        "one_order", f"{shown(order)} rests beside {shown(other)}"
                    )
            elif (order.price >= other.price) == (order.side == "bid"):
                raise InvariantBroken("self_cross", f"{shown(order)} crosses {shown(other)}")


def is_own(order: ExchangeOrder | AccountFilled) -> bool:
    """Return whether an order or fill is the bot's."""
    return order.client_order_id.startswith(CLIENT_ID_PREFIX)


def session_of(order: ExchangeOrder | AccountFilled) -> str:
    """Return the bot's session that placed an order."""
    return order.client_order_id.removeprefix(CLIENT_ID_PREFIX).rpartition("-")[0]


def shown(order: ExchangeOrder) -> str:
    """Return an order as text."""
    return f"{order.client_order_id} ({order.side} {order.remaining} at {order.price})"
