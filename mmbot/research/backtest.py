"""The backtest: real weeks of candles, quoted by the engine that trades.

Orders are placed once a day: on Monday at 10:00 against the first candle's opening book, from
Tuesday to Friday after the release against the book of the evening before, on Saturday and Sunday
at 00:00 against the same. On Monday, Saturday and Sunday an order fills if a trade of the day went
strictly through its price. From Tuesday to Friday, when the candle also holds the trades before the
release, it fills only if the day's last trade did. What fills is at most a fifth of the day's
volume in that market; a day without a candle fills nothing. Counts that were not published when an
order was placed are not known to it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Protocol

import msgspec

from mmbot.config import Settings
from mmbot.exchange.fees import FeeSchedule, rounded_fee
from mmbot.forecast.belief import Belief
from mmbot.research.candles import Candle, RealMarket, RealWeek
from mmbot.trading.book import Top
from mmbot.trading.commands import Command, Place
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BeliefFormed,
    BookReplaced,
    Filled,
    GroupReady,
    InputEvent,
    LimitsRead,
    ListingRead,
    OrderPlaced,
    OrderReported,
    Reconciled,
    StreamLost,
    StreamUp,
)
from mmbot.trading.state import EventState
from mmbot.trading.values import Fill, ListedEvent, Market, OrderReport, Side
from mmbot.tsa.calendar import EASTERN, CalendarClock, to_milliseconds
from mmbot.units import CENT_GRID, ONE_CONTRACT, ONE_DOLLAR, Count, Money, Price

_MIDNIGHT, _OPENING, _AFTER_RELEASE = dt.time(0), dt.time(10), dt.time(9, 30)
_SHARE_OF_VOLUME = 5
# Candles do not tell how much rests at the best prices; it is taken to be enough to count.
_DEPTH: Count = 1_000_000 * ONE_CONTRACT
# More tokens than a week of quotes needs.
_TOKENS = LimitsRead(1e9, 1e9, 10.0, 2.0, 10.0)
_WIDEST_SCORED = ONE_DOLLAR // 10


class Strategy(msgspec.Struct, frozen=True):
    """What is judged.

    Attributes:
        name: Its name.
        settings: What it quotes by.
        method: How it forecasts.
        cash: The account's cash at the start of each week.
        updates: Whether it looks at the counts that come out during the week.
        leaves: Whether its orders are off while a release is due; else they stand through it, and
            any trade of the day can fill them.
    """

    name: str
    settings: Settings
    method: str
    cash: Money
    updates: bool = True
    leaves: bool = True


class BeliefSource(Protocol):
    """Forms a belief from what was published at an instant."""

    def __call__(self, method: str, real: RealWeek, at: dt.datetime) -> Belief:
        """Return the belief at the strikes of the week."""
        ...


class Trade(msgspec.Struct, frozen=True):
    """A fill, and what became of it; prices are YES's, money is per fill in 1e-6 dollar.

    Attributes:
        week: The event's ticker.
        days_published: How many days the quote's belief knew.
        ticker: The market.
        day: The day of the candle.
        side: The side of ours.
        price: The price.
        count: The contracts.
        fee: What the exchange took.
        fair: The fair value by which it was quoted, in dollars.
        later: What YES was worth at the end of the next day, in dollars: the midpoint, else the
            last trade, else what it paid.
        payout: What YES paid.
    """

    week: str
    days_published: int
    ticker: str
    day: dt.date
    side: Side
    price: Price
    count: Count
    fee: Money
    fair: float
    later: float
    payout: Price

    @property
    def signed(self) -> Count:
        """The contracts, negative where YES was sold."""
        return self.count if self.side == "bid" else -self.count

    @property
    def spend(self) -> Money:
        """What was paid for YES, or for NO."""
        paid = self.price if self.side == "bid" else ONE_DOLLAR - self.price
        return paid * self.count + self.fee

    @property
    def pnl(self) -> Money:
        """What it earned in the end."""
        return (self.payout - self.price) * self.signed - self.fee

    @property
    def claimed(self) -> float:
        """The edge over fair value when it was quoted, in dollars."""
        return self._edge(self.fair)

    @property
    def markout(self) -> float:
        """The edge over what YES was worth a day later, in dollars."""
        return self._edge(self.later)

    def _edge(self, value: float) -> float:
        return (value - self.price / ONE_DOLLAR) * self.signed / ONE_CONTRACT


class MarketOpinion(msgspec.Struct, frozen=True):
    """Three opinions of one market before an order was placed, and who was right."""

    week: str
    days_published: int
    ticker: str
    belief: float
    mid: float
    pooled: float
    outcome: bool


class WeekResult(msgspec.Struct, frozen=True):
    """What a strategy did in a week; `week` is the event's ticker."""

    week: str
    trades: tuple[Trade, ...]
    opinions: tuple[MarketOpinion, ...]


