"""Views of markets, recorded to judge the quotes by: markouts of fills, and samples of markets.

A view is a market's belief, mid and fair value. One is taken at each fill, and again a second, a
minute and an hour later and after the next count (markouts); and one of every market, filled or
not, at the beginning and the end of each number of days published (samples). A view that cannot be
taken in time is dropped, so that none is ever made up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import heappop, heappush
from typing import Final, NamedTuple

from mmbot.trading.command_buffer import ONLY_VIEWS, CommandBuffer
from mmbot.trading.commands import (
    Horizon,
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordViews,
    SampleMoment,
)
from mmbot.trading.event_state import EventState
from mmbot.trading.gates import CLOSING_MARGIN_MS
from mmbot.trading.market_state import MarketState
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill
from mmbot.units import Milliseconds

# A fill reported later than this gets no view.
_REPORTED_WITHIN_MS = 5_000
_HORIZONS_MS: tuple[tuple[Horizon, Milliseconds], ...] = (
    ("1s", 1_000),
    ("1min", 60_000),
    ("1h", 3_600_000),
)
# A markout that would be taken later than this is dropped.
_LATE_MS = 1_000
# How long, in calendar time, the market may digest a count before the markout.
_DIGESTION_MS = 60_000
# The last sample at a number of days published is taken this long before the next may be out.
_BEFORE_THE_END_MS = 2_000
# The least time between two searches for first samples.
SAMPLING_INTERVAL_MS: Final[Milliseconds] = 1_000
# The most pending markouts of each kind; further fills get none.
_MOST_PENDING = 10_000


class _Due(NamedTuple):
    """A markout that is due at `at`."""

    at: Milliseconds
    trade_id: str
    order_id: str
    ticker: str
    horizon: Horizon


class _AwaitingCount(NamedTuple):
    """A fill whose next count is not published yet."""

    fill: Fill
    days_published: int


class Markouts:
    """Takes views of markets when they are due."""

    def __init__(self, state: TradingState, buffer: CommandBuffer) -> None:
        self._state = state
        self._buffer = buffer
        self._due: list[_Due] = []
        self._awaiting_count: deque[_AwaitingCount] = deque(maxlen=_MOST_PENDING)
        self._sampling_due: Milliseconds = 0
        self._next_end: Milliseconds | None = None

    def record_fill(
        self, fill: Fill, event_state: EventState, now: Milliseconds, *, confirmed: bool = False
    ) -> RecordFill:
        """Return the record of a fill with its view, and schedule its markouts."""
        if abs(now - fill.at) > _REPORTED_WITHIN_MS:
            # Nothing is quoted between a release and its count, so the belief had the counts of all
            # releases before the fill.
            days_published = bisect_right(event_state.releases, fill.at)
            return RecordFill(fill, days_published, confirmed=confirmed)
        for horizon, wait in _HORIZONS_MS:
            self._schedule(fill, horizon, now + wait)
        closes = event_state.markets[fill.ticker].terms.closes
        days_published = event_state.days_published
        if any(release < closes for release in event_state.releases[days_published:]):
            self._awaiting_count.append(_AwaitingCount(fill, days_published))
        view = _view(event_state, fill.ticker)
        return RecordFill(fill, days_published, view, confirmed)

    def belief_updated(self, event_state: EventState, now: Milliseconds) -> None:
        """Schedule the markouts of fills whose next count is in the event's new belief.

        First samples with the belief are taken once it is priced in.
        """
        self._buffer.wake_by(now + SAMPLING_INTERVAL_MS, ONLY_VIEWS)
        for _ in range(len(self._awaiting_count)):
            fill, days_published = self._awaiting_count.popleft()
            market = self._state.find_market(fill.ticker)
            if fill.ticker in event_state.markets and event_state.days_published > days_published:
                wait = round(_DIGESTION_MS / self._state.clock.speed)
                self._schedule(fill, "release", now + wait)
            elif market is not None and now < market.terms.closes:
                self._awaiting_count.append(_AwaitingCount(fill, days_published))

    def take_due(self, now: Milliseconds) -> None:
        """Take every view that is due; ask to be woken for the next."""
        markouts = self._due_markouts(now)
        if now >= self._sampling_due:
            samples = self._due_samples(now)
            self._buffer.wake_by(self._next_end, ONLY_VIEWS)
        else:
            samples = []
            self._buffer.wake_by(self._sampling_due, ONLY_VIEWS)
        if markouts or samples:
            self._buffer.add(RecordViews(tuple(samples), tuple(markouts)))

    def _schedule(self, fill: Fill, horizon: Horizon, at: Milliseconds) -> None:
        if len(self._due) < _MOST_PENDING:
            heappush(self._due, _Due(at, fill.trade_id, fill.order_id, fill.ticker, horizon))
            self._buffer.wake_by(at, ONLY_VIEWS)

    def _due_markouts(self, now: Milliseconds) -> list[Markout]:
        taken = []
        while self._due and self._due[0].at <= now:
            due = heappop(self._due)
            if now <= due.at + _LATE_MS and self._is_current(due.ticker, now):
                view = _view(self._state.event_of_market[due.ticker], due.ticker)
                taken.append(Markout(due.trade_id, due.order_id, due.horizon, now, view))
        if self._due:
            self._buffer.wake_by(self._due[0].at, ONLY_VIEWS)
        return taken

    def _is_current(self, ticker: str, now: Milliseconds) -> bool:
        """Return whether a market is open and its book up to date."""
        market = self._state.find_market(ticker)
        if market is None or market.book is None or self._state.service.lagging:
            return False
        return now < market.terms.closes

    def _due_samples(self, now: Milliseconds) -> list[MarketSample]:
        taken = []
        self._next_end = None
        for event_state in self._state.events.values():
            if event_state.priced is None or event_state.settled or self._state.service.lagging:
                continue
            for market in event_state.markets.values():
                sample = self._sample(event_state, market, now)
                if sample is not None:
                    taken.append(sample)
        next_ = now + SAMPLING_INTERVAL_MS
        self._sampling_due = next_ if self._next_end is None else min(next_, self._next_end)
        return taken

    def _sample(
        self, event_state: EventState, market: MarketState, now: Milliseconds
    ) -> MarketSample | None:
        days_published = event_state.days_published
        next_release = event_state.releases[days_published : days_published + 1]
        end = min((market.terms.closes - CLOSING_MARGIN_MS, *next_release))
        moment: SampleMoment = "last"
        if now < end - _BEFORE_THE_END_MS:
            moment = "first"
            self._next_end = min(self._next_end or end, end - _BEFORE_THE_END_MS)
        sampled = market.sampled.get(moment) == days_published
        if sampled or not (market.market_mid.live and market.terms.opens <= now < end):
            return None
        market.sampled[moment] = days_published
        view = _view(event_state, market.ticker)
        return MarketSample(market.ticker, days_published, moment, now, view)


def _view(event_state: EventState, ticker: str) -> MarketView:
    market, belief = event_state.markets[ticker], event_state.belief
    return MarketView(
        belief=belief.above[event_state.portfolio.strike_index(ticker)] if belief else None,
        mid=market.market_mid.mid if market.market_mid.live else None,
        fair=market.fair,
    )
