"""The other traders: market makers around a consensus, takers, and the well informed.

They act on the matching engine through accounts of their own, and share a consensus on the week's
average that grows sharper with every published day. Arrivals are Poisson in calendar time.

What a maker earns or loses against them rests on these assumptions:

* Takers trade for reasons of their own, on either side alike, and pay the spread; one in seven
  sweeps deeper. How many there are does not depend on the hour, so that hours without quotes cost
  a maker its share of them.
* Makers quote the consensus with an opinion and a spread of their own, day and night. They stay
  through a release, and each learns of it between one and twelve minutes later.
* The informed come with each count. Three read it within half a minute, before a cached copy of
  the page would show it; fourteen more come over the next minutes, six on average. Each knows the
  consensus with the new count in it, not the outcome, and takes what rests in any market at a
  price that leaves two cents, which is little more than the fee: 50 to 400 contracts a market.
  They do not tell one maker from another.
* Nobody knows anything between releases that the consensus does not.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from statistics import NormalDist
from typing import Final

import msgspec

from mmbot.exchange.accounts import Account, Side
from mmbot.exchange.consensus import Consensus, Wander
from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import ExchangeOrder, NewOrder, RequestRefused
from mmbot.tsa.calendar import Week
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CENT,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Count,
    Price,
    ceil_price,
    floor_price,
)

_HOUR_MS: Final = 3_600_000
_CASH: Final = 50_000_000 * MONEY_PER_DOLLAR
# How long each maker's own view of a strike takes to be forgotten.
_VIEW_HOURS: Final = 6.0
_VIEW_SD: Final = 0.02
_LEVELS: Final = 4
_PENNY_BID: Final = 1_000 * ONE_CONTRACT
_FIRST_READERS: Final = 3
_FIRST_SECONDS: Final = (2.0, 30.0)
_INFORMED: Final = 14
_INFORMED_MEAN_MINUTES: Final = 6.0
_INFORMED_CONTRACTS: Final = (50.0, 400.0)
_MAKER_DELAY_MINUTES: Final = (1.0, 12.0)
_LEAST_EDGE: Final = 0.02


class Pace(msgspec.Struct, frozen=True):
    """How busy the crowd is, in actions per calendar hour."""

    takers: float = 16.0
    refreshes: float = 12.0


class Maker:
    """One market maker: its account, its habits, and how many days it knows of each event."""

    def __init__(self, account: Account, half_spread: float, size: Count) -> None:
        self.account = account
        self.half_spread = half_spread
        self.size = size
        self.known: dict[str, int] = {}
        self.views: dict[str, Wander] = {}


class Crowd:
    """Everyone else on the exchange."""

    def __init__(
        self,
        exchange: ExchangeState,
        consensus: Consensus,
        rng: random.Random,
        pace: Pace,
        now: int,
    ) -> None:
        self._exchange = exchange
        self._engine = exchange.engine
        self._common = consensus
        self._rng = rng
        self._pace = pace
        # How many times as busy as usual everyone is at the moment.
        self.hurry = 1.0
        self._start = now
        self._hours_per_ms = exchange.clock.speed / _HOUR_MS
        self._published: dict[str, int] = {}
        self._makers = [
            Maker(self._join(f"maker-{i}"), half_spread, size * ONE_CONTRACT)
            for i, (half_spread, size) in enumerate(((0.015, 25), (0.02, 60), (0.03, 150)))
        ]
        # More than one, so that the takers' holdings do not net out to nothing.
        self._takers = [self._join(f"taker-{i}") for i in range(6)]
        self._planned = 0
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        for event in exchange.events.values():
            self.listed(event, now)
        self._plan_taker(now)
        self._plan_refresh(now)

    def _join(self, name: str) -> Account:
        return self._engine.open_account(name, cash=_CASH)

    # Time

    def next_at(self) -> int | None:
        """Return the wall time of the next action."""
        return self._agenda[0][0]

    def act(self, now: int) -> None:
        """Do what is due, unless trading is paused."""
        while self._agenda[0][0] <= now:
            _, _, action = heappop(self._agenda)
            action(now)

    def listed(self, event: ExchangeEvent, now: int) -> None:
        """Have the makers quote an event as soon as it opens."""
        opens = self._exchange.markets_of(event)[0].terms.open_ms
        self._plan(0.0, max(opens, now), self._first_quotes)

    def released(self, day: dt.date, now: int) -> None:
        """Send the informed out at once, and let each maker notice after a while."""
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
            self._plan(delay, now, partial(self._notice, maker))

    def _plan(self, hours: float, now: int, action: Callable[[int], None]) -> None:
        self._planned += 1
        due = now + math.ceil(hours / self._hours_per_ms)
        heappush(self._agenda, (due, self._planned, action))

    def _plan_taker(self, now: int) -> None:
        self._plan(self._rng.expovariate(self.hurry * self._pace.takers), now, self._take)

    def _plan_refresh(self, now: int) -> None:
        self._plan(self._rng.expovariate(self.hurry * self._pace.refreshes), now, self._refresh)

    # What they believe

    def _hours(self, now: int) -> float:
        return (now - self._start) * self._hours_per_ms

    def _consensus(self, event: ExchangeEvent, known: int, now: int) -> NormalDist:
        """Return the common belief in the week's average, given that `known` days are out."""
        return self._common.of(event.week, known, self._hours(now))

    def _view(self, maker: Maker, event: ExchangeEvent, market: ExchangeMarket, now: int) -> float:
        """Return a maker's own probability: the consensus and its passing opinion."""
        opinion = maker.views.get(market.ticker)
        if opinion is None:
            opinion = maker.views[market.ticker] = Wander(self._rng, _VIEW_HOURS)
        fair = _above(self._consensus(event, maker.known.get(event.ticker, 0), now), market)
        shift = _VIEW_SD * 4 * fair * (1 - fair) * opinion.at(self._hours(now))
        return min(max(fair + shift, 0.001), 0.999)

    # Makers

    def _first_quotes(self, now: int) -> None:
        for maker in self._makers:
            self._notice(maker, now)

    def _notice(self, maker: Maker, now: int) -> None:
        """Let a maker learn what is published and requote everything."""
        maker.known.update(self._published)
        for event, active in self._open():
            for market in active:
                self._quote(maker, event, market, now)

    def _refresh(self, now: int) -> None:
        self._plan_refresh(now)
        chosen = self._choose(now)
        if chosen is not None:
            self._quote(self._rng.choice(self._makers), *chosen, now)

    def _quote(self, maker: Maker, event: ExchangeEvent, market: ExchangeMarket, now: int) -> None:
        """Bring a maker's orders in a market to its present view."""
        if self._exchange.trading_paused():
            return
        fair = self._view(maker, event, market, now)
        desired = self._ladder(maker, fair)
        kept: set[tuple[Side, Price]] = set()
        for order in self._engine.resting(maker.account, market.ticker):
            place = (order.side, order.price)
            if place in desired and 2 * order.remaining >= desired[place]:
                kept.add(place)
            else:
                self._engine.cancel(order, now)
        for (side, price), count in desired.items():
            if (side, price) not in kept:
                self._try(
                    maker.account,
                    NewOrder(market.ticker, side, price, count, post_only=True),
                    now,
                )

    def _ladder(self, maker: Maker, fair: float) -> dict[tuple[Side, Price], Count]:
        half = maker.half_spread * (0.35 + 2.6 * fair * (1 - fair))
        # The outermost cent is left to the penny bids below.
        bid = min(floor_price(fair - half) // ONE_CENT * ONE_CENT, ONE_DOLLAR - 2 * ONE_CENT)
        ask = max(-(-ceil_price(fair + half) // ONE_CENT) * ONE_CENT, 2 * ONE_CENT)
        desired: dict[tuple[Side, Price], Count] = {}
        for level in range(_LEVELS):
            count = round(maker.size * (0.4 + 0.4 * level) * self._rng.uniform(0.5, 1.5))
            count = max(count // ONE_CONTRACT * ONE_CONTRACT, 5 * ONE_CONTRACT)
            count = min(count, 300 * ONE_CONTRACT)
            step = level * ONE_CENT
            if bid - step >= ONE_CENT:
                desired["bid", bid - step] = count
            if ask + step <= ONE_DOLLAR - ONE_CENT:
                desired["ask", ask + step] = count
        if maker is self._makers[-1]:
            # Somebody always bids a cent for either side.
            desired.setdefault(("bid", ONE_CENT), _PENNY_BID)
            desired.setdefault(("ask", ONE_DOLLAR - ONE_CENT), _PENNY_BID)
        return desired

    # Takers

    def _take(self, now: int) -> None:
        """Let someone trade for reasons of their own."""
        self._plan_taker(now)
        chosen = self._choose(now)
        if chosen is None:
            return
        _, market = chosen
        side: Side = self._rng.choice(("bid", "ask"))
        sweeping = self._rng.random() < 0.15
        patience = self._rng.randint(4, 12) if sweeping else self._rng.randint(0, 4)
        count = min(self._rng.lognormvariate(2.2, 0.9), 120.0) * (4 if sweeping else 1)
        self._hit(market, side, patience * ONE_CENT, self._whole(count), now)

    def _informed(self, now: int) -> None:
        """Let someone who has seen the release take what it has made too cheap."""
        for event, active in self._open():
            belief = self._consensus(event, self._published.get(event.ticker, 0), now)
            for market in active:
                fair = _above(belief, market)
                for side, edge in tuple(_edges(market, fair)):
                    if edge > _LEAST_EDGE:
                        away = -_LEAST_EDGE if side == "bid" else _LEAST_EDGE
                        limit = market.grid.floor(floor_price(fair + away)) or ONE_CENT
                        count = self._whole(self._rng.uniform(*_INFORMED_CONTRACTS))
                        self._send(market, side, limit, count, now)

    def _hit(
        self, market: ExchangeMarket, side: Side, patience: Price, count: Count, now: int
    ) -> None:
        """Trade against the other side, giving way by at most `patience` beyond its best."""
        best = market.best_ask if side == "bid" else market.best_bid
        if best is None:
            return
        limit = best + patience if side == "bid" else best - patience
        limit = min(max(limit, ONE_CENT), ONE_DOLLAR - ONE_CENT)
        self._send(market, side, limit, count, now)

    def _send(
        self, market: ExchangeMarket, side: Side, limit: Price, count: Count, now: int
    ) -> None:
        wish = NewOrder(market.ticker, side, limit, count, "immediate_or_cancel")
        self._try(self._rng.choice(self._takers), wish, now)

    def _whole(self, contracts: float) -> Count:
        """Round to whole contracts, but for one in ten that trades a fraction."""
        if self._rng.random() < 0.1:
            return max(round(contracts * ONE_CONTRACT), 1)
        return max(round(contracts), 1) * ONE_CONTRACT

    def _try(self, account: Account, wish: NewOrder, now: int) -> ExchangeOrder | None:
        try:
            return self._engine.place(account, wish, now)
        except RequestRefused:
            # A quote that would cross, a closed market, a pause: they shrug and try later.
            return None

    # Markets

    def _open(self) -> Iterator[tuple[ExchangeEvent, list[ExchangeMarket]]]:
        """Yield the events that trade, with their markets that do."""
        for event in self._exchange.events.values():
            active = [m for m in self._exchange.markets_of(event) if m.status == "active"]
            if active:
                yield event, active

    def _choose(self, now: int) -> tuple[ExchangeEvent, ExchangeMarket] | None:
        """Pick a market, mostly one whose outcome is open."""
        markets, weights = [], []
        for event, active in self._open():
            belief = self._consensus(event, self._published.get(event.ticker, 0), now)
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
    """Yield what taking each side of the book is worth a contract, in dollars."""
    if market.best_ask is not None:
        yield "bid", fair - market.best_ask / ONE_DOLLAR
    if market.best_bid is not None:
        yield "ask", market.best_bid / ONE_DOLLAR - fair