class _Session(msgspec.Struct, frozen=True):
    """When one day's orders are placed, and whether only its last trade can fill them."""

    day: dt.date
    at: dt.datetime
    only_last: bool


def play_week(strategy: Strategy, real: RealWeek, believe: BeliefSource) -> WeekResult:
    """Quote a week as `strategy` would have, day by day."""
    state = _Desk(strategy, real)
    trades: list[Trade] = []
    opinions: list[MarketOpinion] = []
    sessions = list(_sessions(strategy, real))
    first = believe(strategy.method, real, sessions[0].at)
    for session in sessions:
        belief = believe(strategy.method, real, session.at)
        if not strategy.updates:
            belief = msgspec.structs.replace(first, days_published=belief.days_published)
        books = {market.ticker: _book(market, session) for market in real.markets}
        places = state.quote(session, books, belief)
        opinions += state.opinions(books)
        trades += state.fill(session, places)
    return WeekResult(real.ticker, tuple(trades), tuple(opinions))


def _sessions(strategy: Strategy, real: RealWeek) -> Iterator[_Session]:
    for weekday, day in enumerate(real.week.days):
        release = 1 <= weekday <= 4
        time = _MIDNIGHT
        if weekday == 0:
            time = _OPENING
        elif release and strategy.leaves:
            time = _AFTER_RELEASE
        at = dt.datetime.combine(day, time, EASTERN)
        yield _Session(day, at, only_last=release and strategy.leaves)


def _book(market: RealMarket, session: _Session) -> Top:
    candle = market.candles.get(session.day)
    if session.at.time() == _OPENING:
        return candle.opened if candle else Top(None, None)
    return market.closed_before(session.day)


