"""One market's state: its book, its quote limits, and what keeps its quotes off."""

from __future__ import annotations

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.book import Book, Top
from mmbot.trading.fair import MarketMid
from mmbot.trading.fees import MakerFee
from mmbot.trading.gates import Gate, ShutGate
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.quoting import QuoteBounds
from mmbot.trading.values import Market
from mmbot.units import Count, Milliseconds, Money, Price


class PricingInputs(msgspec.Struct, frozen=True):
    """What an event's quote limits were computed from, and when.

    `cash` is what the event may use of the account's cash.
    """

    at: Milliseconds
    belief: Belief
    settings: Settings
    booked: int
    account_cash: Money | None
    cash: Money
    mids: dict[str, float | None]
    fee: MakerFee


class Calm(msgspec.Struct, frozen=True, gc=False):
    """The part of a market's book in which changes have no consequence.

    Levels behind `bid` and `ask` affect neither the best prices of others nor the mid, and before
    `until` a change of this book alone cannot make a pricing due.
    """

    bid: Price
    ask: Price
    until: Milliseconds
    priced: PricingInputs | None
    booked: int


class MarketState(msgspec.Struct):
    """One market: its book, its quote limits, and what keeps its quotes off.

    Attributes:
        terms: What the exchange lists.
        book: The book, while it is trusted.
        book_at: When the last message about the book arrived.
        top: The best prices of others, as last read from the book.
        calm: Where the book may change without consequence; `None` if not known.
        quote_limits: The highest prices and the sizes, once the event has been priced.
        bounds: The bounds of its latest quotes; valid until one of their inputs changes.
        market_mid: The midpoint of the book, live or recent.
        held_until: Until when no new order is sent; `held_by` says why.
        held_by: The gate of the latest hold.
        post_only_refusals: How many places in a row were refused because they would cross.
        result: What YES pays, once that is known.
        settled: The same, once it is booked.
        paid: The position for which the settlement was booked.
        final: Whether the result can no longer be amended.
        fresh_until: Until when the stream's statements on this market outrank any reading.
        sampled: For each moment, the days published at the last sample.
        shut_gate: Why the market is not quoted, or `None`.
        contradiction: How the records of its position disagree; empty if they agree.
        unread_fills: Why our fills or position here are not known; empty if they are.
        unread_terms: What could not be read of its latest listing; empty if all could.
    """

    terms: Market
    book: Book | None = None
    book_at: Milliseconds = 0
    top: Top | None = None
    calm: Calm | None = None
    quote_limits: QuoteLimits | None = None
    bounds: QuoteBounds | None = None
    market_mid: MarketMid = msgspec.field(default_factory=MarketMid)
    held_until: Milliseconds = 0
    held_by: Gate | None = None
    post_only_refusals: int = 0
    result: Price | None = None
    settled: Price | None = None
    paid: Count = Count(0)
    final: bool = False
    fresh_until: Milliseconds = 0
    sampled: dict[str, int] = msgspec.field(default_factory=dict)
    shut_gate: ShutGate | None = None
    contradiction: str = ""
    unread_fills: str = ""
    unread_terms: str = ""

    @property
    def unreadable(self) -> str:
        """What cannot be read of the market, so that it is not quoted; empty if all can."""
        if self.terms.decided and self.result is None:
            return "it is decided, and what it pays cannot be read"
        return self.unread_terms or self.terms.unreadable or self.unread_fills

    @property
    def ticker(self) -> str:
        """Its ticker."""
        return self.terms.ticker

    @property
    def fair(self) -> float | None:
        """The fair value of YES in dollars, once the event has been priced."""
        return self.quote_limits.fair if self.quote_limits else None

    @property
    def reason(self) -> str:
        """Why it is not quoted, as shown by log, status and JSON; empty if it is."""
        return self.shut_gate.text if self.shut_gate else ""

    def hold(self, until: Milliseconds, gate: Gate) -> None:
        """Hold new orders until then, unless a longer hold is in force."""
        if until > self.held_until:
            self.held_until, self.held_by = until, gate
