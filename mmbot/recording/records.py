"""Records of a bot's steps, encoded as MessagePack and back: an input, its time and the outputs.

The first record of a session has the arguments of its bot; another bot with the same arguments must
give the same outputs for the inputs of the other records. Requests are recorded without the headers
that sign them, which are confidential and differ with every signing. Of a fitted forecaster, only
its answers are recorded.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from mmbot.bot.inputs import (
    BotInput,
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
from mmbot.bot.outputs import FitForecast, Output
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.fitting import Predictor
from mmbot.kalshi.gateway import Call
from mmbot.recording.outside import Outside
from mmbot.trading.operator_events import SettingsChanged
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts, Vintage
from mmbot.units import Milliseconds

# The tables of the config that decisions depend on; others hold keys and local paths.
_DECISIVE = ("mode", "exchange", "underlying", "counts", "forecast", "quoting", "limits", "orders")

# The length of the array header at the start of a message.
HEAD_BYTES = 5

# What bots did before there was a key in the table of quoting: a capture that lacks the key was
# made by one of them, and would not be replayed by the default.
_BEFORE_THE_KEY: dict[str, object] = {
    "market_sharpness": 1.0,
    "longshot_edge_cents": (0.0,) * 5,
}


class SessionRecord(msgspec.Struct, frozen=True, array_like=True, tag="session"):
    """A session began, with its bot's settings and the versions of what decisions depend on."""

    settings: Settings
    clock: CalendarClock
    session: str
    versions: dict[str, str]


class FrameRecord(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """A `FrameReceived`, as bytes even if it came as text."""

    frame: bytes


class HistoryRecord(msgspec.Struct, frozen=True, array_like=True, tag="history"):
    """A `HistoryLoaded`."""

    days: tuple[tuple[dt.date, tuple[Vintage, ...]], ...]


class FitRecord(msgspec.Struct, frozen=True, array_like=True, tag="fit"):
    """A `ForecastFitted`, without the forecaster."""

    week: Week | None


Input: TypeAlias = (
    FrameRecord
    | CallAnswered
    | TimerFired
    | StreamOpened
    | StreamClosed
    | EventOccurred
    | PageFetched
    | CountsGivenUp
    | EventsHeld
    | HistoryRecord
    | FitRecord
)
# A forecaster's answer: a belief, a number of deviations, or why it can give neither.
Forecast: TypeAlias = Belief | float | str


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One input, when it was handled, and the outputs of that step.

    Attributes:
        what: The input, or what happened outside, which has no outputs.
        now: The wall time of the step.
        outputs: The outputs as `encode_outputs` writes them.
        forecasts: The forecaster's answers during the step, in order.
    """

    what: SessionRecord | Input | Outside
    now: Milliseconds
    outputs: msgspec.Raw
    forecasts: tuple[Forecast, ...]


class _UnsignedCall(msgspec.Struct, frozen=True, tag="Call"):
    """A call without the headers that sign it."""

    id: int
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes


class _FitRequest(msgspec.Struct, frozen=True, tag="FitForecast"):
    """A `FitForecast` with a digest in place of the counts."""

    method: str
    counts: str
    week: Week | None
    error_correction: bool


_ENCODER = msgspec.msgpack.Encoder(enc_hook=str)
_DECODER = msgspec.msgpack.Decoder(list[Record])


def decisive(settings: Settings) -> Settings:
    """Return the settings that decisions depend on, with defaults for the others."""
    return Settings(**{name: getattr(settings, name) for name in _DECISIVE})


def recorded(happened: BotInput) -> Input:
    """Return an input in its recorded form."""
    match happened:
        case FrameReceived(frame):
            data = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
            return FrameRecord(data)
        case EventOccurred(SettingsChanged(settings)):
            return EventOccurred(SettingsChanged(decisive(settings)))
        case HistoryLoaded(counts):
            return HistoryRecord(tuple(counts.vintages.items()))
        case ForecastFitted():
            return FitRecord(happened.week)
        case _:
            return happened


def given(what: Input, predictor: Predictor) -> BotInput:
    """Return the input of a record, with `predictor` in place of the forecaster."""
    match what:
        case FrameRecord(frame):
            return FrameReceived(frame)
        case FitRecord(week):
            return ForecastFitted(predictor, week)
        case HistoryRecord(days):
            return HistoryLoaded(Counts(MappingProxyType(dict(days))))
        case _:
            return what


def encode(
    what: SessionRecord | Input | FrameReceived | Outside,
    now: Milliseconds,
    outputs: bytes,
    forecasts: Iterable[Forecast] = (),
) -> bytes:
    """Return the record of an input and of the outputs that `encode_outputs` wrote.

    A `FrameReceived` whose frame is bytes is encoded as its `FrameRecord`.
    """
    return _ENCODER.encode((what, now, msgspec.Raw(outputs), tuple(forecasts)))


def encode_outputs(outputs: Iterable[Output]) -> bytes:
    """Return outputs as bytes, which are equal if and only if the outputs are."""
    asked = [_without_secrets(output) for output in outputs]
    try:
        return _ENCODER.encode(asked)
    except (OverflowError, UnicodeEncodeError):
        # A number or text from the wire that cannot be encoded is no reason to fail.
        return _ENCODER.encode([ascii(asked)])


def encode_failure(error: Exception) -> bytes:
    """Return the outputs of an input at which the bot failed."""
    return _ENCODER.encode([{"type": "Failed", "error": ascii(error)}])


def _without_secrets(output: Output) -> Output | _UnsignedCall | _FitRequest:
    match output:
        case Call(call_id, request):
            return _UnsignedCall(call_id, request.method, request.path, request.query, request.body)
        case FitForecast(method, counts, week, correction):
            return _FitRequest(method, counts.digest, week, correction)
        case _:
            return output


def apart(outputs: bytes) -> list[msgspec.Raw]:
    """Return recorded outputs one by one, each still as bytes."""
    return msgspec.msgpack.decode(outputs, type=list[msgspec.Raw])


def join(records: Iterable[bytes]) -> bytes:
    """Return several records as one message, which `split` takes apart."""
    parts = list(records)
    return b"".join((head(len(parts)), *parts))


def head(count: int) -> bytes:
    """Return the first `HEAD_BYTES` of a message of `count` records."""
    return b"\xdd" + count.to_bytes(4, "big")


def split(message: bytes) -> list[Record]:
    """Return the records in a message.

    Raises:
        BadInput: They were written by another version.
    """
    try:
        records = _DECODER.decode(message)
    except msgspec.MsgspecError as error:
        raise BadInput(
            f"a record cannot be read by this version of mmbot ({error}); replay it with the "
            "version that wrote it"
        ) from None
    if records and isinstance(records[0].what, SessionRecord):
        records[0] = _as_it_quoted(records[0], records[0].what, message)
    return records


def _as_it_quoted(first: Record, begun: SessionRecord, message: bytes) -> Record:
    """Return the record of a session's beginning with the quoting settings that its bot knew."""
    _, settings, *_ = msgspec.msgpack.decode(message)[0][0]
    older = {k: value for k, value in _BEFORE_THE_KEY.items() if k not in settings["quoting"]}
    quoting = msgspec.structs.replace(begun.settings.quoting, **older)
    replaced = msgspec.structs.replace(begun.settings, quoting=quoting)
    what = msgspec.structs.replace(begun, settings=replaced)
    return msgspec.structs.replace(first, what=what)
