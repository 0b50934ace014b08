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
    """What an event's quote limits were made from, and when.

    It may use `cash` of the account's.
    """

    at: Milliseconds
    belief: Belief
    settings: Settings
    fills: int
    account_cash: Money | None
    cash: Money
    mids: dict[str, float | None]
    fee: MakerFee


class Calm(msgspec.Struct, frozen=True, gc=False):
    """Where a market's book may change, and nothing follows.

    Levels behind both of these prices decide neither the best prices of others nor the mid, and
    until then no pricing is due that a change of this book alone could bring about.
    """

    bid: Price
    ask: Price
    until: Milliseconds
    priced: PricingInputs | None
    fills: int


class MarketState(msgspec.Struct):
    """One market: its book, its quote limits, and what keeps its quotes off.

    Attributes:
        terms: What the exchange lists.
        book: The book, while it is trusted.
        book_at: When a message about the book came last.
        top: The best prices of others, as last read from the book.
        calm: Where the book may change without consequence; `None` if that is not known.
        quote_limits: The highest prices and the sizes, once the event has been priced.
        bounds: What its latest quotes had to keep to; they hold until anything in them changes.
        market_mid: The midpoint of the book, now or lately.
        held_until: Until when no new order is sent, and `held_by` why.
        held_by: The gate of the latest hold.
        post_only_refusals: How many places in a row were refused because they would have crossed.
        result: What YES pays, once that is known.
        settled: The same, once it is booked for the position `paid`.
        paid: The position that was paid for.
        final: Whether nothing amends the result any more.
        fresh_until: Until when the stream's statements on this market outrank any reading.
        sampled: For each moment, at how many published days it was sampled last.
        shut_gate: Why it is not quoted, or `None`.
        contradiction: How the books of its position contradict each other; empty if they agree.
        unread_fills: Which of our fills here, or of our position, could not be read.
        unread_terms: What of the market was listed last and could not be read.
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
        """What of it cannot be read, so that it is not quoted; empty if all can."""
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
        """Why it is not quoted, as log, status and JSON show it; empty if it is."""
        return self.shut_gate.text if self.shut_gate else ""

    def hold(self, until: Milliseconds, gate: Gate) -> None:
        """Hold new orders back until then, unless a longer hold is in force."""
        if until > self.held_until:
            self.held_until, self.held_by = until, gate
