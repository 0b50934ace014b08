"""The backtest by daily candles: real weeks, quoted by the trading engine.

Orders are placed once a day: on Monday at 10:00 against the first candle's opening book, from
Tuesday to Friday after the release against the book of the evening before, on Saturday and Sunday
at 00:00, also against the book of the evening before. On Monday, Saturday and Sunday an order
fills if a trade of the day went strictly through its price. From Tuesday to Friday the candle also
has the trades before the release, so an order fills only if the day's last trade did. At most a
fifth of the day's volume in a market fills; a day without a candle fills nothing. The forecast
uses only the counts that were published when an order was placed. Fees are those of the week; if
they are not known, as in files of candles, makers pay nothing, and tables and page say so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal, Protocol, TypeAlias

import msgspec

from mmbot.config import ForecastSettings, Settings
from mmbot.exchange.fees import FeeSchedule, rounded_fee
from mmbot.forecast.belief import Belief
from mmbot.research.candles import DailyCandle, HistoricalMarket, HistoricalWeek
from mmbot.research.replayed_week import ReplayedWeek
from mmbot.trading.book import Top
from mmbot.trading.commands import Command, Place
from mmbot.trading.engine import Engine
from mmbot.trading.event_state import EventState
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
from mmbot.trading.fees import ONE_TIME, FeeTerms
from mmbot.trading.portfolio import paid_each
from mmbot.trading.values import Fill, ListedEvent, Market, OrderReport, Side
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, to_milliseconds
from mmbot.units import CENT_GRID, ONE_CONTRACT, ONE_DOLLAR, Count, Money, Price, total, value_of

_MIDNIGHT, _OPENING, _AFTER_RELEASE = dt.time(0), dt.time(10), dt.time(9, 30)
_SHARE_OF_VOLUME = 5

Rule: TypeAlias = Literal["trades", "daily candles", "recording"]
# Candles do not say how much rests at the best prices; it is assumed to suffice for a market mid.
_DEPTH = Count(1_000_000 * ONE_CONTRACT)
# More tokens than a week of quotes needs.
_TOKENS = LimitsRead(1e9, 1e9, 10.0, 2.0, 10.0)
_WIDEST_SCORED = ONE_DOLLAR // 10


class Strategy(msgspec.Struct, frozen=True):
    """A strategy to test.

    Attributes:
        name: Its name.
        settings: The settings of its forecast and of its quotes.
        cash: The account's cash at the start of each week.
        updates: Whether its belief uses the counts that are published during the week.
        pulls_for_releases: Whether its orders are off while a release is due; if not, they rest and
            any trade of the day can fill them.
    """

    name: str
    settings: Settings
    cash: Money
    updates: bool = True
    pulls_for_releases: bool = True


class BeliefSource(Protocol):
    """Forms a belief from what was published at an instant."""

    def __call__(self, forecast: ForecastSettings, real: HistoricalWeek, at: dt.datetime) -> Belief:
        """Return the belief at the strikes of the week."""
        ...


class TradeOutcome(msgspec.Struct, frozen=True):
    """A fill and its outcome; prices are of YES, money is per fill in 1e-6 dollar.

    Attributes:
        week: The event's ticker.
        days_published: How many published days the belief of the quote used.
        ticker: The market.
        day: The day of the candle.
        side: Our side.
        price: The price.
        count: The contracts.
        fee: The fee.
        fair: The fair value of the quote, in dollars.
        later: The value of YES at the end of the next day, in dollars: the midpoint, else the
            last trade, else the payout.
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
        return self.count if self.side == "bid" else Count(-self.count)

    @property
    def spend(self) -> Money:
        """What was paid for YES, or for NO."""
        return Money(value_of(self.count, paid_each(self.side, self.price)) + self.fee)

    @property
    def pnl(self) -> Money:
        """Its profit at settlement."""
        return Money(value_of(self.signed, Price(self.payout - self.price)) - self.fee)

    @property
    def claimed(self) -> float:
        """The edge over fair value at quoting, in dollars."""
        return self._edge(self.fair)

    @property
    def markout(self) -> float:
        """The edge over the value of YES a day later, in dollars."""
        return self._edge(self.later)

    def _edge(self, value: float) -> float:
        return (value - self.price / ONE_DOLLAR) * self.signed / ONE_CONTRACT


