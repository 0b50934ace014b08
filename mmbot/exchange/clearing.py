"""The matching engine's accounts: resting orders, collateral, and the booking of fills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mmbot.exchange.accounts import Account, cost_of_one
from mmbot.exchange.checks import cash_held
from mmbot.exchange.facts import AccountFilled, Traded
from mmbot.exchange.fees import rounded_fee
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import ExchangeOrder, RequestRefused
from mmbot.units import Count, Money, Price, value_of


class ClearingHouse:
    """Every account's resting orders by market, the collateral they hold, and the fees earned."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, int], Account] = {}
        self.fee_income = Money(0)
        self._resting: defaultdict[tuple[Account, str], dict[str, ExchangeOrder]] = defaultdict(
            dict
        )

    def open_account(self, user_id: str, subaccount: int, cash: Money, *, audited: bool) -> Account:
        """Add an account with a first deposit."""
        account = Account(user_id, subaccount, audited=audited)
        account.deposit(cash)
        self.accounts[user_id, subaccount] = account
        return account

    # Resting orders

    def resting(self, account: Account, ticker: str) -> list[ExchangeOrder]:
        """Return an account's resting orders in one market, oldest first."""
        return list(self._resting[account, ticker].values())

    def add(self, order: ExchangeOrder) -> None:
        """Record an order that has come to rest."""
        self._resting[order.account, order.ticker][order.order_id] = order

    def discard(self, order: ExchangeOrder) -> None:
        """Remove an order that no longer rests, if it ever did."""
        self._resting[order.account, order.ticker].pop(order.order_id, None)

    # Collateral

    def reserve(self, market: ExchangeMarket, account: Account) -> None:
        """Hold the cash that the account's resting orders in a market may need."""
        orders = self._resting[account, market.ticker].values()
        held = orders and cash_held(
            market.fees,
            account.net(market.ticker),
            [(o.side, o.price, o.remaining) for o in orders],
        )
        if held:
            account.reserved[market.ticker] = held
        else:
            account.reserved.pop(market.ticker, None)

    def check_funds(
        self,
        market: ExchangeMarket,
        order: ExchangeOrder,
        price: Price,
        count: Count,
        crossing: Iterable[tuple[Price, Count]],
    ) -> None:
        """Refuse `count` of an order at `price` if its account cannot pay for it.

        `crossing` is the part that would trade immediately and pay the taker's fee.
        """
        account, ticker = order.account, market.ticker
        orders = [
            (o.side, o.price, o.remaining)
            for o in self._resting[account, ticker].values()
            if o is not order
        ]
        orders.append((order.side, price, count))
        held = cash_held(market.fees, account.net(ticker), orders)
        fee = rounded_fee(sum(market.fees.raw(p, c, is_taker=True) for p, c in crossing))
        grows = held > account.reserved.get(ticker, 0) or fee
        if grows and not account.can_afford(ticker, held, fee):
            raise RequestRefused("insufficient_balance")

    # Fills

    def book(
        self, market: ExchangeMarket, order: ExchangeOrder, trade: Traded, *, is_taker: bool
    ) -> AccountFilled | None:
        """Book one side of a trade; return the fill of an audited account."""
        account, count, price = order.account, trade.count, trade.price
        position = account.position(market.ticker)
        account.credit(position.apply(order.side, price, count))
        order.raw_fees[is_taker] += market.fees.raw(price, count, is_taker=is_taker)
        fee = Money(rounded_fee(order.raw_fees[is_taker]) - order.fees[is_taker])
        order.fees[is_taker] = Money(order.fees[is_taker] + fee)
        account.charge(fee, market.ticker)
        self.fee_income = Money(self.fee_income + fee)
        position.updated_ms = order.updated_ms = trade.at
        order.filled = Count(order.filled + count)
        cost = value_of(count, cost_of_one(order.side, price))
        order.fill_cost[is_taker] = Money(order.fill_cost[is_taker] + cost)
        if not account.audited:
            return None
        return AccountFilled(
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
