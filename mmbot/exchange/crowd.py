"""The crowd: market makers around a consensus, uninformed takers, and informed takers.

They trade through their own accounts on the matching engine, and share a consensus on the week's
average that sharpens with every published day. Arrivals are Poisson in calendar time.

What a maker earns or loses against them depends on these assumptions:

* Uninformed takers are equally likely to buy and to sell, and pay the spread; one in seven sweeps
several levels. Their arrival rate does not depend on the hour, so hours without quotes cost a
maker its share.
* Makers quote around the consensus plus their own deviation, with their own spread, day and night.
They keep quoting through a release, and each learns of it one to twelve minutes later.
* Informed takers come with each count. Three read it within half a minute, before a cached copy of
the page would show it; fourteen more follow after six minutes on average. Each knows the
consensus including the new count, not the outcome, and takes what rests in any market at an edge
of at least two cents, which is little more than the fee: 50 to 400 contracts a market. They take
from all makers alike.
* Between releases nobody knows more than the consensus.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import random
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from statistics import NormalDist
from typing import Final

import msgspec

from mmbot.exchange.accounts import Account
from mmbot.exchange.consensus import Consensus, MeanRevertingNoise
from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import NewOrder, RequestRefused
from mmbot.trading.values import Side
from mmbot.underlying.calendar import Week
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CENT,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    ceil_price,
    floor_price,
)

_HOUR_MS: Final = 3_600_000
_CASH: Final = Money(50_000_000 * MONEY_PER_DOLLAR)
# The time constant and the size of each maker's own deviation from the consensus, by strike.
_DEVIATION_HOURS: Final = 6.0
_DEVIATION_SD: Final = 0.02
_LEVELS: Final = 4
_PENNY_BID: Final = Count(1_000 * ONE_CONTRACT)
_LARGEST_QUOTE: Final = Count(300 * ONE_CONTRACT)
_SMALLEST_QUOTE: Final = Count(5 * ONE_CONTRACT)
_HIGHEST: Final = Price(ONE_DOLLAR - ONE_CENT)
_FIRST_READERS: Final = 3
_FIRST_SECONDS: Final = (2.0, 30.0)
_INFORMED: Final = 14
_INFORMED_MEAN_MINUTES: Final = 6.0
_INFORMED_CONTRACTS: Final = (50.0, 400.0)
_MAKER_DELAY_MINUTES: Final = (1.0, 12.0)
_LEAST_EDGE: Final = 0.02


class Pace(msgspec.Struct, frozen=True):
    """The crowd's activity, in actions per calendar hour."""

    takers: float = 16.0
    refreshes: float = 12.0


class Maker:
    """One market maker: its account, half spread, size, and the days it knows of each event."""

    def __init__(self, account: Account, half_spread: float, size: Count) -> None:
        self.account = account
        self.half_spread = half_spread
        self.size = size
        self.days_published: dict[str, int] = {}
        self.deviations: dict[str, MeanRevertingNoise] = {}


