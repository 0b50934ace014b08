"""A simulated exchange with a past, in virtual time, and a fetch from it without sockets."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.crowd import Pace
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.history.doubts import Doubts
from mmbot.history.fetch_plan import held_of, take_listing, unfinished
from mmbot.history.listing import list_weeks, read_cutoff, read_fees
from mmbot.history.market_fetch import fetch_market
from mmbot.history.rows import PERIODS, Outcome, Period, Trade
from mmbot.history.steps import Steps
from mmbot.history.store import HistoryStore
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import Count, Milliseconds, Money, Price

_T = TypeVar("_T")

SERIES = "KXTSAW"
WEEK = Week(dt.date(2026, 4, 19))
BEFORE = Week(dt.date(2026, 4, 12))
EVENT, EVENT_BEFORE = WEEK.event_ticker(SERIES), BEFORE.event_ticker(SERIES)
TICKER = f"{EVENT}-A2.45"
STRIKES = (2_400_000, 2_450_000, 2_500_000)
DAY_MS: Milliseconds = 86_400_000
# Two days after the week was settled, and two days after it was opened.
SETTLED, RUNNING = WEEK.settles + dt.timedelta(days=2), WEEK.opens + dt.timedelta(days=2)

# What becomes of an answer on its way: nothing, unless a test wants otherwise.
Change = Callable[[HttpRequest, HttpAnswer], HttpAnswer]


class PastExchange:
    """Two weeks that were traded by a crowd, the later one up to `now`, which is calendar time."""

    def __init__(
        self, until: dt.datetime = SETTLED, *, change: Change | None = None, **settings: Any
    ) -> None:
        self.change = change
        self.rows_a_page: int | None = None
        self.is_deaf_to_cursors = False
        # How far the clock of whoever fetches is ahead.
        self.ahead_ms: Milliseconds = 0
        self.asked: list[HttpRequest] = []
        # A week takes long to play, and every test may go on from there as it likes.
        self.site = copy.deepcopy(_played(until, tuple(sorted(settings.items()))))
        self.now = to_milliseconds(until)

    @property
    def clock(self) -> CalendarClock:
        return self.site.venue.exchange.clock

    def wait_until(self, at: dt.datetime) -> None:
        self.now = to_milliseconds(at)
        self.site.venue.advance(self.now)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        self.asked.append(request)
        self.now += 100
        query = request.query
        if self.rows_a_page is not None:
            limit = str(self.rows_a_page)
            query = tuple((k, limit if k == "limit" else v) for k, v in query)
        if self.is_deaf_to_cursors:
            query = tuple((k, v) for k, v in query if k != "cursor")
        full = HttpRequest(request.method, BASE_PATH + request.path, query)
        answer = self.site.venue.handle(full, self.now)
        return self.change(request, answer) if self.change else answer

    def run(self, steps: Steps[_T]) -> _T:
        """Run a part of a fetch to its end."""
        try:
            request = next(steps)
            for _ in range(10_000):
                request = steps.send(self.answer(request))
        except StopIteration as end:
            result: _T = end.value
            return result
        raise AssertionError("it asks without end")

    def fetch(
        self,
        store: HistoryStore,
        periods: tuple[Period, ...] = PERIODS,
        *,
        weeks: tuple[Week, ...] = (),
    ) -> None:
        """Fetch everything that is not there, as the command does."""
        wanted = weeks or (BEFORE, WEEK)
        todo = unfinished(store, SERIES, wanted, periods)
        fees = self.run(read_fees(SERIES, store.fees(SERIES), self.now, Doubts()))
        store.put_fees(SERIES, fees)
        if not todo:
            return
        cutoff = self.run(read_cutoff(Doubts()))
        at = self.clock.at(self.now)
        listed = self.run(list_weeks(SERIES, todo, cutoff, self.clock, at))
        for job in take_listing(store, SERIES, todo, listed, periods):
            market, held = job.market, held_of(store, job.market)
            now = self.now + self.ahead_ms
            found = self.run(fetch_market(job, held, cutoff, periods, now))
            store.put_market(
                market.event_ticker, market.ticker, found.trades, found.candles, found.entry
            )

    def ledger(self, event: str) -> dict[str, list[Trade]]:
        """Return the exchange's own trades of an event, by market."""
        tape: dict[str, list[Trade]] = {
            t: [] for t in self.site.venue.exchange.events[event].tickers
        }
        sides: Mapping[str, Outcome] = {"bid": "yes", "ask": "no"}
        for _, traded in self.site.venue.exchange.history.trades:
            if traded.ticker in tape:
                side = sides[traded.side]
                trade = Trade(
                    traded.at,
                    traded.ticker,
                    traded.trade_id,
                    traded.price,
                    traded.count,
                    side,
                    False,
                )
                tape[traded.ticker].append(trade)
        return tape


@cache
def _played(until: dt.datetime, settings: tuple[tuple[str, Any], ...]) -> SimulatedExchange:
    start = to_milliseconds(BEFORE.opens) - 3_600_000
    usual: dict[str, Any] = {"candles": True, "strikes": STRIKES, "tier": "prestige"}
    site = assemble(
        settings=SimulatedExchangeSettings(**usual | dict(settings)),
        clock=CalendarClock(start, start, 1.0),
        week=WEEK,
        published=synthetic_counts(WEEK, 1),
        public_key=Ed25519PrivateKey.generate().public_key(),
        balance=Money(10**10),
        seed=1,
        pace=Pace(takers=4.0, refreshes=4.0),
        past_weeks=1,
    )
    site.venue.advance(to_milliseconds(until))
    return site


def kept(store: HistoryStore, event: str) -> dict[str, list[Trade]]:
    """Return what is kept of an event's trades, by market."""
    held: dict[str, list[Trade]] = {ticker: [] for ticker in store.manifest(event).markets}
    for trade in store.trades(event):
        held[trade.ticker].append(trade)
    return held


def trade(at: int = 1_000, trade_id: str = "a", **other: Any) -> Trade:
    """Return a trade that is like any other."""
    usual: dict[str, Any] = {
        "ticker": TICKER,
        "price": Price(5_000),
        "count": Count(100),
        "taker_side": "yes",
        "is_block": False,
    }
    return Trade(at_ms=at, trade_id=trade_id, **usual | other)


def changed_rows(field: str, edit: Callable[[list[Any]], list[Any]]) -> Callable[[bytes], bytes]:
    """Return what edits the rows of a page."""

    def change(body: bytes) -> bytes:
        page = msgspec.json.decode(body)
        page[field] = edit(page[field])
        return msgspec.json.encode(page)

    return change
