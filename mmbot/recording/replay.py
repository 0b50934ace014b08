"""Replaying a recorded life into a fresh bot, and comparing what the two asked for.

Beliefs are taken from the record and never formed anew. Signatures are not compared, nor made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from mmbot.bot.bot import Bot
from mmbot.errors import BadInput
from mmbot.kalshi.auth import Signer
from mmbot.recording import records
from mmbot.recording.records import HeldEvents, Input, Record, SessionRecord
from mmbot.recording.versions import versions
from mmbot.tsa.calendar import from_milliseconds


class ReplayDifference(msgspec.Struct, frozen=True):
    """The first input at which the bots parted.

    Attributes:
        number: Which input, counted from 1.
        now: When it was given, in milliseconds.
        kind: What kind of input it was.
        given: What it was, shortened.
        expected: The first output that differs, as recorded; `None` if there was no further one.
        got: What the replay asked for in its place; `None` likewise.
        place: Which of the input's outputs that is, counted from 1.
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
    """What the replay of one life came to.

    Attributes:
        life: The life's name, which its orders' client ids contain.
        inputs: How many inputs were replayed, up to the first difference.
        first: The time of the first input, in milliseconds; `None` if there was none.
        last: The time of the last input, likewise.
        versions: For each thing of another version: the one recorded and the one running.
        difference: Where the bots parted, or `None` if they are identical.
    """

    life: str
    inputs: int
    first: int | None
    last: int | None
    versions: dict[str, tuple[str, str]]
    difference: ReplayDifference | None


def utc(milliseconds: int) -> str:
    """Return a time as the log writes it."""
    at = from_milliseconds(milliseconds).astimezone(dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Unsigning(Signer):
    """Signs nothing: what a replay asks for is never sent."""

    def __init__(self) -> None:
        pass

    def headers(self, method: str, path: str, now: int) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 (a signer's)
        """Return no headers."""
        return ()


def replay(recorded: Iterable[Record]) -> ReplayResult:
    """Give a fresh bot everything that a recorded one was given, until the two part.

    Raises:
        BadInput: The records do not begin with the beginning of a life.
    """
    rest = iter(recorded)
    begun = _beginning(rest)
    bot = Bot(begun.settings, begun.clock, _Unsigning(), begun.life, begun.held)
    number, first, last, difference = 0, None, None, None
    for number, (taken, outputs) in enumerate(_inputs(rest), start=1):
        now = None if isinstance(taken, HeldEvents) else taken.now
        first = now if first is None else first
        last = last if now is None else now
        got = _outputs_of(bot, taken)
        if got != outputs:
            difference = _difference(number, taken, last or 0, outputs, got)
            break
    return ReplayResult(begun.life, number, first, last, _others(begun.versions), difference)


def _beginning(recorded: Iterator[Record]) -> SessionRecord:
    first = next(recorded, None)
    if first is None:
        raise BadInput("it holds no whole batch: its process ended as soon as it had begun")
    if not isinstance(first.what, SessionRecord):
        raise BadInput("it does not begin with the beginning of a life")
    return first.what


def _inputs(recorded: Iterable[Record]) -> Iterator[tuple[Input, bytes]]:
    for record in recorded:
        if isinstance(record.what, SessionRecord):
            raise BadInput("a second life begins in it")
        yield record.what, bytes(record.outputs)


def _outputs_of(bot: Bot, taken: Input) -> bytes:
    try:
        outputs = taken.give(bot)
    except Exception as error:  # noqa: BLE001 (how a bot fails is a result, and compared)
        return records.encode_failure(error)
    return records.encode_outputs(outputs)


def _others(recorded: dict[str, str]) -> dict[str, tuple[str, str]]:
    running = versions()
    names = recorded | running
    both = {name: (recorded.get(name, "none"), running.get(name, "none")) for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def _difference(
    number: int, taken: Input, now: int, expected: bytes, got: bytes
) -> ReplayDifference:
    # As bytes, since values that are not the same may be equal: 1 and 1.0, a dict in another order.
    pairs = zip_longest(records.apart(expected), records.apart(got))
    place, (left, right) = next(
        (place, pair) for place, pair in enumerate(pairs, start=1) if pair[0] != pair[1]
    )
    kind = str(type(taken).__struct_config__.tag)
    return ReplayDifference(number, now, kind, _given(taken), _shown(left), _shown(right), place)


def _given(taken: Input) -> str:
    match taken:
        case records.Received(_, frame):
            return _text(frame)
        case records.Answered(_, call_id, answer) if answer:
            return f"to call {call_id}: {answer.status} {_text(answer.body)}"
        case records.Answered(_, call_id):
            return f"no answer to call {call_id}"
        case records.EventGiven(_, event):
            return _text(msgspec.json.encode(event))
        case HeldEvents(events):
            return ", ".join(events)
        case _:
            return ""


_LONGEST_GIVEN = 500


def _text(data: bytes) -> str:
    text = data.decode(errors="replace")
    return text if len(text) <= _LONGEST_GIVEN else f"{text[:_LONGEST_GIVEN]}..."


def _shown(recorded: msgspec.Raw | None) -> str | None:
    """Return one recorded output in words."""
    if recorded is None:
        return None
    output = msgspec.msgpack.decode(recorded)
    if not isinstance(output, dict):
        return str(output)
    name = output.pop("type")
    return " ".join((name, *(f"{field}={_value(value)}" for field, value in output.items())))


def _value(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else repr(value)
