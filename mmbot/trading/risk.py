"""The gates: why a market may be quoted, or the one reason why not.

Each gate is a fact about now. The first that is shut names the reason; all open, the answer is
the empty string.
"""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.book import Book
from mmbot.trading.events import Market

# Quotes come off this long before the close: afterwards not even a cancel is taken.
CLOSING_MARGIN = 1_000


class ServiceState(msgspec.Struct):
    """What holds for all markets at once."""

    stopping: bool = False
    reconciled: bool = False
    exchange_open: bool = False


def service_gate(state: ServiceState) -> str:
    """Return why nothing at all may be quoted."""
    if state.stopping:
        return "stopping"
    if not state.reconciled:
        return "not_reconciled"
    if not state.exchange_open:
        return "exchange_paused"
    return ""


def belief_gate(belief: Belief | None, releases: tuple[int, ...], now: int) -> str:
    """Return why an event's belief may not be traded on.

    `releases` are the instants, ascending, from which one more day's count may be out each: from
    then on, whoever has read it knows more than a belief without it.
    """
    if belief is None:
        return "no_belief"
    if belief.known < bisect_right(releases, now):
        return "release_due"
    return ""


def market_gate(
    market: Market, book: Book | None, held_until: int, held_because: str, now: int
) -> str:
    """Return why one market may not be quoted."""
    if not market.active:
        return "market_paused"
    if now < market.opens:
        return "not_open"
    if now >= market.closes - CLOSING_MARGIN:
        return "closed"
    if book is None:
        return "no_book"
    if now < held_until:
        return held_because
    return ""
