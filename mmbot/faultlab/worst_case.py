"""The most that the account may lose, by the exchange's own records, compared with the limit.

A session cannot know of an order that an earlier one had in flight when it was killed and that the
exchange executes later, nor of one that rests although it was reported as ended. Such an order has
its short lifetime; it counts from its first renewal on, and before that against whatever the bot
sends once it knows of the order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mmbot.exchange.exchange_state import ExchangeState
from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.fees import FeeSchedule
from mmbot.faultlab.agreement import InvariantBroken
from mmbot.faultlab.fees_known import least_fee, reckoned_with
from mmbot.faultlab.holdings import Holding
from mmbot.faultlab.live_orders import LiveOrders
from mmbot.faultlab.traffic import CreateRequest
from mmbot.trading.orders import OwnOrders
from mmbot.trading.values import Side, event_of
from mmbot.units import Count, Money, Price


class WorstCase:
    """The holding in each event, and its worst case if every order fills where it loses."""

    def __init__(self, exchange: ExchangeState, orders: LiveOrders, limit: Money) -> None:
        """Begin with nothing held; no outcome of an event may lose more than `limit`."""
        self.pending: dict[str, CreateRequest] = {}
        self._exchange = exchange
        self._orders = orders
        self._limit = limit
        self._holdings: dict[str, Holding] = {}
        self._excused: set[tuple[str, str]] = set()

    @property
    def fees_have_changed(self) -> bool:
        """Whether the clock alone may change which fees the bot may assume."""
        return bool(self._exchange.fee_changes)

    def holding(self, event: str) -> Holding:
        """Return the holding in an event."""
        if event not in self._holdings:
            self._holdings[event] = Holding(self._exchange.events[event].tickers)
        return self._holdings[event]

    def book(self, fill: AccountFilled) -> None:
        """Book a fill."""
        event = event_of(fill.ticker)
        expected = least_fee(self._schedules(event), fill.price, fill.count)
        self.holding(event).book(fill, expected)

    def excuse(self, fill: AccountFilled) -> None:
        """Count a fill's loss as unavoidable, once."""
        key = fill.trade_id, fill.order_id
        if key not in self._excused:
            self._excused.add(key)
            self.holding(event_of(fill.ticker)).excuse(fill)

    def check(self, event: str) -> None:
        """Check the least wealth, with live orders and places in flight filled.

        Raises:
            InvariantBroken: It is below the limit.
        """
        least, allowed = self._least(event), self._allowed(event)
        if least < allowed:
            raise InvariantBroken(
                "worst_case",
                f"an outcome loses ${-least / 1e6:.2f} where the limit of "
                f"${self._limit / 1e6:.2f} and others' trades allow ${-allowed / 1e6:.2f}",
            )

    def check_sent(self, sent: CreateRequest, known_to_bot: OwnOrders) -> None:
        """Check an order that is sent, and count it from then on.

        Args:
            sent: The order.
            known_to_bot: The orders that the bot knows; it has to count unforeseen ones among them.

        Raises:
            InvariantBroken: It may lose more than is allowed.
        """
        event = event_of(sent.ticker)
        known = {
            order.order_id
            for order in self._orders
            if self._orders.is_unforeseen(order)
            and not self._orders.may_be_taken_for_over(order)
            and known_to_bot.get(order.client_order_id)
        }
        before = self._least(event, known)
        self.pending[sent.client_id] = sent
        self.check(event)
        if known and self._least(event, known) < min(before, self._allowed(event)):
            raise InvariantBroken(
                "worst_case", f"{sent.client_id} adds to what an unforeseen order may lose"
            )

    def _least(self, event: str, known: Collection[str] = ()) -> Money:
        return min(self.holding(event).wealth(self._exposed(event, known)))

    def _allowed(self, event: str) -> Money:
        return Money(-self._limit - self.holding(event).unavoidable_loss)

    def _exposed(
        self, event: str, known: Collection[str]
    ) -> Iterator[tuple[str, Side, Price, Count, Money]]:
        counted = [
            (order.ticker, order.side, order.price, order.remaining)
            for order in self._orders
            if order.order_id in known or not self._orders.is_unforeseen(order)
        ]
        counted += [
            (sent.ticker, sent.side, sent.price, sent.count) for sent in self.pending.values()
        ]
        counted = [each for each in counted if event_of(each[0]) == event]
        schedules = self._schedules(event)
        for ticker, side, price, count in counted:
            yield ticker, side, price, count, least_fee(schedules, price, count)

    def _schedules(self, event: str) -> list[FeeSchedule]:
        """Return the fees that the bot may assume."""
        return reckoned_with(self._exchange, event, self._orders.now)
