"""The engine's state: events, own orders, budget, settings.

State answers questions and changes itself; it emits no commands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec

from mmbot.config import Settings
from mmbot.trading.budget import WriteBudget
from mmbot.trading.event_state import EventState
from mmbot.trading.gates import Gate, ShutGate
from mmbot.trading.losses import DailyLosses, PnlMark
from mmbot.trading.market_state import MarketState
from mmbot.trading.orders import OwnOrders
from mmbot.trading.portfolio import Exposure
from mmbot.trading.stated_fee import StatedFee
from mmbot.trading.values import Fill, Intervals, opposite
from mmbot.underlying.calendar import CalendarClock
from mmbot.underlying.underlying import Underlying
from mmbot.units import Milliseconds, Money, total


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

    def clock_compared(self, against: str, *, off: bool) -> bool:
        """Note whether the bot's time is off from a clock; return whether that is new."""
        before = self.clocks_off
        self.clocks_off = before | {against} if off else before - {against}
        return self.clocks_off != before


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

    def schedule_releases(self) -> None:
        """Set anew when the counts of each event may come."""
        for event_state in self.events.values():
            event_state.schedule_releases(self.settings, self.underlying, self.clock, self.missing)

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
        spent = event_state.portfolio.least_wealth <= self.floor(event_state)
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

        A fill that may not have happened counts as an order that would undo it, and one that may
        have happened and is not booked as an order, so that no outcome is the better for either.
        """
        index = event_state.portfolio.strike_index
        return (
            [
                Exposure(index(ticker), order.side, order.price, order.exposed, event_state.fee)
                for ticker in event_state.markets
                for order in self.orders.of(ticker)
            ]
            + [
                Exposure(index(fill.ticker), opposite(fill.side), fill.price, fill.count)
                for fill in event_state.fills.unconfirmed
            ]
            + [
                Exposure(index(fill.ticker), fill.side, fill.price, fill.count)
                for fill in event_state.fills.doubted
            ]
        )
