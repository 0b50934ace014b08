"""Price-time priority matching, exact in integers, with its own clearing.

The engine knows markets, accounts and orders, but nothing of the wire. Every method takes the wall
time. What it does is appended to `facts`, which the owner drains; refusals are raised as
`RequestRefused`. A refused order changes nothing.
"""

from __future__ import annotations

import random
import uuid
from heapq import heappop, heappush

from mmbot.exchange.accounts import NO_CASH, Account
from mmbot.exchange.checks import (
    check_amendment,
    check_crossing,
    check_new_order,
    preview,
    reducible,
)
from mmbot.exchange.clearing import ClearingHouse
from mmbot.exchange.facts import (
    BookLevelChanged,
    Fact,
    GroupUpdated,
    OrderChanged,
    Traded,
)
from mmbot.exchange.group_limits import FillLimitGroup, FillLimitGroups
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import (
    ClientOrderIds,
    ExchangeOrder,
    ExchangeOrderStatus,
    NewOrder,
    OrderAmendment,
    Reason,
    RequestRefused,
    TimeInForce,
)
from mmbot.trading.values import opposite
from mmbot.units import Count, Milliseconds, Money, Price, value_of


class MatchingEngine:
    """All markets, accounts and orders of one exchange."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.markets: dict[str, ExchangeMarket] = {}
        self.clearing = ClearingHouse()
        self.orders: dict[str, ExchangeOrder] = {}
        self.groups = FillLimitGroups()
        self.facts: list[Fact] = []
        self.trading_paused = False
        self.exchange_paused = False
        self._client_ids = ClientOrderIds()
        self._expiries: list[tuple[Milliseconds, str]] = []
        self._clock = 0

    def new_id(self) -> str:
        """Draw an identifier in the exchange's form."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def new_secret(self) -> bytes:
        """Draw the seed of a private key, for simulations only."""
        return self._rng.randbytes(32)

    # Accounts and markets

    def open_account(
        self, user_id: str, subaccount: int = 0, *, cash: Money = NO_CASH, audited: bool = False
    ) -> Account:
        """Add an account with a first deposit."""
        return self.clearing.open_account(user_id, subaccount, cash, audited=audited)

    @property
    def accounts(self) -> dict[tuple[str, int], Account]:
        """All accounts, by user id and subaccount."""
        return self.clearing.accounts

    def resting(self, account: Account, ticker: str | None = None) -> list[ExchangeOrder]:
        """Return an account's resting orders, in one market or in all."""
        if ticker is not None:
            return self.clearing.resting(account, ticker)
        return [o for o in self.orders.values() if o.account is account]

    # Orders

    def place(self, account: Account, request: NewOrder, now: Milliseconds) -> ExchangeOrder:
        """Match an order and rest the remainder, or raise `RequestRefused`."""
        self._client_ids.check(account, request.client_order_id)
        market = self._tradable(request.ticker, now)
        check_new_order(market, request, now)
        self._check_group(account, request.group_id)
        order = ExchangeOrder(self.new_id(), account, request, now)
        if request.reduce_only:
            order.remaining = reducible(account.net(request.ticker), request)
        self._check_entry(market, order, order.price, order.remaining, request.time_in_force)
        self._client_ids.spend(account, request.client_order_id)
        self._match(market, order, now)
        keeps = request.time_in_force == "good_till_canceled"
        self._rest_or_end(market, order, now, "" if keeps else None)
        self.clearing.reserve(market, account)
        return order

    def cancel(self, order: ExchangeOrder, now: Milliseconds, reason: Reason = "") -> Count:
        """Cancel a resting order and return how much was left of it."""
        self._check_cancellable(order)
        left = order.remaining
        self.withdraw(order, now, reason)
        return left

    def decrease(self, order: ExchangeOrder, to: Count, now: Milliseconds) -> None:
        """Decrease an order to `to` remaining; it keeps its queue position."""
        market = self._tradable(order.ticker, now)
        if to >= order.remaining or to < 0:
            raise RequestRefused("AMEND_ORDER_NO_OP", "order would not be decreased")
        self._shrink(market, order, Count(order.remaining - to), now)
        if order.remaining:
            order.updated_ms = now
            self._report(order, "Decrease", now)
        else:
            self._end(order, "canceled", "Decrease", now)
        self.clearing.reserve(market, order.account)

    def amend(self, order: ExchangeOrder, change: OrderAmendment, now: Milliseconds) -> None:
        """Change price, size or expiry; a new price or a larger size loses the queue position."""
        market = self._tradable(order.ticker, now)
        remaining = Count(change.total - order.filled)
        renamed = change.client_order_id != order.client_order_id
        check_amendment(market, order, change, now)
        if renamed:
            self._client_ids.check(order.account, change.client_order_id)
        moved = change.price != order.price or remaining > order.remaining
        if moved:
            self._check_entry(market, order, change.price, remaining)
        order.updated_ms = now
        if change.expires_ms != order.expires_ms:
            order.expires_ms = change.expires_ms
            self._schedule_expiry(order)
        if renamed:
            order.client_order_id = change.client_order_id
            self._client_ids.spend(order.account, change.client_order_id)
        if moved:
            self._requeue(market, order, change.price, remaining, now)
        else:
            if remaining < order.remaining:
                self._shrink(market, order, Count(order.remaining - remaining), now)
                order.initial = change.total
            self._report(order, "Amend", now)
        self.clearing.reserve(market, order.account)

    def queue_ahead(self, order: ExchangeOrder) -> Count:
        """Return how many contracts are ahead of a resting order."""
        return self.markets[order.ticker].sides[order.side].queue_ahead(order)

    # Time

    def next_expiry(self) -> Milliseconds | None:
        """Return when the next order may expire."""
        return self._expiries[0][0] if self._expiries else None

    def expire(self, now: Milliseconds) -> None:
        """Cancel every order that has expired."""
        while self._expiries and self._expiries[0][0] <= now:
            due, order_id = heappop(self._expiries)
            order = self.orders.get(order_id)
            if order is not None and order.expires_ms == due:
                self.withdraw(order, due, "ExpiryCancel")

    # Order groups

    def trigger_group(self, group: FillLimitGroup, now: Milliseconds) -> None:
        """Cancel a group's orders and refuse new ones until it is reset."""
        group.triggered = True
        self.facts.append(GroupUpdated(group.account, group.group_id, "triggered", None, now))
        for order in self.group_orders(group):
            self.withdraw(order, now, "")

    def group_orders(self, group: FillLimitGroup) -> list[ExchangeOrder]:
        """Return a group's resting orders."""
        return [o for o in self.orders.values() if o.group_id == group.group_id]

    def _check_group(self, account: Account, group_id: str | None) -> None:
        if group_id is None:
            return
        if self.groups.get(group_id, account.user_id, account.subaccount).triggered:
            raise RequestRefused("invalid_order", "order group triggered")

    # Checks

    def _tradable(self, ticker: str, now: Milliseconds) -> ExchangeMarket:
        if self.exchange_paused:
            raise RequestRefused("exchange_is_paused")
        if self.trading_paused:
            raise RequestRefused("trading_is_paused")
        market = self.markets.get(ticker)
        if market is None:
            raise RequestRefused("not_found", "market not found")
        if market.status != "active" or now >= market.close_ms:
            raise RequestRefused("MARKET_INACTIVE", f"market is {market.status}")
        return market

    def _check_cancellable(self, order: ExchangeOrder) -> None:
        if self.exchange_paused:
            raise RequestRefused("exchange_is_paused")
        if self.markets[order.ticker].status not in ("active", "inactive"):
            raise RequestRefused("MARKET_INACTIVE", "market is closed")

    def _check_entry(
        self,
        market: ExchangeMarket,
        order: ExchangeOrder,
        price: Price,
        count: Count,
        time_in_force: TimeInForce = "good_till_canceled",
    ) -> None:
        """Refuse an order that crosses where it must not, or that its account cannot pay for."""
        market.refuse_crossing(order, price)
        crossing = preview(market, order, price, count)
        check_crossing(order, crossing, count, time_in_force)
        self.clearing.check_funds(market, order, price, count, crossing)

    # Matching

    def _match(self, market: ExchangeMarket, order: ExchangeOrder, now: Milliseconds) -> None:
        opposing = market.sides[opposite(order.side)]
        for resting in list(opposing.crossed_by(order.price)):
            if not order.remaining or self._group_blocks(order):
                return
            if resting.status != "resting":
                continue  # its group was triggered by an earlier match
            if resting.account.user_id == order.account.user_id:
                if order.self_trade_prevention == "taker_at_cross":
                    self._end(order, "canceled", "SelfTradeCancel", now)
                    return
                self.withdraw(resting, now, "SelfTradeCancel")
                continue
            self._trade(market, order, resting, now)

    def _trade(
        self, market: ExchangeMarket, taker: ExchangeOrder, maker: ExchangeOrder, now: Milliseconds
    ) -> None:
        count = Count(min(taker.remaining, maker.remaining))
        trade = Traded(self.new_id(), market.ticker, taker.side, maker.price, count, now)
        parties = (taker.account, maker.account)
        longs = sum(max(account.net(market.ticker), 0) for account in parties)
        taker.remaining = Count(taker.remaining - count)
        self._shrink(market, maker, count, now)
        for order, is_taker in ((taker, True), (maker, False)):
            fill = self.clearing.book(market, order, trade, is_taker=is_taker)
            if fill is not None:
                self.facts.append(fill)
        longs_now = sum(max(account.net(market.ticker), 0) for account in parties)
        market.open_interest = Count(market.open_interest + longs_now - longs)
        market.last_price, market.last_count = trade.price, count
        market.volume = Count(market.volume + count)
        market.turnover = Money(market.turnover + value_of(count, trade.price))
        self.facts.append(trade)
        if maker.remaining:
            self._report(maker, "Trade", now)
        else:
            self._end(maker, "executed", "Trade", now)
        self.clearing.reserve(market, maker.account)
        for order in (taker, maker):
            group = self.groups.find(order.group_id)
            if group and not group.triggered and group.matched(count, now):
                self.trigger_group(group, now)

    # The book

    def _rest(self, market: ExchangeMarket, order: ExchangeOrder, now: Milliseconds) -> None:
        market.sides[order.side].add(order)
        self.orders[order.order_id] = order
        self.clearing.add(order)
        self._schedule_expiry(order)
        self._book_changed(market, order, order.remaining, now)

    def _schedule_expiry(self, order: ExchangeOrder) -> None:
        if order.expires_ms is not None:
            heappush(self._expiries, (order.expires_ms, order.order_id))

    def _shrink(
        self, market: ExchangeMarket, order: ExchangeOrder, by: Count, now: Milliseconds
    ) -> None:
        market.sides[order.side].reduce(order, by)
        self._book_changed(market, order, Count(-by), now)

    def withdraw(self, order: ExchangeOrder, now: Milliseconds, reason: Reason) -> None:
        """Remove a resting order from its book, whatever state the exchange is in."""
        market = self.markets[order.ticker]
        self._shrink(market, order, order.remaining, now)
        self._end(order, "canceled", reason, now)
        self.clearing.reserve(market, order.account)

    def _requeue(
        self,
        market: ExchangeMarket,
        order: ExchangeOrder,
        price: Price,
        remaining: Count,
        now: Milliseconds,
    ) -> None:
        self._shrink(market, order, order.remaining, now)
        self._remove(order)
        order.price, order.remaining = price, remaining
        order.initial = Count(order.filled + remaining)
        self._match(market, order, now)
        self._rest_or_end(market, order, now, "Amend")

    def _rest_or_end(
        self,
        market: ExchangeMarket,
        order: ExchangeOrder,
        now: Milliseconds,
        resting: Reason | None,
    ) -> None:
        """Rest the remainder of an order after matching, or end the order.

        `resting` is the reason to report if the order rests; with `None` it must not rest.
        """
        if order.status != "resting":
            return
        if not order.remaining:
            self._end(order, "executed", "Trade", now)
        elif resting is None or self._group_blocks(order):
            self._end(order, "canceled", "", now)
        else:
            self._rest(market, order, now)
            self._report(order, resting, now)

    def _group_blocks(self, order: ExchangeOrder) -> bool:
        group = self.groups.find(order.group_id)
        return group is not None and group.triggered

    def _book_changed(
        self, market: ExchangeMarket, order: ExchangeOrder, delta: Count, now: Milliseconds
    ) -> None:
        self._clock += 1
        market.clock = self._clock
        self.facts.append(
            BookLevelChanged(
                ticker=market.ticker,
                side=order.side,
                price=order.price,
                delta=delta,
                clock=self._clock,
                at=now,
                account=order.account,
                client_order_id=order.client_order_id,
            )
        )

    def _end(
        self, order: ExchangeOrder, status: ExchangeOrderStatus, reason: Reason, now: Milliseconds
    ) -> None:
        order.status, order.remaining, order.updated_ms = status, Count(0), now
        self._remove(order)
        self._report(order, reason, now)

    def _remove(self, order: ExchangeOrder) -> None:
        self.orders.pop(order.order_id, None)
        self.clearing.discard(order)

    def _report(self, order: ExchangeOrder, reason: Reason, now: Milliseconds) -> None:
        if order.account.audited:
            self.facts.append(OrderChanged(order.snapshot(), reason, now))