class Crowd:
    """All other traders on the exchange."""

    def __init__(
        self,
        exchange: ExchangeState,
        consensus: Consensus,
        rng: random.Random,
        pace: Pace,
        now: Milliseconds,
    ) -> None:
        self._exchange = exchange
        self._engine = exchange.engine
        self._consensus = consensus
        self._rng = rng
        self.pace = pace
        # A factor on the pace of everyone.
        self.activity = 1.0
        self._start = now
        self._hours_per_ms = exchange.clock.speed / _HOUR_MS
        self._published: dict[str, int] = {}
        self._makers = [
            Maker(self._open_account(f"maker-{i}"), half_spread, Count(size * ONE_CONTRACT))
            for i, (half_spread, size) in enumerate(((0.015, 25), (0.02, 60), (0.03, 150)))
        ]
        # More than one, so that the takers' positions do not net to nothing.
        self._takers = [self._open_account(f"taker-{i}") for i in range(6)]
        self._planned = 0
        self._actions: list[tuple[Milliseconds, int, Callable[[Milliseconds], None]]] = []
        for event in exchange.events.values():
            self.event_listed(event, now)
        self._plan_taker(now)
        self._plan_refresh(now)

    def _open_account(self, name: str) -> Account:
        return self._engine.open_account(name, cash=_CASH)

    # Time

    def next_at(self) -> Milliseconds | None:
        """Return the wall time of the next action."""
        return self._actions[0][0]

    def act(self, now: Milliseconds) -> None:
        """Perform the actions that are due."""
        while self._actions[0][0] <= now:
            _, _, action = heappop(self._actions)
            action(now)

    def event_listed(self, event: ExchangeEvent, now: Milliseconds) -> None:
        """Have the makers quote a new event as soon as it opens."""
        opens = self._exchange.markets_of(event)[0].terms.open_ms
        self._plan(0.0, max(opens, now), self._first_quotes)

    def count_released(self, day: dt.date, now: Milliseconds) -> None:
        """Plan the informed takers of a release, and when each maker learns of it."""
        ticker = Week.of(day).event_ticker(self._exchange.settings.series)
        if ticker not in self._exchange.events:
            return
        self._published[ticker] = self._published.get(ticker, 0) + 1
        for _ in range(_FIRST_READERS):
            self._plan(self._rng.uniform(*_FIRST_SECONDS) / 3600, now, self._informed)
        for _ in range(_INFORMED):
            minutes = self._rng.expovariate(1 / _INFORMED_MEAN_MINUTES)
            self._plan(minutes / 60, now, self._informed)
        for maker in self._makers:
            delay = self._rng.uniform(*_MAKER_DELAY_MINUTES) / 60
            self._plan(delay, now, partial(self._learn_counts, maker))

    def _plan(
        self, hours: float, now: Milliseconds, action: Callable[[Milliseconds], None]
    ) -> None:
        self._planned += 1
        due = now + math.ceil(hours / self._hours_per_ms)
        heappush(self._actions, (due, self._planned, action))

    def _plan_taker(self, now: Milliseconds) -> None:
        self._plan(self._rng.expovariate(self.activity * self.pace.takers), now, self._take)

    def _plan_refresh(self, now: Milliseconds) -> None:
        self._plan(self._rng.expovariate(self.activity * self.pace.refreshes), now, self._refresh)

    # Beliefs

    def _hours(self, now: Milliseconds) -> float:
        return (now - self._start) * self._hours_per_ms

    def _belief(self, event: ExchangeEvent, days_published: int, now: Milliseconds) -> NormalDist:
        """Return the common belief in the week's average at a number of days published."""
        return self._consensus.of(event.week, days_published, self._hours(now))

    def _fair_value(
        self, maker: Maker, event: ExchangeEvent, market: ExchangeMarket, now: Milliseconds
    ) -> float:
        """Return a maker's own fair value: the consensus plus its own deviation."""
        deviation = maker.deviations.get(market.ticker)
        if deviation is None:
            deviation = MeanRevertingNoise(self._rng, _DEVIATION_HOURS)
            maker.deviations[market.ticker] = deviation
        days_published = maker.days_published.get(event.ticker, 0)
        fair = _above(self._belief(event, days_published, now), market)
        shift = _DEVIATION_SD * 4 * fair * (1 - fair) * deviation.at(self._hours(now))
        return min(max(fair + shift, 0.001), 0.999)

    # Makers

    def _first_quotes(self, now: Milliseconds) -> None:
        for maker in self._makers:
            self._learn_counts(maker, now)

    def _learn_counts(self, maker: Maker, now: Milliseconds) -> None:
        """Let a maker learn the published counts and requote every market."""
        maker.days_published.update(self._published)
        for event, active in self._open():
            for market in active:
                self._quote(maker, event, market, now)

    def _refresh(self, now: Milliseconds) -> None:
        self._plan_refresh(now)
        chosen = self._choose(now)
        if chosen is not None:
            self._quote(self._rng.choice(self._makers), *chosen, now)

    def _quote(
        self, maker: Maker, event: ExchangeEvent, market: ExchangeMarket, now: Milliseconds
    ) -> None:
        """Replace a maker's orders in a market by what it quotes now."""
        if self._exchange.trading_paused():
            return
        desired = self._quotes(maker, self._fair_value(maker, event, market, now))
        kept: set[tuple[Side, Price]] = set()
        for order in self._engine.resting(maker.account, market.ticker):
            place = (order.side, order.price)
            if place in desired and 2 * order.remaining >= desired[place]:
                kept.add(place)
            else:
                self._engine.cancel(order, now)
        for (side, price), count in desired.items():
            if (side, price) not in kept:
                self._place(
                    maker.account,
                    NewOrder(market.ticker, side, price, count, post_only=True),
                    now,
                )

    def _quotes(self, maker: Maker, fair: float) -> dict[tuple[Side, Price], Count]:
        half = maker.half_spread * (0.35 + 2.6 * fair * (1 - fair))
        # The outermost cent on each side is left to the penny bids below.
        bid = min(floor_price(fair - half) // ONE_CENT * ONE_CENT, _HIGHEST - ONE_CENT)
        ask = max(-(-ceil_price(fair + half) // ONE_CENT) * ONE_CENT, 2 * ONE_CENT)
        desired: dict[tuple[Side, Price], Count] = {}
        for level in range(_LEVELS):
            size = round(maker.size * (0.4 + 0.4 * level) * self._rng.uniform(0.5, 1.5))
            whole = size // ONE_CONTRACT * ONE_CONTRACT
            count = Count(min(max(whole, _SMALLEST_QUOTE), _LARGEST_QUOTE))
            step = level * ONE_CENT
            if bid - step >= ONE_CENT:
                desired["bid", Price(bid - step)] = count
            if ask + step <= _HIGHEST:
                desired["ask", Price(ask + step)] = count
        if maker is self._makers[-1]:
            # A cent is always bid for YES and for NO.
            desired.setdefault(("bid", ONE_CENT), _PENNY_BID)
            desired.setdefault(("ask", _HIGHEST), _PENNY_BID)
        return desired

    # Takers

    def _take(self, now: Milliseconds) -> None:
        """Let an uninformed taker trade."""
        self._plan_taker(now)
        chosen = self._choose(now)
        if chosen is None:
            return
        _, market = chosen
        side: Side = self._rng.choice(("bid", "ask"))
        sweeping = self._rng.random() < 0.15
        patience = self._rng.randint(4, 12) if sweeping else self._rng.randint(0, 4)
        count = min(self._rng.lognormvariate(2.2, 0.9), 120.0) * (4 if sweeping else 1)
        self._hit(market, side, Price(patience * ONE_CENT), self._whole(count), now)

    def _informed(self, now: Milliseconds) -> None:
        """Let an informed taker take whatever the release has mispriced."""
        for event, active in self._open():
            belief = self._belief(event, self._published.get(event.ticker, 0), now)
            for market in active:
                fair = _above(belief, market)
                for side, edge in tuple(_edges(market, fair)):
                    if edge > _LEAST_EDGE:
                        away = -_LEAST_EDGE if side == "bid" else _LEAST_EDGE
                        limit = market.grid.floor(floor_price(fair + away)) or ONE_CENT
                        count = self._whole(self._rng.uniform(*_INFORMED_CONTRACTS))
                        self._send(market, side, limit, count, now)

    def _hit(
        self, market: ExchangeMarket, side: Side, patience: Price, count: Count, now: Milliseconds
    ) -> None:
        """Take from the other side, up to `patience` beyond its best price."""
        best = market.best_ask if side == "bid" else market.best_bid
        if best is None:
            return
        limit = best + patience if side == "bid" else best - patience
        limit = min(max(limit, ONE_CENT), _HIGHEST)
        self._send(market, side, Price(limit), count, now)

    def _send(
        self, market: ExchangeMarket, side: Side, limit: Price, count: Count, now: Milliseconds
    ) -> None:
        request = NewOrder(market.ticker, side, limit, count, "immediate_or_cancel")
        self._place(self._rng.choice(self._takers), request, now)

    def _whole(self, contracts: float) -> Count:
        """Round to whole contracts, except for one in ten, which trades a fraction."""
        if self._rng.random() < 0.1:
            return Count(max(round(contracts * ONE_CONTRACT), 1))
        return Count(max(round(contracts), 1) * ONE_CONTRACT)

    def _place(self, account: Account, request: NewOrder, now: Milliseconds) -> None:
        # A refusal (a crossing quote, a closed market, a pause) costs the crowd nothing.
        with contextlib.suppress(RequestRefused):
            self._engine.place(account, request, now)

    # Markets

    def _open(self) -> Iterator[tuple[ExchangeEvent, list[ExchangeMarket]]]:
        """Yield the events that have active markets, with these."""
        for event in self._exchange.events.values():
            markets = self._exchange.markets_of(event)
            # Past weeks are skipped early, as this runs with every action.
            if markets[0].settled_ms is not None:
                continue
            active = [m for m in markets if m.status == "active"]
            if active:
                yield event, active

    def _choose(self, now: Milliseconds) -> tuple[ExchangeEvent, ExchangeMarket] | None:
        """Pick a market, mostly one whose outcome is open."""
        markets, weights = [], []
        for event, active in self._open():
            belief = self._belief(event, self._published.get(event.ticker, 0), now)
            for market in active:
                fair = _above(belief, market)
                markets.append((event, market))
                weights.append(math.sqrt(fair * (1 - fair)) + 0.01)
        if not markets or self._exchange.trading_paused():
            return None
        return self._rng.choices(markets, weights)[0]


def _above(belief: NormalDist, market: ExchangeMarket) -> float:
    """Return the probability of YES."""
    return 1 - belief.cdf(market.terms.floor_strike)


def _edges(market: ExchangeMarket, fair: float) -> Iterator[tuple[Side, float]]:
    """Yield the edge of taking from each side of the book, in dollars a contract."""
    if market.best_ask is not None:
        yield "bid", fair - market.best_ask / ONE_DOLLAR
    if market.best_bid is not None:
        yield "ask", market.best_bid / ONE_DOLLAR - fair
