"""One market: its terms, its state, and its order book."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.trading.values import Side
from mmbot.units import CENT_GRID, ONE_DOLLAR, Count, Milliseconds, Money, Price, PriceGrid

MarketStatus: TypeAlias = Literal[
    "initialized",
    "inactive",
    "active",
    "closed",
    "determined",
    "disputed",
    "amended",
    "finalized",
]


class MarketTerms(msgspec.Struct, frozen=True):
    """The terms of a market, with the title of YES and its rule; all times are wall times."""

    ticker: str
    market_id: str
    event_ticker: str
    series_ticker: str
    floor_strike: int
    created_ms: Milliseconds
    open_ms: Milliseconds
    close_ms: Milliseconds
    settle_ms: Milliseconds
    exchange_index: int = 0
    title: str = ""
    rule: str = ""


class BookSide:
    """One side of a book: orders by price, first in first out at each price."""

    def __init__(self, side: Side) -> None:
        self.side: Side = side
        self.levels: dict[Price, dict[str, ExchangeOrder]] = {}
        self.totals: dict[Price, Count] = {}
        self._ascending: list[Price] = []

    @property
    def best(self) -> Price | None:
        """The price that trades first."""
        if not self._ascending:
            return None
        return self._ascending[-1 if self.side == "bid" else 0]

    @property
    def best_count(self) -> Count:
        """The contracts that rest at the best price."""
        best = self.best
        return Count(0) if best is None else self.totals[best]

    def add(self, order: ExchangeOrder) -> None:
        """Put an order at the back of its price's queue."""
        price = order.price
        level = self.levels.get(price)
        if level is None:
            self.levels[price] = {order.order_id: order}
            self.totals[price] = order.remaining
            insort(self._ascending, price)
        else:
            level[order.order_id] = order
            self.totals[price] = Count(self.totals[price] + order.remaining)

    def reduce(self, order: ExchangeOrder, by: Count) -> None:
        """Reduce an order by `by`; one with nothing left leaves the queue."""
        price = order.price
        order.remaining = Count(order.remaining - by)
        self.totals[price] = Count(self.totals[price] - by)
        if not order.remaining:
            level = self.levels[price]
            del level[order.order_id]
            if not level:
                del self.levels[price], self.totals[price]
                del self._ascending[bisect_left(self._ascending, price)]

    def prices(self) -> list[Price]:
        """Return the prices, best first."""
        return self._ascending[::-1] if self.side == "bid" else self._ascending[:]

    def reaches(self, limit: Price, price: Price) -> bool:
        """Return whether an incoming order limited to `limit` trades at this side's `price`."""
        return limit <= price if self.side == "bid" else limit >= price

    def crossed_by(self, limit: Price) -> Iterator[ExchangeOrder]:
        """Yield the orders that an incoming one limited to `limit` meets, in order."""
        best = self.best
        if best is None or not self.reaches(limit, best):
            return
        for price in self.prices():
            if not self.reaches(limit, price):
                return
            yield from self.levels[price].values()

    def queue_ahead(self, order: ExchangeOrder) -> Count:
        """Return how many contracts are ahead of `order`."""
        ahead = 0
        for price in self.prices():
            if price == order.price:
                break
            ahead += self.totals[price]
        for other in self.levels[order.price].values():
            if other is order:
                return Count(ahead)
            ahead += other.remaining
        raise KeyError(order.order_id)


class ExchangeMarket:
    """A market's state, which only the matching engine and its actions change."""

    def __init__(
        self,
        terms: MarketTerms,
        *,
        fees: FeeSchedule,
        grid: PriceGrid = CENT_GRID,
        structure: str = "linear_cent",
    ) -> None:
        self.terms = terms
        self.ticker = terms.ticker
        self.fees = fees
        self.grid = grid
        self.structure = structure
        self.close_ms = terms.close_ms
        self.status: MarketStatus = "initialized"
        self.updated_ms = terms.created_ms
        self.sides: dict[Side, BookSide] = {"bid": BookSide("bid"), "ask": BookSide("ask")}
        self.clock = 0
        self.last_price = Price(0)
        self.last_count = Count(0)
        self.volume = Count(0)
        self.turnover = Money(0)
        self.open_interest = Count(0)
        self.result = ""
        # What YES pays if the result is `scalar`, a fraction of a dollar.
        self.scalar_value: Price | None = None
        self.expiration_value = ""
        self.determined_ms: Milliseconds | None = None
        self.settled_ms: Milliseconds | None = None

    @property
    def best_bid(self) -> Price | None:
        """The highest bid for YES."""
        return self.sides["bid"].best

    @property
    def best_ask(self) -> Price | None:
        """The lowest ask for YES."""
        return self.sides["ask"].best

    def refuse_crossing(self, order: ExchangeOrder, price: Price) -> None:
        """Refuse an order that would trade outside this book; here none does."""

    @property
    def yes_value(self) -> Price:
        """What one YES contract pays, once there is a result."""
        if self.result == "scalar" and self.scalar_value is not None:
            return self.scalar_value
        return ONE_DOLLAR if self.result == "yes" else Price(0)

    def orders(self) -> list[ExchangeOrder]:
        """Return every resting order."""
        return [
            order
            for side in self.sides.values()
            for level in side.levels.values()
            for order in level.values()
        ]
