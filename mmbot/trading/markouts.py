"""What is written down to judge the quotes by afterwards: views of markets, and of fills.

A view is what was thought of a market: belief, midpoint, fair value. One is taken at each fill, and
again a second and a minute later and after the next count is out (markouts); and one of every
market, filled or not, at the beginning and at the end of each number of known days. A view that
could not be taken at its time is not taken at all, so that none is ever made up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import heappop, heappush
from typing import NamedTuple

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import (
    Horizon,
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordViews,
    SampleMoment,
)
from mmbot.trading.gates import CLOSING_MARGIN, MarketState
from mmbot.trading.state import EventState, TradingState
from mmbot.trading.values import Fill

# Milliseconds. A fill heard of later than this says nothing of what was thought when it happened.
_HEARD_WITHIN = 5_000
_HORIZONS: tuple[tuple[Horizon, int], ...] = (("1s", 1_000), ("1min", 60_000))
# A markout that comes later than this is none.
_LATE = 1_000
# How long the market may digest a count before it is looked at, by the calendar.
_DIGESTED = 60_000
# The last view of a number of known days is taken so long before it ends, when all is quiet.
_BEFORE_THE_END = 2_000
# Looking for a first view more often than this is not worth its while.
_SAMPLED_EVERY = 1_000
# Markouts waited for at once, of each kind; what is beyond has none.
_MOST = 10_000


class _Due(NamedTuple):
    """A markout to be taken."""

    at: int
    trade_id: str
    order_id: str
    ticker: str
    horizon: Horizon


class _Awaiting(NamedTuple):
    """A fill whose next count is not out yet."""

    fill: Fill
    days_published: int


class Markouts:
    """Takes views of the desk's markets when their time has come."""

    def __init__(self, state: TradingState, outbox: CommandBuffer) -> None:
        self._state = state
        self._out = outbox
        self._due: list[_Due] = []
        self._awaiting: deque[_Awaiting] = deque(maxlen=_MOST)
        self._sampling_due = 0
        self._next_end: int | None = None

    def booking(self, fill: Fill, ladder: EventState) -> RecordFill:
        """Return a fill with what was thought then, and remember to look at its market again."""
        if abs(self._out.now - fill.at) > _HEARD_WITHIN:
            # Nothing is quoted between a release and its count: what was out was known.
            return RecordFill(fill, bisect_right(ladder.releases, fill.at))
        for horizon, wait in _HORIZONS:
            self._look_again(fill, horizon, wait)
        closes = ladder.markets[fill.ticker].terms.closes
        if any(release < closes for release in ladder.releases[ladder.days_published :]):
            self._awaiting.append(_Awaiting(fill, ladder.days_published))
        return RecordFill(fill, ladder.days_published, _view(ladder, fill.ticker))

    def believed(self, ladder: EventState) -> None:
        """Take note that a belief was taken up; it may know of the count that fills wait for."""
        for _ in range(len(self._awaiting)):
            fill, days_published = self._awaiting.popleft()
            listing = self._state.market(fill.ticker)
            if fill.ticker in ladder.markets and ladder.days_published > days_published:
                self._look_again(fill, "release", _DIGESTED / self._state.clock.speed)
            elif listing is not None and self._out.now < listing.terms.closes:
                self._awaiting.append(_Awaiting(fill, days_published))

    def take(self) -> None:
        """Take every view whose time has come; ask to be woken for the next."""
        markouts = self._due_markouts()
        samples = self._due_samples() if self._out.now >= self._sampling_due else []
        self._out.wake_by(self._next_end)
        if markouts or samples:
            self._out.send(RecordViews(tuple(samples), tuple(markouts)))

    def _look_again(self, fill: Fill, horizon: Horizon, wait: float) -> None:
        if len(self._due) >= _MOST:
            return
        at = self._out.now + round(wait)
        heappush(self._due, _Due(at, fill.trade_id, fill.order_id, fill.ticker, horizon))
        self._out.wake_by(at)

    def _due_markouts(self) -> list[Markout]:
        now, taken = self._out.now, []
        while self._due and self._due[0].at <= now:
            due = heappop(self._due)
            if now <= due.at + _LATE and self._shown(due.ticker):
                view = _view(self._state.event_of_market[due.ticker], due.ticker)
                taken.append(Markout(due.trade_id, due.order_id, due.horizon, now, view))
        if self._due:
            self._out.wake_by(self._due[0].at)
        return taken

    def _shown(self, ticker: str) -> bool:
        """Return whether what is known of a market is what it is now."""
        listing = self._state.market(ticker)
        if listing is None or listing.book is None or self._state.service.lagging:
            return False
        return self._out.now < listing.terms.closes

    def _due_samples(self) -> list[MarketSample]:
        now, taken = self._out.now, []
        self._next_end = None
        for ladder in self._state.events.values():
            if ladder.priced is None or ladder.settled or self._state.service.lagging:
                continue
            for listing in ladder.markets.values():
                sample = self._sample(ladder, listing)
                if sample is not None:
                    taken.append(sample)
        soon = now + _SAMPLED_EVERY
        self._sampling_due = soon if self._next_end is None else min(soon, self._next_end)
        return taken

    def _sample(self, ladder: EventState, listing: MarketState) -> MarketSample | None:
        now, market, days_published = self._out.now, listing.terms, ladder.days_published
        end = min(
            (market.closes - CLOSING_MARGIN, *ladder.releases[days_published : days_published + 1])
        )
        moment: SampleMoment = "last"
        if now < end - _BEFORE_THE_END:
            moment = "first"
            self._next_end = min(self._next_end or end, end - _BEFORE_THE_END)
        told = listing.sampled.get(moment) == days_published
        if told or not (listing.market_mid.live and market.opens <= now < end):
            return None
        listing.sampled[moment] = days_published
        return MarketSample(
            market.ticker, days_published, moment, now, _view(ladder, market.ticker)
        )


def _view(ladder: EventState, ticker: str) -> MarketView:
    listing, belief = ladder.markets[ticker], ladder.belief
    return MarketView(
        belief=belief.above[ladder.portfolio.strike_index(ticker)] if belief else None,
        mid=listing.market_mid.mid if listing.market_mid.live else None,
        fair=listing.fair,
    )
