"""Everything the engine knows: the events on its desk, its orders, its budget, its settings."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.budget import WriteBudget
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import ReadAccount, ReadListing, RecordPnlMark, RepairBooks
from mmbot.trading.gates import CLOSING_MARGIN, MarketState, ReleaseWindow, ServiceState, ShardState
from mmbot.trading.losses import DailyLosses
from mmbot.trading.orders import OwnOrders
from mmbot.trading.portfolio import Exposure, Portfolio
from mmbot.trading.values import Fill, ListedEvent
from mmbot.tsa.calendar import CalendarClock, Week, release_instant
from mmbot.units import ONE_DOLLAR, Money

# For so many milliseconds by the calendar a count is news.
_NEWS = 30 * 60_000


class PricingInputs(msgspec.Struct, frozen=True):
    """What the terms of a ladder were made from, and when."""

    at: int
    belief: Belief
    settings: Settings
    fills: int
    cash: Money
    mids: dict[str, float | None]


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
        self.belief: Belief | None = None
        # Until when the last count that came is news.
        self.news_until = 0
        self.releases: tuple[int, ...] = ()
        self.windows: tuple[ReleaseWindow, ...] = ()
        self.reconciled = False
        self.priced: PricingInputs | None = None
        # Whether no position of the event may grow.
        self.reduce_only = False

    def extended(self, event: ListedEvent) -> EventState:
        """Return the ladder with the event's new markets; what is known of the others stays."""
        markets = {listing.terms.ticker: listing.terms for listing in self.markets.values()}
        markets |= {market.ticker: market for market in event.markets}
        in_order = tuple(sorted(markets.values(), key=lambda market: market.strike))
        ladder = EventState(msgspec.structs.replace(event, markets=in_order))
        ladder.markets |= self.markets
        ladder.news_until = self.news_until
        for fill in self.portfolio.fills:
            ladder.portfolio.book(fill)
        return ladder

    def expect_releases(
        self, settings: Settings, clock: CalendarClock, missing: AbstractSet[dt.date]
    ) -> None:
        """Work out from when on each day's count may be out, in wall time, but for the missing."""
        earliest, latest = settings.counts.earliest_release, settings.counts.latest_release
        self.releases = tuple(
            clock.wall_time(release_instant(day, earliest))
            for day in self.week.days
            if day not in missing
        )
        self.windows = tuple(
            ReleaseWindow(
                clock.wall_time(early.opens),
                clock.wall_time(early.shuts),
                sum(day <= early.day and day not in missing for day in self.week.days),
            )
            for early in self.week.early_releases(earliest, latest)
            if early.day not in missing
        )

    def believe(self, belief: Belief, now: int, clock: CalendarClock) -> None:
        """Take up a belief; a count that it knows, and the one before it did not, is news."""
        if self.belief is not None and belief.days_published > self.belief.days_published:
            self.news_until = now + round(_NEWS / clock.speed)
        self.belief = belief

    def heed(self, fill: Fill, now: int) -> None:
        """Keep new orders from a market in which one is filled while a count is news.

        Many of those who trade then have read it, and a trade tells what its taker knows (Glosten
        and Milgrom, "Bid, ask and transaction prices in a specialist market with heterogeneously
        informed traders", 1985): an order in the place of the one that was taken would be next.
        """
        if now < self.news_until:
            self.markets[fill.ticker].keep_new_orders_away(self.news_until, "taken_on_news")

    def marked_pnl(self) -> Money | None:
        """Return the P&L with each position at its fair value, or at what it paid."""
        pnl = self.portfolio.cash
        for ticker, listing in self.markets.items():
            position = self.portfolio.position(ticker)
            if not position:
                continue
            if listing.settled is not None:
                pnl += position * listing.settled
            elif listing.fair is None:
                return None
            else:
                pnl += round(position * listing.fair * ONE_DOLLAR)
        return pnl

    @property
    def days_published(self) -> int:
        """How many days the belief knows."""
        return self.belief.days_published if self.belief else 0

    @property
    def settled(self) -> bool:
        """Whether every market is decided."""
        return all(listing.settled is not None for listing in self.markets.values())

    @property
    def final(self) -> bool:
        """Whether every market is decided for good."""
        return all(listing.final for listing in self.markets.values())

    @property
    def closes(self) -> int:
        """When the last of its markets closes."""
        return max(listing.terms.closes for listing in self.markets.values())

    def next_change(self, now: int) -> int | None:
        """Return when a gate of this event opens or shuts next, by the clock alone."""
        instants = [*self.releases[bisect_right(self.releases, now) :][:1]]
        instants += [t for w in self.windows for t in (w.opens, w.shuts) if t > now]
        for listing in self.markets.values():
            market = listing.terms
            changes = (market.opens, market.closes - CLOSING_MARGIN)
            instants += [t for t in changes if t > now]
        return min(instants, default=None)


