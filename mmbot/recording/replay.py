"""Replays a recorded session into a fresh bot, and compares the outputs of the two.

The forecaster's answers are taken from the record. Requests are not signed.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from mmbot.bot.bot import Bot
from mmbot.bot.driver import Driver
from mmbot.bot.inputs import (
    CallAnswered,
    EventOccurred,
    EventsHeld,
    PageFetched,
)
from mmbot.bot.outputs import Output
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.kalshi.auth import Signer
from mmbot.recording import records
from mmbot.recording.outside import Outside
from mmbot.recording.records import FrameRecord, Input, Record, SessionRecord
from mmbot.underlying.calendar import Week, from_milliseconds
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds


class ReplayDifference(msgspec.Struct, frozen=True):
    """The first input at which the outputs differ.

    Attributes:
        number: The input's number, from 1.
        now: Its time, in milliseconds.
        kind: Its kind.
        given: Its content, shortened.
        expected: The first output that differs, as recorded; `None` if there was no further one.
        got: The replay's output in its place; `None` likewise.
        place: The number of that output of the input, from 1.
    """

    number: int
    now: int
    kind: str
    given: str
    expected: str | None
    got: str | None
    place: int

    def __str__(self) -> str:
        return (
            f"input {self.number:,}, {self.kind} at {utc(self.now)}: {self.given}\n"
            f"output {self.place} was    {self.expected or 'none'}\n"
            f"output {self.place} is now {self.got or 'none'}"
        )


class ReplayResult(msgspec.Struct, frozen=True):
    """The result of replaying one session.

    Attributes:
        session: The session's name, which its orders' client ids contain.
        inputs: The number of inputs replayed, up to the first difference.
        first: The time of the first input, in milliseconds; `None` if there was none.
        last: The time of the last input, likewise.
        versions: Whatever has a different version: the recorded one and the running one.
        difference: The first difference, or `None` if all outputs are identical.
    """

    session: str = msgspec.field(name="life")
    inputs: int
    first: int | None
    last: int | None
    versions: dict[str, tuple[str, str]]
    difference: ReplayDifference | None


def utc(milliseconds: int) -> str:
    """Return a time as the log writes it."""
    at = from_milliseconds(milliseconds).astimezone(dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Unsigning(Signer):
    """Signs nothing: the requests of a replay are never sent."""

    def __init__(self) -> None:
        pass

    def headers(self, method: str, path: str, now: int) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 (a signer's)
        """Return no headers."""
        return ()


def replay(recorded: Iterable[Record], versions: dict[str, str]) -> ReplayResult:
    """Give a fresh bot every recorded input in order, up to the first whose outputs differ.

    Args:
        recorded: The records of one session, in order.
        versions: The versions of the running code, by name, as given to the recorder.

    Raises:
        BadInput: The first record is not the beginning of a session.
    """
    rest = iter(recorded)
    begun = beginning(rest)
    run = _Run(begun)
    number, first, last, difference = 0, None, None, None
    for record in rest:
        if isinstance(record.what, SessionRecord):
            raise BadInput("a second session begins in it")
        if isinstance(record.what, Outside):
            continue
        number += 1
        first, last = record.now if first is None else first, record.now
        expected, got = bytes(record.outputs), run.outputs_of(record.what, record)
        if got != expected:
            difference = _difference(number, record.what, record.now, expected, got)
            break
    others = _others(begun.versions, versions)
    return ReplayResult(begun.session, number, first, last, others, difference)


def beginning(recorded: Iterator[Record]) -> SessionRecord:
    """Return the beginning of a session, which is its first record.

    Raises:
        BadInput: It is not there.
    """
    first = next(recorded, None)
    if first is None:
        raise BadInput("it has no complete batch: its process ended right after it began")
    if not isinstance(first.what, SessionRecord):
        raise BadInput("it does not begin with the start of a session")
    return first.what


class _Run:
    """A fresh bot, driven with recorded inputs at their recorded times."""

    def __init__(self, begun: SessionRecord) -> None:
        self._now: Milliseconds = 0
        self._outputs: list[Output] = []
        self._forecasts = _RecordedForecasts()
        rng = random.Random(begun.session)  # noqa: S311 (the recorder's)
        bot = Bot(begun.settings, begun.clock, Unsigning(), begun.session, rng)
        self._driver = Driver(bot.handle, lambda: self._now, self._outputs.append)

    def outputs_of(self, what: Input, record: Record) -> bytes:
        """Return the bot's outputs, or its failure, as the recorder encodes them."""
        self._now = record.now
        self._outputs.clear()
        self._forecasts.answers = deque(record.forecasts)
        try:
            self._driver.handle(records.given(what, self._forecasts))
        except Exception as error:  # noqa: BLE001 (how a bot fails is a result, and compared)
            return records.encode_failure(error)
        return records.encode_outputs(self._outputs)


class _RecordedForecasts:
    """Gives the recorded forecaster's answers."""

    def __init__(self) -> None:
        self.answers: deque[records.Forecast] = deque()

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        answer = self._next()
        if not isinstance(answer, Belief) or (answer.week, answer.strikes) != (week, strikes):
            raise LookupError(f"another belief was recorded; there are {len(counts)} counts")
        return answer

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        answer = self._next()
        if not isinstance(answer, float):
            raise LookupError(  # noqa: TRY004 (the record is wrong, not the type)
                f"the count {count} of {day}, after {len(counts)}, was not judged"
            )
        return answer

    def _next(self) -> records.Forecast:
        if not self.answers:
            raise LookupError("the forecaster was not asked")
        answer = self.answers.popleft()
        if isinstance(answer, str):
            raise BadInput(answer)
        return answer


def _others(recorded: dict[str, str], running: dict[str, str]) -> dict[str, tuple[str, str]]:
    names = recorded | running
    both = {name: (recorded.get(name, "none"), running.get(name, "none")) for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def _difference(
    number: int, taken: Input, now: int, expected: bytes, got: bytes
) -> ReplayDifference:
    # As bytes, since different values may compare equal: 1 and 1.0, a dict in another order.
    pairs = zip_longest(records.apart(expected), records.apart(got))
    place, (left, right) = next(
        (place, pair) for place, pair in enumerate(pairs, start=1) if pair[0] != pair[1]
    )
    kind = str(type(taken).__struct_config__.tag)
    return ReplayDifference(number, now, kind, _given(taken), _shown(left), _shown(right), place)


def _given(taken: Input) -> str:
    match taken:
        case FrameRecord(frame):
            return _text(frame)
        case CallAnswered(call_id, answer) if answer:
            return f"to call {call_id}: {answer.status} {_text(answer.body)}"
        case CallAnswered(call_id):
            return f"no answer to call {call_id}"
        case PageFetched(_, answer, failure):
            return f"{answer.status} {_text(answer.body)}" if answer else failure
        case EventOccurred(event):
            return _text(msgspec.json.encode(event))
        case EventsHeld(events, _, _):
            return ", ".join(events)
        case _:
            return ""


_LONGEST_GIVEN = 500


def _text(data: bytes) -> str:
    text = data.decode(errors="replace")
    return text if len(text) <= _LONGEST_GIVEN else f"{text[:_LONGEST_GIVEN]}..."


def _shown(recorded: msgspec.Raw | None) -> str | None:
    """Return one recorded output as text: its name and fields."""
    if recorded is None:
        return None
    output = msgspec.msgpack.decode(recorded)
    if not isinstance(output, dict):
        return str(output)
    name = output.pop("type")
    return " ".join((name, *(f"{field}={_value(value)}" for field, value in output.items())))


def _value(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else repr(value)
