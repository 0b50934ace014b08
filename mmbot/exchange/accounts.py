"""Who owns what: cash, signed positions and the collateral behind resting orders.

Buying YES at p costs p; selling it opens or adds NO at 1 - p. A YES and a NO of one holder pay
each other out at one dollar at once. Money is in 1e-6 dollar and is never made or lost: the cash
of all accounts, one dollar for every open pair and the fees always add up to the deposits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from mmbot.units import ONE_DOLLAR, Count, Money, Price

Side: TypeAlias = Literal["bid", "ask"]


class Position(msgspec.Struct):
    """One account's holding in one market and its history there.

    `net` is signed (+ YES, - NO); `cost` is what the open holding was bought for, without fees.
    """

    net: Count = 0
    cost: Money = 0
    realized: Money = 0
    fees: Money = 0
    traded: Money = 0
    volume: Count = 0
    updated_ms: int = 0

    def apply(self, side: Side, price: Price, count: Count) -> Money:
        """Book a fill and return the change of cash, without the fee."""
        signed = count if side == "bid" else -count
        paid = count * cost_of_one(side, price)
        closing = min(count, abs(self.net)) if self.net * signed < 0 else 0
        released = closing * ONE_DOLLAR
        if closing:
            cost_closed = self.cost * closing // abs(self.net)
            self.cost -= cost_closed
            self.realized += closing * (ONE_DOLLAR - cost_of_one(side, price)) - cost_closed
        self.cost += (count - closing) * cost_of_one(side, price)
        self.net += signed
        self.traded += paid
        self.volume += count
        return released - paid

    def pay_out(self, yes_value: Price) -> Money:
        """Close the holding at the market's settled value and return what it pays."""
        value = self.net * yes_value if self.net > 0 else -self.net * (ONE_DOLLAR - yes_value)
        self.realized += value - self.cost
        self.net = self.cost = 0
        return value


def cost_of_one(side: Side, price: Price) -> Price:
    """Return what one contract on `side` costs: the YES price, or its complement for NO."""
    return price if side == "bid" else ONE_DOLLAR - price


def collateral(net: Count, resting: Iterable[tuple[Side, Price, Count]]) -> Money:
    """Return the cash that one market's resting orders may need, whichever of them fill.

    Orders that close the holding need none; the best priced fill first, so they are the ones.
    """
    needed = 0
    free: dict[Side, Count] = {"bid": max(-net, 0), "ask": max(net, 0)}
    for side, price, count in sorted(resting, key=lambda o: -cost_of_one(o[0], o[1])):
        covered = min(count, free[side])
        free[side] -= covered
        needed += (count - covered) * cost_of_one(side, price)
    return needed


class Account:
    """One member's subaccount: cash, positions, and the cash its resting orders hold.

    `audited` accounts keep their history for the API; the crowd's do not need one.
    """

    def __init__(self, user_id: str, subaccount: int = 0, *, audited: bool = False) -> None:
        self.user_id = user_id
        self.subaccount = subaccount
        self.audited = audited
        self.cash: Money = 0
        self.deposited: Money = 0
        self.fees: Money = 0
        self.positions: dict[str, Position] = {}
        self.reserved: dict[str, Money] = {}

    def position(self, ticker: str) -> Position:
        """Return the holding in a market, an empty one where nothing was ever traded."""
        return self.positions.setdefault(ticker, Position())

    def net(self, ticker: str) -> Count:
        """Return the signed number of contracts held."""
        position = self.positions.get(ticker)
        return position.net if position else 0

    def deposit(self, amount: Money) -> None:
        """Add cash from outside; negative amounts withdraw."""
        self.cash += amount
        self.deposited += amount

    def charge(self, fee: Money, ticker: str) -> None:
        """Take a trading fee."""
        self.cash -= fee
        self.fees += fee
        self.position(ticker).fees += fee

    def can_afford(self, ticker: str, needed: Money, fee: Money) -> bool:
        """Say whether the cash covers `needed` in this market besides all other markets' orders."""
        elsewhere = sum(money for other, money in self.reserved.items() if other != ticker)
        return needed + fee + elsewhere <= self.cash
