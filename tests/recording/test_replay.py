"""A life comes out the same when it is lived again, and where it does not, that is found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from mmbot.recording.versions import versions

from mmbot.bot.bot import Bot, Output
from mmbot.errors import BadInput
from mmbot.recording import replay as module
from mmbot.recording.records import Record, encode_outputs, join, split
from mmbot.recording.replay import ReplayResult, replay
from mmbot.trading.commands import Note, WakeAt
from tests.recording.builders import NOW, begin, life


def recorded() -> list[Record]:
    return split(join(life()))


def changed(number: int, outputs: bytes) -> ReplayResult:
    """Replay a life whose record says that an input brought about something else."""
    records = recorded()
    records[number] = msgspec.structs.replace(records[number], outputs=msgspec.Raw(outputs))
    return replay(records)


def test_a_life_that_is_lived_again_is_identical() -> None:
    verdict = replay(recorded())
    assert verdict.difference is None
    assert verdict.inputs == len(recorded()) - 1
    assert (verdict.first, verdict.last) == (NOW, NOW + 3_002)
    assert (verdict.life, verdict.versions) == ("life", {})


def test_every_beginning_of_a_life_is_identical() -> None:
    records = recorded()
    for length in range(1, len(records)):
        assert replay(records[:length]).difference is None


def test_the_first_difference_is_told() -> None:
    difference = changed(7, encode_outputs([WakeAt(17)])).difference
    assert difference is not None
    assert (difference.number, difference.kind, difference.now) == (7, "answered", NOW + 40)
    assert difference.given == "to call 1: 500 {}"
    assert difference.expected == "WakeAt at=17"
    assert difference.got is not None
    assert difference.got.startswith("Note ")
    text = str(difference)
    assert "input 7, answered at 2026-11-24T17:00:00.040Z: to call 1: 500 {}" in text
    assert "output 1 was    WakeAt at=17" in text


def test_an_output_that_was_not_there_is_told() -> None:
    difference = changed(7, encode_outputs([])).difference
    assert difference is not None
    assert (difference.place, difference.expected) == (1, None)
    assert difference.got


def test_an_output_that_is_not_there_any_more_is_told() -> None:
    outputs = msgspec.msgpack.decode(recorded()[7].outputs)
    difference = changed(7, msgspec.msgpack.encode([*outputs, "more"])).difference
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
    def says(value: object) -> Callable[[Bot, int], list[Output]]:
        return lambda _bot, _now: [Note("said", {"value": value})]

    records: list[bytes] = []
    bot = begin(records.append)
    monkeypatch.setattr(Bot, "woken", says(one))
    bot.woken(NOW)
    monkeypatch.setattr(Bot, "woken", says(other))
    difference = replay(split(join(records))).difference
    assert difference is not None
    assert (str(one) in str(difference.expected), str(other) in str(difference.got)) == (True, True)


def test_a_bot_that_fails_now_is_different(monkeypatch: pytest.MonkeyPatch) -> None:
    records = recorded()

    def fail(*_: object) -> list[Output]:
        raise KeyError("gone")

    monkeypatch.setattr(Bot, "woken", fail)
    difference = replay(records).difference
    assert difference is not None
    assert difference.kind == "woken"
    assert difference.got == "Failed error=\"KeyError('gone')\""


def test_a_bot_that_fails_as_it_did_is_identical(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[Output]:
        raise KeyError("gone")

    monkeypatch.setattr(Bot, "woken", fail)
    records: list[bytes] = []
    bot = begin(records.append)
    with pytest.raises(KeyError):
        bot.woken(NOW)
    bot.connected(NOW + 1)
    verdict = replay(split(join(records)))
    assert (verdict.inputs, verdict.difference) == (2, None)


def test_other_versions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    records = recorded()
    running = {**versions(), "numpy": "0.1"}
    monkeypatch.setattr(module, "versions", lambda: running)
    assert replay(records).versions == {"numpy": (versions()["numpy"], "0.1")}


def test_a_life_without_its_beginning_is_refused() -> None:
    with pytest.raises(BadInput, match="does not begin with the beginning of a life"):
        replay(recorded()[1:])


def test_an_empty_record_is_refused() -> None:
    with pytest.raises(BadInput, match="no whole batch"):
        replay([])


def test_two_lives_in_one_record_are_refused() -> None:
    with pytest.raises(BadInput, match="second life"):
        replay(recorded() * 2)
