"""Headroom: how much more an event may risk and a shard's balance can pay for.

An event may lose up to its limit in its worst outcome. Live orders need collateral from the balance
of their own shard, as if all of them filled; an order that closes a position needs none, and of
several orders the most expensive are taken to close it. Fees are paid in either case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from mmbot.trading.event_state import EventState
from mmbot.trading.fees import NO_FEE, MakerFee
from mmbot.trading.order import Order, OrderState
from mmbot.trading.portfolio import Exposure, WorstCase, paid_each
from mmbot.trading.state import TradingState
from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Money, Price, value_of

ExcessReason: TypeAlias = Literal["order_limit", "worst_case", "shard_balance"]


class CollateralBudget:
    """What is left of a shard's balance after the collateral of its live orders."""

    def __init__(
        self,
        balance: Money,
        positions: Mapping[str, Count],
        fees: Mapping[str, MakerFee] = MappingProxyType({}),
    ) -> None:
        """Begin without orders.

        Args:
            balance: The shard's balance.
            positions: The position in each of the shard's markets.
            fees: The maker fee in each of these markets; none if it is not given.
        """
        self._fees = fees
        self._left = balance
        # The collateral that returns once the orders being cancelled are off.
        self._returning = Money(0)
        # What is left of each position for orders on the side that reduces it.
        self._closing: dict[tuple[str, Side], Count] = {
            (ticker, "bid" if position < 0 else "ask"): Count(abs(position))
            for ticker, position in positions.items()
            if position
        }

    def reserve(self, orders: Iterable[Order]) -> None:
        """Reserve the collateral of the shard's orders."""
        for order in sorted(orders, key=lambda o: -paid_each(o.side, o.price)):
            needed = self.spend(order.ticker, order.side, order.price, order.exposed)
            if order.state is OrderState.CANCELLING:
                self._returning = Money(self._returning + needed)

    def spend(self, ticker: str, side: Side, price: Price, count: Count) -> Money:
        """Reserve the collateral of one more order; return the amount."""
        closing = self._closing.get((ticker, side))
        if closing:
            self._closing[ticker, side] = Count(max(0, closing - count))
        opening = Count(max(0, count - (closing or 0)))
        fee = self._fee(ticker).of(count, price)
        needed = Money(value_of(opening, paid_each(side, price)) + fee)
        self._left = Money(self._left - needed)
        return needed

    def room(self, ticker: str, side: Side, price: Price, count: Count) -> Count:
        """Return how much of one more order can be paid for."""
        closing = self._closing.get((ticker, side), Count(0))
        fee, left = self._fee(ticker), max(0, self._left)
        after_closing = Money(left - fee.of(min(closing, count), price))
        if after_closing < 0:
            return Count(0)
        payable = closing + fee.affordable(after_closing, paid_each(side, price))
        return min(count, Count(payable))

    def must_cancel(self, order: Order, position: Count) -> bool:
        """Return whether to cancel an order for lack of collateral; if so, count what it frees."""
        against = -position if order.side == "bid" else position
        growing = Count(order.exposed - max(0, against))
        if growing <= 0 or self._left + self._returning >= 0:
            return False
        fee = self._fee(order.ticker).of(order.exposed, order.price)
        returned = Money(value_of(growing, paid_each(order.side, order.price)) + fee)
        self._returning = Money(self._returning + returned)
        return True

    def _fee(self, ticker: str) -> MakerFee:
        return self._fees.get(ticker, NO_FEE)


class MarketHeadroom(msgspec.Struct, frozen=True):
    """The headroom in one market; worst case and collateral are shared with other markets.

    `floor` is the least wealth that an outcome may leave; `surplus` has the client ids of the
    orders beyond the limit on live orders. `collateral` is `None` while the shard's balance is
    not known.
    """

    ticker: str
    strike_index: int
    position: Count
    floor: Money
    fee: MakerFee
    worst_case: WorstCase
    collateral: CollateralBudget | None
    surplus: frozenset[str] = frozenset()

    def excess(self, order: Order) -> ExcessReason | None:
        """Return which limit an order exceeds, or `None`."""
        if order.client_id in self.surplus:
            return "order_limit"
        exposure = self._exposure(order.side, order.price, order.exposed)
        if self.worst_case.breaks(exposure, self.floor):
            return "worst_case"
        if self.collateral and self.collateral.must_cancel(order, self.position):
            return "shard_balance"
        return None

    def room(self, side: Side, price: Price, count: Count) -> Count:
        """Return how much of one more order there is room for."""
        return self._room(self._exposure(side, price, count))

    def claim(self, side: Side, price: Price, count: Count, *, least: Count) -> Count:
        """Claim room for one more order; return the size that fits.

        If that is less than `least`, nothing is claimed and 0 is returned.
        """
        exposure = self._exposure(side, price, count)
        room = self._room(exposure)
        if room < least:
            return Count(0)
        if room < count:
            exposure = self._exposure(side, price, room)
        self.worst_case.commit(exposure)
        if self.collateral:
            self.collateral.spend(self.ticker, side, price, room)
        return room

    def _exposure(self, side: Side, price: Price, count: Count) -> Exposure:
        return Exposure(self.strike_index, side, price, count, self.fee)

    def _room(self, exposure: Exposure) -> Count:
        room = self.worst_case.room(exposure, self.floor)
        if self.collateral:
            room = self.collateral.room(self.ticker, exposure.side, exposure.price, room)
        return room


