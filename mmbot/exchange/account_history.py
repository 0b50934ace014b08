"""The data that a member's reads return: orders, fills, positions and settlements, after a lag.

The exchange's portfolio reads lag its matching by about a second. Facts wait here for `lag`
milliseconds before reads return them; the public tape of trades does not wait.
"""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final, TypeAlias, assert_never

import msgspec

from mmbot.exchange.accounts import Account, Position
from mmbot.exchange.facts import (
    AccountFilled,
    BookLevelChanged,
    Fact,
    GroupUpdated,
    MarketChanged,
    OrderChanged,
    Settled,
    Traded,
)
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.units import Milliseconds, Money

# In all, and in one market.
_MOST_TRADES: Final = 1_000_000
_MOST_FILLS: Final = 100_000
_MOST_ORDERS: Final = 50_000


class PositionSnapshot(msgspec.Struct, frozen=True):
    """An account's cash and one of its positions at one moment."""

    account: Account
    cash: Money
    ticker: str
    position: Position
    at: Milliseconds


Entry: TypeAlias = AccountFilled | OrderChanged | Settled | PositionSnapshot


class ReportedAccount:
    """Cash and positions as the account's reads return them."""

    def __init__(self, account: Account) -> None:
        self.cash = account.cash
        self.positions: dict[str, Position] = {}
        self.updated_ms: Milliseconds = 0


class AccountHistory:
    """The readable history of all audited accounts, and the public tape."""

    def __init__(self, lag: Milliseconds) -> None:
        self.lag = lag
        self.trades: deque[tuple[int, Traded]] = deque(maxlen=_MOST_TRADES)
        self.trades_of: defaultdict[str, list[tuple[int, Traded]]] = defaultdict(list)
        self.fills: deque[tuple[int, AccountFilled]] = deque(maxlen=_MOST_FILLS)
        self.settlements: list[tuple[int, Settled]] = []
        self.orders: dict[str, tuple[int, ExchangeOrder]] = {}
        self.resting: dict[str, tuple[int, ExchangeOrder]] = {}
        self.as_of: Milliseconds = 0
        self._reported: dict[Account, ReportedAccount] = {}
        self._waiting: deque[tuple[Milliseconds, Entry]] = deque()
        self._count = 0

    def open_account(self, account: Account) -> None:
        """Start the history of an account."""
        self._reported[account] = ReportedAccount(account)

    def record_deposit(self, account: Account, now: Milliseconds) -> None:
        """Record a change of cash by a deposit or transfer, which reads show at once."""
        reported = self._reported[account]
        reported.cash, reported.updated_ms = account.cash, now

    def reported(self, account: Account) -> ReportedAccount:
        """Return cash and positions as the account's reads return them now."""
        return self._reported[account]

    def record(self, facts: Iterable[Fact]) -> None:
        """Add new facts of the engine."""
        for fact in facts:
            match fact:
                case Traded():
                    self._record_trade(fact)
                case OrderChanged():
                    self._waiting.append((fact.at, fact))
                case AccountFilled() | Settled():
                    if fact.account.audited:
                        self._record_position(fact)
                case BookLevelChanged() | GroupUpdated() | MarketChanged():
                    pass
                case _:
                    assert_never(fact)

    def _record_trade(self, fact: Traded) -> None:
        numbered = (self._number(), fact)
        self.trades.append(numbered)
        if len(self.trades_of[fact.ticker]) < _MOST_TRADES:
            self.trades_of[fact.ticker].append(numbered)

    def _record_position(self, fact: AccountFilled | Settled) -> None:
        account, at = fact.account, fact.at
        position = copy.copy(account.position(fact.ticker))
        snapshot = PositionSnapshot(account, account.cash, fact.ticker, position, at)
        self._waiting += ((at, fact), (at, snapshot))

    def catch_up(self, now: Milliseconds) -> None:
        """Let reads return everything older than the lag."""
        self.as_of = now - self.lag
        while self._waiting and self._waiting[0][0] <= self.as_of:
            self._show(self._waiting.popleft()[1])

    def _show(self, entry: Entry) -> None:
        match entry:
            case AccountFilled():
                self.fills.append((self._number(), entry))
            case Settled():
                self.settlements.append((self._number(), entry))
            case PositionSnapshot():
                reported = self._reported[entry.account]
                reported.cash, reported.updated_ms = entry.cash, entry.at
                reported.positions[entry.ticker] = entry.position
            case OrderChanged():
                self._show_order(entry.order)
            case _:
                assert_never(entry)

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
