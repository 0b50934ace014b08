"""A replay is identical to the recorded session, and where it is not, that is found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import BotInput, StreamOpened, TimerFired
from mmbot.bot.outputs import Output
from mmbot.errors import BadInput
from mmbot.recording.records import Record, encode_outputs, join, split
from mmbot.recording.replay import ReplayResult, replay
from mmbot.trading.commands import Note, WakeAt
from tests.recording.builders import NOW, VERSIONS, begin, session

# The number of the input that is the answer to a call.
ANSWER = 12


def recorded() -> list[Record]:
    return split(join(session()))


def changed(number: int, outputs: bytes) -> ReplayResult:
    """Replay a session whose record has other outputs for one input."""
    records = recorded()
    records[number] = msgspec.structs.replace(records[number], outputs=msgspec.Raw(outputs))
    return replay(records, VERSIONS)


def test_a_session_that_is_replayed_is_identical() -> None:
    result = replay(recorded(), VERSIONS)
    assert result.difference is None
    assert result.inputs == len(recorded()) - 1
    assert (result.first, result.last) == (NOW, NOW + 3_002)
    assert (result.session, result.versions) == ("session", {})


def test_every_beginning_of_a_session_is_identical() -> None:
    records = recorded()
    for length in range(1, len(records)):
        assert replay(records[:length], VERSIONS).difference is None


def test_the_first_difference_is_told() -> None:
    difference = changed(ANSWER, encode_outputs([WakeAt(17)])).difference
    assert difference is not None
    assert (difference.number, difference.kind, difference.now) == (
        ANSWER,
        "answer",
        NOW + 40,
    )
    assert difference.given == "to call 1: 500 {}"
    assert difference.expected == "WakeAt at=17"
    assert difference.got is not None
    assert difference.got.startswith("Note ")
    text = str(difference)
    assert "input 12, answer at 2026-11-24T17:00:00.040Z: to call 1: 500 {}" in text
    assert "output 1 was    WakeAt at=17" in text


def test_an_output_that_was_not_there_is_told() -> None:
    difference = changed(ANSWER, encode_outputs([])).difference
    assert difference is not None
    assert (difference.place, difference.expected) == (1, None)
    assert difference.got


def test_an_output_that_is_not_there_any_more_is_told() -> None:
    outputs = msgspec.msgpack.decode(recorded()[ANSWER].outputs)
    difference = changed(ANSWER, msgspec.msgpack.encode([*outputs, "more"])).difference
    assert difference is not None
    assert (difference.place, difference.expected) == (len(outputs) + 1, "more")
    assert difference.got is None
    assert f"output {difference.place} is now none" in str(difference)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (True, 1)]
)
def test_values_that_are_equal_and_not_the_same_are_a_difference(
    one: object, other: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(value: object) -> Callable[[Bot, BotInput, int], list[Output]]:
        return lambda _bot, _happened, _now: [Note("said", {"value": value})]

    records: list[bytes] = []
    bot = begin(records.append)
    monkeypatch.setattr(Bot, "handle", says(one))
    bot.handle(TimerFired(), NOW)
    monkeypatch.setattr(Bot, "handle", says(other))
    difference = replay(split(join(records)), VERSIONS).difference
    assert difference is not None
    assert (str(one) in str(difference.expected), str(other) in str(difference.got)) == (True, True)


def test_a_bot_that_fails_now_is_different(monkeypatch: pytest.MonkeyPatch) -> None:
    records = recorded()

    def fail(*_: object) -> list[Output]:
        raise KeyError("gone")

    monkeypatch.setattr(Bot, "handle", fail)
    difference = replay(records, VERSIONS).difference
    assert difference is not None
    assert difference.kind == "events held"
    assert difference.got == "Failed error=\"KeyError('gone')\""


def test_a_bot_that_fails_as_it_did_is_identical(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[Output]:
        raise KeyError("gone")

    monkeypatch.setattr(Bot, "handle", fail)
    records: list[bytes] = []
    bot = begin(records.append)
    with pytest.raises(KeyError):
        bot.handle(TimerFired(), NOW)
    with pytest.raises(KeyError):
        bot.handle(StreamOpened(), NOW + 1)
    result = replay(split(join(records)), VERSIONS)
    assert (result.inputs, result.difference) == (2, None)


def test_other_versions_are_told() -> None:
    running = {**VERSIONS, "numpy": "0.1"}
    assert replay(recorded(), running).versions == {"numpy": ("2", "0.1")}


def test_a_count_that_is_not_judged_as_it_was_is_a_difference() -> None:
    records = recorded()
    judged = next(number for number, record in enumerate(records) if record.forecasts)
    records[judged] = msgspec.structs.replace(records[judged], forecasts=())
    difference = replay(records, VERSIONS).difference
    assert difference is not None
    assert difference.number == judged
    assert "the forecaster was not asked" in str(difference.got)


def test_a_session_without_its_beginning_is_refused() -> None:
    with pytest.raises(BadInput, match="does not begin with the start of a session"):
        replay(recorded()[1:], VERSIONS)


def test_an_empty_record_is_refused() -> None:
    with pytest.raises(BadInput, match="no complete batch"):
        replay([], VERSIONS)


def test_two_sessions_in_one_record_are_refused() -> None:
    with pytest.raises(BadInput, match="second session"):
        replay(recorded() * 2, VERSIONS)