class Headroom:
    """The headroom in each market at one instant, with every order counted that may be live.

    It holds as long as its `basis` does not change and nothing is claimed from it.
    """

    def __init__(self, state: TradingState, basis: tuple[object, ...] = ()) -> None:
        self._state = state
        self.basis = basis
        self._markets: dict[str, MarketHeadroom] = {}
        self._worst_cases: dict[str, WorstCase] = {}
        self._collateral: dict[int, CollateralBudget | None] = {}
        self._surplus: frozenset[str] | None = None

    def at(self, ticker: str) -> MarketHeadroom:
        """Return the headroom in a market."""
        found = self._markets.get(ticker)
        if self._surplus is None:
            self._surplus = _surplus(self._state)
        if found is None:
            event_state = self._state.event_of_market[ticker]
            portfolio = event_state.portfolio
            found = self._markets[ticker] = MarketHeadroom(
                ticker,
                portfolio.strike_index(ticker),
                portfolio.position(ticker),
                self._state.floor(event_state),
                event_state.fee,
                self._worst_case(event_state),
                self._collateral_on(event_state.markets[ticker].terms.shard),
                self._surplus,
            )
        return found

    def _worst_case(self, event_state: EventState) -> WorstCase:
        if event_state.ticker not in self._worst_cases:
            wealth = event_state.portfolio.wealth(self._state.exposures(event_state))
            self._worst_cases[event_state.ticker] = WorstCase(wealth)
        return self._worst_cases[event_state.ticker]

    def _collateral_on(self, shard: int) -> CollateralBudget | None:
        if shard not in self._collateral:
            balance = self._state.balance(shard)
            self._collateral[shard] = None if balance is None else self._budget(shard, balance)
        return self._collateral[shard]

    def _budget(self, shard: int, balance: Money) -> CollateralBudget:
        state = self._state
        traded = state.traded_on(shard)
        positions = {ticker: each.portfolio.position(ticker) for each, ticker in traded}
        charging = [each for each in state.events.values() if not each.fee.is_free]
        fees = {ticker: each.fee for each in charging for ticker in each.markets}
        budget = CollateralBudget(balance, positions, fees)
        for each in state.events.values():
            for fill in each.fills.doubted:
                # It may have taken its collateral already.
                if each.markets[fill.ticker].terms.shard == shard:
                    budget.spend(fill.ticker, fill.side, fill.price, fill.count)
        budget.reserve(order for order in state.orders if _is_on(state, order, shard))
        return budget


def headroom_basis(state: TradingState) -> tuple[object, ...]:
    """Return all inputs of the headroom in all markets."""
    orders = [(o.client_id, o.exposed, o.state is OrderState.CANCELLING) for o in state.orders]
    events = [
        (
            each,
            each.portfolio.changes,
            each.fee,
            each.unlisted.loss,
            each.fills.unconfirmed,
            each.fills.doubted,
        )
        for each in state.events.values()
    ]
    # A listing may move a market to another shard.
    return (
        state.settings,
        state.cash,
        state.listing_read_at,
        tuple(state.flat.items()),
        orders,
        events,
    )


def _is_on(state: TradingState, order: Order, shard: int) -> bool:
    market = state.find_market(order.ticker)
    return market is not None and market.terms.shard == shard


def _surplus(state: TradingState) -> frozenset[str]:
    """Return the orders beyond the limit on their number: those furthest from even odds."""
    most = state.settings.limits.orders
    if len(state.orders) <= most:
        return frozenset()
    kept_first = sorted(state.orders, key=lambda o: (abs(2 * o.price - ONE_DOLLAR), o.client_id))
    return frozenset(order.client_id for order in kept_first[most:])
