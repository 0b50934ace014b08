"""The state behind the API: events and markets, members, their keys and rate limits."""

from __future__ import annotations

import datetime as dt
import random
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from mmbot.exchange.access import TIERS, Credential, Gatekeeper, RateBuckets
from mmbot.exchange.account_history import AccountHistory
from mmbot.exchange.accounts import NO_CASH, Account
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.market import ExchangeMarket, MarketTerms
from mmbot.exchange.matching import MatchingEngine
from mmbot.exchange.oddities import Oddities
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.quote_history import QuoteHistory
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.underlying import Underlying
from mmbot.units import (
    CENT_GRID,
    ONE_CENT,
    ONE_DOLLAR,
    Milliseconds,
    Money,
    Price,
    PriceBand,
    PriceGrid,
)

_DECI_CENT: Final = Price(10)
_TAPER: Final = (Price(1000), Price(9000))
DECI_CENT_GRID: Final = PriceGrid((PriceBand(Price(0), ONE_DOLLAR, _DECI_CENT),))
TAPERED_GRID: Final = PriceGrid(
    (
        PriceBand(Price(0), _TAPER[0], _DECI_CENT),
        PriceBand(*_TAPER, ONE_CENT),
        PriceBand(_TAPER[1], ONE_DOLLAR, _DECI_CENT),
    )
)
STRUCTURES: Final = {
    "linear_cent": CENT_GRID,
    "deci_cent": DECI_CENT_GRID,
    "tapered_deci_cent": TAPERED_GRID,
}

_CREATION_HOUR: Final = 5
_MOST_TRANSFERS: Final = 10_000


class SimulatedExchangeSettings(msgspec.Struct, frozen=True):
    """How this exchange behaves; times are wall times.

    An event opens on its week's Monday, or `weeks_ahead` weeks earlier. Orders placed within
    `cancel_all_reach_ms` after a member's cancel-all are cancelled as well: the exchange reserves
    that right for a minute.

    What is older than `live_for` is served by the historical tier, and for `tiers_overlap` by both
    tiers; if that is negative, by neither for that time. Both are in calendar time. Candles are
    served if `candles` is set.
    """

    underlying: Underlying = TSA
    series: str = TSA.series
    strikes: tuple[int, ...] = TSA.simulated.strikes
    structure: str = "linear_cent"
    fees: FeeSchedule = FeeSchedule()
    exchange_index: int = 0
    tier: str = "advanced"
    cdn_ms: Milliseconds = 15_000
    portfolio_lag_ms: Milliseconds = 0
    timestamp_tolerance_ms: Milliseconds = 15_000
    close_cancel_delay_ms: Milliseconds = 1_000
    cancel_all_reach_ms: Milliseconds = 0
    outbox_frames: int = 20_000
    markets_per_subscription: int = 10_000
    commands_per_second: int = 10_000
    maintenance: bool = True
    weeks_ahead: int = 0
    live_for: dt.timedelta = dt.timedelta(days=90)
    tiers_overlap: dt.timedelta = dt.timedelta(hours=1)
    candles: bool = False


class ExchangeEvent(msgspec.Struct):
    """One week's event and its markets' tickers in the order of their strikes."""

    week: Week
    ticker: str
    tickers: tuple[str, ...]
    updated_ms: Milliseconds
    fee_override: FeeSchedule | None = None


class FeeChange(msgspec.Struct, frozen=True):
    """A scheduled change of fees, of the series or, with `event_ticker`, of one event."""

    change_id: str
    fees: FeeSchedule | None
    at: Milliseconds
    event_ticker: str | None = None


class Transfer(msgspec.Struct, frozen=True):
    """Cash moved between two subaccounts."""

    transfer_id: str
    user_id: str
    source: int
    target: int
    cents: int
    at: Milliseconds


