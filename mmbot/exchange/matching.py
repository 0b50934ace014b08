"""Price-time matching, exact in integers, with its own ledger.

The engine knows markets, accounts and orders, and nothing of the wire. Every method takes the
wall time in milliseconds. What it does is appended to `facts`, which the owner drains; what it
will not do is raised as `RequestRefused`. A refused order leaves no trace.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from heapq import heappop, heappush

from mmbot.exchange.accounts import Account, cost_of_one
from mmbot.exchange.checks import (
    cash_held,
    check_amendment,
    check_crossing,
    check_wish,
    preview,
    reducible,
)
from mmbot.exchange.facts import (
    AccountFilled,
    BookLevelChanged,
    Fact,
    GroupUpdated,
    OrderChanged,
    Traded,
)
from mmbot.exchange.fees import rounded_fee
from mmbot.exchange.group_limits import FillLimitGroup, FillLimitGroups
from mmbot.exchange.market import ExchangeMarket, opposite
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
from mmbot.units import Count, Money, Price


class MatchingEngine:
    """All markets, accounts and orders of one exchange."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.markets: dict[str, ExchangeMarket] = {}
        self.accounts: dict[tuple[str, int], Account] = {}
        self.orders: dict[str, ExchangeOrder] = {}
        self.groups = FillLimitGroups()
        self.facts: list[Fact] = []
        self.fee_income: Money = 0
        self.trading_paused = False
        self.exchange_paused = False
        self._resting: defaultdict[tuple[Account, str], dict[str, ExchangeOrder]] = defaultdict(
            dict
        )
        self._client_ids = ClientOrderIds()
        self._expiries: list[tuple[int, str]] = []
        self._clock = 0

    def new_id(self) -> str:
        """Draw an identifier in the exchange's form."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def new_secret(self) -> bytes:
        """Draw the seed of a private key: of no worth outside a simulation."""
        return self._rng.randbytes(32)

    # Accounts and markets

    def open_account(
        self, user_id: str, subaccount: int = 0, *, cash: Money = 0, audited: bool = False
    ) -> Account:
        """Add an account with a first deposit."""
        account = Account(user_id, subaccount, audited=audited)
        account.deposit(cash)
        self.accounts[user_id, subaccount] = account
        return account

    def resting(self, account: Account, ticker: str | None = None) -> list[ExchangeOrder]:
        """Return an account's resting orders, in one market or in all."""
        if ticker is not None:
            return list(self._resting[account, ticker].values())
        return [o for o in self.orders.values() if o.account is account]

    # Orders

    def place(self, account: Account, wish: NewOrder, now: int) -> ExchangeOrder:
        """Match an order and rest what is left of it, or raise `RequestRefused`."""
        self._client_ids.check(account, wish.client_order_id)
        market = self._tradable(wish.ticker, now)
        check_wish(market, wish, now)
        self._check_group(account, wish.group_id)
        order = ExchangeOrder(self.new_id(), account, wish, now)
        if wish.reduce_only:
            order.remaining = reducible(account.net(wish.ticker), wish)
        self._check_entry(market, order, order.price, order.remaining, wish.time_in_force)
        self._client_ids.spend(account, wish.client_order_id)
        self._match(market, order, now)
        keeps = wish.time_in_force == "good_till_canceled"
        self._conclude(market, order, now, "" if keeps else None)
        self._reserve(account, order.ticker)
        return order

    def cancel(self, order: ExchangeOrder, now: int, reason: Reason = "") -> Count:
        """Cancel a resting order and return how much was left of it."""
        self._check_cancellable(order)
        left = order.remaining
        self.withdraw(order, now, reason)
        return left

    def decrease(self, order: ExchangeOrder, to: Count, now: int) -> None:
        """Shrink an order to `to` remaining; it keeps its place in the queue."""
        market = self._tradable(order.ticker, now)
        if to >= order.remaining or to < 0:
            raise RequestRefused("AMEND_ORDER_NO_OP", "order would not be decreased")
        self._shrink(market, order, order.remaining - to, now)
        if order.remaining:
            order.updated_ms = now
            self._tell(order, "Decrease", now)
        else:
            self._retire(order, "canceled", "Decrease", now)
        self._reserve(order.account, order.ticker)

    def amend(self, order: ExchangeOrder, change: OrderAmendment, now: int) -> None:
        """Change price, size or expiry; only smaller or longer-lived orders keep their place."""
        market = self._tradable(order.ticker, now)
        remaining = change.total - order.filled
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
            self._watch_expiry(order)
        if renamed:
            order.client_order_id = change.client_order_id
            self._client_ids.spend(order.account, change.client_order_id)
        if moved:
            self._requeue(market, order, change.price, remaining, now)
        else:
            if remaining < order.remaining:
                self._shrink(market, order, order.remaining - remaining, now)
                order.initial = change.total
            self._tell(order, "Amend", now)
        self._reserve(order.account, order.ticker)

    def queue_ahead(self, order: ExchangeOrder) -> Count:
        """Return how many contracts trade before a resting order does."""
        return self.markets[order.ticker].sides[order.side].queue_ahead(order)

    # Time

    def next_expiry(self) -> int | None:
        """Return when the next order may expire."""
        return self._expiries[0][0] if self._expiries else None

    def expire(self, now: int) -> None:
        """Cancel every order whose time is up."""
        while self._expiries and self._expiries[0][0] <= now:
            due, order_id = heappop(self._expiries)
            order = self.orders.get(order_id)
            if order is not None and order.expires_ms == due:
                self.withdraw(order, due, "ExpiryCancel")

    # Order groups

    def trigger_group(self, group: FillLimitGroup, now: int) -> None:
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

    def _tradable(self, ticker: str, now: int) -> ExchangeMarket:
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
        """Refuse what may not trade at once, and what its account cannot pay for."""
        market.refuse_crossing(order, price)
        crossing = preview(market, order, price, count)
        check_crossing(order, crossing, count, time_in_force)
        account = order.account
        others = [
            (o.side, o.price, o.remaining)
            for o in self._resting[account, market.ticker].values()
            if o is not order
        ]
        held = cash_held(market, account.net(market.ticker), [*others, (order.side, price, count)])
        fee = rounded_fee(sum(market.fees.raw(p, c, is_taker=True) for p, c in crossing))
        grows = held > account.reserved.get(market.ticker, 0) or fee
        if grows and not account.can_afford(market.ticker, held, fee):
            raise RequestRefused("insufficient_balance")

    # Matching

    def _match(self, market: ExchangeMarket, order: ExchangeOrder, now: int) -> None:
        opposing = market.sides[opposite(order.side)]
        for resting in list(opposing.crossed_by(order.price)):
            if not order.remaining or self._group_blocks(order):
                return
            if resting.status != "resting":
                continue  # its group was triggered by an earlier match
            if resting.account.user_id == order.account.user_id:
                if order.self_trade_prevention == "taker_at_cross":
                    self._retire(order, "canceled", "SelfTradeCancel", now)
                    return
                self.withdraw(resting, now, "SelfTradeCancel")
                continue
            self._trade(market, order, resting, now)

    def _trade(
        self, market: ExchangeMarket, taker: ExchangeOrder, maker: ExchangeOrder, now: int
    ) -> None:
        count = min(taker.remaining, maker.remaining)
        trade = Traded(self.new_id(), market.ticker, taker.side, maker.price, count, now)
        parties = (taker.account, maker.account)
        longs = sum(max(account.net(market.ticker), 0) for account in parties)
        taker.remaining -= count
        self._shrink(market, maker, count, now)
        self._fill(market, taker, trade, is_taker=True)
        self._fill(market, maker, trade, is_taker=False)
        market.open_interest += sum(max(a.net(market.ticker), 0) for a in parties) - longs
        market.last_price, market.last_count = trade.price, count
        market.volume += count
        market.turnover += trade.price * count
        self.facts.append(trade)
        if maker.remaining:
            self._tell(maker, "Trade", now)
        else:
            self._retire(maker, "executed", "Trade", now)
        self._reserve(maker.account, market.ticker)
        for order in (taker, maker):
            group = self.groups.find(order.group_id)
            if group and not group.triggered and group.matched(count, now):
                self.trigger_group(group, now)

    def _fill(
        self, market: ExchangeMarket, order: ExchangeOrder, trade: Traded, *, is_taker: bool
    ) -> None:
        account, count, price = order.account, trade.count, trade.price
        position = account.position(market.ticker)
        account.cash += position.apply(order.side, price, count)
        order.raw_fees[is_taker] += market.fees.raw(price, count, is_taker=is_taker)
        fee = rounded_fee(order.raw_fees[is_taker]) - order.fees[is_taker]
        order.fees[is_taker] += fee
        account.charge(fee, market.ticker)
        self.fee_income += fee
        position.updated_ms = order.updated_ms = trade.at
        order.filled += count
        order.fill_cost[is_taker] += cost_of_one(order.side, price) * count
        if account.audited:
            self.facts.append(
                AccountFilled(
                    trade_id=trade.trade_id,
                    account=account,
                    order_id=order.order_id,
                    client_order_id=order.client_order_id,
                    ticker=market.ticker,
                    side=order.side,
                    price=price,
                    count=count,
                    is_taker=is_taker,
                    fee=fee,
                    post_position=position.net,
                    at=trade.at,
                )
            )

    # The book

    def _rest(self, market: ExchangeMarket, order: ExchangeOrder, now: int) -> None:
        market.sides[order.side].add(order)
        self.orders[order.order_id] = order
        self._resting[order.account, order.ticker][order.order_id] = order
        self._watch_expiry(order)
        self._book_changed(market, order, order.remaining, now)

    def _watch_expiry(self, order: ExchangeOrder) -> None:
        if order.expires_ms is not None:
            heappush(self._expiries, (order.expires_ms, order.order_id))

    def _shrink(self, market: ExchangeMarket, order: ExchangeOrder, by: Count, now: int) -> None:
        market.sides[order.side].reduce(order, by)
        self._book_changed(market, order, -by, now)

    def withdraw(self, order: ExchangeOrder, now: int, reason: Reason) -> None:
        """Take a resting order out of its book, whatever state the exchange is in."""
        self._shrink(self.markets[order.ticker], order, order.remaining, now)
        self._retire(order, "canceled", reason, now)
        self._reserve(order.account, order.ticker)

    def _requeue(
        self, market: ExchangeMarket, order: ExchangeOrder, price: Price, remaining: Count, now: int
    ) -> None:
        self._shrink(market, order, order.remaining, now)
        self._forget(order)
        order.price, order.remaining = price, remaining
        order.initial = order.filled + remaining
        self._match(market, order, now)
        self._conclude(market, order, now, "Amend")

    def _conclude(
        self, market: ExchangeMarket, order: ExchangeOrder, now: int, resting: Reason | None
    ) -> None:
        """Rest what matching left of an order, for the reason given, or let the order end."""
        if order.status != "resting":
            return
        if not order.remaining:
            self._retire(order, "executed", "Trade", now)
        elif resting is None or self._group_blocks(order):
            self._retire(order, "canceled", "", now)
        else:
            self._rest(market, order, now)
            self._tell(order, resting, now)

    def _group_blocks(self, order: ExchangeOrder) -> bool:
        group = self.groups.find(order.group_id)
        return group is not None and group.triggered

    def _book_changed(
        self, market: ExchangeMarket, order: ExchangeOrder, delta: Count, now: int
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

    def _retire(
        self, order: ExchangeOrder, status: ExchangeOrderStatus, reason: Reason, now: int
    ) -> None:
        order.status, order.remaining, order.updated_ms = status, 0, now
        self._forget(order)
        self._tell(order, reason, now)

    def _forget(self, order: ExchangeOrder) -> None:
        self.orders.pop(order.order_id, None)
        self._resting[order.account, order.ticker].pop(order.order_id, None)

    def _tell(self, order: ExchangeOrder, reason: Reason, now: int) -> None:
        if order.account.audited:
            self.facts.append(OrderChanged(order.snapshot(), reason, now))

    def _reserve(self, account: Account, ticker: str) -> None:
        resting = self._resting[account, ticker].values()
        held = cash_held(
            self.markets[ticker],
            account.net(ticker),
            [(o.side, o.price, o.remaining) for o in resting],
        )
        if held:
            account.reserved[ticker] = held
        else:
            account.reserved.pop(ticker, None)
