"""What a bot saw and quoted through a week, market by market, for a picture of it.

Its state is sampled every five minutes of the calendar, and kept if it has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from mmbot.trading.book import Top
from mmbot.trading.event_state import EventState
from mmbot.trading.market_state import MarketState
from mmbot.trading.state import TradingState
from mmbot.trading.values import event_of
from mmbot.units import MONEY_PER_DOLLAR, ONE_DOLLAR, Milliseconds, Price

LOOKED_EVERY_MS: Milliseconds = 300_000


class MarketPoint(msgspec.Struct, frozen=True):
    """A market at an instant; prices are of YES.

    Attributes:
        at: The time.
        bid: The best bid of others; `None` without one, or while the book is not known.
        ask: Their best ask.
        fair: The fair value in dollars.
        own_bid: Our best bid.
        own_ask: Our best ask.
    """

    at: Milliseconds
    bid: Price | None
    ask: Price | None
    fair: float | None
    own_bid: Price | None
    own_ask: Price | None


class WeekPath(msgspec.Struct, frozen=True):
    """One event through its week.

    Attributes:
        markets: By ticker, the points at which something had changed.
        published: When the belief took in a count, and how many published days it then had.
        pnl: The P&L in dollars, with positions at their mids, else at their fair values.
    """

    markets: Mapping[str, tuple[MarketPoint, ...]]
    published: tuple[tuple[Milliseconds, int], ...]
    pnl: tuple[tuple[Milliseconds, float], ...]


class PathKeeper:
    """Keeps the paths of all events."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._due: Milliseconds = 0
        self._markets: dict[str, list[MarketPoint]] = defaultdict(list)
        self._published: dict[str, list[tuple[Milliseconds, int]]] = defaultdict(list)
        self._pnl: dict[str, list[tuple[Milliseconds, float]]] = defaultdict(list)

    def path(self, event: str) -> WeekPath:
        """Return the path of an event."""
        return WeekPath(
            {t: tuple(kept) for t, kept in self._markets.items() if event_of(t) == event},
            tuple(self._published[event]),
            tuple(self._pnl[event]),
        )

    def look(self, state: TradingState, now: Milliseconds) -> None:
        """Sample a bot's state, if it is time to."""
        if now < self._due:
            return
        self._due = now + round(LOOKED_EVERY_MS / state.clock.speed)
        for event in state.events.values():
            self._look_at_event(event, state, now)

    def _look_at_event(self, event: EventState, state: TradingState, now: Milliseconds) -> None:
        published = self._published[event.ticker]
        before = published[-1][1] if published else 0
        if event.days_published > before:
            published.append((now, event.days_published))
        for market in event.markets.values():
            point, kept = _point(market, state, now), self._markets[market.ticker]
            if not kept or msgspec.structs.replace(point, at=kept[-1].at) != kept[-1]:
                kept.append(point)
        pnl = _pnl(event, now)
        if pnl is not None and (
            not self._pnl[event.ticker] or self._pnl[event.ticker][-1][1] != pnl
        ):
            self._pnl[event.ticker].append((now, pnl))


def _point(market: MarketState, state: TradingState, now: Milliseconds) -> MarketPoint:
    top = market.top if market.book is not None and market.top is not None else Top(None, None)
    bids, asks = state.orders.levels(market.ticker)
    own_bid, own_ask = max(bids, default=None), min(asks, default=None)
    return MarketPoint(now, top.bid, top.ask, market.fair, own_bid, own_ask)


def _pnl(event: EventState, now: Milliseconds) -> float | None:
    """Return an event's P&L in dollars; `None` if a position cannot be valued."""
    pnl = event.portfolio.cash / MONEY_PER_DOLLAR
    for ticker, market in event.markets.items():
        position = event.portfolio.position(ticker)
        mid = market.market_mid.at(now)
        worth = market.fair if mid is None else mid
        if market.settled is not None:
            worth = market.settled / ONE_DOLLAR
        if position and worth is None:
            return None
        pnl += position * (worth or 0.0) * ONE_DOLLAR / MONEY_PER_DOLLAR
    return pnl
