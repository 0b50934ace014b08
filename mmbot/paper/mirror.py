"""A market that trades elsewhere: its real book, and the paper orders laid over it.

The paper orders rest in the market as in any other. What the bot is shown is the real book with
them added, except those that the real book has come to cross: shown, they would make a crossed
book of two that are right. Since nobody rests behind a crossed order, hiding it hides nothing
else. Prices are the YES leg's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from mmbot.exchange.accounts import Side
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.market import ExchangeMarket, MarketTerms
from mmbot.exchange.order_types import ExchangeOrder, RequestRefused
from mmbot.trading.book import Book, CorruptBook
from mmbot.units import Count, Price, PriceBand, PriceGrid

# As long as nobody has said which prices a market takes, it takes them all.
_ANY_PRICE = PriceGrid((PriceBand(0, 10_000, 1),))
_FAR_FUTURE = 4_102_444_800_000  # the year 2100


class ShownOrder(NamedTuple):
    """One paper order as it stands in the book that the bot sees."""

    client_order_id: str
    side: Side
    price: Price


class OrderLevelChange(NamedTuple):
    """A paper order that has to appear in, or vanish from, the book that the bot sees."""

    order: ShownOrder
    delta: Count


class MirroredMarket(ExchangeMarket):
    """One real market; `book` is its real book while that is known."""

    def __init__(self, ticker: str, series: str) -> None:
        """Begin open, without a book; `terms`, grid and close are set as they become known."""
        terms = MarketTerms(
            ticker=ticker,
            market_id="",
            event_ticker=ticker.rpartition("-")[0],
            series_ticker=series,
            floor_strike=0,
            created_ms=0,
            open_ms=0,
            close_ms=_FAR_FUTURE,
            settle_ms=_FAR_FUTURE,
        )
        super().__init__(terms, fees=FeeSchedule(), grid=_ANY_PRICE)
        self.book: Book | None = None
        self.book_clock = 0
        self._snapshot_clock = 0
        self._shown: dict[ShownOrder, Count] = {}

    def identify(self, market_id: str) -> None:
        """Learn the exchange's own id of the market."""
        self.terms = msgspec.structs.replace(self.terms, market_id=market_id)

    @property
    def best_bid(self) -> Price | None:
        """The highest price that is really bid."""
        return self.book.top({}, {}).bid if self.book else None

    @property
    def best_ask(self) -> Price | None:
        """The lowest price that is really asked."""
        return self.book.top({}, {}).ask if self.book else None

    def refuse_crossing(self, order: ExchangeOrder, price: Price) -> None:
        """Refuse a paper order that the real book would trade with, or that nobody can check."""
        if not order.account.audited:
            return  # a trade of the real tape
        if self.book is None:
            raise RequestRefused("invalid_order", "paper: the market's book is not known")
        if self._crosses(order.side, price):
            what = "post only cross" if order.post_only else "paper: orders only rest"
            raise RequestRefused("invalid_order", what)

    def _crosses(self, side: Side, price: Price) -> bool:
        if side == "bid":
            return self.best_ask is not None and price >= self.best_ask
        return self.best_bid is not None and price <= self.best_bid

    # The real book

    def replace_book(
        self, bids: Iterable[tuple[Price, Count]], asks: Iterable[tuple[Price, Count]], clock: int
    ) -> None:
        """Take in a snapshot; the bot is to see it with `levels` in place of what it saw."""
        try:
            self.book = Book(bids, asks)
        except CorruptBook:
            self.book = None
        self.book_clock = self._snapshot_clock = clock
        self._shown = self._visible()

    def change_book(self, side: Side, price: Price, delta: Count, clock: int) -> None:
        """Take in a change of one level; a book that it makes impossible is known no more."""
        # A snapshot includes whatever bears its clock or an earlier one.
        if self.book is None or 0 < clock <= self._snapshot_clock:
            return
        self.book_clock = max(self.book_clock, clock)
        try:
            self.book.change(side, price, delta)
        except CorruptBook:
            self.book = None

    def forget_book(self) -> None:
        """Know the book no more, as the bot does not either."""
        self.book = None
        self._shown = {}

    # What the bot sees

    def levels(self, side: Side) -> list[tuple[Price, Count]]:
        """Return one side of the book that the bot sees, best last."""
        totals = dict(self.book.levels(side)) if self.book else {}
        for order, count in self._shown.items():
            if order.side == side:
                totals[order.price] = totals.get(order.price, 0) + count
        return sorted(totals.items(), reverse=side == "ask")

    @property
    def shows_orders(self) -> bool:
        """Whether the book that the bot sees has paper orders in it."""
        return bool(self._shown)

    def conceal(self) -> list[OrderLevelChange]:
        """Return what has to vanish from the book that the bot sees; it counts as done."""
        return self._show(falling=True)

    def reveal(self) -> list[OrderLevelChange]:
        """Return what has to appear in the book that the bot sees; it counts as done."""
        return self._show(falling=False)

    def _show(self, *, falling: bool) -> list[OrderLevelChange]:
        visible = self._visible()
        changes = [
            OrderLevelChange(order, delta)
            for order in visible | self._shown
            if (delta := visible.get(order, 0) - self._shown.get(order, 0))
            and (delta < 0) is falling
        ]
        for order, _ in changes:
            if order in visible:
                self._shown[order] = visible[order]
            else:
                del self._shown[order]
        return changes

    def _visible(self) -> dict[ShownOrder, Count]:
        if self.book is None:
            return {}
        return {
            ShownOrder(order.client_order_id, order.side, order.price): order.remaining
            for order in self.orders()
            if not self._crosses(order.side, order.price)
        }
