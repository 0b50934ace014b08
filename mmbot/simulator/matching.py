"""Price-time matching, exact in integers, with its own ledger.

The engine knows markets, accounts and orders, and nothing of the wire. Every method takes the
wall time in milliseconds. What it does is appended to `facts`, which the owner drains; what it
will not do is raised as `Refusal`. A refused order leaves no trace.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterable
from heapq import heappop, heappush

from mmbot.simulator.facts import (
    BookChanged,
    Fact,
    Filled,
    GroupChanged,
    MarketChanged,
    OrderChanged,
    Settled,
    Traded,
)
from mmbot.simulator.fees import rounded_fee
from mmbot.simulator.groups import OrderGroup, OrderGroups, check_limit
from mmbot.simulator.ledger import Account, collateral, cost_of_one
from mmbot.simulator.market import Market, opposite
from mmbot.simulator.orders import Amendment, NewOrder, Order, OrderStatus, Reason, Refusal
from mmbot.units import ONE_DOLLAR, Count, Money, Price

# A client id is refused a second time as long as this many newer ones do not push it out.
_MOST_CLIENT_IDS = 100_000
FOK_MISS = "fill_or_kill order would not be filled immediately due to insufficient resting volume"


class MatchingEngine:
    """All markets, accounts and orders of one exchange."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.markets: dict[str, Market] = {}
        self.accounts: dict[tuple[str, int], Account] = {}
        self.orders: dict[str, Order] = {}
        self.groups = OrderGroups()
        self.facts: list[Fact] = []
        self.fee_income: Money = 0
        self.trading_paused = False
        self.exchange_paused = False
        self._resting: defaultdict[tuple[Account, str], dict[str, Order]] = defaultdict(dict)
        self._client_ids: dict[tuple[str, str], None] = {}
        self._expiries: list[tuple[int, str]] = []
        self._clock = 0

    def new_id(self) -> str:
        """Draw an identifier in the exchange's form."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    # Accounts and markets

    def open_account(
        self, user_id: str, subaccount: int = 0, *, cash: Money = 0, audited: bool = False
    ) -> Account:
        """Add an account with a first deposit."""
        account = Account(user_id, subaccount, audited=audited)
        account.deposit(cash)
        self.accounts[user_id, subaccount] = account
        return account

    def list_market(self, market: Market) -> None:
        """Add a market; it trades from `activate` on."""
        self.markets[market.ticker] = market

    def resting(self, account: Account, ticker: str | None = None) -> list[Order]:
        """Return an account's resting orders, in one market or in all."""
        if ticker is not None:
            return list(self._resting[account, ticker].values())
        return [o for o in self.orders.values() if o.account is account]

    # Orders

    def place(self, account: Account, wish: NewOrder, now: int) -> Order:
        """Match an order and rest what is left of it, or raise `Refusal`."""
        self._check_client_id(account, wish.client_order_id)
        market = self._tradable(wish.ticker, now)
        _check_wish(market, wish, now)
        self._check_group(account, wish.group_id)
        order = Order(self.new_id(), account, wish, now)
        if wish.reduce_only:
            order.remaining = self._reducible(account, wish)
        self._check_entry(market, order, order.remaining, wish.time_in_force)
        if wish.client_order_id:
            self._spend_client_id(account, wish.client_order_id)
        self._match(market, order, now)
        keeps = wish.time_in_force == "good_till_canceled"
        self._conclude(market, order, now, "" if keeps else None)
        self._reserve(account, order.ticker)
        return order

    def cancel(self, order: Order, now: int, reason: Reason = "") -> Count:
        """Cancel a resting order and return how much was left of it."""
        self._check_cancellable(order)
        left = order.remaining
        self._withdraw(order, now, reason)
        return left

    def decrease(self, order: Order, to: Count, now: int) -> None:
        """Shrink an order to `to` remaining; it keeps its place in the queue."""
        market = self._tradable(order.ticker, now)
        if to >= order.remaining or to < 0:
            raise Refusal("AMEND_ORDER_NO_OP", "order would not be decreased")
        self._shrink(market, order, order.remaining - to, now)
        if order.remaining:
            order.updated_ms = now
            self._tell(order, "Decrease", now)
        else:
            self._retire(order, "canceled", "Decrease", now)
        self._reserve(order.account, order.ticker)

    def amend(self, order: Order, change: Amendment, now: int) -> None:
        """Change price, size or expiry; only smaller or longer-lived orders keep their place."""
        market = self._tradable(order.ticker, now)
        remaining = change.total - order.filled
        renamed = change.client_order_id != order.client_order_id
        self._check_amendment(market, order, change, now)
        moved = change.price != order.price or remaining > order.remaining
        if moved:
            self._check_move(market, order, change, remaining)
        order.updated_ms = now
        if change.expires_ms != order.expires_ms:
            order.expires_ms = change.expires_ms
            self._watch_expiry(order)
        if renamed:
            order.client_order_id = change.client_order_id
            self._spend_client_id(order.account, change.client_order_id)
        if moved:
            self._requeue(market, order, change.price, remaining, now)
        else:
            if remaining < order.remaining:
                self._shrink(market, order, order.remaining - remaining, now)
                order.initial = change.total
            self._tell(order, "Amend", now)
        self._reserve(order.account, order.ticker)

    def queue_ahead(self, order: Order) -> Count:
        """Return how many contracts trade before a resting order does."""
        return self.markets[order.ticker].sides[order.side].queue_ahead(order)

    # Time, pauses and the life of a market

    def next_expiry(self) -> int | None:
        """Return when the next order may expire."""
        return self._expiries[0][0] if self._expiries else None

    def expire(self, now: int) -> None:
        """Cancel every order whose time is up."""
        while self._expiries and self._expiries[0][0] <= now:
            due, order_id = heappop(self._expiries)
            order = self.orders.get(order_id)
            if order is not None and order.expires_ms == due:
                self._withdraw(order, due, "ExpiryCancel")

    def halt(self, orders: Iterable[Order], now: int) -> None:
        """Cancel those orders that asked not to outlive a pause."""
        for order in list(orders):
            if order.cancel_on_pause:
                self._withdraw(order, now, "HaltCancel")

    def pause_market(self, market: Market, now: int) -> None:
        """Stop one market."""
        market.status = "inactive"
        self.announce(market, "deactivated", now)
        self.halt(market.orders(), now)

    def unpause_market(self, market: Market, now: int) -> None:
        """Let one market trade again, with an empty book."""
        self.sweep(market, now, "HaltCancel")
        market.status = "active"
        self.announce(market, "activated", now)

    def sweep(self, market: Market, now: int, reason: Reason) -> None:
        """Cancel everything that rests in a market."""
        for order in market.orders():
            self._withdraw(order, now, reason)

    def determine(self, market: Market, result: str, value: str, now: int) -> None:
        """Fix the outcome of a closed market."""
        market.status, market.result, market.expiration_value = "determined", result, value
        market.determined_ms = now
        self.announce(market, "determined", now)

    def settle(self, market: Market, now: int) -> None:
        """Pay out every holding in a determined market."""
        yes_value = ONE_DOLLAR if market.result == "yes" else 0
        for account in self.accounts.values():
            position = account.positions.get(market.ticker)
            if position is None or not position.volume:
                continue
            net, cost, fees = position.net, position.cost, position.fees
            payout = position.pay_out(yes_value)
            position.updated_ms = now
            account.cash += payout
            self.facts.append(
                Settled(account, market.ticker, net, cost, fees, payout, yes_value, now)
            )
        market.open_interest = 0
        market.status, market.settled_ms = "finalized", now
        self.announce(market, "settled", now)

    def announce(self, market: Market, event_type: str, now: int) -> None:
        """Note a step in a market's life."""
        market.updated_ms = now
        self.facts.append(MarketChanged(market.ticker, event_type, now))

    # Order groups

    def create_group(self, account: Account, limit: Count, now: int) -> OrderGroup:
        """Open an order group."""
        group = self.groups.create(self.new_id(), account, limit)
        self.facts.append(GroupChanged(account, group.group_id, "created", limit, now))
        return group

    def limit_group(self, group: OrderGroup, limit: Count, now: int) -> None:
        """Change a group's limit."""
        check_limit(limit)
        group.limit = limit
        self.facts.append(GroupChanged(group.account, group.group_id, "limit_updated", limit, now))

    def trigger_group(self, group: OrderGroup, now: int) -> None:
        """Cancel a group's orders and refuse new ones until it is reset."""
        group.triggered = True
        self.facts.append(GroupChanged(group.account, group.group_id, "triggered", None, now))
        self._empty_group(group, now)

    def reset_group(self, group: OrderGroup, now: int) -> None:
        """Let a group trade again."""
        group.reset()
        self.facts.append(GroupChanged(group.account, group.group_id, "reset", None, now))

    def delete_group(self, group: OrderGroup, now: int) -> None:
        """Cancel a group's orders and forget it."""
        self.groups.delete(group)
        self._empty_group(group, now)
        self.facts.append(GroupChanged(group.account, group.group_id, "deleted", None, now))

    def group_orders(self, group: OrderGroup) -> list[Order]:
        """Return a group's resting orders."""
        return [o for o in self.orders.values() if o.group_id == group.group_id]

    def _empty_group(self, group: OrderGroup, now: int) -> None:
        for order in self.group_orders(group):
            self._withdraw(order, now, "")

    def _check_group(self, account: Account, group_id: str | None) -> None:
        if group_id is None:
            return
        if self.groups.get(group_id, account.user_id, account.subaccount).triggered:
            raise Refusal("invalid_order", "order group triggered")

    # Checks

    def _tradable(self, ticker: str, now: int) -> Market:
        if self.exchange_paused:
            raise Refusal("exchange_is_paused")
        if self.trading_paused:
            raise Refusal("trading_is_paused")
        market = self.markets.get(ticker)
        if market is None:
            raise Refusal("not_found", "market not found")
        if market.status != "active" or now >= market.close_ms:
            raise Refusal("MARKET_INACTIVE", f"market is {market.status}")
        return market

    def _check_cancellable(self, order: Order) -> None:
        if self.exchange_paused:
            raise Refusal("exchange_is_paused")
        if self.markets[order.ticker].status not in ("active", "inactive"):
            raise Refusal("MARKET_INACTIVE", "market is closed")

    def _check_client_id(self, account: Account, client_order_id: str) -> None:
        if client_order_id and (account.user_id, client_order_id) in self._client_ids:
            raise Refusal("order_already_exists", "client_order_id was used before")

    def _spend_client_id(self, account: Account, client_order_id: str) -> None:
        self._client_ids[account.user_id, client_order_id] = None
        if len(self._client_ids) > _MOST_CLIENT_IDS:
            del self._client_ids[next(iter(self._client_ids))]

    def _reducible(self, account: Account, wish: NewOrder) -> Count:
        net = account.net(wish.ticker)
        closing = max(-net if wish.side == "bid" else net, 0)
        if not closing:
            raise Refusal("invalid_order", "reduce only order would not reduce the position")
        return min(wish.count, closing)

    def _check_entry(self, market: Market, order: Order, count: Count, time_in_force: str) -> None:
        market.refuse_crossing(order, order.price)
        crossing = self._preview(market, order, order.price, count)
        if order.post_only and crossing:
            raise Refusal("invalid_order", "post only cross")
        if time_in_force == "fill_or_kill" and sum(c for _, c in crossing) < count:
            raise Refusal("invalid_order", FOK_MISS, status=409)
        self._check_cash(market, order, order.price, count, crossing)

    def _check_amendment(self, market: Market, order: Order, change: Amendment, now: int) -> None:
        if change.client_order_id != order.client_order_id:
            self._check_client_id(order.account, change.client_order_id)
        if change.total <= order.filled:
            raise Refusal("invalid_parameters", "count must exceed what is filled already")
        if not market.grid.accepts(change.price):
            raise Refusal("invalid_order", "invalid price")
        if change.expires_ms is not None and change.expires_ms <= now:
            raise Refusal("invalid_parameters", "expiration_time must be in the future")
        if (
            change.price == order.price
            and change.total == order.filled + order.remaining
            and change.expires_ms == order.expires_ms
            and change.client_order_id == order.client_order_id
        ):
            raise Refusal("AMEND_ORDER_NO_OP", "the amendment changes nothing")

    def _check_move(
        self, market: Market, order: Order, change: Amendment, remaining: Count
    ) -> None:
        market.refuse_crossing(order, change.price)
        crossing = self._preview(market, order, change.price, remaining)
        if order.post_only and crossing:
            raise Refusal("invalid_order", "post only cross")
        self._check_cash(market, order, change.price, remaining, crossing)

    def _preview(
        self, market: Market, order: Order, price: Price, count: Count
    ) -> list[tuple[Price, Count]]:
        """Return what an order would trade at once; its own member's orders count for a post-only.

        A self-cross never trades, but a post-only order must not reach it either.
        """
        taken = []
        for other in market.sides[opposite(order.side)].crossed_by(price):
            if not count:
                break
            if other.account.user_id == order.account.user_id and not order.post_only:
                if order.self_trade_prevention == "taker_at_cross":
                    break
                continue
            part = min(count, other.remaining)
            taken.append((other.price, part))
            count -= part
        return taken

    def _check_cash(
        self,
        market: Market,
        order: Order,
        price: Price,
        count: Count,
        crossing: list[tuple[Price, Count]],
    ) -> None:
        account = order.account
        others = [
            (o.side, o.price, o.remaining)
            for o in self._resting[account, market.ticker].values()
            if o is not order
        ]
        needed = collateral(account.net(market.ticker), [*others, (order.side, price, count)])
        raw = sum(market.fees.raw(p, c, is_taker=True) for p, c in crossing)
        grows = needed > account.reserved.get(market.ticker, 0) or raw
        if grows and not account.can_afford(market.ticker, needed, rounded_fee(raw)):
            raise Refusal("insufficient_balance")

    # Matching

    def _match(self, market: Market, order: Order, now: int) -> None:
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
                self._withdraw(resting, now, "SelfTradeCancel")
                continue
            self._trade(market, order, resting, now)

    def _trade(self, market: Market, taker: Order, maker: Order, now: int) -> None:
        count = min(taker.remaining, maker.remaining)
        price = maker.price
        trade_id = self.new_id()
        longs = max(taker.account.net(market.ticker), 0) + max(maker.account.net(market.ticker), 0)
        taker.remaining -= count
        self._shrink(market, maker, count, now)
        self._fill(market, taker, trade_id, price, count, now, is_taker=True)
        self._fill(market, maker, trade_id, price, count, now, is_taker=False)
        market.open_interest += (
            max(taker.account.net(market.ticker), 0)
            + max(maker.account.net(market.ticker), 0)
            - longs
        )
        market.last_price, market.last_count = price, count
        market.volume += count
        market.turnover += price * count
        self.facts.append(Traded(trade_id, market.ticker, taker.side, price, count, now))
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
        self,
        market: Market,
        order: Order,
        trade_id: str,
        price: Price,
        count: Count,
        now: int,
        *,
        is_taker: bool,
    ) -> None:
        account = order.account
        position = account.position(market.ticker)
        account.cash += position.apply(order.side, price, count)
        order.raw_fees[is_taker] += market.fees.raw(price, count, is_taker=is_taker)
        fee = rounded_fee(order.raw_fees[is_taker]) - order.fees[is_taker]
        order.fees[is_taker] += fee
        account.charge(fee, market.ticker)
        self.fee_income += fee
        position.updated_ms = order.updated_ms = now
        order.filled += count
        order.fill_cost[is_taker] += cost_of_one(order.side, price) * count
        if account.audited:
            self.facts.append(
                Filled(
                    trade_id,
                    account,
                    order.order_id,
                    order.client_order_id,
                    market.ticker,
                    order.side,
                    price,
                    count,
                    is_taker,
                    fee,
                    position.net,
                    now,
                )
            )

    # The book

    def _rest(self, market: Market, order: Order, now: int) -> None:
        market.sides[order.side].add(order)
        self.orders[order.order_id] = order
        self._resting[order.account, order.ticker][order.order_id] = order
        self._watch_expiry(order)
        self._book_changed(market, order, order.remaining, now)

    def _watch_expiry(self, order: Order) -> None:
        if order.expires_ms is not None:
            heappush(self._expiries, (order.expires_ms, order.order_id))

    def _shrink(self, market: Market, order: Order, by: Count, now: int) -> None:
        market.sides[order.side].reduce(order, by)
        self._book_changed(market, order, -by, now)

    def _withdraw(self, order: Order, now: int, reason: Reason) -> None:
        self._shrink(self.markets[order.ticker], order, order.remaining, now)
        self._retire(order, "canceled", reason, now)
        self._reserve(order.account, order.ticker)

    def _requeue(
        self, market: Market, order: Order, price: Price, remaining: Count, now: int
    ) -> None:
        self._shrink(market, order, order.remaining, now)
        self._forget(order)
        order.price, order.remaining = price, remaining
        order.initial = order.filled + remaining
        self._match(market, order, now)
        self._conclude(market, order, now, "Amend")

    def _conclude(self, market: Market, order: Order, now: int, resting: Reason | None) -> None:
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

    def _group_blocks(self, order: Order) -> bool:
        group = self.groups.find(order.group_id)
        return group is not None and group.triggered

    def _book_changed(self, market: Market, order: Order, delta: Count, now: int) -> None:
        self._clock += 1
        market.clock = self._clock
        self.facts.append(
            BookChanged(
                market.ticker,
                order.side,
                order.price,
                delta,
                self._clock,
                now,
                order.account,
                order.client_order_id,
            )
        )

    def _retire(self, order: Order, status: OrderStatus, reason: Reason, now: int) -> None:
        order.status, order.remaining, order.updated_ms = status, 0, now
        self._forget(order)
        self._tell(order, reason, now)

    def _forget(self, order: Order) -> None:
        self.orders.pop(order.order_id, None)
        self._resting[order.account, order.ticker].pop(order.order_id, None)

    def _tell(self, order: Order, reason: Reason, now: int) -> None:
        if order.account.audited:
            self.facts.append(OrderChanged(order.snapshot(), reason, now))

    def _reserve(self, account: Account, ticker: str) -> None:
        resting = self._resting[account, ticker].values()
        needed = collateral(account.net(ticker), [(o.side, o.price, o.remaining) for o in resting])
        if needed:
            account.reserved[ticker] = needed
        else:
            account.reserved.pop(ticker, None)


def _check_wish(market: Market, wish: NewOrder, now: int) -> None:
    if wish.count <= 0:
        raise Refusal("invalid_parameters", "count must be positive")
    if not market.grid.accepts(wish.price):
        raise Refusal("invalid_order", "invalid price")
    immediate = wish.time_in_force != "good_till_canceled"
    if wish.expires_ms is not None:
        if immediate:
            raise Refusal("invalid_parameters", "expiration_time needs good_till_canceled")
        if wish.expires_ms <= now:
            raise Refusal("invalid_parameters", "expiration_time must be in the future")
    if wish.post_only and immediate:
        raise Refusal("invalid_parameters", "post_only needs good_till_canceled")
    if wish.reduce_only and wish.time_in_force != "immediate_or_cancel":
        raise Refusal("invalid_parameters", "reduce_only needs immediate_or_cancel")
