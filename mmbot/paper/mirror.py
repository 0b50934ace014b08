"""A real market's book with the paper orders added to it.

The paper orders rest in this market as in any other. The bot is shown the real book with them
added, except those that the real book crosses, which would make the shown book a crossed one.
Nobody rests behind a crossed order, so hiding it hides nothing else. Prices are YES prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.market import ExchangeMarket, MarketTerms
from mmbot.exchange.order_types import ExchangeOrder, RequestRefused
from mmbot.trading.book import Book, CorruptBook
from mmbot.trading.values import Level, Side, event_of
from mmbot.units import ONE_DOLLAR, Count, Milliseconds, Price, PriceBand, PriceGrid

# Until a market's price ranges are known, every price is accepted.
_ANY_PRICE = PriceGrid((PriceBand(Price(0), ONE_DOLLAR, Price(1)),))
_FAR_FUTURE: Milliseconds = 4_102_444_800_000  # the year 2100


class ShownOrder(NamedTuple):
    """One paper order in the book that the bot is shown."""

    client_order_id: str
    side: Side
    price: Price


class OrderLevelChange(NamedTuple):
    """A change of the book that the bot is shown, by one paper order."""

    order: ShownOrder
    delta: Count


class MirroredMarket(ExchangeMarket):
    """One real market; `book` is its real book, or `None` while that is not known."""

    def __init__(self, ticker: str, series: str) -> None:
        """Start open, without a book; terms, grid and close are set as they become known."""
        terms = MarketTerms(
            ticker=ticker,
            market_id="",
            event_ticker=event_of(ticker),
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
        """Set the exchange's own id of the market."""
        self.terms = msgspec.structs.replace(self.terms, market_id=market_id)

    @property
    def best_bid(self) -> Price | None:
        """The highest bid of the real book."""
        return self.book.best_bid if self.book else None

    @property
    def best_ask(self) -> Price | None:
        """The lowest ask of the real book."""
        return self.book.best_ask if self.book else None

    def refuse_crossing(self, order: ExchangeOrder, price: Price) -> None:
        """Refuse a paper order that crosses the real book, or any while that is not known."""
        if not order.account.audited:
            return  # the account that replays the real tape
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

    def replace_book(self, bids: Iterable[Level], asks: Iterable[Level], clock: int) -> None:
        """Apply a snapshot; the bot is then shown `levels`."""
        try:
            self.book = Book(bids, asks)
        except CorruptBook:
            self.book = None
        self.book_clock = self._snapshot_clock = clock
        self._shown = self._visible()

    def change_book(self, side: Side, price: Price, delta: Count, clock: int) -> bool:
        """Apply a change of one level; return whether other orders may have to be shown or hidden.

        If the change makes the book impossible, it is unknown from then on.
        """
        # A snapshot includes every change up to its clock.
        if self.book is None or 0 < clock <= self._snapshot_clock:
            return False
        self.book_clock = max(self.book_clock, clock)
        before = self.book.best_bid, self.book.best_ask
        try:
            self.book.change(side, price, delta)
        except CorruptBook:
            self.book = None
            return True
        return before != (self.book.best_bid, self.book.best_ask)

    def forget_book(self) -> None:
        """Drop the book, as the bot has done."""
        self.book = None
        self._shown = {}

    # The book that the bot is shown

    def levels(self, side: Side) -> list[Level]:
        """Return one side of the book that the bot is shown, best last."""
        totals: dict[Price, Count] = dict(self.book.levels(side)) if self.book else {}
        for order, count in self._shown.items():
            if order.side == side:
                totals[order.price] = Count(totals.get(order.price, 0) + count)
        return sorted(totals.items(), reverse=side == "ask")

    @property
    def shows_orders(self) -> bool:
        """Whether the book that the bot is shown has paper orders in it."""
        return bool(self._shown)

    def conceal(self) -> list[OrderLevelChange]:
        """Remove from the shown book what must no longer be shown; return the changes."""
        return self._show(falling=True)

    def reveal(self) -> list[OrderLevelChange]:
        """Add to the shown book what is to be shown now; return the changes."""
        return self._show(falling=False)

    def _show(self, *, falling: bool) -> list[OrderLevelChange]:
        visible = self._visible()
        changes = [
            OrderLevelChange(order, Count(delta))
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
