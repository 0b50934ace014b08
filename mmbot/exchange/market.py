"""One market: its terms, its state, and its order book."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from mmbot.exchange.accounts import Side
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.units import CENT_GRID, Count, Money, Price, PriceGrid

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
    """What is traded; all times are wall milliseconds."""

    ticker: str
    market_id: str
    event_ticker: str
    series_ticker: str
    floor_strike: int
    created_ms: int
    open_ms: int
    close_ms: int
    settle_ms: int
    exchange_index: int = 0


class BookSide:
    """One side of a book: orders by price, first come first served at each price."""

    def __init__(self, side: Side) -> None:
        self.side: Side = side
        self.levels: dict[Price, dict[str, ExchangeOrder]] = {}
        self.totals: dict[Price, Count] = {}

    @property
    def best(self) -> Price | None:
        """The price that trades first."""
        if not self.levels:
            return None
        return max(self.levels) if self.side == "bid" else min(self.levels)

    def add(self, order: ExchangeOrder) -> None:
        """Put an order at the back of its price's queue."""
        self.levels.setdefault(order.price, {})[order.order_id] = order
        self.totals[order.price] = self.totals.get(order.price, 0) + order.remaining

    def reduce(self, order: ExchangeOrder, by: Count) -> None:
        """Take `by` off the order; one with nothing left leaves the queue."""
        order.remaining -= by
        self.totals[order.price] -= by
        if not order.remaining:
            level = self.levels[order.price]
            del level[order.order_id]
            if not level:
                del self.levels[order.price], self.totals[order.price]

    def remove(self, order: ExchangeOrder) -> None:
        """Take an order out of the queue without touching what it has remaining."""
        level = self.levels[order.price]
        del level[order.order_id]
        self.totals[order.price] -= order.remaining
        if not level:
            del self.levels[order.price], self.totals[order.price]

    def prices(self) -> list[Price]:
        """Return the prices, best first."""
        return sorted(self.levels, reverse=self.side == "bid")

    def reaches(self, limit: Price, price: Price) -> bool:
        """Say whether an incoming order limited to `limit` trades with this side's `price`."""
        return limit <= price if self.side == "bid" else limit >= price

    def crossed_by(self, limit: Price) -> Iterator[ExchangeOrder]:
        """Yield the orders that an incoming one limited to `limit` meets, in turn."""
        for price in self.prices():
            if not self.reaches(limit, price):
                return
            yield from self.levels[price].values()

    def queue_ahead(self, order: ExchangeOrder) -> Count:
        """Return how many contracts trade before `order` does."""
        ahead = 0
        for price in self.prices():
            if price == order.price:
                break
            ahead += self.totals[price]
        for other in self.levels[order.price].values():
            if other is order:
                return ahead
            ahead += other.remaining
        raise KeyError(order.order_id)


class ExchangeMarket:
    """A market's state; only the matching engine changes it."""

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
        self.last_price: Price = 0
        self.last_count: Count = 0
        self.volume: Count = 0
        self.turnover: Money = 0
        self.open_interest: Count = 0
        self.result = ""
        self.expiration_value = ""
        self.determined_ms: int | None = None
        self.settled_ms: int | None = None

    @property
    def best_bid(self) -> Price | None:
        """The highest price a buyer of YES offers."""
        return self.sides["bid"].best

    @property
    def best_ask(self) -> Price | None:
        """The lowest price a seller of YES asks."""
        return self.sides["ask"].best

    def refuse_crossing(self, order: ExchangeOrder, price: Price) -> None:
        """Refuse an order that would trade outside this book at `price`: here, none would."""

    def orders(self) -> list[ExchangeOrder]:
        """Return every resting order."""
        return [
            order
            for side in self.sides.values()
            for level in side.levels.values()
            for order in level.values()
        ]


def opposite(side: Side) -> Side:
    """Return the other side of the book."""
    return "ask" if side == "bid" else "bid"
