"""One recorded session, given to a new bot with a paper exchange of its own; see `retrade`."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from mmbot.bot import driver
from mmbot.bot.bot import Bot
from mmbot.bot.driver import Driver, execute
from mmbot.bot.inputs import (
    BotInput,
    CallAnswered,
    EventOccurred,
    EventsHeld,
    ForecastFitted,
    FrameReceived,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import FetchPage, FitForecast
from mmbot.config import Settings
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.paper.paper_trading import PaperTrading, passes
from mmbot.recording import records
from mmbot.recording.outside import (
    AlreadyRead,
    AnswerArrived,
    AnsweredInside,
    FrameArrived,
    OrdersAged,
    PaperBegan,
    TapeBegan,
)
from mmbot.recording.records import FitRecord, Record, SessionRecord
from mmbot.recording.replay import Unsigning
from mmbot.research.again import Fit, RetradeLedger, SessionSummary, mids_of, process_event
from mmbot.research.real_account import WithoutAccount
from mmbot.research.recorded_beliefs import RecordedBeliefs
from mmbot.research.recorded_market import (
    Books,
    RecordedReadings,
    RecordedStream,
    books_of,
    read_frame,
)
from mmbot.research.recorded_requests import (
    RecordedPages,
    RecordedRequests,
    UnrecordedCalls,
    frame_of,
)
from mmbot.trading.commands import Note
from mmbot.trading.state import TradingState
from mmbot.trading.values import Intervals
from mmbot.units import Milliseconds

# The daemon lets time pass for its paper orders once a second: whatever was due so long ago has
# been found there too.
_AGEING_MS: Milliseconds = 1_200
_AGED_EVERY_MS: Milliseconds = 1_500
# A timer on record fires late while the process is busy, but not as late as that.
_LATEST_TIMER_MS: Milliseconds = 10_000
# From a decision to its effect, about what it takes a daemon on paper.
_DELAY_MS: Milliseconds = 2
# A bot never makes more requests at one instant; more would be an endless loop.
_MOST_AT_ONCE = 10_000


class TradedSession:
    """A new bot and its paper exchange, given what happened on record; executes the outputs."""

    def __init__(
        self,
        begun: SessionRecord,
        paper: PaperBegan,
        settings: Settings,
        ledger: RetradeLedger,
        fit: Fit | None,
        *,
        is_first: bool,
        real_orders: bool,
        follows: bool,
        intervals: Intervals,
    ) -> None:
        """Begin before the first record.

        Args:
            begun: The beginning of the session on record.
            paper: The beginning of the new bot's paper exchange.
            settings: Those of the new bot.
            ledger: What the new bot has kept in earlier sessions, and keeps in this one.
            fit: Fits a forecaster; `None` where the recorded beliefs are the new bot's too.
            is_first: Whether the new bot begins with what the one on record held.
            real_orders: Whether the bot on record traded real orders, which are to be taken out.
            follows: Whether settings that were changed on record are changed for the new bot too.
            intervals: How often the new bot looks at what it has not been told.
        """
        self._follows = follows
        self.summary = SessionSummary(begun.session, begun.clock, real_orders=real_orders)
        self._ledger = ledger
        self._is_first = is_first
        self._beliefs = RecordedBeliefs()
        self._fit = fit
        rng = random.Random(begun.session)  # noqa: S311 (the recorder's)
        self._bot = Bot(settings, begun.clock, Unsigning(), begun.session, rng, intervals)
        self._driver = Driver(self._bot.handle, self._clock, lambda output: execute(output, self))
        self._patience: Milliseconds = round(settings.orders.answer_timeout_seconds * 1000)
        self._account = WithoutAccount() if real_orders else None
        self._paper = PaperTrading(paper)
        self._asked, self._readings = RecordedRequests(), RecordedReadings()
        self._stream, self._pages = RecordedStream(), RecordedPages()
        self._now: Milliseconds = 0
        # When the inputs of the step were handled on record.
        self._times: deque[Milliseconds] = deque()
        self._aged: Milliseconds = 0
        self._due: Milliseconds | None = None
        self._calls = UnrecordedCalls()
        self._commands: list[bytes] = []
        self._books: Books = {}
        self._connected = self._reconnecting = False
        self._fit_wanted: FitForecast | None = None

    @property
    def state(self) -> TradingState:
        """The new bot's."""
        return self._bot.engine.state

    # What happened on record

    def step(self, cause: Record, caused: list[Record]) -> None:
        """Give the new bot what one recorded cause means for it."""
        self._pass_time(cause.now)
        self.summary.last = self._now = max(self._now, cause.now)
        if isinstance(cause.what, TimerFired):
            timer_is_same, self._asked.due = self._due == self._asked.due, None
        else:
            timer_is_same = False
        step = (cause, *caused)
        self._asked.begin_step(step)
        missed = self._beliefs.learn(answer for each in step for answer in each.forecasts)
        self._times = deque(each.now for each in caused)
        self._happen(cause, caused, timer_is_same=timer_is_same)
        if missed and self._fit is None:
            self._handle(ForecastFitted(self._beliefs, None))
        self._serve()

    def finish(self) -> None:
        """Let what is still on its way take effect."""
        self._pass_time(self._now + _DELAY_MS)
        self.summary.mids |= mids_of(self.state)

    def _happen(self, cause: Record, caused: list[Record], *, timer_is_same: bool) -> None:
        what = cause.what
        match what:
            case FrameArrived(frame):
                data = frame_of(frame, caused)
                if data is not None:
                    self._frame_arrived(data, cause.now)
            case AnsweredInside():
                self._answered_inside(caused, cause.now)
            case AnswerArrived():
                self._answer_arrived(caused, cause.now)
            case OrdersAged():
                self._age(cause.now)
                self._give_frames()
            case AlreadyRead(path, query, answer):
                request = HttpRequest("GET", path, query)
                self._readings.learn(request, answer)
                self._paper.observe_answer(request, answer, cause.now)
            case TimerFired():
                if timer_is_same or (self._due is not None and self._due <= cause.now):
                    self._due = None
                    self._give(cause, what)
            case StreamOpened():
                self._stream_opened(cause)
            case StreamClosed():
                self._stream_closed(cause)
            case PageFetched():
                self._page_fetched(cause, what)
            case FitRecord(week):
                wanted = self._fit_wanted
                fitted = self._fit(wanted) if self._fit and wanted else self._beliefs
                self._give(cause, ForecastFitted(fitted, week))
            case EventsHeld() | EventOccurred():
                earlier = None if self._is_first else self._ledger
                given = process_event(what, earlier, follows=self._follows)
                if given is not None:
                    self._give(cause, given)
            case PaperBegan() | TapeBegan() | SessionRecord():
                pass
            case _:
                self._give(cause, records.given(what, self._beliefs))

    def _give(self, cause: Record, happened: BotInput) -> None:
        """Give the bot an input that is not the paper exchange's, at its recorded time."""
        self._times.appendleft(cause.now)
        self._handle(happened)

    def _stream_opened(self, cause: Record) -> None:
        self._connected = True
        if self._account is not None:
            self._account.connected()
        self._paper.connected()
        self._give(cause, StreamOpened())

    def _stream_closed(self, cause: Record) -> None:
        self.summary.interruptions += 1
        self._connected = False
        self._stream.closed()
        self._paper.disconnected()
        self._give(cause, StreamClosed())

    def _frame_arrived(self, data: bytes, now: Milliseconds) -> None:
        self.summary.frames += 1
        self._aged = now
        if self._account is not None:
            public = self._account.public(data)
            if public is None:
                return
            data = public
        data = read_frame(data, self._stream, self._readings)
        for frame in self._paper.incoming(data, now):
            self._handle(FrameReceived(frame))

    def _answered_inside(self, caused: Sequence[Record], now: Milliseconds) -> None:
        self._aged = now
        call = None
        if caused and isinstance(caused[0].what, CallAnswered):
            _, call = self._asked.take(caused[0].what.call_id)
        if call is None:
            self._paper.advance(now)
        else:
            self._handle(CallAnswered(call.id, self._paper.answer(call.request, now)))
            self._give_frames()

    def _answer_arrived(self, caused: Sequence[Record], now: Milliseconds) -> None:
        self._aged = now
        if not caused or not isinstance(caused[0].what, CallAnswered):
            return
        answer = caused[0].what.answer
        request, call = self._asked.take(caused[0].what.call_id)
        if request is not None and passes(request):
            self._paper.observe_answer(request, answer, now)
            if answer is not None:
                self._readings.learn(request, answer)
        if call is not None:
            # If the bot on record traded real orders, the answers to these are made here as well.
            inside = self._paper.answer(call.request, now)
            self._handle(CallAnswered(call.id, answer if inside is None else inside))
        self._give_frames()
        if request is not None and answer is not None:
            for each in self._calls.answered_by(request):
                self._handle(CallAnswered(each.id, answer))

    def _page_fetched(self, cause: Record, fetched: PageFetched) -> None:
        given = self._pages.read(self._asked.pages.pop(fetched.id, ""), fetched)
        if given is not None:
            self._give(cause, given)

    # What only the new bot does

    def _pass_time(self, until: Milliseconds) -> None:
        """Let everything happen that is due before the next record, but on record not at all."""
        self._times.clear()
        for _ in range(_MOST_AT_ONCE):
            timer = None if self._is_timer_on_record(until) else self._due
            sent = self._calls.next_due
            due = min((each for each in (timer, sent) if each is not None), default=None)
            if due is None or due > until:
                break
            self._now = max(self._now, due)
            if due == sent:
                self._answer(self._calls.pop())
            else:
                self._due = None
                self._handle(TimerFired())
            self._serve()
        for call, deadline in self._calls.given_up(until):
            self.summary.unserved += 1
            self._now = max(self._now, deadline)
            self._handle(CallAnswered(call.id, None))
            self._serve()
        if self._aged and until > self._aged + _AGED_EVERY_MS:
            self._now = max(self._now, until - _AGEING_MS)
            self._age(until - _AGEING_MS)
            self._give_frames()
            self._serve()

    def _is_timer_on_record(self, until: Milliseconds) -> bool:
        """Return whether the bot on record waits for the same instant, and its timer is to come."""
        due = self._due
        return due is not None and due == self._asked.due and until <= due + _LATEST_TIMER_MS

    def _age(self, now: Milliseconds) -> None:
        self._aged = now
        self._paper.advance(now)

    def _serve(self) -> None:
        """Serve at once what the bot has requested and the one on record has not."""
        for _ in range(_MOST_AT_ONCE):
            if self._reconnecting:
                self._reconnect()
            elif self._commands:
                for frame in self._stream.answers(self._commands.pop(0), self._known_books):
                    for given in self._paper.insert(frame, self._now):
                        self._handle(FrameReceived(given))
            elif (fetched := self._pages.take()) is not None:
                self._handle(fetched)
            else:
                return
        raise RuntimeError(f"the bot asks for more than {_MOST_AT_ONCE:,} things at one instant")

    def _answer(self, call: Call) -> None:
        answer: HttpAnswer | None = self._paper.answer(call.request, self._now)
        if answer is None:
            answer = self._readings.answer(call.request)
            if answer is None:
                self._calls.wait(call, self._now + self._patience)
                return
        self._handle(CallAnswered(call.id, answer))
        self._give_frames()

    def _reconnect(self) -> None:
        self._reconnecting = False
        if not self._connected:
            return
        self._books = self._known_books()
        self._stream.resumed(self._paper.last_numbers())
        self._paper.disconnected()
        self._handle(StreamClosed())
        self._paper.connected()
        self._handle(StreamOpened())

    def _known_books(self) -> Books:
        self._books |= books_of(self._paper.markets())
        return self._books

    # The bot

    def _clock(self) -> Milliseconds:
        if self._times:
            self._now = max(self._now, self._times.popleft())
        return self._now

    def _handle(self, happened: BotInput) -> None:
        self._driver.handle(happened)

    def _give_frames(self) -> None:
        for frame in self._paper.take():
            self._handle(FrameReceived(frame))

    def send_call(self, call: Call) -> None:
        """Have it served as the recorded one, or a moment later."""
        if not self._asked.is_made(call):
            self._calls.send(call, self._now + _DELAY_MS)

    def transmit(self, frame: bytes) -> None:
        """Have it answered by the record, or at the end of the step."""
        sent = self._paper.outgoing(frame, self._now)
        if not self._asked.is_sent(frame):
            self._commands += sent
        self._give_frames()

    def reconnect(self) -> None:
        """Open another stream when the one on record is, or at the end of the step."""
        if not self._asked.is_reconnecting():
            self._reconnecting = True

    def set_timer(self, at: Milliseconds) -> None:
        """Fire the one timer at `at`."""
        self._due = at

    def fetch_page(self, page: FetchPage) -> None:
        """Have it answered by the record."""
        self._pages.ask(page)

    def fit_forecast(self, fit: FitForecast) -> None:
        """Fit when that is done on record."""
        self._fit_wanted = fit

    def record(self, record: driver.Record) -> None:
        """Keep it."""
        self._ledger.write(record)

    def log(self, note: Note) -> None:
        """Count it."""
        self.summary.notes[note.name] += 1

    def counts_unavailable(self, reason: str) -> None:
        """Wait as the recorded session did."""

    def sweep_confirmed(self) -> None:
        """End with the recording."""
