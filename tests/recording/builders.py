"""A short session of a bot on the record."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from mmbot.bot.inputs import (
    CallAnswered,
    CountsGivenUp,
    EventOccurred,
    EventsHeld,
    ForecastFitted,
    FrameReceived,
    HistoryLoaded,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import FetchPage, FitForecast, Output
from mmbot.config import CountsSettings, Settings
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer
from mmbot.recording.recorder import RecordedBot
from mmbot.trading.events import SessionStarted
from mmbot.trading.operator_events import Stopping
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts
from tests.kalshi.builders import SIGNER

_T = TypeVar("_T")
SESSION, VERSIONS = "session", {"mmbot": "1", "numpy": "2"}
SATURDAY, SUNDAY, MONDAY = (dt.date(2026, 11, day) for day in (21, 22, 23))
SETTINGS = Settings(counts=CountsSettings(first_year=2026))
NOW = 1_795_539_600_000
PRIVATE = ("fill", "user_orders", "order_group_updates", "market_lifecycle_v2")


def begin(keep: Callable[[bytes], None], settings: Settings | None = None) -> RecordedBot:
    return RecordedBot(
        settings or SETTINGS,
        CalendarClock(),
        SIGNER,
        SESSION,
        random.Random(SESSION),
        keep=keep,
        versions=VERSIONS,
    )


def subscribed(number: int) -> str:
    """The frame that confirms the subscription of a private channel."""
    message = {"channel": PRIVATE[number - 1], "sid": number}
    return orjson.dumps({"type": "subscribed", "id": number, "msg": message}).decode()


class Forecasts:
    """Believes the same of every week; judges every count as rather high, but one day's not."""

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        days = len(counts.published_days(week))
        above = tuple(0.5 for _ in strikes)
        return Belief(week, days, tuple(strikes), above, 2.5e6, 8e4, "test", counts.digest)

    def deviations(self, _counts: Counts, day: dt.date, _count: int) -> float:
        if day == SUNDAY:
            raise BadInput("too few weeks")
        return 2.5


def page(*rows: str) -> HttpAnswer:
    """Return the current page with these rows of cells."""
    head = "<tr><th>Date</th><th>Numbers</th></tr>"
    body = f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    return HttpAnswer(200, body.encode(), (("ETag", '"1"'),))


ROWS = (
    "<tr><td>11/23/2026</td><td>2,700,000</td></tr>",
    "<tr><td>11/22/2026</td><td>2,600,000</td></tr>",
)


def live(bot: RecordedBot) -> None:
    """Give the bot an input of each kind."""
    counts, _ = Counts().observe(SATURDAY, 2_500_000, assumed_release(SATURDAY))
    bot.handle(EventsHeld(("KXTSAW-26NOV29",)), NOW)
    (fetch,) = only(FetchPage, bot.handle(HistoryLoaded(counts), NOW))
    (fit,) = only(FitForecast, bot.handle(PageFetched(fetch.id, page(*ROWS[1:])), NOW))
    bot.handle(ForecastFitted(Forecasts(), fit.week), NOW)
    (fetch,) = only(FetchPage, bot.handle(EventOccurred(SessionStarted(NOW)), NOW))
    bot.handle(CountsGivenUp((MONDAY,)), NOW)
    bot.handle(StreamOpened(), NOW)
    calls: list[Call] = []
    for number in range(1, len(PRIVATE) + 1):
        calls += only(Call, bot.handle(FrameReceived(subscribed(number)), NOW + number))
    bot.handle(CallAnswered(calls[0].id, HttpAnswer(500, b"{}")), NOW + 40)
    bot.handle(PageFetched(fetch.id, page(*ROWS)), NOW + 50)
    bot.handle(TimerFired(), NOW + 3_000)
    bot.handle(EventOccurred(Stopping()), NOW + 3_001)
    bot.handle(StreamClosed(), NOW + 3_002)


def only(kind: type[_T], outputs: list[Output]) -> list[_T]:
    return [output for output in outputs if isinstance(output, kind)]


def session() -> list[bytes]:
    records: list[bytes] = []
    live(begin(records.append))
    return records