class TradingState(msgspec.Struct):
    """The engine's state.

    `held` are events of earlier lives whose settlement is still to be booked; `missing` are the
    days for which no count is waited for.
    """

    settings: Settings
    clock: CalendarClock
    service: ServiceState = msgspec.field(default_factory=ServiceState)
    events: dict[str, EventState] = msgspec.field(default_factory=dict)
    event_of_market: dict[str, EventState] = msgspec.field(default_factory=dict)
    orders: OwnOrders = msgspec.field(default_factory=OwnOrders)
    budget: WriteBudget = msgspec.field(default_factory=WriteBudget)
    shards: dict[int, ShardState] = msgspec.field(default_factory=dict)
    held: tuple[str, ...] = ()
    missing: frozenset[dt.date] = frozenset()
    # The account's cash as if no event had been traded that is still open; `None` if not read yet.
    cash: Money | None = None
    # Each shard's balance as if no market on the desk had ever been traded, where it was read.
    flat: dict[int, Money] = msgspec.field(default_factory=dict)
    losses: DailyLosses = msgspec.field(default_factory=DailyLosses)

    def market(self, ticker: str) -> MarketState | None:
        """Return a market on the desk."""
        ladder = self.event_of_market.get(ticker)
        return ladder.markets[ticker] if ladder else None

    def shard(self, index: int) -> ShardState:
        """Return a shard, which is known from now on."""
        shard = self.shards.get(index)
        if shard is None:
            shard = self.shards[index] = ShardState(index)
        return shard

    def forget(self, ladder: EventState) -> None:
        """Take an event off the desk; what it cost stays out of the balances."""
        costs = {shard: self._cost(shard) for shard in self.flat}
        del self.events[ladder.ticker]
        for ticker in ladder.markets:
            del self.event_of_market[ticker]
        for shard, cost in costs.items():
            self.flat[shard] -= cost - self._cost(shard)
        self.losses.forget(ladder.ticker)

    def count_cash(self, balances: dict[int, Money] | None) -> None:
        """Learn each shard's balance; what open positions have cost is added back to them all."""
        if balances is None:
            return
        self.flat = {shard: money + self._cost(shard) for shard, money in balances.items()}
        self.cash = sum(balances.values()) + sum(
            ladder.portfolio.cost(ticker)
            for ticker, ladder in self.event_of_market.items()
            if not ladder.settled
        )

    def balance(self, shard: int) -> Money | None:
        """Return a shard's balance with what was filled since it was read; `None` if unknown."""
        flat = self.flat.get(shard)
        return None if flat is None else flat - self._cost(shard)

    def on_shard(self, shard: int) -> tuple[str, ...]:
        """Return the markets of a shard."""
        return tuple(
            ticker
            for ticker, ladder in self.event_of_market.items()
            if ladder.markets[ticker].terms.shard == shard
        )

    def _cost(self, shard: int) -> Money:
        return sum(self.event_of_market[t].portfolio.cost(t) for t in self.on_shard(shard))

    def assigned_cash(self) -> Money:
        """Return the cash that one event may use."""
        limits = self.settings.limits
        return limits.event_loss if self.cash is None else limits.cash_for_event(self.cash)

    def loss_limit(self) -> Money:
        """Return what one event may lose in its worst outcome."""
        return min(self.settings.limits.event_loss, self.assigned_cash())

    def may_only_reduce(self, ladder: EventState, now: int) -> bool:
        """Whether an event, or the day, has lost as much as it may."""
        lost = self.losses.loss(self.clock.at(now).date())
        spent = min(ladder.portfolio.wealth()) <= -self.loss_limit()
        return spent or lost >= self.settings.limits.daily_loss

    def mark(self, ladder: EventState, outbox: CommandBuffer) -> None:
        """Note what an event has earned so far, if its positions are known and can be valued."""
        pnl = ladder.marked_pnl()
        if pnl is None or not self.service.reconciled:
            return
        day = self.clock.at(outbox.now).date()
        mark = self.losses.mark(day, ladder.ticker, pnl)
        if mark is not None:
            outbox.send(RecordPnlMark(mark))

    def account_reading(self) -> ReadAccount:
        """Return the wish for everything of the account that still matters."""
        open_: list[str] = []
        decided: list[str] = []
        for ticker, ladder in self.event_of_market.items():
            listing = ladder.markets[ticker]
            if listing.settled is None:
                (open_ if listing.result is None else decided).append(ticker)
        return ReadAccount(tuple(open_), tuple(decided), tuple(self.shards))

    def listing_reading(self) -> ReadListing:
        """Return the wish for the listing, and for the results that are held or may be amended."""
        held = [ticker for ticker, ladder in self.events.items() if not ladder.final]
        held += [ticker for ticker in self.held if ticker not in self.events]
        return ReadListing(tuple(held))

    def unclosed(self, now: int) -> tuple[str, ...]:
        """Return the markets whose books are still of use."""
        return tuple(
            ticker
            for ticker, ladder in self.event_of_market.items()
            if now < ladder.markets[ticker].terms.closes
        )

    def exposures(self, ladder: EventState) -> list[Exposure]:
        """Return whatever may still become a position of an event."""
        return [
            Exposure(
                ladder.portfolio.strike_index(order.ticker), order.side, order.price, order.exposed
            )
            for ticker in ladder.markets
            for order in self.orders.of(ticker)
        ]

    def distrust(self, ticker: str, reason: str, outbox: CommandBuffer) -> None:
        """Read a book no more until it has been replaced: it cannot be right."""
        self.event_of_market[ticker].markets[ticker].post_only_refusals = 0
        self.renew_books((ticker,), outbox)
        outbox.note("book.distrusted", "warning", market=ticker, reason=reason)

    def renew_books(self, tickers: Iterable[str], outbox: CommandBuffer) -> None:
        """Read these books no more until they have been replaced."""
        renewed = tuple(tickers)
        for ticker in renewed:
            self.event_of_market[ticker].markets[ticker].book = None
        outbox.send(RepairBooks(renewed))
