"""The gates: why a market may be quoted, or the one reason why not.

Each gate is a fact about now. The first that is shut names the reason; all open, the answer is
the empty string. Where a gate is shut, the quotes come off; a hold merely keeps new ones away.
"""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.book import Book, Top
from mmbot.trading.fair import MarketMid
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.values import Market
from mmbot.units import Count, Price

# Quotes come off this long before the close: afterwards not even a cancel is taken.
CLOSING_MARGIN = 1_000


# Gates that are shut because this life has not learnt something yet.
NOT_LEARNT_YET = frozenset(
    {"exchange_not_read", "not_reconciled", "no_belief", "no_book", "no_group", "no_market_price"}
)


class MarketState(msgspec.Struct):
    """One market as the engine sees it: its book, its terms, and what holds its quotes off.

    `top` is where the others rest in the book, as far as it may be read. `result` is what YES pays,
    once that is known, and `settled` the same, once it is booked for the position `paid`; nothing
    amends it once it is `final`. The stream's word on the market is fresher than any reading until
    `fresh_until`. `sampled` tells of each moment at how many known days it was looked at last.
    """

    terms: Market
    book: Book | None = None
    top: Top | None = None
    quote_limits: QuoteLimits | None = None
    market_mid: MarketMid = msgspec.field(default_factory=MarketMid)
    held_until: int = 0
    held_because: str = ""
    post_only_refusals: int = 0
    result: Price | None = None
    settled: Price | None = None
    paid: Count = 0
    final: bool = False
    fresh_until: int = 0
    sampled: dict[str, int] = msgspec.field(default_factory=dict)
    reason: str = ""

    @property
    def fair(self) -> float | None:
        """The fair value of YES in dollars, once the ladder has been priced."""
        return self.quote_limits.fair if self.quote_limits else None

    def keep_new_orders_away(self, until: int, because: str) -> None:
        """Hold until then, unless it is held longer already."""
        if until > self.held_until:
            self.held_until, self.held_because = until, because


class ShardState(msgspec.Struct):
    """One shard of the exchange, and the order group that our orders there are in.

    The group is `asked` for, or for its reset, not before `due` and once at a time.
    """

    index: int
    group: str = ""
    triggered: bool = False
    asked: bool = False
    due: int = 0


class ServiceState(msgspec.Struct):
    """What holds for all markets at once."""

    stopping: bool = False
    halted: bool = False
    missing: tuple[str, ...] = ()
    streaming: bool = False
    lagging: bool = False
    reconciled: bool = False
    shut: str = "exchange_not_read"


def service_gate(state: ServiceState) -> str:
    """Return why nothing at all may be quoted."""
    if state.stopping or state.halted:
        return "stopping" if state.stopping else "halted"
    if state.missing:
        return f"no_{state.missing[0]}"
    if not state.streaming:
        return "no_stream"
    if state.lagging:
        return "stale_feed"
    if not state.reconciled:
        return "not_reconciled"
    return state.shut


def shard_gate(shard: ShardState) -> str:
    """Return why nothing on a shard may be quoted."""
    if not shard.group:
        return "no_group"
    return "group_triggered" if shard.triggered else ""


class ReleaseWindow(msgspec.Struct, frozen=True):
    """From `opens` to `shuts`, in milliseconds, another count may come."""

    opens: int
    shuts: int
    days_published: int


def belief_gate(
    belief: Belief | None, releases: tuple[int, ...], windows: tuple[ReleaseWindow, ...], now: int
) -> str:
    """Return why an event's belief may not be traded on.

    Args:
        belief: What is thought of the week.
        releases: The instants, ascending, from which one more day's count may be out each, but
            for the days that get none: from then on, whoever has read it knows more than a belief
            without it.
        windows: When a count may come that need not: without it, nothing is quoted until its
            window shuts.
        now: The time.
    """
    if belief is None:
        return "no_belief"
    if belief.days_published < bisect_right(releases, now):
        return "release_due"
    if any(w.opens <= now < w.shuts and belief.days_published < w.days_published for w in windows):
        return "release_possible"
    return ""


def final_gate(listing: MarketState, now: int) -> str:
    """Return why one market will not be quoted any more."""
    if listing.result is not None:
        return "settled"
    return "closed" if now >= listing.terms.closes - CLOSING_MARGIN else ""


def market_gate(listing: MarketState, now: int) -> str:
    """Return why one market that is not over may not be quoted."""
    market = listing.terms
    if not market.active:
        return "market_paused"
    if now < market.opens:
        return "not_open"
    if listing.book is None:
        return "no_book"
    return ""


def hold_reason(listing: MarketState, now: int) -> str:
    """Return why no new order may be sent to a market for the moment."""
    return listing.held_because if now < listing.held_until else ""
