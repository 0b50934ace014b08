"""The engine's state: events and their markets, own orders, budget, settings.

State answers questions and changes itself; it emits no commands.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.book import Book, Top
from mmbot.trading.budget import WriteBudget
from mmbot.trading.fair import MarketMid
from mmbot.trading.fees import NO_FEE, MakerFee
from mmbot.trading.fill_reports import FillReports
from mmbot.trading.gates import CLOSING_MARGIN_MS, Gate, ShutGate
from mmbot.trading.losses import DailyLosses, PnlMark
from mmbot.trading.orders import OwnOrders
from mmbot.trading.portfolio import Exposure, Portfolio
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.quoting import QuoteBounds
from mmbot.trading.stated_fee import StatedFee
from mmbot.trading.unlisted_markets import UnlistedMarkets
from mmbot.trading.values import Fill, Intervals, ListedEvent, Market, event_of, opposite
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.underlying import Underlying
from mmbot.units import ONE_DOLLAR, Count, Milliseconds, Money, Price, total, value_of

# How long, by the calendar, a count is news.
_NEWS_MS: Final = 30 * 60_000


class Calm(msgspec.Struct, frozen=True):
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


class ShardState(msgspec.Struct):
    """One shard of the exchange, and the order group of our orders there.

    A group, or its reset, is `requested` once at a time and not before `due`.
    """

    index: int
    group: str = ""
    triggered: bool = False
    requested: bool = False
    due: Milliseconds = 0


class ServiceState(msgspec.Struct):
    """What holds for all markets at once.

    `exchange` is the gate that the exchange shuts; `clocks_off` are those from which the bot's
    time is too far off. `unheard`: since a confirmed order was not reported, no report has come.
    The halt in force began at `halted_since`, for the `halt_reason`.
    """

    stopping: bool = False
    halted: bool = False
    halted_since: Milliseconds | None = None
    halt_reason: str = ""
    tasks_down: tuple[Gate, ...] = ()
    clocks_off: frozenset[str] = frozenset()
    ledger_behind: bool = False
    streaming: bool = False
    lagging: bool = False
    reconciled: bool = False
    unheard: bool = False
    exchange: ShutGate | None = ShutGate(Gate.EXCHANGE_NOT_READ)


class ReleaseWindow(msgspec.Struct, frozen=True):
    """From `opens` to `closes_at` a count may come early, the `days_published`-th of its week."""

    opens: Milliseconds
    closes_at: Milliseconds
    days_published: int


class PricingInputs(msgspec.Struct, frozen=True):
    """What an event's quote limits were made from, and when."""

    at: Milliseconds
    belief: Belief
    settings: Settings
    fills: int
    cash: Money
    mids: dict[str, float | None]
    fee: MakerFee


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
        # Whether no position of the event may grow.
        self.reduce_only = False
        # What of it was listed last and could not be read.
        self.unreadable = ""
        self.unlisted = UnlistedMarkets()
        # What is stated of its own fee; by all that is stated, what makers may have to pay, dearest
        # first, or the terms that are not understood.
        self.stated_fee = StatedFee()
        self.fees: tuple[MakerFee, ...] = (NO_FEE,)
        self.unknown_fee = ""
        # Whether a fill was charged something else, as the log was told.
        self.fee_differs = False

    @property
    def fee(self) -> MakerFee:
        """What makers pay: the dearest that may hold, and the last one known if none is."""
        return self.fees[0]

    def extended(self, event: ListedEvent) -> EventState:
        """Return the state with the event's new markets; the other markets and fills are kept."""
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
        """Count what recorded fills may lose in markets of this event that are not known."""
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
        """Set from when, in wall time, each day's count may be out; `missing` days get none."""
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
        """Set the belief; a count that is in it and was not in the one before is news."""
        if self.belief is not None and belief.days_published > self.belief.days_published:
            self.news_until = now + round(_NEWS_MS / clock.speed)
        self.belief, self.belief_at = belief, now

    def hold_after_fill(self, fill: Fill, now: Milliseconds) -> None:
        """Hold new orders back from a market with a fill while a count is news.

        Many of those who trade then have read it, and a trade tells what its taker knows (Glosten
        and Milgrom, "Bid, ask and transaction prices in a specialist market with heterogeneously
        informed traders", 1985): an order in the place of the filled one would be next.
        """
        if now < self.news_until:
            self.markets[fill.ticker].hold(self.news_until, Gate.TAKEN_ON_NEWS)

    def without_own(self, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        """Return the fills that are not in a market of this event."""
        return tuple(fill for fill in fills if fill.ticker not in self.markets)

    def marked_pnl(self) -> Money | None:
        """Return the P&L with each position at fair value or, once settled, at its payout.

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
        """Whether every market is settled for good."""
        return all(market.final for market in self.markets.values())

    @property
    def closes(self) -> Milliseconds:
        """When the last of its markets closes."""
        return max(market.terms.closes for market in self.markets.values())

    def next_change(self, now: Milliseconds) -> Milliseconds | None:
        """Return when the clock alone opens or shuts a gate of this event next."""
        instants = [*self.releases[bisect_right(self.releases, now) :][:1]]
        instants += [t for w in self.windows for t in (w.opens, w.closes_at) if t > now]
        for market in self.markets.values():
            changes = (market.terms.opens, market.terms.closes - CLOSING_MARGIN_MS)
            instants += [t for t in changes if t > now]
        return min(instants, default=None)


class TradingState(msgspec.Struct):
    """Everything that the engine's decisions depend on.

    Attributes:
        settings: The settings in force.
        underlying: What the events are about.
        clock: The calendar as a function of wall time.
        service: What holds for all markets.
        events: The events by ticker.
        event_of_market: The event of each market, by the market's ticker.
        orders: Our own orders.
        budget: The write and read tokens.
        shards: The shards with markets, by index.
        held: Events of earlier sessions whose settlement is still to be booked.
        recorded: The fills of these events, as the ledger has them.
        unconfirmed: Those of them that no list of the account has confirmed.
        missing: The days whose count is not waited for.
        paused: The markets that the operator has paused, listed or not.
        cash: The account's cash as if no event that is still open had been traded; `None` until
            it was read.
        flat: Each shard's balance as if no market here had ever been traded, where it was read.
        losses: The day's P&L marks.
        unreadable: What of the listing could not be read last, by event or market.
        stated_fee: What is stated of the series' fee.
        intervals: How often what nothing has told of is looked at anyway.
        account_read_at: When the account was read last, with success.
        listing_read_at: When the listing was read last, with success.
        without_room: The markets with a quote that the limits, or the number of orders, had no room
            for when they were reviewed last.
        crowded_out: Whether a quote was left out since all markets were reviewed last, as there may
            be no more orders.
    """

    settings: Settings
    underlying: Underlying
    clock: CalendarClock
    service: ServiceState = msgspec.field(default_factory=ServiceState)
    events: dict[str, EventState] = msgspec.field(default_factory=dict)
    event_of_market: dict[str, EventState] = msgspec.field(default_factory=dict)
    orders: OwnOrders = msgspec.field(default_factory=OwnOrders)
    budget: WriteBudget = msgspec.field(default_factory=WriteBudget)
    shards: dict[int, ShardState] = msgspec.field(default_factory=dict)
    held: tuple[str, ...] = ()
    recorded: tuple[Fill, ...] = ()
    unconfirmed: tuple[Fill, ...] = ()
    missing: frozenset[dt.date] = frozenset()
    paused: frozenset[str] = frozenset()
    cash: Money | None = None
    flat: dict[int, Money] = msgspec.field(default_factory=dict)
    losses: DailyLosses = msgspec.field(default_factory=DailyLosses)
    unreadable: dict[str, str] = msgspec.field(default_factory=dict)
    stated_fee: StatedFee = msgspec.field(default_factory=StatedFee)
    intervals: Intervals = Intervals()
    account_read_at: Milliseconds | None = None
    listing_read_at: Milliseconds | None = None
    without_room: set[str] = msgspec.field(default_factory=set)
    crowded_out: bool = False

    def market(self, ticker: str) -> MarketState:
        """Return a market that is known.

        Raises:
            KeyError: There is no such market.
        """
        return self.event_of_market[ticker].markets[ticker]

    def find_market(self, ticker: str) -> MarketState | None:
        """Return a market, or `None` if it is not known."""
        event_state = self.event_of_market.get(ticker)
        return event_state.markets[ticker] if event_state else None

    def markets(self) -> Iterator[tuple[EventState, MarketState]]:
        """Iterate over every market with its event."""
        for ticker, event_state in self.event_of_market.items():
            yield event_state, event_state.markets[ticker]

    def shard(self, index: int) -> ShardState:
        """Return a shard, which is in use from now on."""
        shard = self.shards.get(index)
        if shard is None:
            shard = self.shards[index] = ShardState(index)
        return shard

    def forget(self, event_state: EventState) -> None:
        """Drop an event; what it cost stays out of the balances."""
        costs = {shard: self._cost(shard) for shard in self.flat}
        del self.events[event_state.ticker]
        for ticker in event_state.markets:
            del self.event_of_market[ticker]
        self.without_room.difference_update(event_state.markets)
        self.held = tuple(ticker for ticker in self.held if ticker != event_state.ticker)
        self.recorded = event_state.without_own(self.recorded)
        self.unconfirmed = event_state.without_own(self.unconfirmed)
        for shard, cost in costs.items():
            self.flat[shard] = Money(self.flat[shard] - cost + self._cost(shard))
        self.losses.forget(event_state.ticker)

    def update_balances(self, balances: dict[int, Money] | None) -> None:
        """Set `flat` and `cash` from the shards' balances, the costs of positions added back."""
        if balances is None:
            return
        self.flat = {shard: Money(money + self._cost(shard)) for shard, money in balances.items()}
        costs = (
            event_state.portfolio.cost(market.ticker)
            for event_state, market in self.markets()
            if not event_state.settled
        )
        self.cash = Money(total(balances.values()) + total(costs))

    def balance(self, shard: int) -> Money | None:
        """Return a shard's balance, fills since its reading included; `None` if not read."""
        flat = self.flat.get(shard)
        return None if flat is None else Money(flat - self._cost(shard))

    def on_shard(self, shard: int) -> tuple[str, ...]:
        """Return the markets of a shard."""
        return tuple(market.ticker for _, market in self.markets() if market.terms.shard == shard)

    def traded_on(self, shard: int) -> Iterator[tuple[EventState, str]]:
        """Iterate over a shard's markets in events with a fill: no other has a position."""
        for event_state in self.events.values():
            if len(event_state.portfolio):
                for market in event_state.markets.values():
                    if market.terms.shard == shard:
                        yield event_state, market.ticker

    def _cost(self, shard: int) -> Money:
        return total(each.portfolio.cost(ticker) for each, ticker in self.traded_on(shard))

    def assigned_cash(self) -> Money:
        """Return the cash that one event may use."""
        limits = self.settings.limits
        return limits.event_loss if self.cash is None else limits.cash_for_event(self.cash)

    def loss_limit(self) -> Money:
        """Return what one event may lose in its worst outcome."""
        return min(self.settings.limits.event_loss, self.assigned_cash())

    def floor(self, event_state: EventState) -> Money:
        """Return the least wealth that an outcome of an event may leave."""
        return Money(event_state.unlisted.loss - self.loss_limit())

    def may_only_reduce(self, event_state: EventState, now: Milliseconds) -> bool:
        """Return whether the event, or the day, has lost as much as it may."""
        lost = self.losses.loss(self.clock.at(now).date())
        spent = min(event_state.portfolio.wealth()) <= self.floor(event_state)
        return spent or lost >= self.settings.limits.daily_loss

    def mark_pnl(self, event_state: EventState, now: Milliseconds) -> PnlMark | None:
        """Update an event's P&L of the day; return its mark if that has to be recorded.

        Nothing is marked while positions are not known or cannot be valued.
        """
        pnl = event_state.marked_pnl()
        if pnl is None or not self.service.reconciled:
            return None
        return self.losses.mark(self.clock.at(now).date(), event_state.ticker, pnl)

    def unclosed(self, now: Milliseconds) -> tuple[str, ...]:
        """Return the markets that have not closed: those whose books are needed."""
        return tuple(market.ticker for _, market in self.markets() if now < market.terms.closes)

    def exposures(self, event_state: EventState) -> list[Exposure]:
        """Return what the orders of an event may still buy or sell.

        A fill that may not have happened counts as an order that would undo it, so that no outcome
        is the better for it.
        """
        index = event_state.portfolio.strike_index
        return [
            Exposure(index(ticker), order.side, order.price, order.exposed, event_state.fee)
            for ticker in event_state.markets
            for order in self.orders.of(ticker)
        ] + [
            Exposure(index(fill.ticker), opposite(fill.side), fill.price, fill.count)
            for fill in event_state.fills.unconfirmed
        ]