class ExchangeState:
    """Everything that the REST handlers and the stream read and change."""

    def __init__(
        self, settings: SimulatedExchangeSettings, clock: CalendarClock, rng: random.Random
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.engine = MatchingEngine(rng)
        self.history = AccountHistory(settings.portfolio_lag_ms)
        self.quotes = QuoteHistory()
        self.gatekeeper = Gatekeeper(settings.timestamp_tolerance_ms)
        self.oddities = Oddities()
        self.series_fees = settings.fees
        self.shard_down = False
        self.events: dict[str, ExchangeEvent] = {}
        self.fee_changes: list[FeeChange] = []
        self.transfers: deque[Transfer] = deque(maxlen=_MOST_TRANSFERS)
        self.cancelling_until: dict[str, Milliseconds] = {}
        self.tiers: dict[str, str] = {}
        self.buckets: dict[str, RateBuckets] = {"": RateBuckets(TIERS["basic"])}

    # Members

    def add_member(
        self, credential: Credential, *, cash: Money = NO_CASH, tier: str | None = None
    ) -> Account:
        """Add a member with its key, its primary account and a first deposit."""
        self.gatekeeper.add(credential)
        self.set_tier(credential.user_id, tier or self.settings.tier)
        return self.open_account(credential.user_id, 0, cash=cash)

    def open_account(self, user_id: str, subaccount: int, *, cash: Money = NO_CASH) -> Account:
        """Add a member's subaccount."""
        account = self.engine.open_account(user_id, subaccount, cash=cash, audited=True)
        self.history.open_account(account)
        return account

    def set_tier(self, user_id: str, tier: str) -> None:
        """Put a member on an API usage tier, with full buckets."""
        self.tiers[user_id] = tier
        self.buckets[user_id] = RateBuckets(TIERS[tier])

    def account(self, user_id: str, subaccount: int) -> Account:
        """Return a member's subaccount, or refuse one that does not exist."""
        account = self.engine.accounts.get((user_id, subaccount))
        if account is None:
            raise RequestRefused("not_found", "subaccount not found")
        return account

    def accounts(self, user_id: str, subaccount: int | None = None) -> list[Account]:
        """Return one of a member's subaccounts, or all of them."""
        if subaccount is not None:
            return [self.account(user_id, subaccount)]
        return [a for (user, _), a in self.engine.accounts.items() if user == user_id]

    # Markets

    def _opens(self, week: Week) -> dt.datetime:
        return week.opens - dt.timedelta(weeks=self.settings.weeks_ahead)

    def created_ms(self, week: Week) -> Milliseconds:
        """Return the wall time at which a week's event is created."""
        return self.clock.wall_time(self._opens(week).replace(hour=_CREATION_HOUR))

    def list_event(self, week: Week) -> ExchangeEvent:
        """Add a week's event and its markets, not yet open."""
        clock, settings = self.clock, self.settings
        underlying, simulated = settings.underlying, settings.underlying.simulated
        ticker = week.event_ticker(settings.series)
        opens = self._opens(week)
        created = self.created_ms(week)
        markets = [
            ExchangeMarket(
                MarketTerms(
                    ticker=f"{ticker}-{simulated.strike_name(strike)}",
                    market_id=self.engine.new_id(),
                    event_ticker=ticker,
                    series_ticker=settings.series,
                    floor_strike=strike,
                    created_ms=created,
                    open_ms=clock.wall_time(opens),
                    close_ms=clock.wall_time(week.closes),
                    settle_ms=clock.wall_time(underlying.settles(week)),
                    exchange_index=settings.exchange_index,
                    title=simulated.strike_title(strike),
                    rule=f"If the {simulated.value} is above {strike:,}, then the market resolves "
                    "to Yes.",
                ),
                fees=self.series_fees,
                grid=STRUCTURES[settings.structure],
                structure=settings.structure,
            )
            for strike in settings.strikes
        ]
        for market in markets:
            self.engine.markets[market.ticker] = market
        event = ExchangeEvent(week, ticker, tuple(m.ticker for m in markets), created)
        self.events[ticker] = event
        return event

    def markets_of(self, event: ExchangeEvent) -> list[ExchangeMarket]:
        """Return an event's markets in the order of their strikes."""
        return [self.engine.markets[ticker] for ticker in event.tickers]

    def market(self, ticker: str, exchange_index: int | None = None) -> ExchangeMarket:
        """Return a market if it is on the requested shard; `None` and -1 mean any."""
        market = self.engine.markets.get(ticker)
        if market is None or exchange_index not in (None, -1, market.terms.exchange_index):
            raise RequestRefused("not_found", "market not found")
        return market

    # Tiers

    def cutoff(self, now: Milliseconds) -> Milliseconds:
        """Return the wall time before which settled markets are no longer live."""
        return self.clock.wall_time(self.clock.at(now) - self.settings.live_for)

    def archived_until(self, now: Milliseconds) -> Milliseconds:
        """Return the wall time up to which the historical tier has trades and settled markets."""
        settings = self.settings
        return self.clock.wall_time(self.clock.at(now) - settings.live_for + settings.tiers_overlap)

    def is_live(self, market: ExchangeMarket, now: Milliseconds) -> bool:
        """Return whether the live tier serves a market."""
        return market.settled_ms is None or market.settled_ms >= self.cutoff(now)

    def is_archived(self, market: ExchangeMarket, now: Milliseconds) -> bool:
        """Return whether the historical tier serves a market."""
        return market.settled_ms is not None and market.settled_ms < self.archived_until(now)

    # State

    def trading_paused(self) -> bool:
        """Return whether new orders are refused everywhere."""
        return self.engine.trading_paused or self.engine.exchange_paused

    def set_fees(self, fees: FeeSchedule, events: Iterable[ExchangeEvent]) -> None:
        """Charge `fees` in the markets of `events` from now on."""
        for event in events:
            for market in self.markets_of(event):
                market.fees = fees