class MarketPrediction(msgspec.Struct, frozen=True):
    """Belief, mid and fair value of a market before orders are placed, and its outcome."""

    week: str
    days_published: int
    ticker: str
    belief: float
    mid: float
    pooled: float
    outcome: bool


class WeekResult(msgspec.Struct, frozen=True):
    """A strategy's trades and opinions in a week.

    Attributes:
        week: The event's ticker.
        trades: Its fills and their outcomes.
        predictions: Its opinions of the markets.
        rule: The rule by which its orders were filled.
        replayed: What the whole bot did, if it traded the week.
        fees_known: Whether the week's fees are known; if not, none was charged.
    """

    week: str
    trades: tuple[TradeOutcome, ...]
    predictions: tuple[MarketPrediction, ...]
    rule: Rule = "daily candles"
    replayed: ReplayedWeek | None = None
    fees_known: bool = True


class _QuotingTime(msgspec.Struct, frozen=True):
    """When a day's orders are placed, and whether only its last trade can fill them."""

    day: dt.date
    at: dt.datetime
    only_last: bool


def play_week(strategy: Strategy, real: HistoricalWeek, believe: BeliefSource) -> WeekResult:
    """Return what `strategy` would have traded in a week, day by day."""
    market = _BacktestExchange(strategy, real)
    trades: list[TradeOutcome] = []
    predictions: list[MarketPrediction] = []
    times = list(_quoting_times(strategy, real))
    forecast = strategy.settings.forecast
    first = believe(forecast, real, times[0].at)
    for quoting_time in times:
        belief = believe(forecast, real, quoting_time.at)
        if not strategy.updates:
            belief = msgspec.structs.replace(first, days_published=belief.days_published)
        books = {each.ticker: _book(each, quoting_time) for each in real.markets}
        places = market.quote(quoting_time, books, belief)
        predictions += market.predictions(books)
        trades += market.fill(quoting_time, places)
    return WeekResult(
        real.ticker, tuple(trades), tuple(predictions), fees_known=real.fees is not None
    )


def _quoting_times(strategy: Strategy, real: HistoricalWeek) -> Iterator[_QuotingTime]:
    for weekday, day in enumerate(real.week.days):
        release = 1 <= weekday <= 4
        time = _MIDNIGHT
        if weekday == 0:
            time = _OPENING
        elif release and strategy.pulls_for_releases:
            time = _AFTER_RELEASE
        at = dt.datetime.combine(day, time, EASTERN)
        yield _QuotingTime(day, at, only_last=release and strategy.pulls_for_releases)


def _book(market: HistoricalMarket, quoting_time: _QuotingTime) -> Top:
    candle = market.candles.get(quoting_time.day)
    if quoting_time.at.time() == _OPENING:
        return candle.opened if candle else Top(None, None)
    return market.closed_before(quoting_time.day)


