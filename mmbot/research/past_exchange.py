"""What the exchange and tsa.gov showed in a past week, rebuilt for a bot that trades it again.

The public side of the simulated exchange over the week's own markets: its reads, and a stream on
which the books have one price a side. A market whose book is not known is shown as paused, so that
nothing is quoted in it. Sans I/O.
"""

from __future__ import annotations

import datetime as dt
import random
from bisect import bisect_right

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange import market_actions
from mmbot.exchange.access import Credential
from mmbot.exchange.broadcast import broadcast
from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState, SimulatedExchangeSettings
from mmbot.exchange.facts import Traded
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.market import BookSide, ExchangeMarket, MarketTerms
from mmbot.exchange.render import book_levels
from mmbot.exchange.rest.router import RestRouter
from mmbot.exchange.stream_session import StreamSession
from mmbot.exchange.website import Website
from mmbot.history.rows import MarketRecord, Trade
from mmbot.history.weeks import PastWeek
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.trading.book import Top
from mmbot.trading.values import Side
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import CalendarClock
from mmbot.underlying.counts import Counts
from mmbot.units import CENT_GRID, ONE_CONTRACT, Count, Milliseconds, Price

# Neither trades nor candles say how much rests at the best prices; it is assumed to suffice for a
# market mid.
_DEPTH = Count(100_000 * ONE_CONTRACT)


class _OnePriceSide(BookSide):
    """A side with one known price."""

    def show(self, price: Price | None) -> None:
        """Replace the price."""
        self.totals = {} if price is None else {price: _DEPTH}
        self._ascending = [] if price is None else [price]


class _PastMarket(ExchangeMarket):
    """A market that shows the tops of book that it is given."""

    def __init__(self, record: MarketRecord, week: PastWeek, fees: FeeSchedule) -> None:
        strike = 0 if record.strike is None else record.strike
        terms = MarketTerms(
            ticker=record.ticker,
            market_id=record.ticker,
            event_ticker=record.event_ticker,
            series_ticker=record.series,
            floor_strike=strike,
            created_ms=record.opens_ms,
            open_ms=record.opens_ms,
            close_ms=record.closes_ms,
            settle_ms=week.clock.wall_time(TSA.settles(week.week)),
            exchange_index=record.shard,
        )
        super().__init__(terms, fees=fees, grid=record.grid or CENT_GRID)
        self._shown: dict[Side, _OnePriceSide] = {
            "bid": _OnePriceSide("bid"),
            "ask": _OnePriceSide("ask"),
        }
        self.sides = dict(self._shown)
        self.status = "inactive"

    def show(self, top: Top) -> None:
        """Show a top."""
        self._shown["bid"].show(top.bid)
        self._shown["ask"].show(top.ask)


