"""One event's state: its markets, belief, portfolio, and when its counts may come.

It answers questions and changes itself; it emits no commands.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.fees import NO_FEE, MakerFee
from mmbot.trading.fill_reports import FillReports
from mmbot.trading.gates import CLOSING_MARGIN_MS, Gate
from mmbot.trading.market_state import MarketState, PricingInputs
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.pricing import LatestPricings
from mmbot.trading.stated_fee import StatedFee
from mmbot.trading.unlisted_markets import UnlistedMarkets
from mmbot.trading.values import Fill, ListedEvent, event_of
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.underlying import Underlying
from mmbot.units import ONE_DOLLAR, Milliseconds, Money, value_of

# How long a count is news, in calendar time.
_NEWS_MS: Final = 30 * 60_000


class ReleaseWindow(msgspec.Struct, frozen=True):
    """The `days_published`-th count of the week may come early, from `opens` to `closes_at`."""

    opens: Milliseconds
    closes_at: Milliseconds
    days_published: int


class EventState:
    """One event: its markets in ascending order of strike, its belief, its portfolio.

    Its fills and resting orders are known once it is `reconciled`.
    """

    def __init__(self, event: ListedEvent) -> None:
        self.ticker = event.ticker
        self.week: Week = event.week
        self.markets = {market.ticker: MarketState(market) for market in event.markets}
        self.strikes = tuple(market.strike for market in event.markets)
        self.portfolio = Portfolio(tuple(self.markets))
        self.fills = FillReports()
        self.belief: Belief | None = None
        self.belief_at: Milliseconds | None = None
        # Until when the latest count is news.
        self.news_until: Milliseconds = 0
        self.releases: tuple[Milliseconds, ...] = ()
        self.windows: tuple[ReleaseWindow, ...] = ()
        self.reconciled = False
        self.priced: PricingInputs | None = None
        self.pricings = LatestPricings()
        # Whether no position of the event may grow.
        self.reduce_only = False
        # What could not be read of its latest listing.
        self.unreadable = ""
        self.unlisted = UnlistedMarkets()
        # What the exchange states of the event's own fee; from all such statements, the fees that
        # makers may have to pay, highest first, or the terms that are not understood.
        self.stated_fee = StatedFee()
        self.fees: tuple[MakerFee, ...] = (NO_FEE,)
        self.unknown_fee = ""
        # Whether the log already has a fill of the event with an unexpected fee.
        self.fee_differs = False

    @property
    def fee(self) -> MakerFee:
        """The maker fee to reckon with: the highest possible one, or the last known one."""
        return self.fees[0]

    def extended(self, event: ListedEvent) -> EventState:
        """Return the state with the event's new markets added; other markets and fills are kept."""
        terms = {market.ticker: market.terms for market in self.markets.values()}
        terms |= {market.ticker: market for market in event.markets}
        in_order = tuple(sorted(terms.values(), key=lambda market: market.strike))
        extended = EventState(msgspec.structs.replace(event, markets=in_order))
        extended.markets |= self.markets
        extended.news_until = self.news_until
        extended.fills = self.fills
        extended.unlisted = self.unlisted
        extended.stated_fee = self.stated_fee
        extended.fees, extended.unknown_fee = self.fees, self.unknown_fee
        extended.fee_differs = self.fee_differs
        for fill in self.portfolio.fills:
            extended.portfolio.book(fill)
        return extended

    def restore_fills(self, recorded: Iterable[Fill], unconfirmed: Iterable[Fill]) -> int:
        """Book the fills of this event that an earlier session recorded; return how many.

        Args:
            recorded: Those that a list of the account has confirmed.
            unconfirmed: The others.
        """
        before = len(self.portfolio)
        for confirmed, fills in ((True, recorded), (False, unconfirmed)):
            for fill in fills:
                if fill.ticker in self.markets and self.fills.restore(fill, confirmed=confirmed):
                    self.portfolio.book(fill)
        return len(self.portfolio) - before

    def count_unlisted(self, recorded: Iterable[Fill]) -> None:
        """Count what recorded fills may lose in markets of this event that are not listed."""
        in_event = (fill for fill in recorded if event_of(fill.ticker) == self.ticker)
        self.unlisted.count_fills(fill for fill in in_event if fill.ticker not in self.markets)
        self.unlisted.drop(self.markets)

    def schedule_releases(
        self,
        settings: Settings,
        underlying: Underlying,
        clock: CalendarClock,
        missing: AbstractSet[dt.date],
    ) -> None:
        """Set the wall times from which each day's count may be out; `missing` days have none."""
        earliest, latest = settings.counts.earliest_release, settings.counts.latest_release
        self.releases = tuple(
            clock.wall_time(underlying.release(day, earliest))
            for day in self.week.days
            if day not in missing
        )
        self.windows = tuple(
            ReleaseWindow(
                clock.wall_time(early.opens),
                clock.wall_time(early.closes_at),
                sum(day <= early.day and day not in missing for day in self.week.days),
            )
            for early in underlying.early_releases(self.week, earliest, latest)
            if early.day not in missing
        )

    def update_belief(self, belief: Belief, now: Milliseconds, clock: CalendarClock) -> None:
        """Set the belief; a count that the one before did not have is news."""
        if self.belief is not None and belief.days_published > self.belief.days_published:
            self.news_until = now + round(_NEWS_MS / clock.speed)
        self.belief, self.belief_at = belief, now

    def hold_after_fill(self, fill: Fill, now: Milliseconds) -> None:
        """Hold new orders in the market of a fill while a count is news.

        Many takers have read it by then, and a trade reveals what its taker knows (Glosten and
        Milgrom, "Bid, ask and transaction prices in a specialist market with heterogeneously
        informed traders", 1985): a replacement order would be picked off next.
        """
        if now < self.news_until:
            self.markets[fill.ticker].hold(self.news_until, Gate.TAKEN_ON_NEWS)

    def without_own(self, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        """Return the fills that are not in a market of this event."""
        return tuple(fill for fill in fills if fill.ticker not in self.markets)

    def marked_pnl(self) -> Money | None:
        """Return the P&L, each position marked at fair value or, once settled, at its payout.

        `None` if a position cannot be valued.
        """
        pnl = self.portfolio.cash
        for ticker, market in self.markets.items():
            position = self.portfolio.position(ticker)
            if not position:
                continue
            if market.settled is not None:
                pnl = Money(pnl + value_of(position, market.settled))
            elif market.fair is None:
                return None
            else:
                pnl = Money(pnl + round(position * market.fair * ONE_DOLLAR))
        return pnl

    @property
    def days_published(self) -> int:
        """How many days' counts the belief has."""
        return self.belief.days_published if self.belief else 0

    @property
    def settled(self) -> bool:
        """Whether every market is settled."""
        return all(market.settled is not None for market in self.markets.values())

    @property
    def final(self) -> bool:
        """Whether every market's settlement is final."""
        return all(market.final for market in self.markets.values())

    @property
    def closes(self) -> Milliseconds:
        """When the last of its markets closes."""
        return max(market.terms.closes for market in self.markets.values())

    def next_change(self, now: Milliseconds) -> Milliseconds | None:
        """Return the next time at which the clock alone opens or shuts a gate of this event."""
        instants = [*self.releases[bisect_right(self.releases, now) :][:1]]
        instants += [t for w in self.windows for t in (w.opens, w.closes_at) if t > now]
        for market in self.markets.values():
            changes = (market.terms.opens, market.terms.closes - CLOSING_MARGIN_MS)
            instants += [t for t in changes if t > now]
        return min(instants, default=None)
