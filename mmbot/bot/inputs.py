"""The inputs of the bot, as values; the time of each is passed beside it."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import msgspec

from mmbot.forecast.fitting import Predictor
from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.events import InputEvent
from mmbot.trading.values import Fill
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts


class HistoryLoaded(msgspec.Struct, frozen=True):
    """The counts from the history file and the ledger at the start of the session."""

    counts: Counts


class CountsGivenUp(msgspec.Struct, frozen=True, array_like=True, tag="counts given up"):
    """All days whose counts the operator has declared missing."""

    days: tuple[dt.date, ...]


class PageFetched(msgspec.Struct, frozen=True, array_like=True, tag="page"):
    """The answer to a `FetchPage`, or `None` and the reason if none came."""

    id: int
    answer: HttpAnswer | None
    failure: str = ""


class ForecastFitted(msgspec.Struct, frozen=True):
    """A forecaster, fitted to counts whose running week is `week`."""

    predictor: Predictor
    week: Week | None


class EventsHeld(msgspec.Struct, frozen=True, array_like=True, tag="events held"):
    """Events of earlier sessions whose settlement is still to be recorded, and their fills.

    `unconfirmed` are the fills that no list of the account has confirmed; `fills` are the others.
    """

    events: tuple[str, ...]
    fills: tuple[Fill, ...] = ()
    unconfirmed: tuple[Fill, ...] = ()


class StreamOpened(msgspec.Struct, frozen=True, array_like=True, tag="opened"):
    """The stream is connected."""


class StreamClosed(msgspec.Struct, frozen=True, array_like=True, tag="closed"):
    """The connection to the stream is gone."""


class FrameReceived(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """A frame of the stream."""

    frame: bytes | str


class CallAnswered(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """The answer to a `Call`, or `None` if none came in time."""

    call_id: int
    answer: HttpAnswer | None


class EventOccurred(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """An event from the operator or the process, not from the exchange or the counts."""

    event: InputEvent


class TimerFired(msgspec.Struct, frozen=True, array_like=True, tag="timer"):
    """The time of the last `WakeAt` has come."""


BotInput: TypeAlias = (
    FrameReceived
    | CallAnswered
    | TimerFired
    | StreamOpened
    | StreamClosed
    | EventOccurred
    | PageFetched
    | ForecastFitted
    | HistoryLoaded
    | CountsGivenUp
    | EventsHeld
)
