"""How much more an event may risk, and the balance of a shard can pay for.

An event may lose so much in its worst outcome. What rests on a shard is paid for from the balance
there and from nowhere else, as if all of it filled; what closes a position needs no cash, and of
several orders the dearest close it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec

from mmbot.trading.orders import Order
from mmbot.trading.portfolio import Exposure, WorstCase, paid_each
from mmbot.trading.state import EventState, TradingState
from mmbot.trading.values import Side
from mmbot.units import Count, Money, Price


class CollateralBudget:
    """What is left of a shard's balance beside the orders that may live there."""

    def __init__(self, balance: Money, positions: Mapping[str, Count]) -> None:
        self._left = balance
        # What the orders that are being cancelled set free once they are.
        self._leaving: Money = 0
        # What is left of each position for an order on the side that reduces it to close.
        self._closing: dict[tuple[str, Side], Count] = {
            (ticker, "bid" if position < 0 else "ask"): abs(position)
            for ticker, position in positions.items()
            if position
        }

    def hold(self, orders: Iterable[Order]) -> None:
        """Set aside what the orders of the shard need."""
        for order in sorted(orders, key=lambda o: -paid_each(o.side, o.price)):
            needed = self.spend(order.ticker, order.side, order.price, order.exposed)
            if order.state == "cancelling":
                self._leaving += needed

    def spend(self, ticker: str, side: Side, price: Price, count: Count) -> Money:
        """Set aside what one more order needs, and return it."""
        closing = self._closing.get((ticker, side))
        if closing:
            self._closing[ticker, side] = max(0, closing - count)
            count = max(0, count - closing)
        needed = count * paid_each(side, price)
        self._left -= needed
        return needed

    def room(self, ticker: str, side: Side, price: Price, count: Count) -> Count:
        """Return how much of one more order can be paid for."""
        closing = self._closing.get((ticker, side), 0)
        return min(count, closing + max(0, self._left) // paid_each(side, price))

    def recall(self, order: Order, position: Count) -> bool:
        """Say whether an order has to go as not all can be paid for; its cash then comes back."""
        against = -position if order.side == "bid" else position
        growing = order.exposed - max(0, against)
        if growing <= 0 or self._left + self._leaving >= 0:
            return False
        self._leaving += growing * paid_each(order.side, order.price)
        return True


class MarketHeadroom(msgspec.Struct, frozen=True):
    """What there is room for in one market; its event and its shard are shared with others.

    `floor` is the least wealth that an outcome may leave. There is no purse while the balance of
    the shard is not known.
    """

    ticker: str
    strike_index: int
    position: Count
    floor: Money
    worst_case: WorstCase
    purse: CollateralBudget | None

    def excess(self, order: Order) -> str:
        """Return why an order is more than there is room for, or nothing."""
        exposure = Exposure(self.strike_index, order.side, order.price, order.exposed)
        if self.worst_case.breaks(exposure, self.floor):
            return "worst_case"
        return "shard_balance" if self.purse and self.purse.recall(order, self.position) else ""

    def room(self, side: Side, price: Price, count: Count) -> Count:
        """Return how much of one more order there is room for."""
        return self._room(Exposure(self.strike_index, side, price, count))

    def claim(self, side: Side, price: Price, count: Count, *, least: Count) -> Count:
        """Count one more order for as much as there is room for, and return how much that is.

        Where that is less than `least`, there is no order, and 0 is returned.
        """
        exposure = Exposure(self.strike_index, side, price, count)
        room = self._room(exposure)
        if room < least:
            return 0
        if room < count:
            exposure = Exposure(self.strike_index, side, price, room)
        self.worst_case.commit(exposure)
        if self.purse:
            self.purse.spend(self.ticker, side, price, room)
        return room

    def _room(self, exposure: Exposure) -> Count:
        room = self.worst_case.room(exposure, self.floor)
        if self.purse:
            room = self.purse.room(self.ticker, exposure.side, exposure.price, room)
        return room


class Headroom:
    """What there is room for at one instant, every order counted that may be live."""

    def __init__(self, state: TradingState) -> None:
        self._state = state
        self._markets: dict[str, MarketHeadroom] = {}
        self._worst_cases: dict[str, WorstCase] = {}
        self._purses: dict[int, CollateralBudget | None] = {}

    def at(self, ticker: str) -> MarketHeadroom:
        """Return what there is room for in a market."""
        found = self._markets.get(ticker)
        if found is None:
            ladder = self._state.event_of_market[ticker]
            portfolio, market = ladder.portfolio, ladder.markets[ticker].terms
            found = self._markets[ticker] = MarketHeadroom(
                ticker,
                portfolio.strike_index(ticker),
                portfolio.position(ticker),
                self._floor,
                self._worst_case(ladder),
                self._purse(market.shard),
            )
        return found

    @cached_property
    def _floor(self) -> Money:
        return -self._state.loss_limit()

    def _worst_case(self, ladder: EventState) -> WorstCase:
        if ladder.ticker not in self._worst_cases:
            exposures = self._state.exposures(ladder)
            self._worst_cases[ladder.ticker] = WorstCase(ladder.portfolio.wealth(exposures))
        return self._worst_cases[ladder.ticker]

    def _purse(self, shard: int) -> CollateralBudget | None:
        if shard not in self._purses:
            balance = self._state.balance(shard)
            self._purses[shard] = None if balance is None else self._filled(shard, balance)
        return self._purses[shard]

    def _filled(self, shard: int, balance: Money) -> CollateralBudget:
        state = self._state
        positions = {
            t: state.event_of_market[t].portfolio.position(t) for t in state.on_shard(shard)
        }
        purse = CollateralBudget(balance, positions)
        purse.hold(order for order in state.orders if order.ticker in positions)
        return purse