class PastExchange:
    """The public side of the exchange in one week; times are its own."""

    def __init__(self, week: PastWeek, rng: random.Random) -> None:
        """Begin with every market paused."""
        event, records = week.event, [m for m in week.markets if m.strike is not None]
        fees = fees_of(week)
        self.state = ExchangeState(
            SimulatedExchangeSettings(
                series=event.series,
                fees=fees,
                exchange_index=records[0].shard if records else 0,
                maintenance=False,
            ),
            week.clock,
            rng,
        )
        key = Ed25519PrivateKey.generate().public_key()  # no signature is ever checked
        self._credential = Credential("past", "past", key)
        self.state.add_member(self._credential)
        self._markets = {each.ticker: _PastMarket(each, week, fees) for each in records}
        self.state.engine.markets.update(self._markets)
        opens = min((each.opens_ms for each in records), default=0)
        tickers = tuple(self._markets)
        self.state.events[event.event_ticker] = ExchangeEvent(
            event.week, event.event_ticker, tickers, opens
        )
        self._rest = RestRouter(self.state)
        self.session: StreamSession | None = None

    def connect(self) -> StreamSession:
        """Open the stream."""
        self.session = StreamSession(self.state, self._credential)
        return self.session

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Answer a read of what is public."""
        for market in self._markets.values():
            if now >= market.close_ms:
                market.status = "closed"
        return self._rest.answer_as(self._credential, request, now)

    def show(self, ticker: str, top: Top | None, now: Milliseconds) -> None:
        """Show a market's top from now on; without one, pause the market."""
        market = self._markets[ticker]
        if now >= market.close_ms:
            return
        engine = self.state.engine
        if top is None:
            if market.status == "active":
                market_actions.pause(engine, market, now)
        else:
            market.show(top)
            self._publish_book(market, now)
            if market.status == "inactive":
                market.status = "active"
                market_actions.announce(engine, market, "activated", now)
        self._publish(now)

    def trade(self, trade: Trade) -> None:
        """Publish a trade."""
        side: Side = "ask" if trade.taker_side == "no" else "bid"
        traded = Traded(trade.trade_id, trade.ticker, side, trade.price, trade.count, trade.at_ms)
        self.state.engine.facts.append(traded)
        self._publish(trade.at_ms)

    def _publish(self, now: Milliseconds) -> None:
        facts, self.state.engine.facts = self.state.engine.facts, []
        if self.session is not None:
            broadcast(self.state, [self.session], facts, now)

    def _publish_book(self, market: _PastMarket, now: Milliseconds) -> None:
        """Publish a whole book: a snapshot is one frame where changes would be several."""
        if self.session is None:
            return
        self.session.set_time(now)
        for subscription in tuple(self.session.subscriptions.values()):
            if subscription.channel == "orderbook_delta" and subscription.wants(market.ticker):
                levels = book_levels(market, no_as_yes=subscription.use_yes_price)
                message = {
                    "market_ticker": market.ticker,
                    "market_id": market.terms.market_id,
                    **{f"{side}_dollars_fp": held for side, held in levels.items() if held},
                }
                self.session.publish(subscription, "orderbook_snapshot", message)


def fees_of(week: PastWeek) -> FeeSchedule:
    """Return the fees of a week; the usual ones if they are not known."""
    return stated_fees(week) or FeeSchedule()


def stated_fees(week: PastWeek) -> FeeSchedule | None:
    """Return the event's fees, or its series' when the week opened; `None` if they are unknown."""
    opens = week.clock.wall_time(week.week.opens)
    known = [change for change in week.fees if change.at_ms <= opens or change.is_reading]
    last = max(known, key=lambda change: (change.at_ms <= opens, change.at_ms), default=None)
    kind = week.event.fee_type or (last.fee_type if last else None)
    if kind is None:
        return None
    multiplier = week.event.fee_multiplier
    if multiplier is None:
        multiplier = last.multiplier if last else None
    try:
        return FeeSchedule(kind, 1.0 if multiplier is None else multiplier / 10**6)
    except ValueError:
        return None


class PastSite(Website):
    """The pages of tsa.gov: they show every count and revision from when it was first seen."""

    def __init__(self, counts: Counts, clock: CalendarClock) -> None:
        """Show the counts at the times of their vintages."""
        days = {day: counts.latest(day) for day in counts.vintages}
        super().__init__(TSA, days, days, (), clock, "as it was")
        self._vintages = counts
        self._changes = sorted(
            {v.seen.astimezone(dt.UTC) for held in counts.vintages.values() for v in held}
        )
        self._as_of: tuple[int, Counts] = (-1, Counts())

    def published(self, year: int | None, at: dt.datetime) -> list[tuple[dt.date, int]]:
        """Return the counts of a year, by default the current one, that were seen by `at`."""
        of = at.year if year is None else year
        number = bisect_right(self._changes, at.astimezone(dt.UTC))
        if number != self._as_of[0]:
            self._as_of = number, self._vintages.as_of(at)
        seen = self._as_of[1]
        return sorted((day, seen.latest(day)) for day in seen.vintages if day.year == of)
