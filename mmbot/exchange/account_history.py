"""What a member may read back: orders, fills, positions and settlements, as fresh as configured.

The exchange's portfolio reads lag what has happened by about a second. Facts wait here for `lag`
milliseconds before they are seen; the tape of trades is public and does not wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from mmbot.exchange.accounts import Account, Position
from mmbot.exchange.facts import AccountFilled, Fact, OrderChanged, Settled, Traded
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.units import Money

_MOST_TRADES: Final = 100_000
_MOST_FILLS: Final = 100_000
_MOST_ORDERS: Final = 50_000


class Standing(msgspec.Struct, frozen=True):
    """An account's cash and one of its positions at one moment."""

    account: Account
    cash: Money
    ticker: str
    position: Position
    at: int


Entry: TypeAlias = AccountFilled | OrderChanged | Settled | Standing


class Wallet:
    """What an account's portfolio reads show."""

    def __init__(self, account: Account) -> None:
        self.cash = account.cash
        self.positions: dict[str, Position] = {}
        self.updated_ms = 0


class AccountHistory:
    """The readable past of all audited accounts, and the public tape."""

    def __init__(self, lag: int) -> None:
        self.lag = lag
        self.trades: deque[tuple[int, Traded]] = deque(maxlen=_MOST_TRADES)
        self.fills: deque[tuple[int, AccountFilled]] = deque(maxlen=_MOST_FILLS)
        self.settlements: list[tuple[int, Settled]] = []
        self.orders: dict[str, tuple[int, ExchangeOrder]] = {}
        self.resting: dict[str, tuple[int, ExchangeOrder]] = {}
        self.as_of = 0
        self._wallets: dict[Account, Wallet] = {}
        self._waiting: deque[tuple[int, Entry]] = deque()
        self._count = 0

    def open(self, account: Account) -> None:
        """Start the record of an account."""
        self._wallets[account] = Wallet(account)

    def deposited(self, account: Account, now: int) -> None:
        """Note a change of cash that no trade explains."""
        wallet = self._wallets[account]
        wallet.cash, wallet.updated_ms = account.cash, now

    def wallet(self, account: Account) -> Wallet:
        """Return what the account's reads show now."""
        return self._wallets[account]

    def record(self, facts: Iterable[Fact]) -> None:
        """Take in what the engine has just done."""
        for fact in facts:
            if isinstance(fact, Traded):
                self.trades.append((self._number(), fact))
            elif isinstance(fact, OrderChanged):
                self._waiting.append((fact.at, fact))
            elif isinstance(fact, AccountFilled | Settled) and fact.account.audited:
                account = fact.account
                position = msgspec.structs.replace(account.position(fact.ticker))
                self._waiting.append((fact.at, fact))
                self._waiting.append(
                    (fact.at, Standing(account, account.cash, fact.ticker, position, fact.at))
                )

    def catch_up(self, now: int) -> None:
        """Let everything older than the lag be seen."""
        self.as_of = now - self.lag
        while self._waiting and self._waiting[0][0] <= self.as_of:
            self._show(self._waiting.popleft()[1])

    def _show(self, entry: Entry) -> None:
        if isinstance(entry, AccountFilled):
            self.fills.append((self._number(), entry))
        elif isinstance(entry, Settled):
            self.settlements.append((self._number(), entry))
        elif isinstance(entry, Standing):
            wallet = self._wallets[entry.account]
            wallet.cash, wallet.updated_ms = entry.cash, entry.at
            wallet.positions[entry.ticker] = entry.position
        else:
            self._show_order(entry.order)

    def _show_order(self, order: ExchangeOrder) -> None:
        known = self.orders.get(order.order_id)
        shown = (known[0] if known else self._number(), order)
        self.orders[order.order_id] = shown
        if order.status == "resting":
            self.resting[order.order_id] = shown
        else:
            self.resting.pop(order.order_id, None)
        if len(self.orders) > _MOST_ORDERS:
            del self.orders[next(i for i in self.orders if i not in self.resting)]

    def _number(self) -> int:
        self._count += 1
        return self._count
