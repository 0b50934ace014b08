"""Accounts: cash, signed positions and the collateral behind resting orders.

Buying YES at p costs p; selling it opens or adds NO at 1 - p. A YES and a NO of one holder net to
one dollar at once. Money is in 1e-6 dollar and is conserved: the cash of all accounts, one dollar
for every open pair and the fees always add up to the deposits.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Final

import msgspec

from mmbot.trading.values import Side
from mmbot.units import ONE_DOLLAR, Count, Milliseconds, Money, Price, total, value_of


class Position(msgspec.Struct):
    """One account's holding in one market and its history there.

    `net` is signed (+ YES, - NO); `cost` is what the open holding was bought for, without fees.
    """

    net: Count = Count(0)
    cost: Money = Money(0)
    realized: Money = Money(0)
    fees: Money = Money(0)
    traded: Money = Money(0)
    volume: Count = Count(0)
    updated_ms: Milliseconds = 0

    def apply(self, side: Side, price: Price, count: Count) -> Money:
        """Book a fill and return the change of cash, without the fee."""
        signed = count if side == "bid" else -count
        cost_of_contract = cost_of_one(side, price)
        paid = value_of(count, cost_of_contract)
        closing = Count(min(count, abs(self.net)) if self.net * signed < 0 else 0)
        if closing:
            cost_closed = self.cost * closing // abs(self.net)
            gained = value_of(closing, Price(ONE_DOLLAR - cost_of_contract)) - cost_closed
            self.cost = Money(self.cost - cost_closed)
            self.realized = Money(self.realized + gained)
        self.cost = Money(self.cost + value_of(Count(count - closing), cost_of_contract))
        self.net = Count(self.net + signed)
        self.traded = Money(self.traded + paid)
        self.volume = Count(self.volume + count)
        return Money(value_of(closing, ONE_DOLLAR) - paid)

    def pay_out(self, yes_value: Price) -> Money:
        """Close the holding at the market's settled value and return what it pays."""
        worth = yes_value if self.net > 0 else Price(ONE_DOLLAR - yes_value)
        value = value_of(Count(abs(self.net)), worth)
        self.realized = Money(self.realized + value - self.cost)
        self.net, self.cost = Count(0), Money(0)
        return value


def cost_of_one(side: Side, price: Price) -> Price:
    """Return what one contract on `side` costs: the YES price, or its complement for NO."""
    return price if side == "bid" else Price(ONE_DOLLAR - price)


def collateral(net: Count, resting: Iterable[tuple[Side, Price, Count]]) -> Money:
    """Return the cash that one market's resting orders may need, whichever of them fill.

    Orders that close the holding need none; the best priced fill first, so they are the ones.
    """
    costs = [(side, cost_of_one(side, price), count) for side, price, count in resting]
    needed = sum(cost * count for _, cost, count in costs)
    if not net:
        return Money(needed)
    closing_side: Side = "ask" if net > 0 else "bid"
    open_ = abs(net)
    closing = [(cost, count) for side, cost, count in costs if side == closing_side]
    for cost, count in sorted(closing, key=itemgetter(0), reverse=True):
        covered = min(count, open_)
        open_ -= covered
        needed -= covered * cost
    return Money(needed)


NO_CASH: Final = Money(0)


class Account:
    """One member's subaccount: cash, positions, and the cash its resting orders hold.

    `audited` accounts keep their history for the API; the crowd's do not need one.
    """

    def __init__(self, user_id: str, subaccount: int = 0, *, audited: bool = False) -> None:
        self.user_id = user_id
        self.subaccount = subaccount
        self.audited = audited
        self.cash = Money(0)
        self.deposited = Money(0)
        self.fees = Money(0)
        self.positions: dict[str, Position] = {}
        self.reserved: dict[str, Money] = {}

    def position(self, ticker: str) -> Position:
        """Return the holding in a market, an empty one where nothing was ever traded."""
        position = self.positions.get(ticker)
        if position is None:
            position = self.positions[ticker] = Position()
        return position

    def net(self, ticker: str) -> Count:
        """Return the signed number of contracts held."""
        position = self.positions.get(ticker)
        return position.net if position else Count(0)

    def credit(self, amount: Money) -> None:
        """Change the cash by what a fill or a payout brings; negative amounts are paid."""
        self.cash = Money(self.cash + amount)

    def deposit(self, amount: Money) -> None:
        """Add cash from outside; negative amounts withdraw."""
        self.credit(amount)
        self.deposited = Money(self.deposited + amount)

    def charge(self, fee: Money, ticker: str) -> None:
        """Take a trading fee."""
        if not fee:
            return
        self.credit(Money(-fee))
        self.fees = Money(self.fees + fee)
        position = self.position(ticker)
        position.fees = Money(position.fees + fee)

    @property
    def held(self) -> Money:
        """The cash that all resting orders hold."""
        return total(self.reserved.values())

    def can_afford(self, ticker: str, needed: Money, fee: Money) -> bool:
        """Return whether the cash covers `needed` in this market besides other markets' orders."""
        elsewhere = self.held - self.reserved.get(ticker, 0)
        return needed + fee + elsewhere <= self.cash