class _BacktestExchange:
    """The engine, and an exchange that accepts every order and fills it by the day's candle."""

    def __init__(self, strategy: Strategy, real: HistoricalWeek) -> None:
        self._strategy = strategy
        self._real = real
        self._engine = Engine(strategy.settings, TSA, CalendarClock(), "backtest")
        self._now = to_milliseconds(real.week.opens)
        self._fees = real.fees or FeeSchedule()
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
        terms = FeeTerms(self._fees.fee_type, round(self._fees.multiplier * ONE_TIME))
        self._handle(
            _TOKENS,
            ListingRead("", (listed,), fee=terms),
            GroupReady(0, "backtest", strategy.settings.limits.fill_cap),
            Reconciled((), (), {0: strategy.cash}),
        )

    @property
    def _event_state(self) -> EventState:
        return self._engine.state.events[self._real.ticker]

    def _handle(self, *events: InputEvent) -> list[Command]:
        return [command for event in events for command in self._engine.handle(event, self._now)]

    def quote(
        self, quoting_time: _QuotingTime, books: dict[str, Top], belief: Belief
    ) -> list[Place]:
        """Give the engine a book for each market and a belief; return what it places."""
        self._now = to_milliseconds(quoting_time.at)
        books_replaced = (
            BookReplaced(
                ticker,
                () if top.bid is None else ((top.bid, _DEPTH),),
                () if top.ask is None else ((top.ask, _DEPTH),),
            )
            for ticker, top in books.items()
            if top.bid is None or top.ask is None or top.bid < top.ask
        )
        # Nothing is placed before the account has been read, and then everything at once.
        self._handle(StreamUp(), *books_replaced, BeliefFormed(belief))
        cost = total(map(self._event_state.portfolio.cost, self._event_state.markets))
        balance = Money(self._strategy.cash - cost)
        commands = self._handle(Reconciled((), (), {0: balance}))
        return [command for command in commands if isinstance(command, Place)]

    def predictions(self, books: dict[str, Top]) -> Iterator[MarketPrediction]:
        """Return belief, mid and fair value of each market with a narrow book."""
        event_state = self._event_state
        if event_state.belief is None:
            return
        for market, above in zip(self._real.markets, event_state.belief.above, strict=True):
            top = books[market.ticker]
            bid, ask = top.bid, top.ask
            fair = event_state.markets[market.ticker].fair
            if bid is None or ask is None or not 0 < ask - bid <= _WIDEST_SCORED or fair is None:
                continue
            yield MarketPrediction(
                self._real.ticker,
                event_state.days_published,
                market.ticker,
                above,
                (bid + ask) / (2 * ONE_DOLLAR),
                fair,
                market.payout == ONE_DOLLAR,
            )

    def fill(self, quoting_time: _QuotingTime, places: list[Place]) -> list[TradeOutcome]:
        """Let the day pass: fill the orders by its candles, and end them all."""
        for number, place in enumerate(places):
            self._handle(
                OrderPlaced(place.client_id, self._order_id(quoting_time, number), Count(0))
            )
        # With the stream lost, fills bring no new orders on the same day.
        self._handle(StreamLost())
        trades: list[TradeOutcome] = []
        left: dict[str, Count] = {}
        for number, place in enumerate(places):
            market = next(each for each in self._real.markets if each.ticker == place.ticker)
            candle = market.candles.get(quoting_time.day)
            filled = Count(0)
            if candle and _goes_through(place, candle, only_last=quoting_time.only_last):
                room = left.setdefault(place.ticker, Count(candle.volume // _SHARE_OF_VOLUME))
                filled = min(place.count, room)
                left[place.ticker] = Count(room - filled)
            if filled:
                trades.append(self._trade(quoting_time, market, place, filled))
                self._book(place, self._order_id(quoting_time, number), filled, trades[-1].fee)
            self._end(place, self._order_id(quoting_time, number), filled)
        return trades

    def _order_id(self, quoting_time: _QuotingTime, number: int) -> str:
        return f"{quoting_time.day}-{number}"

    def _trade(
        self, quoting_time: _QuotingTime, market: HistoricalMarket, place: Place, filled: Count
    ) -> TradeOutcome:
        return TradeOutcome(
            week=self._real.ticker,
            days_published=self._event_state.days_published,
            ticker=market.ticker,
            day=quoting_time.day,
            side=place.side,
            price=place.price,
            count=filled,
            fee=rounded_fee(self._fees.raw(place.price, filled, is_taker=False)),
            fair=self._event_state.markets[market.ticker].fair or 0.0,
            later=_worth_after(market, quoting_time.day + dt.timedelta(days=1)),
            payout=market.payout,
        )

    def _book(self, place: Place, order_id: str, filled: Count, fee: Money) -> None:
        self._fills += 1
        fill = Fill(
            str(self._fills),
            order_id,
            place.ticker,
            place.side,
            place.price,
            filled,
            fee,
            self._now,
        )
        self._handle(Filled(fill))

    def _end(self, place: Place, order_id: str, filled: Count) -> None:
        ended = OrderReport(
            place.client_id,
            order_id,
            place.ticker,
            place.side,
            place.price,
            filled,
            Count(0),
            "ended",
            place.expires,
        )
        self._handle(OrderReported(ended, queried=True))


def _goes_through(place: Place, candle: DailyCandle, *, only_last: bool) -> bool:
    low, high = (candle.last, candle.last) if only_last else (candle.low, candle.high)
    if not candle.volume or low is None or high is None:
        return False
    return low < place.price if place.side == "bid" else high > place.price


def _worth_after(market: HistoricalMarket, day: dt.date) -> float:
    """Return the midpoint at the end of `day`, else its last trade, else what YES paid."""
    candle = market.candles.get(day)
    if candle is not None:
        bid, ask = candle.closed.bid, candle.closed.ask
        if bid is not None and ask is not None:
            return (bid + ask) / (2 * ONE_DOLLAR)
        if candle.last is not None:
            return candle.last / ONE_DOLLAR
    return market.payout / ONE_DOLLAR