class _Desk:
    """The engine, and an exchange that takes every order and fills it by the day's candle."""

    def __init__(self, strategy: Strategy, real: RealWeek) -> None:
        self._strategy = strategy
        self._real = real
        self._engine = Engine(strategy.settings, CalendarClock(), "backtest")
        self._now = to_milliseconds(real.week.opens)
        self._fees = FeeSchedule()
        self._fills = 0
        closes = to_milliseconds(real.week.closes)
        listed = ListedEvent(
            real.ticker,
            real.week,
            tuple(
                Market(market.ticker, market.strike, CENT_GRID, self._now, closes)
                for market in real.markets
            ),
        )
        self._tell(
            _TOKENS,
            ListingRead("", (listed,)),
            GroupReady(0, "backtest", strategy.settings.limits.fill_cap),
            Reconciled((), (), {0: strategy.cash}),
        )

    @property
    def _ladder(self) -> EventState:
        return self._engine.state.events[self._real.ticker]

    def _tell(self, *events: InputEvent) -> list[Command]:
        return [command for event in events for command in self._engine.handle(event, self._now)]

    def quote(self, session: _Session, books: dict[str, Top], belief: Belief) -> list[Place]:
        """Show the engine a book for each market and a belief; return what it places."""
        self._now = to_milliseconds(session.at)
        shown = (
            BookReplaced(
                ticker,
                () if top.bid is None else ((top.bid, _DEPTH),),
                () if top.ask is None else ((top.ask, _DEPTH),),
            )
            for ticker, top in books.items()
            if top.bid is None or top.ask is None or top.bid < top.ask
        )
        # Nothing is placed before the account has been read, and then everything at once.
        self._tell(StreamUp(), *shown, BeliefFormed(belief))
        balance = self._strategy.cash - sum(map(self._ladder.portfolio.cost, self._ladder.markets))
        commands = self._tell(Reconciled((), (), {0: balance}))
        return [command for command in commands if isinstance(command, Place)]

    def opinions(self, books: dict[str, Top]) -> Iterator[MarketOpinion]:
        """Return what is thought of each market that has a narrow book."""
        ladder = self._ladder
        if ladder.belief is None:
            return
        for market, above in zip(self._real.markets, ladder.belief.above, strict=True):
            bid, ask = books[market.ticker]
            fair = ladder.markets[market.ticker].fair
            if bid is None or ask is None or not 0 < ask - bid <= _WIDEST_SCORED or fair is None:
                continue
            yield MarketOpinion(
                self._real.ticker,
                ladder.days_published,
                market.ticker,
                above,
                (bid + ask) / (2 * ONE_DOLLAR),
                fair,
                market.payout == ONE_DOLLAR,
            )

    def fill(self, session: _Session, places: list[Place]) -> list[Trade]:
        """Let the day pass: fill what its candles fill, and take everything off."""
        for number, place in enumerate(places):
            self._tell(OrderPlaced(place.client_id, self._order_id(session, number), 0))
        # With the stream lost, fills bring no new orders on the same day.
        self._tell(StreamLost())
        trades: list[Trade] = []
        left: dict[str, Count] = {}
        for number, place in enumerate(places):
            market = next(each for each in self._real.markets if each.ticker == place.ticker)
            candle = market.candles.get(session.day)
            filled = 0
            if candle and _goes_through(place, candle, only_last=session.only_last):
                room = left.setdefault(place.ticker, candle.volume // _SHARE_OF_VOLUME)
                filled = min(place.count, room)
                left[place.ticker] -= filled
            if filled:
                trades.append(self._trade(session, market, place, filled))
                self._book(place, self._order_id(session, number), filled, trades[-1].fee)
            self._end(place, self._order_id(session, number), filled)
        return trades

    def _order_id(self, session: _Session, number: int) -> str:
        return f"{session.day}-{number}"

    def _trade(self, session: _Session, market: RealMarket, place: Place, filled: Count) -> Trade:
        return Trade(
            week=self._real.ticker,
            days_published=self._ladder.days_published,
            ticker=market.ticker,
            day=session.day,
            side=place.side,
            price=place.price,
            count=filled,
            fee=rounded_fee(self._fees.raw(place.price, filled, is_taker=False)),
            fair=self._ladder.markets[market.ticker].fair or 0.0,
            later=_worth_after(market, session.day + dt.timedelta(days=1)),
            payout=market.payout,
        )

    def _book(self, place: Place, order_id: str, filled: Count, fee: Money) -> None:
        self._fills += 1
        self._tell(
            Filled(
                Fill(
                    str(self._fills),
                    order_id,
                    place.ticker,
                    place.side,
                    place.price,
                    filled,
                    fee,
                    self._now,
                )
            )
        )

    def _end(self, place: Place, order_id: str, filled: Count) -> None:
        ended = OrderReport(
            place.client_id,
            order_id,
            place.ticker,
            place.side,
            place.price,
            filled,
            0,
            "ended",
            place.expires,
        )
        self._tell(OrderReported(ended, looked_up=True))


def _goes_through(place: Place, candle: Candle, *, only_last: bool) -> bool:
    low, high = (candle.last, candle.last) if only_last else (candle.low, candle.high)
    if not candle.volume or low is None or high is None:
        return False
    return low < place.price if place.side == "bid" else high > place.price


def _worth_after(market: RealMarket, day: dt.date) -> float:
    """Return the midpoint at the end of `day`, else its last trade, else what YES paid."""
    candle = market.candles.get(day)
    if candle is not None:
        bid, ask = candle.closed
        if bid is not None and ask is not None:
            return (bid + ask) / (2 * ONE_DOLLAR)
        if candle.last is not None:
            return candle.last / ONE_DOLLAR
    return market.payout / ONE_DOLLAR
