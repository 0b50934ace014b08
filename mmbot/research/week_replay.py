"""A past week traded again: the whole bot, in virtual time, on the trades that happened.

The week's counts appear on the pages when they were first seen, its trades and candles make the
books (`past_books`), and the bot's orders go to the paper exchange. An order fills when a trade
goes strictly through its price or, if a queue is given, at its price in its turn, and never for
more than the trade's size. Trades that fill no order and change no book are not passed to the bot.
No connection fails here, so orders live until their market closes and a silent stream is trusted.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from mmbot.bot.bot import Bot
from mmbot.bot.driver import Driver, Record, execute
from mmbot.bot.inputs import (
    CallAnswered,
    EventOccurred,
    EventsHeld,
    ForecastFitted,
    FrameReceived,
    HistoryLoaded,
    PageFetched,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import FetchPage, FitForecast, Output
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.faultlab.scheduler import Scheduler
from mmbot.forecast.fitting import Predictor
from mmbot.history.rows import Candle, Trade
from mmbot.history.weeks import PastEvent, Release
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpRequest
from mmbot.paper.paper_trading import PaperTrading
from mmbot.recording.outside import PaperBegan
from mmbot.recording.replay import Unsigning
from mmbot.research.past_books import PastBooks
from mmbot.research.past_exchange import PastExchange, PastSite
from mmbot.research.replayed_week import (
    FillRules,
    PredictorSource,
    ReplayedWeek,
    WeekToReplay,
    outcomes,
)
from mmbot.research.unguarded import UNGUARDED_INTERVALS, unguarded
from mmbot.research.week_path import LOOKED_EVERY_MS, PathKeeper
from mmbot.trading.book import Top
from mmbot.trading.commands import (
    MarketSample,
    Markout,
    Note,
    RecordFill,
    RecordViews,
    VoidFill,
)
from mmbot.trading.events import SessionStarted
from mmbot.underlying.calendar import Week
from mmbot.units import Milliseconds, Money, Price

# The bot starts this long before the opening, when the counts of Monday morning are out.
_LEAD_MS: Milliseconds = 300_000
_AFTER_CLOSE_MS: Milliseconds = 60_000
_READING_MS: Milliseconds = 40


def replay_week(
    week: WeekToReplay,
    settings: Settings,
    cash: Money,
    fit: PredictorSource,
    rules: FillRules | None = None,
    decided: Callable[[Sequence[Output], Milliseconds], None] | None = None,
    path: PathKeeper | None = None,
) -> ReplayedWeek:
    """Return what a bot with these settings and this cash would have done in a week.

    Args:
        week: The week.
        settings: The bot's settings; its orders live until the close whatever they say.
        cash: The account's cash at its start.
        fit: Fits a forecast.
        rules: How orders fill.
        decided: Called with what the bot decided, and when.
        path: Keeps what the bot saw and quoted, if that is wanted.

    Raises:
        BadInput: A market of the week has no result.
    """
    return _Replay(week, settings, cash, fit, rules or FillRules(), decided, path).run()


class _Replay:
    """The process of one week; it executes the bot's outputs."""

    def __init__(
        self,
        week: WeekToReplay,
        settings: Settings,
        cash: Money,
        fit: PredictorSource,
        rules: FillRules,
        decided: Callable[[Sequence[Output], Milliseconds], None] | None,
        path: PathKeeper | None,
    ) -> None:
        past = week.past
        self._path = path
        self._week, self._rules, self._fit = week, rules, fit
        self._outcomes = outcomes(past)
        self._tickers = {each.ticker: each for each in self._outcomes}
        self._clock = past.clock
        opens = past.clock.wall_time(past.week.opens)
        self._start = opens - round(_LEAD_MS / past.clock.speed)
        closes = max(m.closes_ms for m in past.markets if m.ticker in self._tickers)
        self._end = closes + _AFTER_CLOSE_MS
        self._scheduler = Scheduler(self._start)
        name = past.event.event_ticker
        self._exchange = PastExchange(past, random.Random(f"past {name}"))  # noqa: S311
        self._site = PastSite(week.counts, past.clock)
        self._books = PastBooks(self._tickers, week.with_minutes, rules.holds_ms)
        self._shown: dict[str, Top | None] = dict.fromkeys(self._tickers)
        self._checks: dict[str, Milliseconds] = {}
        self._last_trade: dict[str, Price] = {}
        settings = msgspec.structs.replace(unguarded(settings), mode="paper")
        ids = random.Random(f"paper {name}").getrandbits(63)  # noqa: S311
        series = past.event.series
        subaccount = settings.exchange.subaccount
        self._paper = PaperTrading(PaperBegan(series, subaccount, cash, (), ids), rules.queue_ahead)
        bot_rng = random.Random(f"bot {name}")  # noqa: S311
        self._bot = Bot(settings, past.clock, Unsigning(), "replay", bot_rng, UNGUARDED_INTERVALS)
        self._driver = Driver(self._bot.handle, lambda: self._scheduler.now, self._execute, decided)
        self._timer_due: Milliseconds | None = None
        self._trading = False
        self._fills: dict[tuple[str, str], RecordFill] = {}
        self._markouts: list[Markout] = []
        self._samples: list[MarketSample] = []
        self._day_ends: dict[dt.date, dict[str, float]] = {}
        self._trades = self._changes = 0

    def run(self) -> ReplayedWeek:
        """Let the week happen."""
        started = self._clock.at(self._start)
        self._driver.handle(HistoryLoaded(self._week.counts.as_of(started)))
        for day in self._week.past.week.days:
            end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), started.tzinfo)
            self._scheduler.at(self._clock.wall_time(end), partial(self._note_day, day))
        if self._path is not None:
            self._look(self._path)
        for event in self._week.events():
            at = event.end_ms if isinstance(event, Candle) else event.at_ms
            if at > self._end:
                break
            self._advance(at)
            self._happen(event, at)
        self._advance(self._end)
        return self._result()

    def _advance(self, until: Milliseconds) -> None:
        scheduler = self._scheduler
        while (due := scheduler.next_due) is not None and due <= until:
            scheduler.pop_next()()
        scheduler.advance_to(until)

    # The market

    def _happen(self, event: PastEvent, at: Milliseconds) -> None:
        if isinstance(event, Trade):
            self._trade(event)
        elif isinstance(event, Candle):
            if self._books.candle(event):
                self._show(event.ticker)
        elif isinstance(event, Release):
            self._release(at)

    def _trade(self, trade: Trade) -> None:
        if trade.ticker not in self._tickers or trade.is_block:
            return
        self._trades += 1
        self._last_trade[trade.ticker] = trade.price
        if self._paper.reached_by(trade.ticker, trade.price):
            self._exchange.trade(trade)
            self._deliver()
        if self._books.trade(trade):
            self._show(trade.ticker)

    def _release(self, at: Milliseconds) -> None:
        known_again = self._books.release(at)
        self._show_all()
        self._scheduler.at(known_again, self._show_all)

    def _show_all(self) -> None:
        for ticker in self._tickers:
            self._show(ticker)

    def _show(self, ticker: str) -> None:
        """Show the bot a book that has changed."""
        now = self._scheduler.now
        top = self._books.top(ticker, now)
        if top is not None:
            self._show_until(ticker, now)
        if top == self._shown[ticker]:
            return
        self._shown[ticker] = top
        self._changes += 1
        self._exchange.show(ticker, top, now)
        self._deliver()

    def _show_until(self, ticker: str, now: Milliseconds) -> None:
        """Look at a book again when it may have stopped being known."""
        until = self._books.known_until(ticker)
        if until is not None and self._checks.get(ticker, 0) <= now:
            self._checks[ticker] = until
            self._scheduler.at(until, partial(self._show, ticker))

    def _deliver(self) -> None:
        """Bring the bot what is on the stream."""
        session = self._exchange.session
        if session is None:
            return
        now, outbox = self._scheduler.now, session.outbox
        while outbox:
            for frame in self._paper.incoming(outbox.popleft(), now):
                self._driver.handle(FrameReceived(frame))

    def _deliver_own(self) -> None:
        for frame in self._paper.take():
            self._driver.handle(FrameReceived(frame))

    def _look(self, path: PathKeeper) -> None:
        path.look(self._bot.engine.state, self._scheduler.now)
        again = round(LOOKED_EVERY_MS / self._clock.speed)
        self._scheduler.after(again, partial(self._look, path))

    def _note_day(self, day: dt.date) -> None:
        ends = self._day_ends[day] = {}
        for ticker in self._tickers:
            top = self._books.top(ticker, self._scheduler.now)
            if top is not None and top.bid is not None and top.ask is not None:
                ends[ticker] = (top.bid + top.ask) / 20_000
            elif ticker in self._last_trade:
                ends[ticker] = self._last_trade[ticker] / 10_000

    # The bot's outputs

    def _execute(self, output: Output) -> None:
        execute(output, self)

    def send_call(self, call: Call) -> None:
        """Carry a request to whom it concerns after the delay."""
        self._scheduler.after(self._rules.delay_ms, partial(self._serve, call))

    def _serve(self, call: Call) -> None:
        now, request = self._scheduler.now, call.request
        answer = self._paper.answer(request, now)
        if answer is None:
            answer = self._exchange.answer(request, now)
            self._paper.observe_answer(request, answer, now)
        # What the stream tells of a write comes first: until a cancelled order has left the book,
        # the bot takes it for another's.
        self._deliver_own()
        self._driver.handle(CallAnswered(call.id, answer))

    def transmit(self, frame: bytes) -> None:
        """Send a frame; the answers are there at once, after this step."""
        now, session = self._scheduler.now, self._exchange.session
        for sent in self._paper.outgoing(frame, now):
            if session is not None:
                session.receive(sent, now)
        self._scheduler.at(now, self._deliver)
        self._scheduler.at(now, self._deliver_own)

    def reconnect(self) -> None:
        """Open the stream again."""
        self._scheduler.after(self._rules.delay_ms, self._connect)

    def _connect(self) -> None:
        self._paper.disconnected()
        self._paper.connected()
        self._exchange.connect()
        self._driver.handle(StreamOpened())

    def set_timer(self, at: Milliseconds) -> None:
        """Fire a timer at `at`."""
        due = max(at, self._scheduler.now)
        if due != self._timer_due:
            self._timer_due = due
            self._scheduler.at(due, partial(self._fire_timer, due))

    def _fire_timer(self, due: Milliseconds) -> None:
        if due == self._timer_due:
            self._timer_due = None
            self._paper.advance(self._scheduler.now)
            self._deliver_own()
            self._driver.handle(TimerFired())

    def fetch_page(self, page: FetchPage) -> None:
        """Read a page as it was."""
        request = HttpRequest("GET", page.path, headers=page.headers)
        answer = self._site.answer(request, self._scheduler.now)
        fetched = PageFetched(page.id, answer)
        self._scheduler.after(_READING_MS, partial(self._driver.handle, fetched))

    def fit_forecast(self, fit: FitForecast) -> None:
        """Fit a forecaster; trading begins with the first."""
        predictor = self._fit(fit)
        self._scheduler.after(_READING_MS, partial(self._fitted, predictor, fit.week))

    def _fitted(self, predictor: Predictor, week: Week | None) -> None:
        self._driver.handle(ForecastFitted(predictor, week))
        if not self._trading:
            self._trading = True
            self._driver.handle(EventsHeld(()))
            self._driver.handle(EventOccurred(SessionStarted(self._scheduler.now, ())))
            self._connect()

    def record(self, record: Record) -> None:
        """Keep what the report is made of."""
        match record:
            case RecordFill():
                self._fills.setdefault(record.fill.key, record)
            case VoidFill():
                self._fills.pop(record.fill.key, None)
            case RecordViews():
                self._markouts += record.markouts
                self._samples += record.samples
            case _:
                pass

    def log(self, note: Note) -> None:
        """Drop the line: no log is kept."""

    def counts_unavailable(self, reason: str) -> None:
        """End the replay: there is nothing to forecast from."""
        event = self._week.past.event.event_ticker
        raise BadInput(f"{event} cannot be replayed: {reason}")

    def sweep_confirmed(self) -> None:
        """Do nothing: the bot is not stopped."""

    def _result(self) -> ReplayedWeek:
        fills = tuple(sorted(self._fills.values(), key=lambda each: each.fill.at))
        return ReplayedWeek(
            event=self._week.past.event.event_ticker,
            clock=self._clock,
            markets=self._outcomes,
            fills=fills,
            markouts=tuple(self._markouts),
            samples=tuple(self._samples),
            later={each.fill.key: self._worth_later(each) for each in fills},
            trades=self._trades,
            shown=self._changes,
            path=None
            if self._path is None
            else self._path.path(self._week.past.event.event_ticker),
        )

    def _worth_later(self, filled: RecordFill) -> float:
        ticker, at = filled.fill.ticker, self._clock.at(filled.fill.at)
        next_day = self._day_ends.get(at.date() + dt.timedelta(days=1), {})
        return next_day.get(ticker, self._tickers[ticker].payout / 10_000)
